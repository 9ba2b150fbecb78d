//! Changing a session that is up: re-INVITE and UPDATE, both ways, and what happens when they collide.

use sip::leg::{EndedBy, Identity, LegCommand, LegEvent, LegState, LegTiming, OfferMethod, Reception};
use sip::{Method, Name, Status};

use crate::solo::{ANSWER, OFFER, Solo, identity, reception};

const HOLD: &str = "v=0 hold";
const HELD: &str = "v=0 held";
const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE";

fn reoffer() -> LegCommand {
    LegCommand::Reoffer { sdp: HOLD.into() }
}

fn refused(code: u16) -> LegEvent {
    LegEvent::ReofferRefused { status: Status::new(code).unwrap() }
}

fn told(method: OfferMethod) -> LegEvent {
    LegEvent::Offer { sdp: Some(HOLD.into()), method }
}

#[test]
fn our_reinvite_is_answered_and_acknowledged() {
    for mut solo in [Solo::up_as_caller(""), Solo::up_as_called("")] {
        let tag = solo.leg.remote_tag().unwrap().to_owned();
        solo.command(reoffer());
        let invite = solo.request(Method::Invite);
        assert_eq!(invite.body(), HOLD.as_bytes());
        assert_eq!(invite.to().unwrap().tag(), Some(&*tag));
        solo.answer(100, "", "", "");
        solo.answer(200, "", "Contact: <sip:peer@10.9.9.9>", HELD);
        assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }]);
        let ack = solo.request(Method::Ack);
        assert_eq!(ack.cseq().unwrap().number, invite.cseq().unwrap().number);
        assert_eq!(ack.request_uri_bytes(), b"sip:peer@10.9.9.9", "the peer has moved");
        solo.answer(200, "", "", HELD);
        assert_eq!(solo.count(Method::Ack), 2);
        assert_eq!(solo.leg.local_sdp(), HOLD.as_bytes());
    }
}

#[test]
fn a_refused_reinvite_leaves_the_session_as_it_was() {
    let mut solo = Solo::up_as_caller("");
    solo.command(reoffer());
    solo.answer(488, "", "", "");
    assert_eq!(solo.events, [refused(488)]);
    assert_eq!(solo.state(), LegState::Confirmed);
    assert_eq!(solo.leg.local_sdp(), OFFER.as_bytes());
}

#[test]
fn a_peer_that_does_not_know_the_call_has_ended_it() {
    for method in [Method::Invite, Method::Update] {
        let mut solo = Solo::up_as_caller(UPDATES);
        solo.command(match method {
            Method::Invite => reoffer(),
            _ => LegCommand::Update { sdp: Some(HOLD.into()) },
        });
        let request = solo.request(method);
        solo.answer_to(&request, 481, "", "", "");
        assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::Peer, reason: None }]);
        assert_eq!(solo.count(Method::Bye), 0);
        solo.wait_for_the_end();
    }
}

#[test]
fn a_peer_that_does_not_answer_a_reinvite_is_gone() {
    let mut solo = Solo::up_as_caller("");
    solo.command(reoffer());
    solo.wait(32_001);
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::NoResponse, reason: None }]);
    assert_eq!(solo.count(Method::Bye), 1);
    solo.wait_for_the_end();
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn the_peer_s_reinvite_waits_for_the_owner() {
    let mut solo = Solo::up_as_caller("");
    let bytes = solo.peer_sends(Method::Invite, "Contact: <sip:peer@10.9.9.9>", HOLD);
    assert_eq!(solo.events, [told(OfferMethod::Invite)]);
    solo.receive(&bytes);
    assert_eq!(solo.responses(Method::Invite), [100, 100]);
    solo.command(LegCommand::AcceptOffer { sdp: HELD.into() });
    solo.receive(&bytes);
    assert_eq!(solo.responses(Method::Invite), [100, 100, 200]);
    assert_eq!(solo.response(Method::Invite).body(), HELD.as_bytes());
    solo.wait(600);
    assert_eq!(solo.responses(Method::Invite), [100, 100, 200, 200]);
    solo.ack("");
    solo.wait(10_000);
    assert_eq!(solo.sent.len(), 4);
    assert_eq!(solo.events.len(), 1);
    assert_eq!(solo.leg.dialog().target, b"sip:peer@10.9.9.9");
}

