use contract::record::Outcome;

use crate::phone::ALICES_SDP;
use crate::scene::{calling, scene};

#[test]
fn nobody_answers_in_time() {
    let mut scene = calling();
    scene.bob().rings();
    scene.passes(59);
    assert_eq!(scene.alice().heard(), ["100", "180"]);
    scene.passes(1);
    assert_eq!(scene.alice().heard(), ["100", "180", "480"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK"]);
    let record = scene.record();
    assert_eq!((record.outcome, record.status, &*record.cause), (Outcome::NoAnswer, 480, "no answer"));
}

#[test]
fn a_phone_is_told_how_long_to_ring_at_most() {
    let mut scene = calling();
    assert_eq!(scene.bob().last().expires().unwrap(), Some(60));
}

#[test]
fn the_caller_says_how_long_it_waits() {
    let mut scene = scene();
    scene.alice().invites_with("bob", Some(ALICES_SDP), &[("Expires", "20")]);
    scene.bob().rings();
    scene.passes(10);
    scene.is_killed();
    scene.passes(9);
    assert_eq!(scene.alice().heard(), ["100", "180"]);
    scene.passes(1);
    assert_eq!(scene.alice().heard(), ["100", "180", "487"]);
    assert_eq!(scene.bob().heard().last().map(String::as_str), Some("ACK"), "its phone stops ringing");
    let record = scene.record();
    assert_eq!((record.outcome, record.status), (Outcome::NoAnswer, 487));
    assert_eq!(record.cause, "no answer within the caller's time");
}

#[test]
fn a_caller_does_not_wait_longer_than_we_let_it() {
    for expires in ["600", "soon"] {
        let mut scene = scene();
        scene.alice().invites_with("bob", Some(ALICES_SDP), &[("Expires", expires)]);
        scene.bob().rings();
        scene.passes(60);
        assert_eq!(scene.alice().heard(), ["100", "180", "480"], "{expires}");
    }
}
