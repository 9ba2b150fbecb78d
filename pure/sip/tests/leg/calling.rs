//! The calling side until the call is up.

use sip::leg::{EndedBy, Identity, LegCommand, LegEvent, LegState, LegTiming};
use sip::{Method, Name, Status};

use crate::solo::{ANSWER, OFFER, Solo, identity, text};

fn refused(status: Status, reason: &str) -> LegEvent {
    let (contacts, retry_after, cause) = (Vec::new(), None, None);
    LegEvent::Refused { status, reason: reason.into(), contacts, retry_after, cause }
}

#[test]
fn an_invite_says_who_where_and_what() {
    let solo = Solo::dial(Some(OFFER));
    let invite = solo.request(Method::Invite);
    let text = text(&invite);
    for line in [
        "INVITE sip:bob@example.com SIP/2.0\r\n",
        "\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport\r\n",
        "\r\nRoute: <sip:edge.example.com;lr>\r\n",
        "\r\nMax-Forwards: 70\r\n",
        "\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=a1\r\n",
        "\r\nTo: <sip:bob@example.com>\r\n",
        "\r\nContact: <sip:alice@10.0.0.1:5060>\r\n",
        "\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS\r\n",
        "\r\nSupported: timer\r\n",
        "\r\nSession-Expires: 1800\r\n",
        "\r\nUser-Agent: Strowger\r\n",
        "\r\nX-Ours: yes\r\n",
        "\r\nContent-Type: application/sdp\r\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(invite.body(), OFFER.as_bytes());
    assert_eq!(invite.call_id().unwrap(), b"call-1", "the owner's headers can't be the leg's own");
}

#[test]
fn trying_ringing_answered_acknowledged() {
    let mut solo = Solo::dial(Some(OFFER));
    assert_eq!(solo.state(), LegState::Calling);
    solo.answer(100, "", "", "");
    assert_eq!(solo.state(), LegState::Proceeding);
    solo.answer(180, "b1", "", "");
    solo.answer(200, "b1", "Record-Route: <sip:edge.example.com;lr>", ANSWER);
    assert_eq!(solo.state(), LegState::Confirmed);
    assert_eq!(
        solo.events,
        [
            LegEvent::Trying,
            LegEvent::Progress { status: Status::RINGING, sdp: None },
            LegEvent::Answered { sdp: Some(ANSWER.into()) },
        ]
    );
    let ack = text(&solo.request(Method::Ack));
    assert!(ack.starts_with("ACK sip:bob@10.0.0.2:5060 SIP/2.0\r\n"), "{ack}");
    assert!(ack.contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"), "{ack}");
    assert!(ack.contains("\r\nCSeq: 1 ACK\r\n"), "{ack}");
    assert_eq!(solo.leg.remote_tag(), Some("b1"));
    solo.wait(40_000);
    assert_eq!(solo.count(Method::Invite), 1);
}

#[test]
fn an_invite_is_repeated_until_something_is_heard() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.wait(3_600);
    assert_eq!(solo.count(Method::Invite), 4, "after 0, 0.5, 1.5 and 3.5 s");
    solo.answer(100, "", "", "");
    solo.wait(30_000);
    assert_eq!(solo.count(Method::Invite), 4);
}

#[test]
fn over_a_reliable_transport_nothing_is_repeated() {
    let identity = Identity { reliable: true, via_transport: "TCP".into(), ..identity() };
    let mut solo = Solo::dial_as(identity, Some(OFFER), LegTiming::default());
    solo.wait(31_999);
    assert_eq!(solo.count(Method::Invite), 1);
    solo.wait(2);
    assert_eq!(solo.events, [refused(Status::REQUEST_TIMEOUT, "No response")]);
    assert!(solo.leg.is_over());
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.wait(32_001);
    assert_eq!(solo.count(Method::Invite), 7);
    assert_eq!(solo.events, [refused(Status::REQUEST_TIMEOUT, "No response")]);
    assert!(solo.leg.is_over());
}

#[test]
fn a_repeated_2xx_gets_the_same_ack_again() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(200, "b1", "", ANSWER);
    let first = solo.request(Method::Ack);
    for _ in 0..3 {
        solo.wait(500);
        solo.answer(200, "b1", "", ANSWER);
    }
    assert_eq!(solo.count(Method::Ack), 4);
    assert_eq!(solo.request(Method::Ack).bytes(), first.bytes());
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn every_fork_may_ring_and_the_first_2xx_wins() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(183, "b1", "", "v=0 early one");
    solo.answer(183, "b2", "", "v=0 early two");
    solo.answer(200, "b2", "Contact: <sip:bob@10.0.0.22>", "");
    assert_eq!(solo.leg.remote_tag(), Some("b2"));
    let answered = LegEvent::Answered { sdp: Some("v=0 early two".into()) };
    assert_eq!(solo.events.last(), Some(&answered), "a 2xx without SDP means its fork's");
    solo.answer(200, "b1", "", ANSWER);
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.to().unwrap().tag(), Some("b1"));
    assert_eq!(bye.request_uri_bytes(), b"sip:bob@10.0.0.2:5060");
    assert_eq!(solo.count(Method::Ack), 2);
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!(solo.count(Method::Ack), 3, "its repetition is acknowledged too");
    assert_eq!(solo.count(Method::Bye), 1);
    solo.answer_to(&bye, 200, "", "", "");
    assert_eq!(solo.state(), LegState::Confirmed);
    assert_eq!(solo.events.len(), 3);
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_told_once() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(486, "b1", "Reason: Q.850;cause=17\nRetry-After: 60", "");
    solo.answer(486, "b1", "", "");
    assert_eq!(solo.count(Method::Ack), 2);
    let ack = text(&solo.request(Method::Ack));
    assert!(ack.starts_with("ACK sip:bob@example.com SIP/2.0\r\n"), "{ack}");
    assert!(ack.contains("branch=z9hG4bK1;"), "the ACK of a refusal is of the INVITE's transaction: {ack}");
    assert!(ack.contains("\r\nTo: <sip:bob@example.com>;tag=b1\r\n"), "{ack}");
    assert!(ack.contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"), "{ack}");
    assert_eq!(
        solo.events,
        [LegEvent::Refused {
            status: Status::BUSY_HERE,
            reason: "Busy Here".into(),
            contacts: vec![],
            retry_after: Some(60),
            cause: Some("Q.850;cause=17".into()),
        }]
    );
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn a_redirection_says_where_to_go_best_first() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(302, "b1", "Contact: <sip:a@x>;q=0.1, \"B\" <sip:b@x;user=phone>, <sip:c@x>;q=0.5", "");
    let [LegEvent::Refused { contacts, .. }] = &solo.events[..] else { panic!("{:?}", solo.events) };
    assert_eq!(contacts[..], ["sip:b@x;user=phone", "sip:c@x", "sip:a@x"]);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.command(LegCommand::Cancel { reason: Some("SIP;cause=200".into()) });
    assert_eq!(solo.count(Method::Cancel), 0);
    solo.answer(100, "", "", "");
    let cancel = solo.request(Method::Cancel);
    let invite = solo.request(Method::Invite);
    assert_eq!(cancel.raw(Name::Via), invite.raw(Name::Via));
    assert_eq!(cancel.raw(Name::Route), invite.raw(Name::Route));
    assert_eq!(cancel.cseq().unwrap().number, 1);
    assert_eq!(cancel.raw(Name::Reason), Some(&b"SIP;cause=200"[..]));
    assert_eq!(cancel.to().unwrap().tag(), None);
    solo.answer_to(&cancel, 200, "b1", "", "");
    solo.answer(487, "b1", "", "");
    assert_eq!(solo.events.last(), Some(&refused(Status::REQUEST_TERMINATED, "Request Terminated")));
    solo.wait_for_the_end();
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(180, "b1", "", "");
    solo.command(LegCommand::Cancel { reason: None });
    let cancel = solo.request(Method::Cancel);
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!(solo.count(Method::Ack), 1);
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.cseq().unwrap().number, 2);
    solo.answer_to(&cancel, 481, "b1", "", "");
    solo.answer_to(&bye, 200, "", "", "");
    assert_eq!(solo.events.last(), Some(&LegEvent::Ended { by: EndedBy::Us, reason: None }));
    assert_eq!(solo.events.len(), 2);
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn a_2xx_before_any_provisional_is_hung_up_if_the_call_was_cancelled() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.command(LegCommand::Bye { reason: None });
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!((solo.count(Method::Cancel), solo.count(Method::Ack), solo.count(Method::Bye)), (0, 1, 1));
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::Us, reason: None }]);
}

