//! Faults planted on purpose: what they strike is set aside, and what they don't strike goes on.

use std::time::Duration;

use serde_json::json;
use strowger_tests::{Phone, Platform, Sipp, Worker, eventually};

use crate::furnished;

fn poisoned(fault: &str) -> Platform {
    let platform = furnished(&format!("[[failpoints]]\ndialed = \"poison\"\nfault = \"{fault}\""));
    platform.add_user("test", "poison");
    platform.add_user("test", "eve");
    platform.add_number("test", "666", &json!({"user": "poison"}));
    platform
}

/// Dials what the failpoint waits for, each message sent once.
fn dial_poison(platform: &Platform) -> Sipp {
    Sipp::play(platform, "call", 6001, &["-s", "poison", "-key", "user", "eve", "-nr", "-timeout", "8"])
}

fn set_aside(platform: &Platform) -> usize {
    std::fs::read_dir(platform.folder().join("data/quarantine")).map_or(0, Iterator::count)
}

/// Alice and Bob talk; somebody dials poison; Alice and Bob end their call as if nothing had been.
fn others_go_on(fault: &str) -> Platform {
    let platform = poisoned(fault);
    let bob = Phone::answering(&platform, "bob", 100);
    let mut alice = Phone::calling(&platform, "alice", "1002", 6.0);
    alice.wait_for("answered");
    let eve = dial_poison(&platform);
    let aside = eventually(Duration::from_secs(10), || set_aside(&platform) > 0);
    assert!(aside, "nothing was set aside:\n{}", platform.log());
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    let quality = bob.wait_for("over")["quality"].clone();
    assert!(quality["received"].as_u64() > Some(250), "{quality}");
    drop(eve);
    let talked = |platform: &Platform| {
        platform.records().iter().filter(|record| record["outcome"] == "answered").count() == 1
    };
    let told = eventually(Duration::from_secs(10), || talked(&platform));
    assert!(told, "{:?}", platform.records());
    platform
}

#[test]
fn a_panic_in_one_call_does_not_touch_another() {
    let platform = others_go_on("panic");
    let log = platform.log();
    assert!(log.contains("failpoint: a request for poison panics"), "{log}");
    assert!(!log.contains("died") && !log.contains("killed"), "the worker lives on: {log}");
}

#[test]
fn a_message_in_hand_at_two_deaths_is_set_aside() {
    let platform = others_go_on("abort");
    assert_eq!(set_aside(&platform), 1);
}

#[test]
fn a_hung_worker_is_killed_within_about_a_second() {
    let platform = poisoned("hang");
    let hung = platform.worker(Worker::Signalling);
    let eve = dial_poison(&platform);
    let replaced = eventually(Duration::from_millis(4000), || platform.worker(Worker::Signalling) != hung);
    assert!(replaced, "the hung worker is still there:\n{}", platform.log());
    assert!(eventually(Duration::from_secs(6), || set_aside(&platform) == 1), "{}", platform.log());
    drop(eve);
    let _bob = Phone::answering(&platform, "bob", 100);
    let mut alice = Phone::calling(&platform, "alice", "1002", 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
}