#[test]
fn an_offerless_reinvite_wants_our_offer() {
    let mut solo = Solo::up_as_called("");
    solo.peer_sends(Method::Invite, "", "");
    assert_eq!(solo.events, [LegEvent::Offer { sdp: None, method: OfferMethod::Invite }]);
    solo.command(LegCommand::AcceptOffer { sdp: OFFER.into() });
    solo.command(reoffer());
    solo.ack(ANSWER);
    assert_eq!(solo.events[1..], [LegEvent::Reoffered { sdp: ANSWER.into() }]);
    assert_eq!(solo.count(Method::Invite), 1, "our own offer waited for that");
}

#[test]
fn a_refused_offer_is_acknowledged_and_forgotten() {
    let mut solo = Solo::up_as_caller("");
    let bytes = solo.peer_sends(Method::Invite, "", HOLD);
    solo.command(LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE });
    solo.receive(&bytes);
    assert_eq!(solo.responses(Method::Invite), [100, 488, 488]);
    solo.ack("");
    solo.wait(40_000);
    assert_eq!(solo.sent.len(), 3);
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn an_offer_may_be_withdrawn() {
    let mut solo = Solo::up_as_caller("");
    let bytes = solo.peer_sends(Method::Invite, "", HOLD);
    let cancel = String::from_utf8(bytes).unwrap().replace("INVITE", "CANCEL");
    solo.receive(cancel.as_bytes());
    assert_eq!(solo.responses(Method::Cancel), [200]);
    assert_eq!(solo.responses(Method::Invite), [100, 487]);
    assert_eq!(solo.events[1..], [LegEvent::OfferWithdrawn]);
    solo.command(LegCommand::AcceptOffer { sdp: HELD.into() });
    assert_eq!(solo.responses(Method::Invite), [100, 487]);
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn an_owner_that_never_answers_an_offer_does_not_hold_the_call() {
    let mut solo = Solo::up_as_caller("");
    solo.peer_sends(Method::Update, "", HOLD);
    solo.wait(16_001);
    assert_eq!(solo.responses(Method::Update), [504]);
    assert_eq!(solo.events[1..], [LegEvent::OfferWithdrawn]);
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn the_peer_s_update_with_an_offer_waits_and_without_one_does_not() {
    let mut solo = Solo::up_as_called("");
    let bytes = solo.peer_sends(Method::Update, "", HOLD);
    assert_eq!(solo.events, [told(OfferMethod::Update)]);
    solo.command(LegCommand::AcceptOffer { sdp: HELD.into() });
    solo.receive(&bytes);
    assert_eq!(solo.responses(Method::Update), [200, 200]);
    assert_eq!(solo.response(Method::Update).body(), HELD.as_bytes());
    solo.peer_sends(Method::Update, "", "");
    assert_eq!(solo.responses(Method::Update), [200, 200, 200]);
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn update_is_used_if_the_peer_knows_it() {
    let update = LegCommand::Update { sdp: Some(HOLD.into()) };
    let mut solo = Solo::up_as_caller(UPDATES);
    solo.command(update.clone());
    let request = solo.request(Method::Update);
    solo.answer_to(&request, 200, "", "", HELD);
    assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }]);

    let mut solo = Solo::up_as_caller("");
    solo.command(update.clone());
    assert_eq!((solo.count(Method::Update), solo.count(Method::Invite)), (0, 1));

    let mut solo = Solo::up_as_caller(UPDATES);
    solo.command(update);
    let request = solo.request(Method::Update);
    solo.answer_to(&request, 405, "", "Allow: INVITE", "");
    assert_eq!(solo.request(Method::Invite).body(), HOLD.as_bytes(), "it said so, and was wrong");
    solo.answer(200, "", "", HELD);
    assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }]);
}

#[test]
fn two_reinvites_that_collide_are_both_refused_and_made_again() {
    // RFC 3261 14.1: whoever made the Call-ID waits 2.1 to 4 seconds, the other no more than 2.
    for (mut solo, least, most) in
        [(Solo::up_as_caller(""), 2_100, 4_000), (Solo::up_as_called(""), 0, 2_000)]
    {
        solo.command(reoffer());
        let bytes = solo.peer_sends(Method::Invite, "", HOLD);
        solo.receive(&bytes);
        assert_eq!(solo.responses(Method::Invite), [491, 491]);
        solo.ack("");
        solo.answer(491, "", "", "");
        assert_eq!(solo.events, []);
        let before = solo.count(Method::Invite);
        solo.wait(least.max(1) - 1);
        assert_eq!(solo.count(Method::Invite), before);
        solo.wait(most - least + 1);
        assert!(solo.count(Method::Invite) > before);
        solo.answer(200, "", "", HELD);
        assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }]);
    }
}

