use call::Question;
use contract::record::Outcome;

use crate::phone::ALICES_SDP;
use crate::scene::{Down, Scene, calling, scene, talking};

fn calling_while(down: Down) -> Scene {
    let mut scene = scene();
    scene.is_down.push(down);
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene
}

#[test]
fn a_question_that_is_not_answered_is_asked_again() {
    let mut scene = calling_while(Down::Media);
    scene.passes_millis(250);
    let wishes = |scene: &Scene| scene.asked.iter().filter(|it| matches!(it, Question::Anchor(..))).count();
    assert_eq!(wishes(&scene), 1);
    scene.passes_millis(100);
    assert_eq!(wishes(&scene), 2);
    scene.is_down.clear();
    scene.passes(1);
    assert_eq!(scene.bob().heard()[0], "INVITE");
}

#[test]
fn without_media_a_call_is_refused() {
    let mut scene = calling_while(Down::Media);
    scene.passes(10);
    assert_eq!(scene.alice().heard(), ["100", "503"]);
    let record = scene.record();
    assert_eq!((record.outcome, &*record.cause), (Outcome::Failed, "media could not be reached"));
}

#[test]
fn without_a_way_a_call_is_refused() {
    let mut scene = calling_while(Down::Routing);
    scene.passes(20);
    assert_eq!(scene.alice().heard(), ["100", "503"]);
    assert_eq!(scene.record().outcome, Outcome::Failed);
}

#[test]
fn media_that_is_away_at_the_end_costs_the_quality_but_not_the_record() {
    let mut scene = talking();
    scene.is_down.push(Down::Media);
    scene.alice().hangs_up();
    scene.passes(30);
    assert!(scene.record().quality.is_empty());
}

#[test]
fn a_call_in_progress_does_not_need_anybody() {
    let mut scene = talking();
    scene.is_down.extend([Down::Media, Down::Billing, Down::Store, Down::Routing, Down::Apps]);
    scene.passes(600);
    assert_eq!(scene.state(), "answered");
    scene.alice().hangs_up();
    assert_eq!(scene.bob().heard().last().unwrap(), "BYE");
}

#[test]
fn the_record_waits_for_the_store() {
    let mut scene = talking();
    scene.is_down.push(Down::Store);
    scene.alice().hangs_up();
    scene.passes(3600);
    assert_eq!(scene.state(), "ending");
    assert!(!scene.call().is_over());
    scene.is_down.clear();
    scene.record();
}

#[test]
fn an_answer_to_nothing_changes_nothing() {
    use call::Answer;
    let mut scene = calling();
    let before = format!("{:?}", scene.call());
    scene.answers(Answer::Kept);
    scene.answers(Answer::Settled(contract::billing::Settled::default()));
    scene.answers(Answer::Anchored { serial: 99, anchored: contract::media::Anchored::Stale });
    assert_eq!(format!("{:?}", scene.call()), before);
}