#[test]
fn a_cancel_that_nobody_answers_ends_in_bounded_time() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(180, "b1", "", "");
    solo.command(LegCommand::Cancel { reason: None });
    solo.wait(32_001);
    assert_eq!(
        solo.events.last(),
        Some(&refused(Status::REQUEST_TERMINATED, "Cancelled without a response"))
    );
    solo.wait_for_the_end();
}

#[test]
fn a_2xx_that_comes_after_all_was_given_up_is_hung_up_too() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(180, "b1", "", "");
    solo.command(LegCommand::Cancel { reason: None });
    let cancel = solo.request(Method::Cancel);
    solo.wait(31_000);
    solo.answer_to(&cancel, 200, "b1", "", "");
    solo.wait(1_500);
    assert_eq!(solo.state(), LegState::Ending);
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!((solo.count(Method::Ack), solo.count(Method::Bye)), (1, 1));
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn who_rings_too_long_is_cancelled() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(180, "b1", "", "");
    solo.wait(179_000);
    assert_eq!(solo.count(Method::Cancel), 0);
    solo.answer(180, "b1", "", "");
    solo.wait(179_000);
    assert_eq!(solo.count(Method::Cancel), 0, "each provisional response gives it more time");
    solo.wait(1_001);
    let cancel = solo.request(Method::Cancel);
    solo.answer_to(&cancel, 200, "b1", "", "");
    solo.answer(487, "b1", "", "");
    assert_eq!(solo.events.last(), Some(&refused(Status::REQUEST_TIMEOUT, "Nobody answered in time")));
}

