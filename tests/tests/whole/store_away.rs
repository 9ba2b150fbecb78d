//! The store is on a server that dies, or hangs: calls are routed, authenticated and recorded all the same, and
//! when it is back everything is settled, once.

use std::time::{Duration, Instant};

use strowger_tests::{Phone, Platform, Shape, Worker, eventually};

use crate::furnish;
use crate::server::Server;

fn on(database: &str) -> Platform {
    let top = format!("store = \"{database}\"");
    furnish(Platform::shaped(&Shape { top: &top, ..Shape::default() }))
}

fn call(platform: &Platform) {
    let mut alice = Phone::calling(platform, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
}

/// Each call has one record and one reservation, which say the same.
fn settled_once(platform: &Platform, server: &Server, database: &str, calls: usize) {
    let there = eventually(Duration::from_secs(20), || {
        platform.ask("GET", "/v1/call-records", None).status == 200 && platform.records().len() >= calls
    });
    assert!(there, "{}", platform.log());
    let records = platform.records_of(calls);
    assert!(records.iter().all(|record| record["outcome"] == "answered"), "{records:#?}");
    assert!(records.iter().all(|record| record["price"]["micros"].as_i64() > Some(0)), "{records:#?}");
    let name = database.rsplit('/').next().expect("a database");
    let agreeing = "SELECT count(*) FROM reservations r JOIN call_records c ON c.id = r.call \
                    WHERE r.state = 'settled' AND r.reserved = r.charged + r.released \
                    AND (c.price, c.reserved, c.released) = (r.charged, r.reserved, r.released)";
    assert_eq!(server.sql(name, agreeing), calls.to_string());
    assert_eq!(server.sql(name, "SELECT count(*) FROM reservations"), calls.to_string());
    let earned = "SELECT sum(micros) = (SELECT sum(price) FROM call_records) FROM postings WHERE to_account = 'revenue'";
    assert_eq!(server.sql(name, earned), "t");
}

fn calls_go_on(stop: fn(&Server), start: fn(&Server), meanwhile: fn(&Platform)) {
    let server = Server::own();
    let database = server.database();
    let platform = on(&database);
    let _bob = Phone::answering(&platform, "bob", 100);
    call(&platform);
    stop(&server);
    let begun = Instant::now();
    for _ in 0..2 {
        call(&platform);
        meanwhile(&platform);
    }
    call(&platform);
    println!("three calls without a store in {:?}", begun.elapsed());
    let refused =
        eventually(Duration::from_secs(5), || platform.ask("GET", "/v1/call-records", None).status == 503);
    assert!(refused, "{}", platform.log());
    start(&server);
    settled_once(&platform, &server, &database, 4);
}

/// Whoever was let in before is let in now, and shown what needs no store.
fn shows_what_it_knows(platform: &Platform) {
    assert_eq!(platform.registrations().len(), 1);
}

#[test]
fn calls_go_on_without_a_store_that_was_killed() {
    calls_go_on(Server::kill, Server::start_again, shows_what_it_knows);
}

#[test]
fn calls_go_on_without_a_store_that_hangs() {
    calls_go_on(Server::pause, Server::resume, shows_what_it_knows);
}

#[test]
fn calls_go_on_when_the_office_is_killed_while_the_store_is_away() {
    calls_go_on(Server::kill, Server::start_again, |platform| {
        platform.kill(Worker::Office);
    });
}
