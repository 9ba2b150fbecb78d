//! Two baresips hear of each other what the other said, whoever of us dies meanwhile.

use std::thread::sleep;
use std::time::Duration;

use strowger_tests::{Baresip, Worker, correlation, eventually, speech};

use crate::furnished;

fn conversation(victim: Option<Worker>) {
    let platform = furnished("");
    let (hers, his) = (speech(1, 10), speech(2, 10));
    let bob = Baresip::start(&platform, "bob", 6200, &his, None);
    let registered = eventually(Duration::from_secs(10), || !platform.registrations().is_empty());
    assert!(registered, "bob's baresip did not register:\n{}", platform.log());
    let alice = Baresip::start(&platform, "alice", 6400, &hers, Some("1002"));
    let answered = eventually(Duration::from_secs(15), || {
        platform.calls().iter().any(|call| call["state"] == "answered")
    });
    assert!(answered, "no answer:\n{}", platform.log());
    sleep(Duration::from_secs(2));
    if let Some(worker) = victim {
        platform.kill(worker);
    }
    sleep(Duration::from_secs(3));
    assert_eq!(platform.calls().len(), 1, "the call is gone:\n{}", platform.log());
    let heard_by_alice = alice.finish();
    let records = platform.records_of(1);
    let heard_by_bob = bob.finish();
    assert_eq!(records[0]["outcome"], "answered", "{}", records[0]);
    for (said, heard, other) in [(&hers, &heard_by_bob, &his), (&his, &heard_by_alice, &hers)] {
        assert!(heard.len() > 3 * 8000, "only {} samples were heard", heard.len());
        let (right, wrong) = (correlation(said, heard), correlation(other, heard));
        assert!(right > 0.9, "what was heard is not what was said: {right:.3}");
        assert!(wrong < 0.7, "everything correlates with everything: {wrong:.3}");
    }
}

#[test]
fn two_baresips_hear_each_other() {
    conversation(None);
}

#[test]
fn two_baresips_hear_each_other_across_the_death_of_signalling() {
    conversation(Some(Worker::Signalling));
}

#[test]
fn two_baresips_hear_each_other_across_the_death_of_media() {
    conversation(Some(Worker::Media));
}
