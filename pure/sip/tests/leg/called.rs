//! The called side until the call is up.

use sip::leg::{EndedBy, LegCommand, LegEvent, LegState};
use sip::{Method, Name, Status};

use crate::solo::{ANSWER, OFFER, Solo, invite, text};

#[test]
fn trying_is_said_at_once_and_the_owner_is_told() {
    let solo = Solo::invited("", OFFER);
    assert_eq!(solo.responses(Method::Invite), [100]);
    assert_eq!(solo.events, [LegEvent::Invited { offer: Some(OFFER.into()) }]);
    assert_eq!(solo.state(), LegState::Incoming);
    assert_eq!(solo.leg.remote_tag(), Some("a1"));
}

#[test]
fn ringing_and_the_answer_make_the_dialog() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Progress { status: Status::RINGING, sdp: None });
    assert_eq!(solo.state(), LegState::Alerting);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    assert_eq!(solo.responses(Method::Invite), [100, 180, 200]);
    for message in &solo.sent[1..] {
        let text = text(message);
        assert!(text.contains("\r\nRecord-Route: <sip:edge.example.com;lr>\r\n"), "{text}");
        assert!(text.contains("\r\nTo: <sip:bob@example.com>;tag=b1\r\n"), "{text}");
        assert!(text.contains("\r\nContact: <sip:bob@10.0.0.2:5060>\r\n"), "{text}");
    }
    assert_eq!(solo.response(Method::Invite).body(), ANSWER.as_bytes());
    assert_eq!(solo.state(), LegState::Answered);
    solo.ack("");
    assert_eq!(solo.state(), LegState::Confirmed);
    assert_eq!(solo.events.last(), Some(&LegEvent::Confirmed { sdp: None }));
    solo.ack("");
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn the_answer_repeats_early_media() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Progress { status: Status::SESSION_PROGRESS, sdp: Some(ANSWER.into()) });
    assert_eq!(solo.response(Method::Invite).body(), ANSWER.as_bytes());
    solo.command(LegCommand::Answer { sdp: None });
    assert_eq!(solo.response(Method::Invite).body(), ANSWER.as_bytes());
}

#[test]
fn a_repeated_invite_gets_the_newest_provisional_again() {
    let mut solo = Solo::invited("", OFFER);
    solo.receive(&invite("", OFFER));
    solo.command(LegCommand::Progress { status: Status::RINGING, sdp: None });
    solo.receive(&invite("", OFFER));
    assert_eq!(solo.responses(Method::Invite), [100, 100, 180, 180]);
    solo.wait(61_000);
    assert_eq!(solo.responses(Method::Invite), [100, 100, 180, 180, 180], "a sign of life every minute");
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn the_2xx_is_repeated_until_the_ack_comes_even_over_tcp() {
    let reception = sip::leg::Reception { reliable: true, ..crate::solo::reception() };
    let mut solo = Solo::try_invited_as(reception, "", OFFER).unwrap();
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.wait(3_600);
    assert_eq!(solo.responses(Method::Invite), [100, 200, 200, 200, 200]);
    solo.receive(&invite("", OFFER));
    assert_eq!(solo.sent.len(), 5, "a repeated INVITE is swallowed meanwhile");
    solo.ack("");
    solo.wait(60_000);
    assert_eq!(solo.responses(Method::Invite).len(), 5);
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn a_lost_ack_ends_the_call_in_bounded_time() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.wait(32_001);
    assert_eq!(solo.responses(Method::Invite).len(), 1 + 11, "at 0, .5, 1.5, 3.5, 7.5, then every 4 s");
    assert_eq!(solo.events[1..], [LegEvent::NoAck, LegEvent::Ended { by: EndedBy::NoAck, reason: None }]);
    let bye = solo.request(Method::Bye);
    assert!(text(&bye).starts_with("BYE sip:alice@10.0.0.1:5060 SIP/2.0\r\n"));
    assert!(text(&bye).contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"));
    solo.answer_to(&bye, 481, "", "", "");
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 3);
}

#[test]
fn the_caller_s_cancel_is_answered_and_ends_it() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Progress { status: Status::RINGING, sdp: None });
    solo.peer_cancels("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
    assert_eq!(solo.responses(Method::Cancel), [200]);
    assert_eq!(solo.responses(Method::Invite), [100, 180, 487]);
    let reason = Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned());
    assert_eq!(solo.events[1..], [LegEvent::Cancelled { reason }]);
    solo.peer_cancels("");
    assert_eq!(solo.responses(Method::Cancel), [200, 200]);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    assert_eq!(solo.responses(Method::Invite), [100, 180, 487]);
    solo.wait(1_600);
    assert_eq!(solo.responses(Method::Invite), [100, 180, 487, 487, 487]);
    let ack = String::from_utf8(invite("", "")).unwrap().replace("INVITE", "ACK");
    solo.receive(ack.as_bytes());
    solo.wait(5_001);
    assert_eq!(solo.responses(Method::Invite).len(), 5);
    assert!(solo.leg.is_over());
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.peer_cancels("");
    assert_eq!(solo.responses(Method::Cancel), [200]);
    assert_eq!(solo.state(), LegState::Answered);
    let stray = solo.peer_says(Method::Cancel, 7, "", "");
    solo.receive(&stray);
    assert_eq!(solo.responses(Method::Cancel), [200, 481]);
}