#[test]
fn without_an_offer_the_ack_waits_for_our_answer() {
    let mut solo = Solo::dial(None);
    assert!(solo.request(Method::Invite).body().is_empty());
    solo.answer(200, "b1", "", OFFER);
    assert_eq!(solo.events, [LegEvent::Answered { sdp: Some(OFFER.into()) }]);
    assert_eq!((solo.count(Method::Ack), solo.state()), (0, LegState::Answered));
    solo.answer(200, "b1", "", OFFER);
    assert_eq!(solo.count(Method::Ack), 0);
    solo.command(LegCommand::AcceptOffer { sdp: ANSWER.into() });
    assert_eq!(solo.request(Method::Ack).body(), ANSWER.as_bytes());
    assert_eq!(solo.state(), LegState::Confirmed);
    solo.answer(200, "b1", "", OFFER);
    assert_eq!(solo.request(Method::Ack).body(), ANSWER.as_bytes());
    assert_eq!(solo.count(Method::Ack), 2);
}

#[test]
fn hanging_up_instead_of_answering_the_offer_acknowledges_first() {
    let mut solo = Solo::dial(None);
    solo.answer(200, "b1", "", OFFER);
    solo.command(LegCommand::Bye { reason: None });
    assert_eq!((solo.count(Method::Ack), solo.count(Method::Bye)), (1, 1));
}

