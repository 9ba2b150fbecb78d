use sip::Method;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::talking;

#[test]
fn when_both_offer_at_once_one_has_to_wait() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    assert_eq!(scene.bob().last().method(), Some(Method::Invite));
    // Bob's own re-INVITE has crossed ours.
    scene.bob().reinvites(Some(&held(BOBS_SDP, "sendonly")));
    assert_eq!(scene.bob().heard().last().unwrap(), "491");
    let reinvite = scene.memories[&1].heard[2].clone();
    assert_eq!(reinvite.method(), Some(Method::Invite));
    assert!(!scene.alice().heard().contains(&"491".to_owned()));
}

#[test]
fn a_phone_that_says_glare_is_asked_again_a_little_later() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().refuses(491);
    assert!(!scene.alice().heard().contains(&"491".to_owned()), "we try again ourselves");
    scene.passes(5);
    let offers = scene.bob().heard().iter().filter(|name| *name == "INVITE").count();
    assert_eq!(offers, 3, "{:?}", scene.bob().heard());
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    scene.alice().acks();
    assert_eq!(scene.state(), "held");
}

#[test]
fn a_second_offer_of_the_same_phone_waits_for_the_first() {
    let mut scene = talking();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.alice().sends(Method::Update, Some(&held(ALICES_SDP, "inactive")));
    let refusal = scene.alice().heard().pop().unwrap();
    assert!(refusal == "491" || refusal == "500", "{refusal}");
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert!(scene.alice().last_sdp().contains("a=recvonly"));
}
