use std::time::{Duration, Instant};

use contract::NodeId;
use contract::cluster::View;

use crate::platform::{LONG, PATIENCE, Platform, SLACK, begin, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_gone_is_replaced_and_joins_and_losses_go_on() {
    let mut platform = Platform::of_six().await;
    let leader = platform.leader().unwrap();
    let gone = Instant::now();
    drop(platform.brokers.remove(&leader));
    until("another leads", || platform.leader().is_some()).await;
    assert!(gone.elapsed() < SLACK, "{:?}", gone.elapsed());
    platform.all_see("the leader's node is lost", |view| view.node(NodeId(leader)).is_none()).await;
    // The new leader gives everybody the whole patience once more.
    assert!(gone.elapsed() < PATIENCE + SLACK + SLACK, "{:?}", gone.elapsed());
    platform.start(7).await;
    platform.all_see("a seventh node is there", |view| view.node(NodeId(7)).is_some()).await;
    drop(platform.brokers.remove(&6));
    let after = platform.all_see("the sixth is lost", |view| view.node(NodeId(6)).is_none()).await;
    assert!(after < PATIENCE + SLACK, "{after:?}");
    platform.start(leader).await;
    platform.all_see("who led is back", |view| view.node(NodeId(leader)).is_some()).await;
    until("it knows what all know", || platform.view(leader).owners == platform.view(4).owners).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_that_start_again_know_what_was_agreed_on() {
    let mut platform = Platform::of_six().await;
    platform.settle().await;
    until("node 4 knows the newest", || platform.view(4).version == platform.view(5).version).await;
    let before = platform.view(4);
    // All at once, so that nobody is left who could tell.
    for number in 1..=6 {
        drop(platform.brokers.remove(&number));
    }
    for number in 1..=6 {
        let _ = std::fs::remove_file(platform.dir.join(format!("view-{number}")));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for number in 1..=6 {
        platform.start(number).await;
    }
    platform.all_see("all know it again", |view| view.version >= before.version).await;
    let after = platform.view(4);
    assert!(after.owners == before.owners && after.nodes == before.nodes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_was_written_is_believed_until_something_newer_comes() {
    let mut platform = Platform::of_six().await;
    let known = platform.view(4);
    until("it is written", || {
        std::fs::read(platform.dir.join("view-4")).is_ok_and(|bytes| bytes == contract::encode(&*known))
    })
    .await;
    for number in 1..=6 {
        drop(platform.brokers.remove(&number));
    }
    platform.start(4).await;
    assert!(platform.view(4) == known, "though no seat is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_was_away_for_long_is_told_all() {
    let mut platform = Platform::of_six().await;
    let away = (1..=3).find(|&seat| Some(seat) != platform.leader()).unwrap();
    platform.stop(away).await;
    for _ in 0..20 {
        let drain =
            |back| platform.brokers[&5].propose(broker::Change::Drain { node: NodeId(4), back }, LONG);
        let some = async {
            tokio::join!(drain(false), drain(true), drain(false), drain(true), drain(false), drain(true))
        };
        let more =
            async { tokio::join!(some, drain(false), drain(true), drain(false), drain(true), drain(false)) };
        tokio::join!(more, drain(true), drain(false), drain(true), drain(false), drain(true));
    }
    let version = platform.view(5).version;
    let leader = platform.leader().unwrap();
    assert!(platform.dir.join(format!("seat-{leader}/snapshot")).exists(), "the log alone would not do");
    let mut config = platform.config(crate::platform::node(away));
    // It hears of nobody but itself, so what it knows it knows as a seat.
    config.view_file = platform.dir.join("another-view");
    let broker = begin(config, platform.topology(away)).await;
    until("it knows the newest", || broker.view().borrow().version >= version).await;
    platform.brokers.insert(away, broker);
    platform.all_see("it is back", |view| view.nodes.len() == 6).await;
    let other = (1..=3).find(|&seat| seat != away && seat != leader).unwrap();
    drop(platform.brokers.remove(&other));
    let lost = |view: &View| view.node(NodeId(other)).is_none();
    platform.all_see("with it there is still a majority", lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_lost_everything_takes_its_seat_again() {
    let mut platform = Platform::of_six().await;
    let leader = platform.leader().unwrap();
    let [lost, other] = [1, 2, 3].into_iter().filter(|&seat| seat != leader).collect::<Vec<_>>()[..] else {
        panic!("three seats, and one leads")
    };
    drop(platform.brokers.remove(&lost));
    platform.all_see("it is lost", |view| view.node(NodeId(lost)).is_none()).await;
    std::fs::remove_dir_all(platform.dir.join(format!("seat-{lost}"))).unwrap();
    std::fs::remove_file(platform.dir.join(format!("view-{lost}"))).unwrap();
    platform.start(lost).await;
    platform.all_see("it is back", |view| view.nodes.len() == 6).await;
    let caught_up = || platform.brokers[&lost].view().borrow().version >= platform.view(leader).version;
    until("it knows as much as the others", caught_up).await;
    assert_eq!(platform.leader(), Some(leader), "who leads was not troubled by one that has forgotten all");
    drop(platform.brokers.remove(&other));
    let lost = |view: &View| view.node(NodeId(other)).is_none();
    platform.all_see("with it there is still a majority", lost).await;
}
