//! Nodes come, leave and are lost; every shard has one owner, and a ghost is not heard.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use contract::cluster::{Cell, Node};
use contract::{CellId, NodeId, Role};
use machine::{Epoch, Moment, SHARDS, Shard};
use proptest::prelude::*;
use strowger_broker::{Change, Cluster, Watch};

fn node(node: u16, host: u16, threads: u16) -> Node {
    Node {
        node: NodeId(node),
        host: format!("host-{host}"),
        roles: vec![Role::Edge, Role::Exchange],
        inside: (0..threads).map(|thread| ([10, 0, 0, node as u8], 7100 + thread).into()).collect(),
        ..Node::default()
    }
}

fn member(number: u16, host: u16, threads: u16) -> Change {
    Change::Join(node(number, host, threads))
}

fn lost(node: u16) -> Change {
    Change::Lost { node: NodeId(node) }
}

fn drain(node: u16, back: bool) -> Change {
    Change::Drain { node: NodeId(node), back }
}

/// Says of all shards that `owner` has and `by` should follow that it has them.
fn followed(cluster: &mut Cluster, by: u16, whole: bool) {
    let shards = Shard::all().map(|shard| (shard, cluster.owner(shard).epoch)).collect();
    cluster.apply(&Change::Followed { shards, by: NodeId(by), whole });
}

fn buddies(cluster: &Cluster) -> Vec<Option<u16>> {
    Shard::all().map(|shard| cluster.owner(shard).buddy.map(|buddy| buddy.0)).collect()
}

fn of(changes: &[Change]) -> Cluster {
    let mut cluster = Cluster::default();
    changes.iter().for_each(|change| drop(cluster.apply(change)));
    settle(&mut cluster);
    cluster
}

/// Every owner hands on what it should, and every buddy that should be one becomes one.
fn settle(cluster: &mut Cluster) {
    let nodes: Vec<NodeId> = cluster.members().map(|node| node.node).collect();
    for &to in &nodes {
        let due = cluster.due(usize::MAX).into_iter().filter(|due| due.to == to);
        let shards = due.map(|due| (due.shard, due.epoch)).collect();
        cluster.apply(&Change::Moved { shards, to });
    }
    nodes.iter().for_each(|node| followed(cluster, node.0, true));
    assert_eq!(cluster.due(1), []);
}

fn owners(cluster: &Cluster) -> Vec<u16> {
    Shard::all().map(|shard| cluster.owner(shard).node.unwrap().0).collect()
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
fn a_spare_follows_everything_and_owns_only_what_nobody_else_can() {
    let spare = Change::Join(Node { spare: true, ..node(2, 2, 1) });
    let mut cluster = of(std::slice::from_ref(&spare));
    assert_eq!(shares(&cluster)[&2], usize::from(SHARDS), "there is no other");
    cluster.apply(&member(1, 1, 1));
    settle(&mut cluster);
    assert_eq!(shares(&cluster)[&1], usize::from(SHARDS));
    assert!(buddies(&cluster).iter().all(|buddy| *buddy == Some(2)));
    cluster.apply(&lost(1));
    assert_eq!(shares(&cluster)[&2], usize::from(SHARDS), "it goes on");
    cluster.apply(&member(3, 3, 1));
    settle(&mut cluster);
    assert_eq!(shares(&cluster)[&3], usize::from(SHARDS), "and is spare again");
}

#[test]
fn the_buddy_goes_on_with_a_lost_nodes_shards_under_a_higher_epoch() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 1, 1), member(3, 2, 1), member(4, 2, 1)]);
    let before = cluster.clone();
    let adopted = cluster.apply(&lost(2));
    assert_eq!(adopted.len(), shares(&before)[&2]);
    for shard in Shard::all() {
        let (old, new) = (before.owner(shard), cluster.owner(shard));
        if old.node == Some(NodeId(2)) {
            assert_eq!(new.epoch, Epoch(old.epoch.0 + 1));
            assert!(!cluster.is_heard(shard, old.epoch), "the ghost is not heard");
        } else {
            assert_eq!((old.node, old.epoch), (new.node, new.epoch), "others know nothing of it");
            assert_ne!(new.buddy, Some(NodeId(2)));
            assert!(cluster.is_heard(shard, old.epoch));
        }
    }
    assert_eq!(cluster.apply(&lost(2)), [], "it is lost once");
    let version = cluster.version;
    cluster.apply(&member(2, 1, 1));
    assert!(cluster.version > version && cluster.is_empty(NodeId(2)), "back again, it owns nothing yet");
}

