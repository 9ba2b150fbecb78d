//! SIPp's phones, over a pipe and over a wire between edge and exchange, with one thread and with two.

use serde_json::Value;
use strowger_tests::{Platform, Sipp, Verdict};

use crate::{furnish, furnished};

const QUICK: &str = "t1_ms = 100\nt2_ms = 800\nt4_ms = 1000";

/// Registers `user` from `port`.
pub(crate) fn register(platform: &Platform, user: &str, port: u16, more: &[&str]) {
    let arguments: Vec<&str> = ["-key", "user", user].into_iter().chain(more.iter().copied()).collect();
    as_planned(platform, Sipp::play(platform, "register", port, &arguments));
}

fn as_planned(platform: &Platform, mut sipp: Sipp) {
    assert_eq!(sipp.verdict(), Verdict::AsPlanned, "{}", platform.log());
}

/// A caller and a callee play their scenarios; gives their records.
fn meet(platform: &Platform, calling: &str, called: &str, count: usize, more: &[&str]) -> Vec<Value> {
    let before = platform.records();
    let bob = Sipp::await_calls(platform, called, 6002, more);
    let arguments: Vec<&str> =
        ["-s", "1002", "-key", "user", "alice"].into_iter().chain(more.iter().copied()).collect();
    as_planned(platform, Sipp::play(platform, calling, 6001, &arguments));
    as_planned(platform, bob);
    let records = platform.records_of(before.len() + count);
    records.into_iter().filter(|record| before.iter().all(|old| old["id"] != record["id"])).collect()
}

/// What every way of wiring must be able to do.
fn suite(platform: &Platform, more: &[&str]) {
    register(platform, "bob", 6002, more);
    for (calling, called, outcome, status) in [
        ("call", "answer", "answered", 200),
        ("call_hold", "answer_hold", "answered", 200),
        ("call_486", "busy", "busy", 486),
        ("call_cancel", "ring", "cancelled", 487),
    ] {
        let record = meet(platform, calling, called, 1, more).remove(0);
        assert_eq!(record["outcome"], outcome, "{calling}: {record}");
        assert_eq!(record["status"], status, "{calling}: {record}");
    }
    assert!(platform.calls_under_way().is_empty(), "{:?}", platform.calls());
}

#[test]
fn calls_over_udp() {
    suite(&furnished(""), &[]);
}

#[test]
fn calls_over_tcp() {
    suite(&furnished(""), &["-t", "t1"]);
}

#[test]
fn calls_with_a_wire_between_edge_and_exchange() {
    suite(&furnish(Platform::tuned(&format!("{QUICK}\nhop = \"tcp\""), "", "")), &[]);
}

#[test]
fn calls_over_two_signalling_threads() {
    suite(&furnish(Platform::tuned(QUICK, "threads = 2", "")), &[]);
}

#[test]
fn nobody_answers_in_time() {
    let platform = furnished("[call]\nring_seconds = 2");
    register(&platform, "bob", 6002, &[]);
    let records = meet(&platform, "call_480", "ring", 1, &[]);
    assert_eq!(records[0]["outcome"], "no_answer", "{records:?}");
}

#[test]
fn a_number_that_leads_nowhere_is_not_found() {
    let platform = furnished("");
    let alice = Sipp::play(&platform, "call_404", 6001, &["-s", "9999", "-key", "user", "alice"]);
    as_planned(&platform, alice);
    assert_eq!(platform.records_of(1)[0]["outcome"], "refused");
}

#[test]
fn a_tenth_of_all_messages_lost_loses_no_call() {
    let platform = furnished("");
    register(&platform, "bob", 6002, &[]);
    // An ACK may be lost as often as it is repeated before the caller hangs up.
    let records =
        meet(&platform, "call", "answer_lossy", 10, &["-m", "10", "-r", "5", "-l", "10", "-lost", "10"]);
    assert!(records.iter().all(|record| record["outcome"] == "answered"), "{records:#?}");
}