#[test]
fn endless_glare_is_told() {
    let mut solo = Solo::up_as_caller("");
    solo.command(reoffer());
    for _ in 0..6 {
        assert_eq!(solo.events, []);
        solo.answer(491, "", "", "");
        solo.wait(4_001);
    }
    assert_eq!(solo.events, [refused(491)]);
}

#[test]
fn updates_that_collide_are_refused_and_made_again() {
    let mut solo = Solo::up_as_caller(UPDATES);
    solo.command(LegCommand::Update { sdp: Some(HOLD.into()) });
    solo.peer_sends(Method::Update, "", HOLD);
    assert_eq!(solo.responses(Method::Update), [491]);
    let update = solo.request(Method::Update);
    solo.answer_to(&update, 491, "", "", "");
    solo.wait(4_001);
    assert!(solo.count(Method::Update) > 1);
    assert_eq!(solo.events, []);
}

#[test]
fn a_second_offer_of_the_peer_waits_for_the_first() {
    for (first, second) in [
        (Method::Invite, Method::Update),
        (Method::Update, Method::Invite),
        (Method::Update, Method::Update),
        (Method::Invite, Method::Invite),
    ] {
        let mut solo = Solo::up_as_caller("");
        solo.peer_sends(first, "", HOLD);
        solo.peer_sends(second, "", HOLD);
        let refusal = solo.response(second);
        assert_eq!(refusal.status(), Some(Status::SERVER_INTERNAL_ERROR), "{first} {second}");
        let after = refusal.retry_after().unwrap().unwrap().secs;
        assert!((1..=10).contains(&after), "{after}");
        assert_eq!(solo.events.len(), 1);
        solo.command(reoffer());
        assert_eq!(solo.events[1..], [refused(491)], "nor may we offer meanwhile");
    }
}

#[test]
fn an_update_in_an_early_dialog_can_not_offer_but_may_move_the_peer() {
    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Progress { status: Status::RINGING, sdp: None });
    solo.peer_sends(Method::Update, "", HOLD);
    assert_eq!(solo.responses(Method::Update), [500]);
    solo.peer_sends(Method::Update, "Contact: <sip:moved@10.9.9.9>", "");
    assert_eq!(solo.responses(Method::Update), [500, 200]);
    assert_eq!(solo.leg.dialog().target, b"sip:moved@10.9.9.9");
    assert_eq!(solo.state(), LegState::Alerting);
}

/// A leg that was called, and has said what it would answer.
fn heard_early(early_offers: bool) -> Solo {
    let reception = Reception { early_offers, ..reception() };
    let mut solo = Solo::try_invited_as(reception, &format!("{UPDATES}\r\n"), OFFER).unwrap();
    solo.command(LegCommand::Progress { status: Status::SESSION_PROGRESS, sdp: Some(ANSWER.into()) });
    solo.forget();
    solo
}

#[test]
fn early_media_is_moved_by_an_update_in_the_early_dialog() {
    let update = LegCommand::UpdateEarly { sdp: HOLD.into() };
    let mut solo = Solo::dial(Some(OFFER));
    solo.answer(183, "b1", UPDATES, ANSWER);
    solo.forget_events();
    solo.command(update.clone());
    let request = solo.request(Method::Update);
    assert_eq!((request.body(), request.cseq().unwrap().number), (HOLD.as_bytes(), 2));
    assert_eq!(request.to().unwrap().tag(), Some("b1"));
    solo.answer_to(&request, 200, "", "", HELD);
    solo.answer(200, "b1", "", "");
    let answered = LegEvent::Answered { sdp: Some(HELD.into()) };
    assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }, answered]);
    assert_eq!(solo.leg.local_sdp(), HOLD.as_bytes());
    solo.command(LegCommand::Bye { reason: None });
    assert_eq!(solo.request(Method::Bye).cseq().unwrap().number, 3, "the dialog counts on");

    let mut solo = heard_early(false);
    solo.command(update);
    let request = solo.request(Method::Update);
    solo.answer_to(&request, 200, "", "", HELD);
    assert_eq!(solo.events, [LegEvent::Reoffered { sdp: HELD.into() }]);
    solo.command(LegCommand::Answer { sdp: None });
    assert_eq!(solo.response(Method::Invite).body(), HOLD.as_bytes(), "what it was told last");
}