#[test]
fn a_rejection_goes_out_until_it_is_acknowledged_or_given_up() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Reject {
        status: Status::BUSY_HERE,
        reason: Some("On holiday".into()),
        headers: vec![("Reason".into(), "Q.850;cause=17".into())],
    });
    let response = text(&solo.response(Method::Invite));
    assert!(response.starts_with("SIP/2.0 486 On holiday\r\n"), "{response}");
    assert!(response.contains("\r\nReason: Q.850;cause=17\r\n"), "{response}");
    assert_eq!(solo.events[1..], [LegEvent::Ended { by: EndedBy::Us, reason: None }]);
    solo.wait(32_001);
    assert_eq!(solo.responses(Method::Invite).len(), 1 + 11);
    assert!(solo.leg.is_over());
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn hanging_up_before_answering_is_a_refusal() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Bye { reason: Some("SIP;cause=480".into()) });
    assert_eq!(solo.responses(Method::Invite), [100, 480]);
    assert_eq!(solo.response(Method::Invite).raw(Name::Reason), Some(&b"SIP;cause=480"[..]));
}

#[test]
fn a_caller_may_hang_up_an_early_dialog() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Progress { status: Status::RINGING, sdp: None });
    solo.peer_sends(Method::Bye, "", "");
    assert_eq!(solo.responses(Method::Bye), [200]);
    assert_eq!(solo.responses(Method::Invite), [100, 180, 487]);
    assert_eq!(solo.events[1..], [LegEvent::Cancelled { reason: None }]);
}

#[test]
fn without_an_offer_ours_goes_into_the_2xx_and_the_answer_comes_in_the_ack() {
    let mut solo = Solo::invited("", "");
    assert_eq!(solo.events, [LegEvent::Invited { offer: None }]);
    solo.command(LegCommand::Progress { status: Status::SESSION_PROGRESS, sdp: Some(OFFER.into()) });
    assert!(solo.response(Method::Invite).body().is_empty(), "an unreliable response can't offer");
    solo.command(LegCommand::Answer { sdp: Some(OFFER.into()) });
    solo.ack(ANSWER);
    assert_eq!(solo.events.last(), Some(&LegEvent::Confirmed { sdp: Some(ANSWER.into()) }));
}

#[test]
fn what_we_can_not_serve_is_refused_with_the_reason() {
    let refused = |more: &str, sdp: &str| {
        let refusal = Solo::try_invited(more, sdp).map(|_| ()).unwrap_err();
        (
            refusal.status.code(),
            refusal.headers.into_iter().map(|(n, v)| format!("{n}: {v}")).collect::<Vec<_>>(),
        )
    };
    assert_eq!(refused("Require: 100rel, timer, x\r\n", OFFER), (420, vec!["Unsupported: 100rel, x".into()]));
    assert_eq!(refused("Content-Encoding: gzip\r\n", OFFER), (415, vec!["Accept-Encoding: identity".into()]));
    assert_eq!(refused("Content-Type: text/plain\r\nX: ", "hello").0, 415);
    let timer = "Supported: timer\r\nSession-Expires: 60\r\n";
    assert_eq!(refused(timer, OFFER), (422, vec!["Min-SE: 90".into()]));
    assert!(
        Solo::try_invited("Session-Expires: 60\r\n", OFFER).is_ok(),
        "who knows no timers can't be told so"
    );
    assert!(
        Solo::try_invited("Supported: 100rel\r\n", OFFER).is_ok(),
        "100rel may be supported, not required"
    );
}

