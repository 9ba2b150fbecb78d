use contract::media::Happening;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::talking;

#[test]
fn a_hold_goes_through_to_the_other_side_and_back() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "INVITE"]);
    let offer = scene.bob().last_sdp();
    assert!(offer.contains("a=sendonly") && offer.contains("m=audio 30002"), "{offer}");
    assert_eq!(scene.state(), "answered", "nothing has changed until bob agrees");

    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert_eq!(scene.bob().heard().last().unwrap(), "ACK");
    let answer = scene.alice().last_sdp();
    assert!(answer.contains("a=recvonly") && answer.contains("m=audio 30000"), "{answer}");
    scene.alice().acks();
    assert_eq!(scene.state(), "held");
    assert!(!scene.wish().legs[0].held, "alice plays music");
    assert!(scene.wish().legs[1].held, "bob is silent");
}

#[test]
fn silence_on_hold_is_no_sign_of_death() {
    let mut scene = talking();
    scene.bob().reinvites(Some(&held(BOBS_SDP, "inactive")));
    scene.alice().answers_with(&held(ALICES_SDP, "inactive"));
    scene.bob().acks();
    assert!(scene.wish().legs.iter().all(|leg| leg.held));
    scene.notices(0, Happening::Inactive);
    assert_eq!(scene.state(), "held");
}

#[test]
fn a_hold_ends_by_another_offer() {
    let mut scene = talking();
    scene.bob().reinvites(Some(&held(BOBS_SDP, "inactive")));
    scene.alice().answers_with(&held(ALICES_SDP, "inactive"));
    scene.bob().acks();
    scene.bob().reinvites(Some(&BOBS_SDP.replace(" 1 1 IN", " 1 3 IN")));
    scene.alice().answers_with(&ALICES_SDP.replace(" 1 1 IN", " 1 3 IN"));
    scene.bob().acks();
    assert_eq!(scene.state(), "answered");
    assert!(scene.wish().legs.iter().all(|leg| !leg.held));
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut scene = talking();
    let before = scene.wish();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().refuses(488);
    assert_eq!(scene.alice().heard().last().unwrap(), "488");
    assert_eq!(scene.state(), "answered");
    assert_eq!(scene.wish(), before);
    scene.alice().hangs_up();
    assert_eq!(scene.record().status, 200);
}

#[test]
fn a_refresh_with_the_same_session_is_answered_without_asking_the_other_side() {
    let mut scene = talking();
    let told = scene.alice().last_sdp();
    scene.alice().reinvites(Some(ALICES_SDP));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    assert_eq!(scene.alice().heard().last().unwrap(), "200");
    assert_eq!(scene.alice().last_sdp(), told);
}

#[test]
fn an_offer_that_is_taken_back_is_taken_back_on_the_other_side() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.alice().cancels();
    assert_eq!(scene.alice().heard().last().unwrap(), "487");
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "INVITE", "ACK", "INVITE"]);
    assert!(scene.bob().last_sdp().contains("a=sendrecv"));
    scene.bob().answers_with(&BOBS_SDP.replace(" 1 1 IN", " 1 3 IN"));
    assert_eq!(scene.state(), "answered");
}

#[test]
fn a_call_ends_while_it_is_being_put_on_hold() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().hangs_up();
    assert_eq!(scene.bob().heard().last().unwrap(), "200");
    scene.bob().refuses(481);
    assert!(scene.alice().heard().contains(&"BYE".to_owned()));
    assert_eq!(scene.record().cause, "callee hung up");
}
