//! The end of a call that was up.

use std::time::Duration;

use sip::leg::{EndedBy, LegCommand, LegEvent, LegState, LegTiming};
use sip::{Method, Name};

use crate::solo::{ANSWER, OFFER, Solo, identity};

fn bye() -> LegCommand {
    LegCommand::Bye { reason: Some("Q.850;cause=16".into()) }
}

fn ended(by: EndedBy) -> LegEvent {
    LegEvent::Ended { by, reason: None }
}

#[test]
fn our_bye_is_told_at_once_and_answered_later() {
    let mut solo = Solo::up_as_caller("Record-Route: <sip:p2;lr>, <sip:p1;lr>");
    solo.command(bye());
    assert_eq!((solo.events.clone(), solo.state()), (vec![ended(EndedBy::Us)], LegState::Ending));
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.raw(Name::Reason), Some(&b"Q.850;cause=16"[..]));
    assert_eq!(bye.raw(Name::Route), Some(&b"<sip:p1;lr>, <sip:p2;lr>"[..]));
    solo.answer_to(&bye, 200, "", "", "");
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn a_bye_that_nobody_answers_ends_in_a_time_that_is_a_setting() {
    for (bye_wait, byes) in [(32, 11), (5, 4)] {
        let timing = LegTiming { bye_wait: Duration::from_secs(bye_wait), ..LegTiming::default() };
        let mut solo = Solo::dial_as(identity(), Some(OFFER), timing);
        solo.answer(200, "b1", "", ANSWER);
        solo.wait(40_000);
        solo.command(LegCommand::Bye { reason: None });
        solo.wait(bye_wait * 1000 + 1);
        assert!(solo.leg.is_over());
        assert_eq!(solo.count(Method::Bye), byes);
    }
}

#[test]
fn the_peer_s_bye_is_answered_each_time_and_told_once() {
    for mut solo in [Solo::up_as_caller(""), Solo::up_as_called("")] {
        let bytes = solo.peer_sends(Method::Bye, "Reason: Q.850;cause=16;text=\"x\"", "");
        solo.receive(&bytes);
        assert_eq!(solo.responses(Method::Bye), [200, 200]);
        let reason = Some("Q.850;cause=16;text=\"x\"".to_owned());
        assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::Peer, reason }]);
        solo.wait_for_the_end();
        assert_eq!(solo.events.len(), 1);
    }
}

#[test]
fn two_byes_that_cross_are_both_answered() {
    let mut solo = Solo::up_as_caller("");
    solo.command(LegCommand::Bye { reason: None });
    solo.peer_sends(Method::Bye, "", "");
    assert_eq!(solo.responses(Method::Bye), [200]);
    let bye = solo.request(Method::Bye);
    solo.answer_to(&bye, 481, "", "", "");
    solo.wait_for_the_end();
    assert_eq!(solo.events, [ended(EndedBy::Us)]);
}

#[test]
fn after_the_end_the_dialog_is_unknown() {
    let mut solo = Solo::up_as_caller("");
    solo.peer_sends(Method::Bye, "", "");
    for method in [Method::Invite, Method::Update, Method::Info, Method::Options] {
        solo.peer_sends(method, "", "");
        assert_eq!(solo.responses(method), [481], "{method}");
    }
}

#[test]
fn a_called_side_that_hangs_up_waits_for_the_ack() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.command(LegCommand::Bye { reason: None });
    assert_eq!(solo.events[1..], [ended(EndedBy::Us)]);
    assert_eq!(solo.count(Method::Bye), 0);
    solo.wait(600);
    assert_eq!(solo.responses(Method::Invite), [100, 200, 200]);
    solo.ack("");
    assert_eq!(solo.count(Method::Bye), 1);
    let bye = solo.request(Method::Bye);
    solo.answer_to(&bye, 200, "", "", "");
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn it_does_not_wait_for_ever() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.command(LegCommand::Bye { reason: None });
    solo.wait(32_001);
    assert_eq!(solo.count(Method::Bye), 1);
    solo.wait_for_the_end();
    assert_eq!(solo.events[1..], [ended(EndedBy::Us)]);
}

#[test]
fn what_was_pending_is_refused_when_the_call_ends() {
    for hang_up in [true, false] {
        for method in [Method::Invite, Method::Update] {
            let mut solo = Solo::up_as_caller("");
            solo.peer_sends(method, "", "v=0 hold");
            if hang_up {
                solo.command(LegCommand::Bye { reason: None });
            } else {
                solo.peer_sends(Method::Bye, "", "");
            }
            assert_eq!(solo.responses(method).last(), Some(&487));
            assert_eq!(solo.events.len(), 2);
            solo.wait_for_the_end();
            assert_eq!(solo.events.len(), 2);
        }
    }
}

#[test]
fn our_own_pending_reinvite_does_not_delay_the_end() {
    let mut solo = Solo::up_as_caller("");
    solo.command(LegCommand::Reoffer { sdp: "v=0 hold".into() });
    solo.answer(100, "", "", "");
    solo.command(LegCommand::Bye { reason: None });
    let bye = solo.request(Method::Bye);
    solo.answer_to(&bye, 200, "", "", "");
    solo.answer(487, "", "", "");
    assert_eq!(solo.count(Method::Ack), 1);
    solo.wait_for_the_end();
    assert_eq!(solo.events, [ended(EndedBy::Us)]);
}

#[test]
fn a_2xx_to_a_reinvite_that_comes_after_the_end_is_acknowledged() {
    let mut solo = Solo::up_as_caller("");
    solo.command(LegCommand::Reoffer { sdp: "v=0 hold".into() });
    solo.answer(100, "", "", "");
    solo.command(LegCommand::Bye { reason: None });
    solo.answer(200, "", "", "v=0 held");
    assert_eq!(solo.count(Method::Ack), 1);
    assert_eq!(solo.events, [ended(EndedBy::Us)]);
    solo.wait_for_the_end();
}

#[test]
fn an_unacknowledged_2xx_to_a_reinvite_ends_the_call() {
    let mut solo = Solo::up_as_caller("");
    solo.peer_sends(Method::Invite, "", "v=0 hold");
    solo.command(LegCommand::AcceptOffer { sdp: "v=0 held".into() });
    solo.wait(32_001);
    assert_eq!(solo.events[1..], [LegEvent::NoAck, ended(EndedBy::NoAck)]);
    assert_eq!(solo.count(Method::Bye), 1);
    solo.wait_for_the_end();
}
