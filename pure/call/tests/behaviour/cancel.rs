use contract::record::Outcome;
use sip::Name;

use crate::scene::calling;

#[test]
fn the_caller_gives_up_while_it_rings() {
    let mut scene = calling();
    scene.bob().rings();
    scene.alice().cancels();
    assert_eq!(scene.alice().heard(), ["100", "180", "200", "487"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK"]);
    let cancel = scene.memories[&1].heard[1].clone();
    assert_eq!(cancel.raw(Name::Reason), Some(&b"SIP;cause=600"[..]));
    let record = scene.record();
    assert_eq!((record.outcome, record.status, record.answered), (Outcome::Cancelled, 487, None));
    assert_eq!(record.price.unwrap().micros, 0);
}

#[test]
fn the_caller_gives_up_before_the_phone_has_said_anything() {
    let mut scene = calling();
    scene.alice().cancels();
    assert_eq!(scene.bob().heard(), ["INVITE"], "a CANCEL must wait for a provisional response");
    scene.bob().rings();
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(scene.record().outcome, Outcome::Cancelled);
}

#[test]
fn the_caller_gives_up_just_when_the_phone_is_picked_up() {
    let mut scene = calling();
    scene.bob().rings();
    scene.bob().dies();
    scene.alice().cancels();
    scene.bob().answers();
    assert_eq!(scene.alice().heard(), ["100", "180", "200", "487"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(scene.record().outcome, Outcome::Cancelled);
}

#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    let mut scene = calling();
    scene.bob().answers();
    scene.alice().cancels();
    scene.alice().acks();
    assert_eq!(scene.state(), "answered");
    scene.alice().hangs_up();
    assert_eq!(scene.record().outcome, Outcome::Answered);
}