#[test]
fn an_early_update_is_not_sent_to_who_could_not_take_it() {
    let update = LegCommand::UpdateEarly { sdp: HOLD.into() };
    let mut knows_no_update = Solo::dial(Some(OFFER));
    knows_no_update.answer(183, "b1", "Allow: INVITE", ANSWER);
    let mut has_not_answered = Solo::dial(Some(OFFER));
    has_not_answered.answer(180, "b1", UPDATES, "");
    let mut two_are_heard = Solo::dial(Some(OFFER));
    two_are_heard.answer(183, "b1", UPDATES, ANSWER);
    two_are_heard.answer(183, "b2", UPDATES, ANSWER);
    let up = Solo::up_as_caller(UPDATES);
    for mut solo in [knows_no_update, has_not_answered, two_are_heard, up] {
        solo.forget_events();
        solo.command(update.clone());
        assert_eq!(solo.count(Method::Update), 0);
        assert_eq!(solo.events, [refused(491)]);
    }
}

#[test]
fn who_insists_on_a_reliable_answer_refuses_an_early_update_and_the_call_goes_on() {
    for (code, answers) in [(500, true), (491, true), (481, true), (405, true), (0, false)] {
        let mut solo = Solo::dial(Some(OFFER));
        solo.answer(183, "b1", UPDATES, ANSWER);
        solo.forget_events();
        solo.command(LegCommand::UpdateEarly { sdp: HOLD.into() });
        if answers {
            let update = solo.request(Method::Update);
            solo.answer_to(&update, code, "", "", "");
            assert_eq!(solo.events, [refused(code)]);
            solo.forget_events();
        }
        solo.answer(200, "b1", "", ANSWER);
        solo.wait(40_000);
        assert_eq!(solo.events, [LegEvent::Answered { sdp: Some(ANSWER.into()) }], "{code}");
        assert_eq!(solo.leg.local_sdp(), OFFER.as_bytes());
    }
}

#[test]
fn a_leg_that_takes_early_offers_answers_them_before_the_call() {
    let mut solo = heard_early(true);
    solo.peer_sends(Method::Update, "", HOLD);
    assert_eq!(solo.events, [told(OfferMethod::Update)]);
    solo.peer_sends(Method::Update, "", HOLD);
    assert_eq!(solo.responses(Method::Update), [500], "one after the other");
    solo.command(LegCommand::AcceptOffer { sdp: HELD.into() });
    solo.command(LegCommand::Answer { sdp: None });
    assert_eq!(solo.response(Method::Invite).body(), HELD.as_bytes());

    let identity = Identity { early_offers: true, ..identity() };
    let mut solo = Solo::dial_as(identity, Some(OFFER), LegTiming::default());
    solo.answer(183, "b1", UPDATES, ANSWER);
    solo.forget_events();
    solo.peer_sends(Method::Update, "", HOLD);
    solo.command(LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE });
    solo.peer_sends(Method::Update, "", HOLD);
    solo.command(LegCommand::AcceptOffer { sdp: HELD.into() });
    assert_eq!(solo.responses(Method::Update), [488, 200]);
    solo.answer(200, "b1", "", HOLD);
    let answered = LegEvent::Answered { sdp: Some(HOLD.into()) };
    assert_eq!(solo.events, [told(OfferMethod::Update), told(OfferMethod::Update), answered]);
    assert_eq!(solo.leg.local_sdp(), HELD.as_bytes());
}

#[test]
fn an_offer_made_too_early_waits_until_the_call_is_up() {
    let mut solo = Solo::dial(Some(OFFER));
    solo.command(reoffer());
    solo.answer(200, "b1", "", ANSWER);
    assert_eq!(solo.count(Method::Invite), 2);

    let mut solo = Solo::invited("", OFFER);
    solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
    solo.command(reoffer());
    assert_eq!(solo.count(Method::Invite), 0);
    solo.ack("");
    assert_eq!(solo.count(Method::Invite), 1);
}

