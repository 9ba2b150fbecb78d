use call::Route;
use contract::record::Outcome;
use sip::Status;

use crate::phone::ALICES_SDP;
use crate::scene::{calling, ring, scene};

#[test]
fn nobody_is_registered() {
    let mut scene = scene();
    scene.ways.insert("bob".into(), ring("bob", &[]));
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.alice().heard(), ["100", "480"]);
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Unreachable, "nobody is registered"));
}

#[test]
fn nobody_has_that_name() {
    let mut scene = scene();
    scene.alice().invites("zoe", Some(ALICES_SDP));
    assert_eq!(scene.alice().heard(), ["100", "404"]);
    let record = scene.record();
    assert_eq!((record.outcome, record.status, &*record.cause), (Outcome::Refused, 404, "not found"));
}

#[test]
fn the_phone_does_not_say_a_word() {
    let mut scene = calling();
    scene.passes(33);
    assert_eq!(scene.alice().heard(), ["100", "480"]);
    assert_eq!(scene.bob().repeats(), 6, "it was sent again and again");
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Unreachable, "no phone could be reached"));
}

#[test]
fn the_phones_connection_is_gone() {
    let mut scene = calling();
    scene.bob().refuses(430);
    assert_eq!(scene.alice().heard(), ["100", "480"]);
    assert_eq!(scene.record().outcome, Outcome::Unreachable);
}

#[test]
fn a_phones_challenge_is_not_the_callers_business() {
    let mut scene = calling();
    scene.bob().refuses(407);
    assert_eq!(scene.alice().heard(), ["100", "480"]);
}

#[test]
fn the_owner_refuses() {
    let mut scene = scene();
    let blocked = Route::Refuse { status: Status::FORBIDDEN, cause: "blocked".into() };
    scene.ways.insert("bob".into(), blocked);
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.alice().heard(), ["100", "403"]);
    assert_eq!(scene.record().cause, "blocked");
}
