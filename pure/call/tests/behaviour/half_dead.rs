//! Peers that vanish halfway: both legs end in a bounded time.

use std::time::Duration;

use contract::record::Outcome;
use sip::Method;

use crate::phone::ALICES_SDP;
use crate::scene::{calling, scene, talking};

#[test]
fn the_callers_ack_is_lost_for_ever() {
    let mut scene = calling();
    scene.bob().answers();
    scene.passes(31);
    assert_eq!(scene.state(), "answered");
    scene.passes(2);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Answered, "no ACK from the caller"));
}

#[test]
fn an_ack_that_is_lost_once_is_asked_for_by_repeating_the_answer() {
    let mut scene = calling();
    scene.bob().answers();
    scene.passes(1);
    assert_eq!(scene.alice().repeats(), 1);
    scene.alice().acks();
    scene.passes(60);
    assert_eq!(scene.alice().repeats(), 1);
    assert_eq!(scene.state(), "answered");
}

#[test]
fn our_ack_is_lost_and_the_callee_repeats_its_answer() {
    let mut scene = talking();
    scene.bob().answers();
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    assert_eq!(scene.bob().repeats(), 1);
}

#[test]
fn a_bye_that_nobody_answers_ends_in_a_bounded_time() {
    let mut scene = talking();
    scene.bob().dies();
    scene.alice().hangs_up();
    scene.passes(33);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);
    assert!(scene.bob().repeats() > 5, "it was sent again and again");
    assert_eq!(scene.record().outcome, Outcome::Answered);
}

#[test]
fn a_bye_for_a_call_that_is_long_over_is_answered() {
    let mut scene = talking();
    scene.alice().hangs_up();
    scene.passes(10);
    scene.bob().sends(Method::Bye, None);
    let answer = scene.bob().heard().pop().unwrap();
    assert!(answer == "481" || answer == "200", "{answer}");
}

#[test]
fn a_callee_that_vanished_is_found_out_by_the_session_timer() {
    let mut scene = scene();
    scene.settings.leg.session_expires = Some(Duration::from_secs(120));
    scene.settings.leg.min_se = Duration::from_secs(90);
    scene.grants = vec![36_000];
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().answers();
    scene.alice().acks();
    scene.bob().dies();
    scene.passes(150);
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    let record = scene.record();
    assert!(record.cause == "callee vanished" || record.cause == "session expired", "{}", record.cause);
    assert!(record.ended.since(record.started).as_secs() <= 120);
}
