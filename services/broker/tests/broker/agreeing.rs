use contract::NodeId;
use contract::cluster::Node;
use machine::{Epoch, Shard};

use crate::platform::{LONG, Platform, floating, node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_shards_have_owners_and_buddies_on_other_hosts() {
    let platform = Platform::of_six().await;
    platform.settle().await;
    platform
        .all_see("all is where it should be", |view| {
            Shard::all().all(|shard| view.owner(shard).wanted.is_none() && view.owner(shard).buddy.is_some())
        })
        .await;
    let view = platform.view(4);
    assert_eq!(view.me, NodeId(4));
    for number in 1..=6 {
        let share = view.owners.iter().filter(|owner| owner.node == Some(NodeId(number))).count();
        assert!((500..900).contains(&share), "node {number} owns {share}");
        let since = view.node(NodeId(number)).map(|node| node.since).filter(|&since| since > 0);
        assert_eq!(view.node(NodeId(number)), Some(&Node { since: since.unwrap(), ..node(number) }));
        assert_eq!(view.holder([198, 51, 100, number as u8].into()), Some(NodeId(number)));
    }
    assert!(view.owners.iter().all(|owner| owner.buddy.is_some() && owner.buddy != owner.node));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seat_is_enough_and_begins_at_once() {
    let mut platform = Platform::new(1);
    let begun = std::time::Instant::now();
    platform.start(1).await;
    platform
        .all_see("it owns everything", |view| {
            Shard::all().all(|shard| view.owner(shard).node == Some(NodeId(1)))
        })
        .await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    platform.start(2).await;
    platform.all_see("another node is there", |view| view.nodes.len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_on_moves_unless_it_comes_too_late() {
    let platform = Platform::of_six().await;
    let view = platform.view(5);
    // Whoever came first owns everything.
    let first = view.owners[0].node;
    let to = [NodeId(4), NodeId(5)].into_iter().find(|&node| Some(node) != first).unwrap();
    let others = Shard::all().filter(|&shard| view.owner(shard).node != Some(to)).take(300);
    let fresh: Vec<_> = others.map(|shard| (shard, view.owner(shard).epoch)).collect();
    let late: Vec<_> = fresh.iter().map(|&(shard, epoch)| (shard, Epoch(epoch.0 + 1))).collect();
    let change = |shards: &[_]| broker::Change::Moved { shards: shards.to_vec(), to };
    let before = view.version;
    assert_eq!(
        platform.brokers[&4].propose(change(&late), LONG).await,
        before,
        "another epoch: nothing changes"
    );
    let version = platform.brokers[&6].propose(change(&fresh), LONG).await;
    assert_eq!(version, before + 1, "all of them at once");
    platform.all_see("they have moved", |view| view.version >= version).await;
    let moved = platform.view(1);
    for (shard, epoch) in &fresh {
        let owner = moved.owner(*shard);
        assert_eq!((owner.node, owner.epoch), (Some(to), Epoch(epoch.0 + 1)));
    }
    assert_eq!(platform.brokers[&6].propose(change(&fresh), LONG).await, version, "a repeat changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drains_is_emptied_and_comes_back_when_told() {
    let platform = Platform::of_six().await;
    platform.settle().await;
    let drain = |back| broker::Change::Drain { node: NodeId(4), back };
    assert_ne!(platform.brokers[&4].propose(drain(false), LONG).await, 0);
    platform
        .all_see("all of its shards are wanted elsewhere", |view| {
            view.node(NodeId(4)).is_some_and(|node| node.draining)
                && view
                    .owners
                    .iter()
                    .all(|it| it.node != Some(NodeId(4)) || it.wanted.is_some_and(|to| to != NodeId(4)))
        })
        .await;
    platform.settle().await;
    platform
        .all_see("it is empty", |view| {
            view.owners.iter().all(|it| it.node != Some(NodeId(4)) && it.wanted.is_none())
        })
        .await;
    platform.brokers[&1].propose(drain(true), LONG).await;
    platform
        .all_see("it is wanted again", |view| view.owners.iter().any(|it| it.wanted == Some(NodeId(4))))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floating_address_moves_with_a_loss_and_stays_there() {
    let mut platform = Platform::new(1);
    platform.start(1).await;
    let other = [192, 0, 2, 2].into();
    for (number, floating) in [(2, vec![floating(), other]), (3, vec![other, floating()])] {
        platform.start_as(Node { floating, ..node(number) }).await;
        until("it is there", || platform.view(1).node(NodeId(number)).is_some()).await;
    }
    platform
        .all_see("the first has both", |view| {
            [floating(), other].iter().all(|it| view.holder(*it) == Some(NodeId(2)))
        })
        .await;
    platform.stop(2).await;
    platform
        .all_see("the second took them over", |view| {
            [floating(), other].iter().all(|it| view.holder(*it) == Some(NodeId(3)))
        })
        .await;
    platform.start_as(Node { floating: vec![floating(), other], ..node(2) }).await;
    platform.all_see("the first is back", |view| view.node(NodeId(2)).is_some()).await;
    assert_eq!(platform.view(1).holder(floating()), Some(NodeId(3)), "and it stays where it is");
}