#[test]
fn a_callee_that_hangs_up_before_its_2xx_arrives_has_hung_up() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(180, "b1", "", "");
    solo.peer_sends(Method::Bye, "Reason: Q.850;cause=16", "");
    assert_eq!(solo.responses(Method::Bye), [200]);
    assert_eq!(
        solo.events.last(),
        Some(&LegEvent::Ended { by: EndedBy::Peer, reason: Some("Q.850;cause=16".into()) })
    );
    let cancel = solo.request(Method::Cancel);
    solo.answer_to(&cancel, 200, "", "", "");
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!((solo.count(Method::Ack), solo.count(Method::Bye)), (1, 1), "the late 2xx");
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 2);
}

#[test]
fn a_challenge_is_answered_and_later_requests_carry_credentials_too() {
    let mut solo = Solo::dial_with_login("secret");
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";
    solo.answer(407, "p", challenge, "");
    assert_eq!(solo.count(Method::Invite), 2);
    let invite = solo.request(Method::Invite);
    assert_eq!(invite.cseq().unwrap().number, 2);
    assert_eq!(invite.to().unwrap().tag(), None);
    assert_eq!(invite.body(), OFFER.as_bytes());
    assert_eq!(invite.other("X-Ours"), Some(&b"yes"[..]));
    let credentials = invite.authorization(Name::ProxyAuthorization, b"r").unwrap().unwrap();
    assert_eq!((credentials.username(), credentials.nc()), (Some(&b"alice"[..]), Some(&b"00000001"[..])));
    solo.answer(200, "b1", "", ANSWER);
    assert!(solo.request(Method::Ack).raw(Name::ProxyAuthorization).is_some());
    solo.command(LegCommand::Bye { reason: None });
    let bye = solo.request(Method::Bye);
    solo.answer_to(&bye, 407, "", &challenge.replace("n1", "n2"), "");
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.authorization(Name::ProxyAuthorization, b"r").unwrap().unwrap().nonce(), Some(&b"n2"[..]));
    solo.answer_to(&bye, 200, "", "", "");
    assert_eq!(solo.events.len(), 2);
    solo.wait_for_the_end();
}

#[test]
fn a_wrong_password_is_a_refusal() {
    let mut solo = Solo::dial_with_login("guess");
    for _ in 0..2 {
        solo.answer(401, "p", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", "");
    }
    assert_eq!(solo.count(Method::Invite), 2);
    assert_eq!(solo.events, [refused(Status::UNAUTHORIZED, "Unauthorized")]);
    let mut without = Solo::dial(Some(OFFER));
    without.answer(401, "p", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", "");
    assert_eq!(without.events, [refused(Status::UNAUTHORIZED, "Unauthorized")]);
}

#[test]
fn too_short_a_session_is_asked_for_again_with_a_longer_one() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(422, "p", "Min-SE: 3600", "");
    let invite = solo.request(Method::Invite);
    assert_eq!(invite.session_expires().unwrap().unwrap().secs, 3600);
    assert_eq!(invite.min_se().unwrap(), Some(3600));
    solo.answer(422, "p", "Min-SE: 3600", "");
    assert_eq!(solo.count(Method::Invite), 2, "a server that contradicts itself");
    assert_eq!(solo.events, [refused(Status::SESSION_INTERVAL_TOO_SMALL, "Session Interval Too Small")]);
}

#[test]
fn a_2xx_that_nobody_can_talk_to_is_a_refusal() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(200, "", "", ANSWER);
    assert_eq!(solo.events, [refused(Status::BAD_GATEWAY, "unusable 2xx")]);
    solo.wait_for_the_end();
}

#[test]
fn what_comes_after_the_end_changes_nothing() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(486, "b1", "", "");
    for command in [
        LegCommand::Cancel { reason: None },
        LegCommand::Bye { reason: None },
        LegCommand::Reoffer { sdp: OFFER.into() },
        LegCommand::Answer { sdp: None },
        LegCommand::Update { sdp: None },
        LegCommand::AcceptOffer { sdp: ANSWER.into() },
        LegCommand::Info { content_type: "a/b".into(), body: vec![] },
    ] {
        solo.command(command);
    }
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 1);
    assert_eq!(solo.sent.len(), 2);
}
