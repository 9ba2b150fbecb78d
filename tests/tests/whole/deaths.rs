//! A worker that is killed with SIGKILL in the middle of a call: the call goes on, and there is one record.

use std::thread::sleep;
use std::time::Duration;

use strowger_tests::{Phone, Platform, Sipp, Verdict, Worker, eventually};

use crate::furnished;
use crate::sipp::register;

/// Both heard each other, the caller hung up, and one record says so.
pub(crate) fn ended_well(platform: &Platform, alice: &mut Phone, bob: &Phone) {
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    let over = bob.wait_for("over");
    assert_eq!(over["by_us"], false, "{over}");
    let records = platform.records_of(1);
    assert_eq!(records[0]["outcome"], "answered", "{}", records[0]);
    assert!(platform.calls_under_way().is_empty(), "{:?}", platform.calls());
}

pub(crate) fn longest_gap(phone: &Phone) -> f64 {
    phone.wait_for("over")["quality"]["longest_gap_ms"].as_f64().unwrap_or(f64::MAX)
}

fn killed_while_ringing(worker: Worker) {
    let platform = furnished("");
    let bob = Phone::answering(&platform, "bob", 2500);
    let mut alice = Phone::calling(&platform, "alice", "1002", 1.5);
    alice.wait_for("ringing");
    platform.kill(worker);
    ended_well(&platform, &mut alice, &bob);
}

/// Two who talk for so many seconds, and have heard each other for a moment.
pub(crate) fn talking(platform: &Platform, seconds: f32) -> (Phone, Phone) {
    let bob = Phone::answering(platform, "bob", 100);
    let alice = Phone::calling(platform, "alice", "1002", seconds);
    alice.wait_for("answered");
    sleep(Duration::from_millis(800.min((seconds * 500.0) as u64)));
    (alice, bob)
}

fn killed_while_talking(worker: Worker, bearable_ms: f64) {
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 4.0);
    platform.kill(worker);
    ended_well(&platform, &mut alice, &bob);
    for phone in [&alice, &bob] {
        let gap = longest_gap(phone);
        assert!(gap < bearable_ms, "a silence of {gap} ms");
    }
}

fn killed_before_180(worker: Worker) {
    let platform = furnished("");
    let bob = Phone::answering(&platform, "bob", 100);
    bob.freezes();
    let mut alice = Phone::calling(&platform, "alice", "1002", 1.5);
    let called = eventually(Duration::from_secs(10), || !platform.calls().is_empty());
    assert!(called, "the call never came:\n{}", platform.log());
    sleep(Duration::from_millis(50));
    assert_eq!(alice.told("ringing").len(), 0, "{}", alice.said());
    platform.kill(worker);
    bob.goes_on();
    ended_well(&platform, &mut alice, &bob);
}

fn killed_during_bye(worker: Worker) {
    let platform = furnished("");
    let bob = Phone::answering(&platform, "bob", 100);
    let mut alice = Phone::calling(&platform, "alice", "1002", 1.0);
    alice.wait_for("answered");
    sleep(Duration::from_millis(700));
    // Nobody answers the BYE that alice's makes us send.
    bob.freezes();
    sleep(Duration::from_millis(400));
    assert_eq!(bob.told("over").len(), 0, "{}", bob.said());
    platform.kill(worker);
    bob.goes_on();
    ended_well(&platform, &mut alice, &bob);
}

fn killed_on_hold(worker: Worker) {
    let platform = furnished("");
    register(&platform, "bob", 6002, &[]);
    let mut bob = Sipp::await_calls(&platform, "answer_hold", 6002, &[]);
    let mut alice =
        Sipp::play(&platform, "call_hold", 6001, &["-s", "1002", "-key", "user", "alice", "-d", "2000"]);
    let held =
        eventually(Duration::from_secs(15), || platform.calls().iter().any(|call| call["state"] == "held"));
    assert!(held, "the call was never held: {:?}", platform.calls());
    platform.kill(worker);
    assert_eq!(alice.verdict(), Verdict::AsPlanned, "{}", platform.log());
    assert_eq!(bob.verdict(), Verdict::AsPlanned, "{}", platform.log());
    assert_eq!(platform.records_of(1)[0]["outcome"], "answered");
}

#[test]
fn signalling_dies_before_it_rings() {
    killed_before_180(Worker::Signalling);
}

#[test]
fn media_dies_before_it_rings() {
    killed_before_180(Worker::Media);
}

#[test]
fn signalling_dies_while_it_rings() {
    killed_while_ringing(Worker::Signalling);
}

#[test]
fn media_dies_while_it_rings() {
    killed_while_ringing(Worker::Media);
}

#[test]
fn signalling_dies_while_they_talk_and_nobody_hears_it() {
    killed_while_talking(Worker::Signalling, 400.0);
}

#[test]
fn media_dies_while_they_talk() {
    killed_while_talking(Worker::Media, 1500.0);
}

#[test]
fn the_office_dies_while_they_talk_and_nobody_hears_it() {
    killed_while_talking(Worker::Office, 400.0);
}

#[test]
fn signalling_dies_during_hold() {
    killed_on_hold(Worker::Signalling);
}

#[test]
fn media_dies_during_hold() {
    killed_on_hold(Worker::Media);
}

#[test]
fn signalling_dies_during_the_bye() {
    killed_during_bye(Worker::Signalling);
}

#[test]
fn media_dies_during_the_bye() {
    killed_during_bye(Worker::Media);
}
