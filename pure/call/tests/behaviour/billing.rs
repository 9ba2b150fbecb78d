use call::Question;
use contract::billing::Settle;
use contract::record::Outcome;

use crate::phone::ALICES_SDP;
use crate::scene::{Down, Scene, scene};

fn talking_with(grants: &[u32]) -> Scene {
    let mut scene = scene();
    scene.grants = grants.to_vec();
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.bob().answers();
    scene.alice().acks();
    scene
}

fn serials(scene: &Scene) -> Vec<u32> {
    let serial = |question: &Question| match question {
        Question::Reserve(reserve) => Some(reserve.serial),
        _ => None,
    };
    scene.asked.iter().filter_map(serial).collect()
}

fn settled(scene: &Scene) -> Settle {
    let settle = |question: &Question| match question {
        Question::Settle(settle) => Some(settle.clone()),
        _ => None,
    };
    scene.asked.iter().find_map(settle).expect("nothing was settled")
}

#[test]
fn a_caller_without_credit_does_not_get_through() {
    let mut scene = scene();
    scene.grants = vec![0];
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.alice().heard(), ["100", "402"]);
    assert!(scene.bob().heard().is_empty());
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Refused, "no credit"));
}

#[test]
fn more_is_reserved_before_the_granted_seconds_run_out() {
    let mut scene = talking_with(&[60]);
    assert_eq!(serials(&scene), [1]);
    scene.passes(44);
    assert_eq!(serials(&scene), [1]);
    scene.passes(2);
    assert_eq!(serials(&scene), [1, 2]);
    scene.passes(60);
    assert_eq!(serials(&scene), [1, 2, 3]);
    scene.alice().hangs_up();
    let settle = settled(&scene);
    assert_eq!((settle.serial, settle.talked_ms, &*settle.account), (3, 106_000, "alice"));
    scene.record();
}

#[test]
fn the_call_ends_with_its_last_paid_second() {
    let mut scene = talking_with(&[60, 0]);
    scene.passes(59);
    assert_eq!(scene.state(), "answered");
    scene.passes(1);
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.bob().heard().last().unwrap(), "BYE");
    assert_eq!(settled(&scene).talked_ms, 60_000);
    assert_eq!(scene.record().cause, "no credit left");
}

#[test]
fn while_billing_cant_be_reached_calls_come_about_and_end_at_the_offline_limit() {
    let mut scene = scene();
    scene.is_down.push(Down::Billing);
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert!(scene.bob().heard().is_empty());
    scene.passes(10);
    assert_eq!(scene.bob().heard()[0], "INVITE");
    scene.bob().answers();
    scene.alice().acks();
    scene.passes(299);
    assert_eq!(scene.state(), "answered");
    scene.passes(1);
    assert_eq!(scene.state(), "ending");
    scene.passes(3600);
    assert!(scene.records.is_empty(), "the record waits for its price");
    scene.is_down.clear();
    assert_eq!(scene.record().cause, "billing could not be reached");
}

#[test]
fn billing_that_comes_back_in_time_is_asked_and_the_call_goes_on() {
    let mut scene = talking_with(&[60]);
    scene.is_down.push(Down::Billing);
    scene.passes(200);
    assert_eq!(scene.state(), "answered");
    scene.is_down.clear();
    scene.passes(300);
    assert_eq!(scene.state(), "answered");
    scene.alice().hangs_up();
    scene.record();
}

#[test]
fn an_answer_that_comes_twice_is_counted_once() {
    use call::Answer;
    use contract::Money;
    use contract::billing::Reserved;
    let mut scene = talking_with(&[60]);
    let amount = Money::default();
    scene.answers(Answer::Reserved { serial: 1, reserved: Reserved::Granted { seconds: 60, amount } });
    scene.passes(46);
    assert_eq!(serials(&scene), [1, 2], "the second answer granted nothing");
}
