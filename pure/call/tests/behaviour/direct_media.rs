use call::Question;

use crate::phone::{ALICES_SDP, BOBS_SDP, held};
use crate::scene::scene;

#[test]
fn phones_may_talk_past_us() {
    let mut scene = scene();
    scene.caller.direct_media = true;
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert!(scene.bob().last_sdp().contains("c=IN IP4 192.0.2.1\r\n"));
    assert!(scene.bob().last_sdp().contains("m=audio 4000 RTP/AVP 0 8 101"));
    scene.bob().answers();
    assert!(scene.alice().last_sdp().contains("c=IN IP4 192.0.2.2\r\n"));
    scene.alice().acks();
    scene.alice().reinvites(Some(&held(ALICES_SDP, "sendonly")));
    scene.bob().answers_with(&held(BOBS_SDP, "recvonly"));
    assert_eq!(scene.state(), "held");
    scene.alice().hangs_up();
    let media = |question: &Question| matches!(question, Question::Anchor(..) | Question::Release(..));
    assert!(!scene.asked.iter().any(media));
    assert!(scene.record().quality.is_empty());
}
