use call::Question;
use contract::record::Outcome;

use crate::phone::{ALICES_SDP, held};
use crate::scene::{Down, Scene, calling, scene, talking};

fn asked(scene: &Scene, what: fn(&Question) -> bool) -> usize {
    scene.asked.iter().filter(|question| what(question)).count()
}

fn releases(scene: &Scene) -> usize {
    asked(scene, |question| matches!(question, Question::Release(..)))
}

fn settles(scene: &Scene) -> usize {
    asked(scene, |question| matches!(question, Question::Settle(_)))
}

#[test]
fn of_an_abandoned_talk_both_phones_hear_and_the_record_says_why() {
    let mut scene = talking();
    scene.passes(10);
    // Nobody is waited for: not even a phone that says nothing any more.
    scene.alice().dies();
    scene.is_abandoned();
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.bob().heard().last().unwrap(), "BYE");
    assert!(scene.call.is_none(), "it is over at once");
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Answered, "given up after a fault"));
    assert_eq!(record.ended.since(record.answered.unwrap()).as_secs(), 10);
    assert_eq!((releases(&scene), settles(&scene)), (1, 1));
    assert!(record.price.is_some() && record.quality.len() == 1);
}

#[test]
fn of_an_abandoned_call_that_rings_the_caller_is_refused_and_the_phone_stops() {
    let mut scene = calling();
    scene.bob().rings();
    scene.is_abandoned();
    assert_eq!(scene.alice().heard().last().unwrap(), "500");
    assert_eq!(scene.bob().heard().last().unwrap(), "CANCEL");
    assert!(scene.call.is_none());
    let record = scene.record();
    assert_eq!((record.outcome, record.status), (Outcome::Failed, 500));
    assert_eq!(record.cause, "given up after a fault");
}

#[test]
fn a_call_can_be_abandoned_in_any_state() {
    let mut in_the_beginning = scene();
    in_the_beginning.is_down.push(Down::Routing);
    in_the_beginning.alice().invites("bob", Some(ALICES_SDP));
    let mut unheard = scene();
    unheard.alice().invites("bob", Some(ALICES_SDP));
    let mut unacknowledged = calling();
    unacknowledged.bob().answers();
    let mut being_held = talking();
    being_held.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    for mut scene in [in_the_beginning, unheard, unacknowledged, being_held] {
        scene.is_abandoned();
        assert!(scene.call.is_none());
        assert_eq!(scene.record().cause, "given up after a fault");
        assert!(["500", "BYE"].contains(&&**scene.alice().heard().last().unwrap()));
    }
}

#[test]
fn who_is_abandoned_for_the_second_time_waits_for_no_account() {
    let mut scene = talking();
    scene.is_down.extend([Down::Billing, Down::Media]);
    scene.is_abandoned();
    assert!(scene.call.is_some(), "the money is not settled yet");
    scene.is_abandoned();
    assert!(scene.call.is_none());
    assert_eq!(scene.record().cause, "given up after a fault");
    assert_eq!((releases(&scene), settles(&scene)), (2, 2), "they were asked once more nevertheless");
}

#[test]
fn a_call_that_was_ending_keeps_its_cause() {
    let mut scene = talking();
    scene.is_down.push(Down::Billing);
    scene.alice().hangs_up();
    scene.is_abandoned();
    assert!(scene.call.is_none());
    assert_eq!(scene.record().cause, "caller hung up");
}
