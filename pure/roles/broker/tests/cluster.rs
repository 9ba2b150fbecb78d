//! Nodes come, leave and are lost; every shard has one owner, and a ghost is not heard.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use contract::NodeId;
use machine::{Epoch, Moment, SHARDS, Shard};
use proptest::prelude::*;
use strowger_broker::{Change, Cluster, Member, Watch};

fn member(node: u16, host: u16, weight: u16) -> Change {
    Change::Join(Member { node: NodeId(node), host: format!("host-{host}"), weight, draining: false })
}

fn of(changes: &[Change]) -> Cluster {
    let mut cluster = Cluster::default();
    changes.iter().for_each(|change| drop(cluster.apply(change)));
    settle(&mut cluster);
    cluster
}

/// Every owner hands on what it should.
fn settle(cluster: &mut Cluster) {
    for due in cluster.due(usize::MAX) {
        cluster.apply(&Change::Moved { shard: due.shard, epoch: due.epoch, to: due.to });
    }
    assert_eq!(cluster.due(1), []);
}

fn shards() -> impl Iterator<Item = Shard> {
    (0..SHARDS).map(|number| Shard::of(number.into()))
}

fn owners(cluster: &Cluster) -> Vec<u16> {
    shards().map(|shard| cluster.owner(shard).node.unwrap().0).collect()
}

fn shares(cluster: &Cluster) -> BTreeMap<u16, usize> {
    let mut shares = BTreeMap::new();
    owners(cluster).into_iter().for_each(|node| *shares.entry(node).or_default() += 1);
    shares
}

#[test]
fn shards_are_dealt_by_weight() {
    let shares = shares(&of(&[member(1, 1, 2), member(2, 2, 2), member(3, 3, 4)]));
    assert!((900..1150).contains(&shares[&1]) && (900..1150).contains(&shares[&2]), "{shares:?}");
    assert!((1900..2200).contains(&shares[&3]), "{shares:?}");
}

#[test]
fn who_joins_takes_its_share_and_nobody_else_moves() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1)]);
    let before = owners(&cluster);
    assert_eq!(cluster.apply(&member(3, 3, 1)), [], "an owner keeps what it has until it has handed it on");
    assert_eq!(owners(&cluster), before);
    settle(&mut cluster);
    let after = owners(&cluster);
    assert!(before.iter().zip(&after).all(|(old, new)| old == new || *new == 3));
    assert!((1200..1550).contains(&shares(&cluster)[&3]), "{:?}", shares(&cluster));
}

#[test]
fn the_buddy_goes_on_with_a_lost_nodes_shards_under_a_higher_epoch() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 1, 1), member(3, 2, 1), member(4, 2, 1)]);
    let before = cluster.clone();
    let adopted = cluster.apply(&Change::Lost(NodeId(2)));
    assert_eq!(adopted.len(), shares(&before)[&2]);
    for shard in shards() {
        let (old, new) = (before.owner(shard), cluster.owner(shard));
        if old.node == Some(NodeId(2)) {
            assert_eq!(new.epoch, Epoch(old.epoch.0 + 1));
            assert!(!cluster.is_heard(shard, old.epoch), "the ghost is not heard");
        } else {
            assert_eq!(old, new, "others know nothing of it");
            assert!(cluster.is_heard(shard, old.epoch));
        }
    }
    assert_eq!(cluster.apply(&Change::Lost(NodeId(2))), [], "it is lost once");
    let version = cluster.version;
    cluster.apply(&member(2, 1, 1));
    assert!(cluster.version > version && cluster.is_empty(NodeId(2)), "back again, it owns nothing yet");
}

#[test]
fn a_buddy_is_on_another_host_as_long_as_there_is_one() {
    let cluster = of(&[member(1, 1, 1), member(2, 1, 1), member(3, 2, 1)]);
    for shard in shards() {
        let (owner, buddy) = (cluster.owner(shard).node.unwrap().0, cluster.buddy(shard).unwrap().0);
        assert!((owner == 3) != (buddy == 3), "{shard} of {owner} and {buddy}");
    }
    let together = of(&[member(1, 1, 1), member(2, 1, 1)]);
    assert!(
        shards().all(|shard| together.buddy(shard).is_some_and(|b| Some(b) != together.owner(shard).node))
    );
    assert!(shards().all(|shard| of_one().buddy(shard).is_none()));
}

