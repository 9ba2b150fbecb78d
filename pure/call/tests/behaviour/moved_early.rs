//! The media node dies while early media is heard: who knows UPDATE is told before the call is answered.

use contract::NodeId;

use crate::media_nodes::{answer, both_answer, calling, is_at, node_1_dies, several, version};
use crate::phone::{ALICES_SDP, BOBS_SDP};
use crate::scene::{Down, Scene, ring};

/// Alice hears bob before he answers, and both phones know UPDATE.
fn hearing_early() -> Scene {
    let mut scene = calling();
    scene.bob().speaks_early(BOBS_SDP);
    scene
}

#[test]
fn the_media_node_dies_during_early_media_and_both_phones_are_told_by_update() {
    let mut scene = hearing_early();
    node_1_dies(&mut scene);
    let (alice, bob) = (scene.alice().last_sdp(), scene.bob().last_sdp());
    assert_eq!(
        (scene.alice().heard().last().unwrap(), scene.bob().heard().last().unwrap()),
        (&"UPDATE".to_owned(), &"UPDATE".to_owned())
    );
    assert!(is_at(&alice, 2, 30000) && is_at(&bob, 2, 30002), "{alice}{bob}");
    assert!(bob.contains("RTP/AVP 0\r\n"), "what he agreed to: {bob}");
    both_answer(&mut scene);
    scene.is_killed();
    scene.bob().picks_up(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.alice().heard(), ["100", "183", "UPDATE", "200"], "they need not be told again");
    assert_eq!(scene.bob().heard(), ["INVITE", "UPDATE", "ACK"]);
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
    let last = scene.bob().last_sdp();
    scene.is_moved(3);
    assert_eq!(version(&scene.bob().last_sdp()), version(&last) + 1);
    both_answer(&mut scene);
    scene.bob().hangs_up();
    scene.record();
}

#[test]
fn phones_that_refuse_an_early_update_are_told_when_the_call_is_answered() {
    for status in [491, 500, 481, 405] {
        let mut scene = hearing_early();
        node_1_dies(&mut scene);
        scene.alice().refuses(status);
        scene.bob().refuses(status);
        scene.passes(5);
        assert_eq!(scene.state(), "ringing", "{status}");
        scene.bob().picks_up(BOBS_SDP);
        assert_eq!(scene.bob().heard(), ["INVITE", "UPDATE", "ACK", "INVITE"]);
        scene.alice().acks();
        assert_eq!(scene.alice().heard(), ["100", "183", "UPDATE", "200", "INVITE"]);
        both_answer(&mut scene);
        assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
    }
}

#[test]
fn who_was_told_by_update_is_not_told_again_with_who_does_not_know_it() {
    let mut scene = calling();
    scene.bob().progresses(183, Some(BOBS_SDP));
    node_1_dies(&mut scene);
    assert_eq!(scene.bob().heard(), ["INVITE"], "he never said that he knows UPDATE");
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    scene.bob().picks_up(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.alice().heard(), ["100", "183", "UPDATE", "200"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "INVITE"]);
    assert!(is_at(&scene.bob().last_sdp(), 2, 30002));
    scene.bob().answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
}

#[test]
fn the_call_is_answered_while_early_updates_are_on_their_way() {
    let mut scene = hearing_early();
    node_1_dies(&mut scene);
    scene.bob().picks_up(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.bob().heard(), ["INVITE", "UPDATE", "ACK"], "one offer after the other");
    both_answer(&mut scene);
    assert_eq!(scene.bob().heard().last().unwrap(), "INVITE", "what he made of it nobody knows");
    assert_eq!(scene.alice().heard().last().unwrap(), "INVITE");
    both_answer(&mut scene);
    assert_eq!((scene.state().as_str(), scene.left()), ("answered", vec![1]));
}

#[test]
fn the_second_node_dies_too_before_the_call_is_answered() {
    let mut scene = hearing_early();
    node_1_dies(&mut scene);
    both_answer(&mut scene);
    scene.is_down.push(Down::Node(NodeId(2)));
    scene.media_is(&[3]);
    assert!(is_at(&scene.alice().last_sdp(), 3, 30000) && is_at(&scene.bob().last_sdp(), 3, 30002));
    both_answer(&mut scene);
    scene.bob().picks_up(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.bob().heard(), ["INVITE", "UPDATE", "UPDATE", "ACK"]);
}

#[test]
fn early_media_that_was_told_elsewhere_ends_and_another_phones_is_heard() {
    let mut scene = several();
    let phones = [("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 1000)];
    scene.ways.insert("bob".into(), ring("bob", &phones));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.phone(1).speaks_early(BOBS_SDP);
    node_1_dies(&mut scene);
    scene.alice().answers_with(&answer(ALICES_SDP, "sendrecv"));
    scene.phone(1).answers_with(&answer(BOBS_SDP, "sendrecv"));
    assert_eq!(scene.phone(2).heard(), ["INVITE"], "nobody hears it");
    let invite = scene.phone(2).last_sdp();
    assert!(invite.contains("RTP/AVP 0 8 101\r\n"), "it was offered all: {invite}");
    scene.phone(1).progresses(486, None);
    scene.phone(2).speaks_early(BOBS_SDP);
    assert_eq!(scene.phone(2).heard(), ["INVITE", "UPDATE"], "its INVITE named the dead node");
    assert!(is_at(&scene.phone(2).last_sdp(), 2, 30002));
    scene.phone(2).answers_with(&answer(BOBS_SDP, "sendrecv"));
    scene.phone(2).picks_up(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.phone(2).heard(), ["INVITE", "UPDATE", "ACK"]);
}
