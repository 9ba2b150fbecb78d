use std::time::{Duration, Instant};

use contract::NodeId;
use contract::cluster::{Node, View};
use machine::{Epoch, Shard};

use crate::platform::{LONG, PATIENCE, Platform, SLACK, node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_is_lost_and_its_buddies_go_on() {
    let mut platform = Platform::of_six().await;
    platform.settle().await;
    platform
        .all_see("all is where it should be", |view| view.owners.iter().all(|it| it.wanted.is_none()))
        .await;
    let before = platform.view(1);
    let fallen = Instant::now();
    drop(platform.brokers.remove(&5));
    platform.all_see("node 5 is lost", |view| view.node(NodeId(5)).is_none()).await;
    let after = fallen.elapsed();
    assert!(after > PATIENCE / 2, "too early: {after:?}");
    assert!(after < PATIENCE + SLACK, "too late: {after:?}");
    for number in [1, 2, 3, 4, 6] {
        let view = platform.view(number);
        assert_eq!(view.holder([198, 51, 100, 5].into()), None);
        for shard in Shard::all() {
            let (old, new) = (before.owner(shard), view.owner(shard));
            if old.node == Some(NodeId(5)) {
                assert_eq!((new.node, new.epoch), (old.buddy, Epoch(old.epoch.0 + 1)));
            } else {
                assert_eq!((new.node, new.epoch), (old.node, old.epoch), "others know nothing of it");
            }
        }
    }
    platform.start(5).await;
    platform.all_see("it is back", |view| view.node(NodeId(5)).is_some()).await;
    assert!(platform.view(5).owners.iter().all(|it| it.node != Some(NodeId(5))), "with nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_without_what_it_knew_before_it_was_missed_owns_nothing() {
    let mut platform = Platform::of_six().await;
    drop(platform.brokers.remove(&5));
    platform.all_see("node 5 is lost", |view| view.node(NodeId(5)).is_none()).await;
    platform.start_as(Node { life: 17, ..node(5) }).await;
    platform.all_see("it is there", |view| view.node(NodeId(5)).is_some()).await;
    platform.settle().await;
    let own = |view: &View| view.owners.iter().filter(|it| it.node == Some(NodeId(5))).count();
    assert!(own(&platform.view(1)) > 0, "its share");
    let owners = platform.view(1).owners.clone();
    // Its process only: it goes on with what is its own.
    drop(platform.brokers.remove(&5));
    platform.start_as(Node { life: 17, ..node(5) }).await;
    until("it is reached", || platform.view(5).version >= platform.view(1).version).await;
    assert_eq!(own(&platform.view(1)), own(&View { owners, ..View::default() }));
    drop(platform.brokers.remove(&5));
    platform.start_as(Node { life: 18, ..node(5) }).await;
    let is_new = |view: &View| view.node(NodeId(5)).is_some_and(|it| it.life == 18);
    platform.all_see("it is there anew, with nothing", |view| is_new(view) && own(view) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_fall_silent_together_are_lost_together() {
    let mut platform = Platform::of_six().await;
    platform.settle().await;
    let fallen = Instant::now();
    drop((platform.brokers.remove(&4), platform.brokers.remove(&6)));
    platform.all_see("both are lost", |view| view.nodes.len() == 4).await;
    assert!(fallen.elapsed() < PATIENCE + SLACK, "{:?}", fallen.elapsed());
    let there = [1, 2, 3, 5].map(NodeId);
    let view = platform.view(2);
    let is_there = |node: Option<NodeId>| node.is_some_and(|node| there.contains(&node));
    assert!(view.owners.iter().all(|it| is_there(it.node) && is_there(it.buddy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_changes_nothing_and_a_majority_goes_on() {
    let mut platform = Platform::of_six().await;
    let leader = platform.leader().unwrap();
    let others: Vec<u16> = (1..=3).filter(|&seat| seat != leader).collect();
    platform.stop(others[0]).await;
    platform.all_see("one seat of three is lost", |view| view.nodes.len() == 5).await;
    platform.stop(others[1]).await;
    drop(platform.brokers.remove(&6));
    let before = platform.view(4);
    let within = Duration::from_millis(900);
    let drain = broker::Change::Drain { node: NodeId(4), back: false };
    assert_eq!(platform.brokers[&4].propose(drain.clone(), within).await, 0, "nobody agrees");
    tokio::time::sleep(PATIENCE * 2).await;
    assert!(platform.view(4) == before, "nobody is lost by the word of one");
    platform.start(others[1]).await;
    platform.all_see("with two of three node 6 is lost", |view| view.node(NodeId(6)).is_none()).await;
    let there: Vec<u16> = platform.view(4).nodes.iter().map(|node| node.node.0).collect();
    let mut expected: Vec<u16> = vec![leader, others[1], 4, 5];
    expected.sort_unstable();
    assert_eq!(there, expected, "and nobody else");
    assert_ne!(platform.brokers[&5].propose(drain, LONG).await, 0);
}
