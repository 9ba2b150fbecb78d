use contract::record::Outcome;
use sip::Name;

use crate::phone::ALICES_SDP;
use crate::scene::{Scene, ring, scene};

fn three_phones() -> Scene {
    let mut scene = scene();
    let phones = [("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 1000), ("sip:c@192.0.2.4", 500)];
    scene.ways.insert("bob".into(), ring("bob", &phones));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene
}

#[test]
fn phones_of_the_same_q_ring_together_with_the_same_offer() {
    let mut scene = three_phones();
    assert_eq!(scene.phone(1).heard(), ["INVITE"]);
    assert_eq!(scene.phone(2).heard(), ["INVITE"]);
    assert!(scene.phone(3).heard().is_empty());
    assert_eq!(scene.phone(1).last_sdp(), scene.phone(2).last_sdp());
}

#[test]
fn phones_of_a_lower_q_ring_too_after_a_while() {
    let mut scene = three_phones();
    scene.phone(1).rings();
    scene.phone(2).rings();
    scene.passes(14);
    assert!(scene.phone(3).heard().is_empty());
    scene.passes(2);
    assert_eq!(scene.phone(3).heard(), ["INVITE"]);
    scene.phone(1).answers();
    assert_eq!(scene.alice().heard(), ["100", "180", "200"]);
}

#[test]
fn phones_of_a_lower_q_ring_at_once_when_the_others_refuse() {
    let mut scene = three_phones();
    scene.phone(1).refuses(486);
    assert!(scene.phone(3).heard().is_empty());
    scene.phone(2).refuses(480);
    assert_eq!(scene.phone(3).heard(), ["INVITE"]);
}

#[test]
fn the_first_that_answers_wins_and_the_others_stop_ringing() {
    let mut scene = three_phones();
    scene.phone(1).rings();
    scene.phone(2).rings();
    scene.phone(2).answers();
    assert_eq!(scene.phone(2).heard(), ["INVITE", "ACK"]);
    assert_eq!(scene.phone(1).heard(), ["INVITE", "CANCEL", "ACK"]);
    let cancel = scene.memories[&1].heard[1].clone();
    assert!(String::from_utf8_lossy(cancel.raw(Name::Reason).unwrap()).contains("Call completed elsewhere"));
    scene.alice().acks();
    assert_eq!(scene.state(), "answered");
    scene.alice().hangs_up();
    assert_eq!(scene.phone(2).heard().last().unwrap(), "BYE");
    assert_eq!(scene.record().callee, "bob");
}

#[test]
fn a_phone_that_answers_too_late_is_acknowledged_and_hung_up() {
    let mut scene = three_phones();
    scene.phone(1).rings();
    scene.phone(1).dies();
    scene.phone(2).answers();
    assert_eq!(scene.phone(1).heard(), ["INVITE", "CANCEL"]);
    scene.phone(1).answers();
    assert_eq!(scene.phone(1).heard(), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(scene.alice().heard(), ["100", "180", "200"], "alice hears of one answer");
    scene.alice().acks();
    scene.alice().hangs_up();
    assert_eq!(scene.record().outcome, Outcome::Answered);
}

#[test]
fn if_all_refuse_the_best_refusal_is_told() {
    let mut scene = three_phones();
    scene.phone(1).refuses(480);
    scene.phone(2).refuses(486);
    scene.phone(3).refuses(404);
    assert_eq!(scene.alice().heard(), ["100", "486"]);
    assert_eq!(scene.record().outcome, Outcome::Busy);
}

#[test]
fn a_decline_everywhere_ends_it_at_once() {
    let mut scene = three_phones();
    scene.phone(1).rings();
    scene.phone(2).refuses(603);
    assert_eq!(scene.alice().heard(), ["100", "180", "603"]);
    assert_eq!(scene.phone(1).heard(), ["INVITE", "CANCEL", "ACK"]);
    assert!(scene.phone(3).heard().is_empty());
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Busy, "declined"));
}
