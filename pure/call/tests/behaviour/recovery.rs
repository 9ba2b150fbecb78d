use call::{Call, Question};
use contract::media::Anchor;
use machine::Epoch;

use crate::phone::ALICES_SDP;
use crate::scene::{Down, Scene, scene, talking};

#[test]
fn after_a_death_every_open_question_is_asked_again() {
    let mut scene = scene();
    scene.is_down.extend([Down::Routing, Down::Billing]);
    scene.alice().invites("bob", Some(ALICES_SDP));
    let before = scene.asked.len();
    scene.is_down.clear();
    scene.is_killed();
    let again = &scene.asked[before..];
    assert!(again.iter().any(|question| matches!(question, Question::Route(_))));
    assert!(
        again.iter().any(|question| matches!(question, Question::Reserve(reserve) if reserve.serial == 1))
    );
    assert_eq!(scene.bob().heard(), ["INVITE"], "and the call goes on");
}

#[test]
fn after_a_death_nothing_is_said_that_was_said_before() {
    let mut scene = talking();
    scene.is_killed();
    assert_eq!(scene.alice().heard(), ["100", "180", "200"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    scene.bob().hangs_up();
    assert_eq!(scene.record().cause, "callee hung up");
}

#[test]
fn whoever_adopts_a_call_is_heard_by_media_from_then_on() {
    let mut scene = talking();
    let (before, wish) = (scene.asked.len(), scene.wish());
    scene.is_adopted(Epoch(2));
    assert_eq!(scene.asked.len(), before + 1, "media is told at once, and once");
    assert_eq!(scene.wish(), Anchor { epoch: Epoch(2), ..wish });
    scene.alice().hangs_up();
    let released = scene.asked.iter().find_map(|question| match question {
        Question::Release(_, release) => Some(release.epoch),
        _ => None,
    });
    assert_eq!(released, Some(Epoch(2)));
    assert_eq!(scene.record().cause, "caller hung up");
}

#[test]
fn a_call_that_is_adopted_while_media_is_away_asks_until_it_is_heard() {
    let mut scene = talking();
    scene.is_down.push(Down::Media);
    scene.is_adopted(Epoch(2));
    let before = scene.asked.len();
    scene.passes_millis(299);
    assert_eq!(scene.asked.len(), before);
    scene.passes_millis(1);
    assert_eq!(scene.asked.len(), before + 1);
    scene.is_adopted(Epoch(1));
    assert_eq!(scene.wish().epoch, Epoch(2), "a ghost adopts nothing");
}

#[test]
fn a_call_that_is_adopted_while_it_ends_asks_for_no_audio() {
    let mut scene = talking();
    scene.is_down.push(Down::Billing);
    scene.alice().hangs_up();
    let wishes = |scene: &Scene| scene.asked.iter().filter(|it| matches!(it, Question::Anchor(..))).count();
    let before = wishes(&scene);
    scene.is_adopted(Epoch(2));
    assert_eq!(wishes(&scene), before);
    scene.is_down.clear();
    assert_eq!(scene.record().cause, "caller hung up");
}

#[test]
fn rubbish_is_no_snapshot() {
    assert!(Call::restore(b"").is_err());
    assert!(Call::restore(&[0x81, 0xc1]).is_err());
    let snapshot = talking().call().snapshot();
    for end in (0..snapshot.len()).step_by(97) {
        assert!(Call::restore(&snapshot[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_snapshot_of_a_later_format_says_so() {
    let mut later = vec![0x81, 0xa6];
    later.extend_from_slice(b"format");
    later.push(99);
    let error = Call::restore(&later).unwrap_err();
    assert!(error.to_string().contains("format 99"), "{error}");
}

#[test]
fn what_a_successor_finds_out_by_itself_is_not_written() {
    let mut scene = talking();
    // INVITE, way, money, audio, 180, 200, ACK; not that the audio is as it was wished.
    assert_eq!(scene.writes, 7);
    scene.is_killed();
    assert_eq!(scene.wish().version, 3, "so media is asked once more");
    scene.alice().hangs_up();
    // BYE, the record, and that it is kept; not what media said of the quality.
    assert_eq!(scene.writes, 10);
    scene.is_killed();
    scene.passes_millis(600);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(scene.record().cause, "caller hung up");
}

#[test]
fn a_repeated_request_is_answered_without_a_word_in_the_journal() {
    let mut scene = scene();
    scene.is_down.push(Down::Routing);
    scene.alice().invites("bob", Some(ALICES_SDP));
    let before = scene.writes;
    scene.alice().invites_again(Some(ALICES_SDP));
    assert_eq!((scene.alice().repeats(), scene.writes), (1, before));
}