fn of_one() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(&member(1, 1, 1));
    cluster
}

#[test]
fn who_drains_hands_on_everything_and_gets_nothing() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1), member(3, 3, 1)]);
    cluster.apply(&Change::Drain(NodeId(1)));
    assert!(!cluster.is_empty(NodeId(1)));
    settle(&mut cluster);
    assert!(cluster.is_empty(NodeId(1)));
    cluster.apply(&Change::Lost(NodeId(2)));
    assert_eq!(shares(&cluster).keys().collect::<Vec<_>>(), [&3]);
    cluster.apply(&Change::Lost(NodeId(3)));
    assert_eq!(shares(&cluster).keys().collect::<Vec<_>>(), [&1], "rather one that is leaving than nobody");
}

#[test]
fn a_hand_over_that_comes_after_a_loss_is_too_late() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1)]);
    cluster.apply(&member(3, 3, 1));
    let due = *cluster.due(usize::MAX).iter().find(|due| due.from == NodeId(1)).unwrap();
    cluster.apply(&Change::Lost(NodeId(1)));
    let adopted = cluster.owner(due.shard);
    assert_eq!(cluster.apply(&Change::Moved { shard: due.shard, epoch: due.epoch, to: NodeId(2) }), []);
    assert_eq!(cluster.owner(due.shard), adopted);
}

#[test]
fn the_silent_are_lost_but_not_by_the_word_of_one_who_slept() {
    let at = |millis: u64| Moment::from_micros(1_000_000_000 + millis * 1000);
    let nodes = || [NodeId(1), NodeId(2)];
    let mut watch = Watch::new(Duration::from_millis(700));
    for millis in (0..2000).step_by(100) {
        watch.heard(at(millis), NodeId(1));
        let lost = watch.lost(at(millis), nodes());
        assert_eq!(lost, if millis > 700 { vec![NodeId(2)] } else { vec![] }, "after {millis} ms");
    }
    assert_eq!(watch.lost(at(5000), nodes()), [], "it was me who slept");
    assert_eq!(watch.lost(at(5300), nodes()), []);
    watch.heard(at(5500), NodeId(2));
    assert_eq!(watch.lost(at(5600), nodes()), []);
    assert_eq!(watch.lost(at(5900), nodes()), [NodeId(1)]);
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0u16..6, 0u16..3, 1u16..4).prop_map(|(node, host, weight)| member(node, host, weight)),
        (0u16..6).prop_map(|node| Change::Drain(NodeId(node))),
        (0u16..6).prop_map(|node| Change::Lost(NodeId(node))),
        (0u64..64, 0u32..5, 0u16..6).prop_map(|(shard, epoch, node)| Change::Moved {
            shard: Shard::of(shard),
            epoch: Epoch(epoch),
            to: NodeId(node)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_all_brokers_agree_and_no_epoch_falls(changes in prop::collection::vec(change(), 1..30)) {
        let (mut one, mut two) = (Cluster::default(), Cluster::default());
        for change in &changes {
            let before = one.clone();
            let moved = one.apply(change);
            two.apply(change);
            prop_assert_eq!(&one, &two);
            prop_assert_eq!(one.version > before.version, one != before);
            for shard in shards() {
                let (old, new) = (before.owner(shard), one.owner(shard));
                prop_assert_eq!(moved.contains(&shard), old != new);
                prop_assert_eq!(old.node == new.node || new.epoch > old.epoch, true);
                prop_assert!(new.epoch >= old.epoch);
                let is_there = |node: NodeId| one.members().any(|member| member.node == node);
                prop_assert!(new.node.is_none_or(is_there), "{:?} owns a shard and is not there", new.node);
                prop_assert!(new.node.is_some() || one.members().next().is_none());
            }
        }
    }
}