#[test]
fn the_newest_of_waiting_offers_counts() {
    let mut solo = Solo::up_as_caller("");
    solo.command(reoffer());
    solo.command(LegCommand::Reoffer { sdp: "v=0 second".into() });
    solo.command(LegCommand::Reoffer { sdp: "v=0 third".into() });
    solo.answer(200, "", "", HELD);
    assert_eq!(solo.request(Method::Invite).body(), b"v=0 third");
    assert_eq!(solo.count(Method::Invite), 2);
}

#[test]
fn requests_out_of_order_and_of_unknown_dialogs_are_refused() {
    let mut solo = Solo::up_as_caller("");
    solo.peer_cseq = 10;
    solo.peer_sends(Method::Options, "", "");
    for method in [Method::Invite, Method::Update, Method::Bye, Method::Info] {
        let late = solo.peer_says(method, 10, "", "");
        solo.receive(&late);
        assert_eq!(solo.responses(method), [500], "{method}");
        let stranger = solo.peer_says(method, 99, "", "");
        let stranger = String::from_utf8(stranger).unwrap().replace(";tag=b1", ";tag=zz");
        solo.receive(stranger.as_bytes());
        assert_eq!(solo.responses(method), [500, 481], "{method}");
    }
    assert_eq!(solo.state(), LegState::Confirmed);
    assert_eq!(solo.events, []);
}

#[test]
fn info_is_answered_and_told_and_others_are_refused() {
    let mut solo = Solo::up_as_called("");
    solo.peer_sends(Method::Info, "", "Signal=5");
    assert_eq!(
        solo.events,
        [LegEvent::Info { content_type: "application/sdp".into(), body: "Signal=5".into() }]
    );
    for (method, code) in [
        (Method::Info, 200),
        (Method::Options, 200),
        (Method::Refer, 405),
        (Method::Message, 405),
        (Method::Prack, 481),
        (Method::Notify, 481),
        (Method::Other("DANCE"), 405),
    ] {
        solo.forget();
        let bytes = solo.peer_sends(method, "", "");
        solo.receive(&bytes);
        assert_eq!(solo.responses(method), [code, code], "{method}");
        assert_eq!(
            solo.response(method).raw(Name::Allow).is_some(),
            matches!(code, 405) || method == Method::Options
        );
    }
}

#[test]
fn a_request_that_insists_on_what_we_do_not_know_is_refused_but_a_bye_is_served() {
    let mut solo = Solo::up_as_called("");
    for method in [Method::Info, Method::Options, Method::Update] {
        solo.forget();
        let bytes = solo.peer_sends(method, "Require: timer, magic\r\n", "");
        solo.receive(&bytes);
        assert_eq!(solo.responses(method), [420, 420], "{method}");
        assert_eq!(solo.response(method).raw(Name::Unsupported), Some(&b"magic"[..]));
    }
    assert_eq!(solo.events, []);
    solo.peer_sends(Method::Refer, "Require: magic\r\n", "");
    assert_eq!(solo.responses(Method::Refer), [405], "a method comes before extensions");
    solo.peer_sends(Method::Bye, "Require: magic\r\n", "");
    assert_eq!(solo.responses(Method::Bye), [200]);
}

#[test]
fn our_info_tells_the_peer_something() {
    let mut solo = Solo::up_as_caller("");
    solo.command(LegCommand::Info { content_type: "application/dtmf-relay".into(), body: "Signal=5".into() });
    let info = solo.request(Method::Info);
    assert_eq!(info.raw(Name::ContentType), Some(&b"application/dtmf-relay"[..]));
    solo.answer_to(&info, 415, "", "", "");
    assert_eq!((solo.state(), solo.events.len()), (LegState::Confirmed, 0));
    solo.command(LegCommand::Info { content_type: "a/b".into(), body: "x".into() });
    solo.wait(32_001);
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::NoResponse, reason: None }]);
}

#[test]
fn a_flood_of_requests_is_bounded() {
    let mut solo = Solo::up_as_caller("");
    for _ in 0..100 {
        solo.peer_sends(Method::Options, "", "");
        solo.peer_sends(Method::Invite, "", HOLD);
    }
    assert_eq!(solo.responses(Method::Options).iter().filter(|&&code| code == 503).count(), 100 - 16);
    assert!(rmp_serde::to_vec_named(&solo.leg).unwrap().len() < 30_000);
    solo.peer_sends(Method::Bye, "", "");
    assert_eq!(solo.responses(Method::Bye), [200]);
    solo.wait_for_the_end();
}
