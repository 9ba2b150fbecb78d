use crate::phone::{ALICES_SDP, BOBS_SDP};
use crate::scene::{calling, ring, scene};

#[test]
fn early_media_goes_through_the_anchor() {
    let mut scene = calling();
    scene.bob().progresses(183, Some(BOBS_SDP));
    assert_eq!(scene.alice().heard(), ["100", "183"]);
    assert!(scene.alice().last_sdp().contains("m=audio 30000"));
    assert_eq!(scene.wish().legs[1].remote_rtp, Some(([192, 0, 2, 2], 5000).into()));

    scene.bob().answers();
    assert!(scene.alice().last_sdp().contains("m=audio 30000"));
    scene.alice().acks();
    assert_eq!(scene.alice().heard(), ["100", "183", "200"], "nothing is told twice");
}

#[test]
fn ringing_without_media_is_passed_on_without_media() {
    let mut scene = calling();
    scene.bob().rings();
    assert!(scene.alice().last().body().is_empty());
}

#[test]
fn a_repeated_progress_is_told_once() {
    let mut scene = calling();
    scene.bob().rings();
    scene.bob().rings();
    scene.bob().progresses(183, Some(BOBS_SDP));
    scene.bob().progresses(183, Some(BOBS_SDP));
    assert_eq!(scene.alice().heard(), ["100", "180", "183"]);
}

#[test]
fn of_several_phones_the_first_that_is_heard_goes_on_being_heard() {
    let mut scene = scene();
    scene.ways.insert("bob".into(), ring("bob", &[("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 1000)]));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.phone(1).progresses(183, Some(BOBS_SDP));
    let other = BOBS_SDP.replace("5000", "6000");
    scene.phone(2).progresses(183, Some(&other));
    assert_eq!(scene.alice().heard(), ["100", "183"]);
    assert_eq!(scene.wish().legs[1].remote_rtp, Some(([192, 0, 2, 2], 5000).into()));
}

#[test]
fn when_another_phone_answers_than_was_heard_the_caller_is_told_again() {
    let mut scene = scene();
    scene.ways.insert("bob".into(), ring("bob", &[("sip:a@192.0.2.2", 1000), ("sip:b@192.0.2.3", 1000)]));
    scene.alice().invites("bob", Some(ALICES_SDP));
    scene.phone(1).progresses(183, Some(BOBS_SDP));
    let other = BOBS_SDP.replace("5000 RTP/AVP 0", "6000 RTP/AVP 8").replace("0 PCMU", "8 PCMA");
    scene.phone(2).answers_with(&other);
    assert_eq!(scene.wish().legs[1].remote_rtp, Some(([192, 0, 2, 2], 6000).into()));
    scene.alice().acks();
    assert_eq!(scene.alice().heard(), ["100", "183", "200", "INVITE"]);
    assert!(scene.alice().last_sdp().contains("RTP/AVP 8\r\n"));
    scene.alice().answers_with(ALICES_SDP);
    assert_eq!(scene.alice().heard().last().unwrap(), "ACK");
    assert_eq!(scene.phone(2).heard(), ["INVITE", "ACK"], "the callee is left in peace");
}
