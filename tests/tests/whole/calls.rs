//! Two phones register, call, hear each other and hang up; the call is there as a record and a ladder.

use std::time::Duration;
use strowger_tests::{Phone, eventually};

use crate::furnished;

#[test]
fn a_call_by_number_is_heard_by_both_and_recorded_once() {
    let platform = furnished("");
    let bob = Phone::answering(&platform, "bob", 300);
    let mut alice = Phone::calling(&platform, "alice", "1002", 2.0);
    alice.wait_for("answered");
    let calls = platform.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["state"], "answered");
    assert_eq!(platform.registrations().len(), 2);
    assert!(alice.went_well(), "{}", alice.said());
    for phone in [&alice, &bob] {
        let quality = &phone.wait_for("over")["quality"];
        assert!(quality["received"].as_u64() > Some(70), "{quality}");
    }

    let records = platform.records_of(1);
    let record = &records[0];
    assert_eq!(record["tenant"], "test");
    assert_eq!(record["dialed"], "1002");
    assert!(record["caller"].as_str().is_some_and(|caller| caller.contains("alice")), "{record}");
    assert!(record["callee"].as_str().is_some_and(|callee| callee.contains("bob")), "{record}");
    assert_eq!(record["outcome"], "answered");
    assert_eq!(record["status"], 200);
    let talked = record["talked_seconds"].as_f64().unwrap_or(0.0);
    assert!((1.7..4.0).contains(&talked), "{record}");
    assert_eq!(record["quality"].as_array().map(Vec::len), Some(2), "{record}");
    for leg in record["quality"].as_array().into_iter().flatten() {
        assert!(leg["received"].as_u64() > Some(70), "{record}");
        assert!(leg["mos"].as_f64() > Some(3.5), "{record}");
    }
    let price = &record["price"]["micros"];
    assert!(price.as_i64() > Some(0), "{record}");
    let whole = record["released"]["micros"].as_i64().unwrap_or(0) + price.as_i64().unwrap_or(0);
    assert_eq!(record["reserved"]["micros"].as_i64(), Some(whole), "{record}");

    let id = record["id"].as_str().expect("an id");
    let rungs = platform.get(&format!("/v1/calls/{id}/ladder"))["rungs"].to_string();
    assert!(rungs.contains("200 OK (BYE)"), "{rungs}");
    let forgotten = eventually(Duration::from_secs(15), || platform.calls().is_empty());
    assert!(forgotten, "{:?}", platform.calls());
}

#[test]
fn an_app_answers_and_echoes_digits() {
    let platform = furnished("");
    let mut alice = Phone::of(
        &platform,
        "test.example",
        "alice",
        &["--register", "--call", "600", "--talk", "4", "--dtmf", "5"],
    );
    assert!(alice.went_well(), "{}", alice.said());
    let records = platform.records_of(1);
    assert_eq!(records[0]["outcome"], "answered", "{}", records[0]);
    assert_eq!(records[0]["callee"], "app:echo", "{}", records[0]);
}

#[test]
fn a_wrong_password_registers_nobody() {
    let platform = furnished("");
    let mut mallory = Phone::of(&platform, "test.example", "alice", &["--register", "--password", "guessed"]);
    assert!(!mallory.went_well(), "{}", mallory.said());
    assert!(platform.registrations().is_empty(), "{:?}", platform.registrations());
}