#[test]
fn a_buddy_is_on_another_host_as_long_as_there_is_one() {
    let cluster = of(&[member(1, 1, 1), member(2, 1, 1), member(3, 2, 1)]);
    for shard in Shard::all() {
        let (owner, buddy) = (cluster.owner(shard).node.unwrap().0, cluster.owner(shard).buddy.unwrap().0);
        assert!((owner == 3) != (buddy == 3), "{shard} of {owner} and {buddy}");
    }
    let together = of(&[member(1, 1, 1), member(2, 1, 1)]);
    assert!(
        Shard::all()
            .all(|shard| together.owner(shard).buddy.is_some_and(|b| Some(b) != together.owner(shard).node))
    );
    assert!(Shard::all().all(|shard| of_one().owner(shard).buddy.is_none()));
}

fn of_one() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(&member(1, 1, 1));
    cluster
}

#[test]
fn who_drains_hands_on_everything_and_gets_nothing() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1), member(3, 3, 1)]);
    cluster.apply(&drain(1, false));
    assert!(!cluster.is_empty(NodeId(1)));
    settle(&mut cluster);
    assert!(cluster.is_empty(NodeId(1)));
    cluster.apply(&lost(2));
    assert_eq!(shares(&cluster).keys().collect::<Vec<_>>(), [&3]);
    cluster.apply(&lost(3));
    assert_eq!(shares(&cluster).keys().collect::<Vec<_>>(), [&1], "rather one that is leaving than nobody");
}

#[test]
fn a_hand_over_that_comes_after_a_loss_is_too_late() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1)]);
    cluster.apply(&member(3, 3, 1));
    let due = *cluster.due(usize::MAX).iter().find(|due| due.from == NodeId(1)).unwrap();
    cluster.apply(&lost(1));
    let adopted = cluster.owner(due.shard);
    assert_eq!(cluster.apply(&Change::Moved { shards: vec![(due.shard, due.epoch)], to: NodeId(2) }), []);
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

/// Node 1 owns all, node 2 follows it; then node 3 joins.
fn a_third_joins() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(&member(1, 1, 1));
    cluster.apply(&member(2, 2, 1));
    followed(&mut cluster, 2, true);
    cluster.apply(&member(3, 3, 1));
    cluster
}

#[test]
fn who_joined_a_moment_ago_is_no_heir_before_it_has_a_copy() {
    let mut cluster = a_third_joins();
    assert!(buddies(&cluster).iter().all(|buddy| *buddy == Some(2)));
    let next = Shard::all().filter(|&shard| cluster.next_buddy(shard) == Some(NodeId(3))).count();
    assert!((1500..2600).contains(&next), "a better buddy for {next}");
    let mut early = cluster.clone();
    early.apply(&lost(1));
    assert_eq!(shares(&early).keys().collect::<Vec<_>>(), [&2]);
    followed(&mut cluster, 3, true);
    assert_eq!(buddies(&cluster).iter().filter(|buddy| **buddy == Some(3)).count(), next);
    assert!(Shard::all().all(|shard| cluster.owner(shard).synced && cluster.next_buddy(shard).is_none()));
    cluster.apply(&lost(1));
    assert_eq!(shares(&cluster)[&3], next);
    assert!(
        !Shard::all().any(|shard| cluster.owner(shard).synced),
        "whoever adopts has no buddy yet that has it all"
    );
}

