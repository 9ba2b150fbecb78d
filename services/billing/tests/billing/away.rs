//! The store is killed or hangs while calls go on.

use std::time::{Duration, Instant};

use contract::CallId;
use contract::billing::Reserved;

use crate::desk::{Desk, granted};
use crate::server::Server;

async fn with_the_store_away(stop: fn(&Server), start: fn(&Server)) {
    let server = Server::own();
    let desk = Desk::without_billing(&server.database()).await;
    desk.serve(desk.config(60_000)).await;
    for call in 1..=5 {
        assert_eq!(desk.reserve(call, "anna", 1).await, granted(60, 60_000));
    }
    stop(&server);
    // What is known is enough: no question waits for the store.
    let (mut slowest, mut seconds) = (Duration::ZERO, 0);
    for call in 6..=20 {
        let begun = Instant::now();
        match desk.reserve(call, "anna", 1).await {
            Reserved::Granted { seconds: more, .. } => seconds += more,
            Reserved::Refused { reason } => assert_eq!(reason, "the balance does not suffice"),
            Reserved::Unknown => panic!(),
        }
        slowest = slowest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("the slowest answer without a store took {slowest:?}");
    assert_eq!(seconds, 300, "five minutes were left");
    // Nobody knows bert: he has credit, once it is known that the store is away.
    let begun = Instant::now();
    while desk.try_reserve(30, "bert", 1).await != Some(granted(60, 60_000)) {
        assert!(begun.elapsed() < Duration::from_secs(8));
    }
    // The end of a call is told from the journal, as soon as it is known that the store is away.
    let begun = Instant::now();
    while desk.try_settle(1, "anna", 10_000).await != Some((60_000, 10_000, 50_000)) {
        assert!(begun.elapsed() < Duration::from_secs(8));
    }
    println!("an end was told {:?} after it was asked", begun.elapsed());
    assert_eq!(desk.settle(1, "anna", 10_000).await, (60_000, 10_000, 50_000), "and again");

    start(&server);
    desk.await_balance("anna", 600_000 - 10_000 - 9 * 60_000).await;
    for call in 2..=10 {
        assert_eq!(desk.settle(call, "anna", 60_000).await, (60_000, 60_000, 0));
    }
    for call in 11..=20 {
        assert_eq!(desk.settle(call, "anna", 0).await, (0, 0, 0), "refused, and over");
    }
    assert_eq!(desk.settle(30, "bert", 5_000).await, (60_000, 5_000, 55_000));
    desk.await_balance("anna", 50_000).await;
    let kept = desk.store.ledger().reservation(CallId(1)).await.unwrap().unwrap();
    assert_eq!((kept.reserved, kept.charged, kept.released), (60_000, 10_000, 50_000));
    let totals = desk.store.ledger().totals().await.unwrap();
    assert_eq!((totals.open, totals.reserved), (0, totals.charged + totals.released));
    assert_eq!(desk.gauge("billing_unwritten").await, 0.0);
}

#[tokio::test]
async fn a_store_that_was_killed_is_settled_with_when_it_is_back() {
    with_the_store_away(Server::kill, Server::start_again).await;
}

#[tokio::test]
async fn a_store_that_hung_is_settled_with_when_it_goes_on() {
    with_the_store_away(Server::pause, Server::resume).await;
}
