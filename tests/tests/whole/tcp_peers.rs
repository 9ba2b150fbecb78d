//! The death of the signalling worker cuts all TCP connections. Whoever connects again, or can be connected to,
//! goes on with its call.

use std::time::Duration;

use serde_json::json;
use strowger_tests::{Phone, Platform, TcpPhone, Worker, eventually};

use crate::furnished;

fn over_tcp(platform: &Platform, user: &str, more: &[&str]) -> Phone {
    Phone::of(platform, "test.example", user, &[&["--transport", "tcp", "--register"], more].concat())
}

fn one_answered_call(platform: &Platform) {
    assert_eq!(platform.records_of(1)[0]["outcome"], "answered");
    assert!(platform.calls_under_way().is_empty(), "{:?}", platform.calls());
}

#[test]
fn phones_connect_again_and_talk_on() {
    let platform = furnished("");
    let bob = over_tcp(&platform, "bob", &["--answer"]);
    bob.wait_for("registered");
    let mut alice = over_tcp(&platform, "alice", &["--call", "1002", "--talk", "3"]);
    alice.wait_for("answered");
    platform.kill(Worker::Signalling);
    bob.wait_for_nth("registered", 2);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    assert_eq!(bob.wait_for("over")["by_us"], false);
    one_answered_call(&platform);
    let mut again = over_tcp(&platform, "alice", &["--call", "1002", "--talk", "0.5"]);
    assert!(again.went_well(), "bob is not reached on his new connection: {}", again.said());
}

#[test]
fn a_phone_hangs_up_on_its_new_connection() {
    let platform = furnished("");
    let mut bob = TcpPhone::registered(&platform, "bob");
    let mut alice = Phone::calling(&platform, "alice", "1002", 60.0);
    bob.answers();
    alice.wait_for("answered");
    platform.kill(Worker::Signalling);
    bob.is_cut();
    bob.reconnects();
    std::thread::sleep(Duration::from_millis(500));
    bob.hangs_up();
    assert_eq!(alice.wait_for("over")["by_us"], false);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    one_answered_call(&platform);
}

#[test]
fn a_phone_that_listens_is_connected_to() {
    let platform = furnished("");
    let mut bob = TcpPhone::registered(&platform, "bob");
    let mut alice = Phone::calling(&platform, "alice", "1002", 2.0);
    bob.answers();
    alice.wait_for("answered");
    platform.kill(Worker::Signalling);
    bob.is_cut();
    bob.is_connected_to();
    bob.is_hung_up_on();
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    one_answered_call(&platform);
}

#[test]
fn a_phone_that_is_gone_for_good_holds_up_nobody() {
    let platform = furnished("");
    let mut bob = TcpPhone::registered(&platform, "bob");
    let mut alice = Phone::calling(&platform, "alice", "1002", 1.5);
    bob.answers();
    alice.wait_for("answered");
    std::thread::sleep(Duration::from_millis(300));
    platform.kill(Worker::Signalling);
    bob.vanishes();
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    assert_eq!(alice.wait_for("over")["by_us"], json!(true));
    assert!(eventually(Duration::from_secs(15), || platform.calls_under_way().is_empty()));
    one_answered_call(&platform);
}