#[test]
fn a_copy_counts_for_more_than_a_buddy_without() {
    let mut cluster = a_third_joins();
    followed(&mut cluster, 2, false);
    let wanted: Vec<Shard> = Shard::all().filter(|&shard| cluster.wanted(shard) == Some(NodeId(3))).collect();
    followed(&mut cluster, 3, true);
    cluster.apply(&lost(1));
    assert!(wanted.iter().all(|&shard| cluster.owner(shard).node == Some(NodeId(3))));
}

#[test]
fn what_is_said_of_a_copy_under_an_old_epoch_or_by_a_stranger_is_not_heard() {
    let mut cluster = a_third_joins();
    let before = cluster.clone();
    followed(&mut cluster, 1, true);
    followed(&mut cluster, 9, true);
    let shards = Shard::all().map(|shard| (shard, Epoch(77))).collect();
    cluster.apply(&Change::Followed { shards, by: NodeId(3), whole: true });
    assert_eq!(cluster, before);
}

#[test]
fn many_are_handed_on_at_once_and_each_has_a_buddy() {
    let mut cluster = a_third_joins();
    let due: Vec<_> = cluster.due(usize::MAX).into_iter().filter(|due| due.to == NodeId(3)).collect();
    let version = cluster.version;
    let shards = due.iter().map(|due| (due.shard, due.epoch)).collect();
    let moved = cluster.apply(&Change::Moved { shards, to: NodeId(3) });
    assert_eq!((moved.len(), cluster.version), (due.len(), version + 1));
    assert!(moved.iter().all(|&shard| cluster.owner(shard).buddy.is_some_and(|buddy| buddy != NodeId(3))));
}

#[test]
fn who_has_no_exchange_owns_nothing() {
    let media = Node { roles: vec![Role::Media], ..node(1, 1, 2) };
    let mut cluster = Cluster::default();
    assert_eq!(cluster.apply(&Change::Join(media)), []);
    cluster.apply(&member(2, 2, 1));
    assert!(Shard::all().all(|shard| cluster.owner(shard).node == Some(NodeId(2))));
    assert!(buddies(&cluster).iter().all(Option::is_none) && cluster.due(1).is_empty());
    assert_eq!(cluster.view(NodeId(2)).nodes.len(), 2);
}

#[test]
fn who_was_drained_stays_so_until_it_is_told_to_come_back() {
    let mut cluster = of(&[member(1, 1, 1), member(2, 2, 1), drain(1, false)]);
    cluster.apply(&lost(1));
    cluster.apply(&member(1, 1, 1));
    assert!(cluster.view(NodeId(2)).node(NodeId(1)).unwrap().draining && cluster.due(1).is_empty());
    cluster.apply(&drain(1, true));
    assert!(!cluster.due(1).is_empty());
}

