use contract::record::Outcome;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::{Scene, scene, talking};

fn calling_without_an_offer() -> Scene {
    let mut scene = scene();
    scene.alice().invites("bob", None);
    scene
}

#[test]
fn an_invite_without_an_offer_gets_the_callees() {
    let mut scene = calling_without_an_offer();
    assert!(scene.bob().last().body().is_empty());
    scene.bob().answers_with(BOBS_SDP);
    assert!(scene.alice().last_sdp().contains("m=audio 30000 RTP/AVP 0\r\n"));
    assert_eq!(scene.bob().heard(), ["INVITE"], "bob's ACK needs alice's answer");
    scene.alice().acks_with(Some(ALICES_SDP));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    assert!(scene.bob().last_sdp().contains("m=audio 30002"));
    assert_eq!(scene.wish().legs[0].remote_rtp, Some(([192, 0, 2, 1], 4000).into()));
    assert!(scene.wish().legs.iter().all(|leg| !leg.held));
    scene.bob().hangs_up();
    assert_eq!(scene.record().outcome, Outcome::Answered);
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let mut scene = calling_without_an_offer();
    scene.bob().answers_with(BOBS_SDP);
    scene.alice().acks();
    assert_eq!(scene.alice().heard().last().unwrap(), "BYE");
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(scene.record().cause, "the caller's ACK had no usable answer");
}

#[test]
fn a_reinvite_without_an_offer_gets_the_other_sides_session() {
    let mut scene = talking();
    scene.alice().reinvites(None);
    assert!(scene.alice().last_sdp().contains("m=audio 30000"));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    scene.alice().acks_with(Some(ALICES_SDP));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"], "alice says what she said before");
    scene.alice().hangs_up();
    assert_eq!(scene.record().status, 200);
}

#[test]
fn what_is_answered_to_our_offer_is_offered_to_the_other_side() {
    let mut scene = talking();
    scene.alice().reinvites(None);
    scene.alice().acks_with(Some(&held(ALICES_SDP, "sendonly")));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "INVITE"]);
    assert!(scene.bob().last_sdp().contains("a=sendonly"));
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert_eq!(scene.state(), "held");
}

#[test]
fn a_held_call_can_be_taken_up_without_an_offer() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    scene.alice().acks();
    scene.alice().reinvites(None);
    assert!(scene.alice().last_sdp().contains("a=sendrecv"), "we offer all there is");
    scene.alice().acks_with(Some(&ALICES_SDP.replace(" 1 1 IN", " 1 3 IN")));
    scene.bob().answers_with(&BOBS_SDP.replace(" 1 1 IN", " 1 3 IN"));
    assert_eq!(scene.state(), "answered");
    assert!(scene.wish().legs.iter().all(|leg| !leg.held));
}
