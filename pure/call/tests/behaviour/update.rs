use sip::Method;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::talking;

#[test]
fn an_update_goes_through_as_an_update() {
    let mut scene = talking();
    scene.bob().sends(Method::Update, Some(&held(BOBS_SDP, "sendonly")));
    assert_eq!(scene.alice().last().method(), Some(Method::Update));
    scene.alice().answers_with(&held(ALICES_SDP, "recvonly"));
    assert_eq!(scene.bob().heard().last().unwrap(), "200");
    assert!(scene.bob().last_sdp().contains("a=recvonly"));
    assert_eq!(scene.state(), "held");
}

#[test]
fn an_update_without_sdp_is_answered_here() {
    let mut scene = talking();
    scene.alice().sends(Method::Update, None);
    assert_eq!(scene.alice().heard().last().unwrap(), "200");
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
}