#[test]
fn a_floating_address_goes_where_it_is_dearest_and_does_not_flap() {
    let [one, two] = [1, 2].map(|last| std::net::IpAddr::from([192, 0, 2, last]));
    let floats = |number, floating: &[std::net::IpAddr]| {
        Change::Join(Node { floating: floating.into(), ..node(number, number, 1) })
    };
    let mut cluster = Cluster::default();
    let mut after = |change: Change| {
        cluster.apply(&change);
        let view = cluster.view(NodeId(1));
        [one, two].map(|address| view.holder(address).map(|node| node.0))
    };
    assert_eq!(after(floats(2, &[two, one])), [Some(2), Some(2)]);
    assert_eq!(after(floats(1, &[one, two])), [Some(2), Some(2)], "it stays where it is");
    assert_eq!(after(floats(3, &[two, one])), [Some(2), Some(2)]);
    assert_eq!(after(lost(2)), [Some(1), Some(3)], "each to whom it is dearest");
    assert_eq!(after(floats(2, &[two, one])), [Some(1), Some(3)]);
    assert_eq!(after(drain(3, false)), [Some(1), Some(2)], "who leaves gives it away");
    assert_eq!(after(lost(1)), [Some(2), Some(2)]);
    assert_eq!(after(lost(2)), [Some(3), Some(3)], "rather one who is leaving than nobody");
    assert_eq!(after(lost(3)), [None, None]);
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0u16..6, 0u16..3, 1u16..4).prop_map(|(node, host, weight)| member(node, host, weight)),
        (0u16..6, any::<bool>()).prop_map(|(node, back)| drain(node, back)),
        (0u16..6).prop_map(lost),
        (0u64..64, 0u32..5, 0u16..6).prop_map(|(shard, epoch, node)| Change::Moved {
            shards: vec![(Shard::of(shard), Epoch(epoch)), (Shard::of(shard + 1), Epoch(epoch))],
            to: NodeId(node)
        }),
        (0u32..5, 0u16..6, any::<bool>()).prop_map(|(epoch, node, whole)| Change::Followed {
            shards: Shard::all().map(|shard| (shard, Epoch(epoch))).collect(),
            by: NodeId(node),
            whole
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
            for shard in Shard::all() {
                let (old, new) = (before.owner(shard), one.owner(shard));
                prop_assert_eq!(moved.contains(&shard), old.epoch != new.epoch);
                prop_assert_eq!(old.node == new.node || new.epoch > old.epoch, true);
                prop_assert!(new.epoch >= old.epoch);
                prop_assert!(new.buddy.is_none_or(|buddy| new.node.is_some_and(|node| node != buddy)));
                let is_there = |node: NodeId| one.member(node).is_some();
                prop_assert!(new.buddy.is_none_or(is_there), "{:?} is a buddy and is not there", new.buddy);
                if let (Some(buddy), true) = (old.buddy.filter(|&buddy| is_there(buddy)), old.synced) {
                    let owner_is_lost = old.node.is_some_and(|node| !is_there(node));
                    prop_assert!(!owner_is_lost || new.node == Some(buddy), "a copy was there");
                }
                prop_assert!(new.node.is_none_or(is_there), "{:?} owns a shard and is not there", new.node);
                prop_assert!(new.node.is_some() || one.members().next().is_none());
            }
        }
    }
}

#[test]
fn who_was_lost_and_comes_back_has_come_with_a_later_version() {
    let mut cluster = Cluster::default();
    let join =
        |number| Change::Join(Node { node: NodeId(number), roles: vec![Role::Exchange], ..Node::default() });
    let since = |cluster: &Cluster| cluster.view(NodeId(1)).node(NodeId(2)).map(|node| node.since);
    cluster.apply(&join(1));
    cluster.apply(&join(2));
    cluster.apply(&join(2));
    assert_eq!((since(&cluster), cluster.version), (Some(2), 2));
    cluster.apply(&Change::Lost { node: NodeId(2) });
    assert_eq!(since(&cluster), None);
    cluster.apply(&join(2));
    assert_eq!(since(&cluster), Some(4));
}

#[test]
fn of_two_words_about_a_cell_the_later_counts_and_the_same_word_again_is_no_change() {
    let cell = |number, name: &str, stamp| Cell {
        number: CellId(number),
        name: name.into(),
        offices: vec![format!("http://{name}:8080")],
        stamp,
        ..Cell::default()
    };
    let mut cluster = of(&[member(1, 1, 1)]);
    let before = cluster.version;
    cluster.apply(&Change::Cell(cell(2, "south", 5)));
    assert_eq!(cluster.version, before + 1);
    for old in [cell(2, "south", 9), cell(2, "older", 4), cell(0, "none", 9), cell(16, "too many", 9)] {
        cluster.apply(&Change::Cell(old));
    }
    assert_eq!(cluster.version, before + 1);
    cluster.apply(&Change::Cell(cell(2, "moved", 6)));
    cluster.apply(&Change::Cell(cell(3, "west", 1)));
    let names = cluster.view(NodeId(1)).cells.into_iter().map(|cell| cell.name).collect::<Vec<_>>();
    assert_eq!(names, ["moved", "west"]);
}