#[test]
fn a_refusal_is_a_whole_response() {
    let refusal = Solo::try_invited("Require: 100rel\r\n", OFFER).map(|_| ()).unwrap_err();
    let bytes = invite("Require: 100rel\r\n", OFFER);
    let request = sip::Message::parse(&bytes[..]).unwrap();
    let response = crate::solo::parse(refusal.respond(&request, "b1"));
    assert_eq!(response.status(), Some(Status::BAD_EXTENSION));
    assert_eq!(response.raw(Name::Unsupported), Some(&b"100rel"[..]));
}

#[test]
fn an_invite_without_what_a_dialog_needs_is_malformed() {
    let text = String::from_utf8(invite("", OFFER)).unwrap();
    for (from, to) in [
        ("Contact: <sip:alice@10.0.0.1:5060>\r\n", ""),
        ("sip:alice@10.0.0.1:5060>", "sip:>"),
        ("CSeq: 1", "CSeq: x"),
    ] {
        let bytes = text.replace(from, to);
        let message = sip::Message::parse(bytes.as_bytes()).unwrap();
        let (timing, mut out) = (sip::leg::LegTiming::default(), sip::leg::LegOut::default());
        let mut env = sip::leg::Env { timing: &timing, branch: &mut || "b".to_owned(), user_agent: "" };
        let result = sip::leg::Leg::invited(
            &message,
            crate::solo::reception(),
            crate::solo::BEGIN,
            &mut env,
            &mut out,
        );
        assert_eq!(result.unwrap_err().status, Status::BAD_REQUEST, "{from}");
        assert!(out.send.is_empty() && out.events.is_empty());
    }
}

#[test]
fn the_same_invite_by_another_way_is_a_loop() {
    let mut solo = Solo::invited("", OFFER);
    let other = String::from_utf8(invite("", OFFER)).unwrap().replace("z9hG4bKpeer0", "z9hG4bKother");
    solo.receive(other.as_bytes());
    assert_eq!(solo.responses(Method::Invite), [100, 482]);
}

#[test]
fn a_caller_that_hangs_up_has_got_our_2xx() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.peer_sends(Method::Bye, "", "");
    let sent = solo.sent.len();
    solo.wait(10_000);
    assert_eq!(solo.sent.len(), sent, "no 2xx is repeated any more");
    assert_eq!(solo.events[1..], [LegEvent::Ended { by: EndedBy::Peer, reason: None }]);
    solo.wait_for_the_end();
}

#[test]
fn other_bytes_than_utf8_come_back_as_they_were() {
    let bytes = invite("", OFFER);
    let at = bytes.windows(10).position(|part| part == b"<sip:alice").unwrap();
    let latin = [&bytes[..at], b"\"J\xfcrgen\" ", &bytes[at..]].concat();
    let mut solo = Solo::try_invited("", OFFER).unwrap();
    let message = sip::Message::parse(&latin[..]).unwrap();
    let (timing, mut out) = (sip::leg::LegTiming::default(), sip::leg::LegOut::default());
    let mut env = sip::leg::Env { timing: &timing, branch: &mut || "b".to_owned(), user_agent: "" };
    solo.leg =
        sip::leg::Leg::invited(&message, crate::solo::reception(), crate::solo::BEGIN, &mut env, &mut out)
            .unwrap();
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.ack("");
    solo.command(LegCommand::Bye { reason: None });
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.raw(Name::To), Some(&b"\"J\xfcrgen\" <sip:alice@example.com>;tag=a1"[..]));
}
