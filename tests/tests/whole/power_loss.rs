//! The journal is gone, as after a power loss: what was registered more than a moment ago is still registered.

use std::thread::sleep;
use std::time::Duration;

use strowger_tests::{Phone, Worker, eventually};

use crate::furnished;

#[test]
fn bindings_outlive_the_journal() {
    let mut platform = furnished("");
    let _bob = Phone::answering(&platform, "bob", 100);
    // The promise is that at most the last 100 ms are lost. Nobody ends in good order, so no last flush helps.
    sleep(Duration::from_millis(150));
    platform.lose_power();
    std::fs::remove_dir_all(platform.runtime()).expect("the journal was where it should be");
    platform.run();
    let there = eventually(Duration::from_secs(3), || platform.registrations().len() == 1);
    assert!(there, "{:?}\n{}", platform.registrations(), platform.log());
    let mut alice = Phone::calling(&platform, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
}

#[test]
fn bindings_outlive_every_worker() {
    let platform = furnished("");
    let _bob = Phone::answering(&platform, "bob", 100);
    for worker in [Worker::Signalling, Worker::Media, Worker::Office] {
        platform.kill(worker);
    }
    let there = eventually(Duration::from_secs(3), || {
        let reply = platform.ask("GET", "/v1/registrations", None);
        reply.status == 200 && reply.json()["items"].as_array().is_some_and(|items| items.len() == 1)
    });
    assert!(there, "{}", platform.log());
    let mut alice = Phone::calling(&platform, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
}
