//! Session timers (RFC 4028).

use std::time::Duration;

use sip::leg::{EndedBy, LegCommand, LegEvent, LegState, LegTiming};
use sip::{Method, Name};

use crate::solo::{ANSWER, OFFER, Solo, identity};

const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE";
const MINUTE: u64 = 60_000;

fn session(message: &sip::Message<Vec<u8>>) -> String {
    String::from_utf8(message.raw(Name::SessionExpires).unwrap_or_default().to_vec()).unwrap()
}

#[test]
fn we_refresh_by_update_when_it_is_our_turn() {
    let mut solo =
        Solo::up_as_caller(&format!("{UPDATES}\nSession-Expires: 600;refresher=uac\nRequire: timer"));
    solo.wait(5 * MINUTE + 1);
    let update = solo.request(Method::Update);
    assert_eq!(session(&update), "600;refresher=uac");
    assert!(update.body().is_empty());
    solo.answer_to(&update, 200, "", "Session-Expires: 600;refresher=uac", "");
    solo.wait(5 * MINUTE + 1);
    assert_eq!(solo.count(Method::Update), 2);
    assert_eq!(solo.events, []);
}

#[test]
fn we_refresh_by_reinvite_with_the_same_sdp_if_the_peer_knows_no_update() {
    let mut solo = Solo::up_as_caller("Session-Expires: 600;refresher=uac");
    solo.wait(5 * MINUTE + 1);
    assert_eq!(solo.count(Method::Update), 0);
    let invite = solo.request(Method::Invite);
    assert_eq!(invite.body(), OFFER.as_bytes());
    solo.answer(200, "", "Session-Expires: 600;refresher=uac", ANSWER);
    assert_eq!(solo.count(Method::Ack), 1);
    assert_eq!(solo.events, [], "a refresh is no news");
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn a_peer_that_says_it_knows_update_and_does_not_gets_a_reinvite() {
    let mut solo = Solo::up_as_caller(&format!("{UPDATES}\nSession-Expires: 600;refresher=uac"));
    solo.wait(5 * MINUTE + 1);
    let update = solo.request(Method::Update);
    solo.answer_to(&update, 501, "", "", "");
    assert_eq!(solo.request(Method::Invite).body(), OFFER.as_bytes());
}

#[test]
fn a_peer_that_does_not_refresh_is_hung_up() {
    let mut solo = Solo::up_as_caller("Session-Expires: 600;refresher=uas");
    solo.wait(568_000 - 1);
    assert_eq!(solo.sent.len(), 0);
    solo.wait(2);
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::SessionExpired, reason: None }]);
    let bye = solo.request(Method::Bye);
    assert_eq!(bye.raw(Name::Reason), Some(&b"SIP;cause=408;text=\"Session timer expired\""[..]));
    solo.wait_for_the_end();
}

#[test]
fn the_peer_s_refresh_gives_the_session_more_time() {
    let mut solo = Solo::up_as_caller("Session-Expires: 600;refresher=uas");
    for _ in 0..5 {
        solo.wait(5 * MINUTE);
        solo.peer_sends(Method::Update, "Supported: timer\nSession-Expires: 600;refresher=uac", "");
        let answer = solo.response(Method::Update);
        assert_eq!(session(&answer), "600;refresher=uac");
        assert!(answer.has_token(Name::Require, "timer"));
    }
    assert_eq!(solo.events, []);
    solo.wait(10 * MINUTE);
    assert_eq!(solo.events.len(), 1);
}

#[test]
fn a_refresh_by_the_peer_s_reinvite_is_told_like_any_offer() {
    let mut solo = Solo::up_as_called("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    solo.wait(5 * MINUTE);
    solo.peer_sends(Method::Invite, "Supported: timer\nSession-Expires: 600;refresher=uac", OFFER);
    solo.command(LegCommand::AcceptOffer { sdp: ANSWER.into() });
    assert_eq!(session(&solo.response(Method::Invite)), "600;refresher=uac");
    solo.ack("");
    solo.wait(9 * MINUTE);
    assert_eq!(solo.state(), LegState::Confirmed);
}

#[test]
fn who_refreshes_is_the_caller_s_choice_and_else_us() {
    let answer = |more: &str| {
        let mut solo = Solo::invited(more, OFFER);
        solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
        let answer = solo.response(Method::Invite);
        (session(&answer), answer.has_token(Name::Require, "timer"))
    };
    let timer = |more: &str| answer(&format!("Supported: timer\r\n{more}"));
    assert_eq!(timer("Session-Expires: 600;refresher=uac\r\n"), ("600;refresher=uac".into(), true));
    assert_eq!(timer("Session-Expires: 600;refresher=uas\r\n"), ("600;refresher=uas".into(), false));
    assert_eq!(timer("Session-Expires: 600\r\n"), ("600;refresher=uas".into(), false));
    assert_eq!(timer("Session-Expires: 7200\r\n"), ("1800;refresher=uas".into(), false), "we may shorten it");
    let with_min = timer("Session-Expires: 7200\r\nMin-SE: 3600\r\n");
    assert_eq!(
        with_min,
        ("3600;refresher=uas".into(), false),
        "but not below the least that anybody accepts"
    );
    assert_eq!(timer(""), ("1800;refresher=uas".into(), false));
    let knows_nothing = answer("Session-Expires: 600;refresher=uac\r\n");
    assert_eq!(knows_nothing, ("600;refresher=uas".into(), false), "who knows no timers can't refresh");
}

#[test]
fn a_peer_without_session_timers_is_refreshed_all_the_same() {
    let mut solo = Solo::up_as_caller(UPDATES);
    solo.wait(15 * MINUTE + 1);
    let update = solo.request(Method::Update);
    solo.answer_to(&update, 200, "", "", "");
    solo.wait(15 * MINUTE + 1);
    assert_eq!(solo.count(Method::Update), 2);
}

#[test]
fn a_half_dead_peer_is_found_out_by_the_refresh() {
    let mut solo = Solo::up_as_caller(UPDATES);
    solo.wait(15 * MINUTE + 32_001);
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::NoResponse, reason: None }]);
    solo.wait_for_the_end();
}

#[test]
fn a_refresh_that_fails_for_the_moment_is_tried_again_before_the_session_expires() {
    let mut solo = Solo::up_as_caller(&format!("{UPDATES}\nSession-Expires: 600;refresher=uac"));
    solo.wait(5 * MINUTE + 1);
    let mut refused = 0;
    while solo.events.is_empty() {
        if solo.count(Method::Update) > refused {
            let update = solo.request(Method::Update);
            solo.answer_to(&update, 503, "", "", "");
            refused += 1;
        }
        solo.wait(1_000);
        assert!(solo.now.since(crate::solo::BEGIN) < Duration::from_secs(600));
    }
    assert!(refused > 2, "{refused}");
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::SessionExpired, reason: None }]);
}

#[test]
fn too_short_a_refresh_is_made_longer() {
    let mut solo = Solo::up_as_caller(&format!("{UPDATES}\nSession-Expires: 600;refresher=uac"));
    solo.wait(5 * MINUTE + 1);
    let update = solo.request(Method::Update);
    solo.answer_to(&update, 422, "", "Min-SE: 1000", "");
    let update = solo.request(Method::Update);
    assert_eq!(session(&update), "1000;refresher=uac");
    assert_eq!(update.min_se().unwrap(), Some(1000));
    solo.peer_sends(Method::Update, "Supported: timer\nSession-Expires: 89", "");
    assert_eq!(solo.responses(Method::Update), [422]);
    assert_eq!(solo.response(Method::Update).min_se().unwrap(), Some(90));
}

#[test]
fn who_wants_no_timer_asks_for_none_but_serves_one() {
    let timing = LegTiming { session_expires: None, ..LegTiming::default() };
    let mut solo = Solo::dial_as(identity(), Some(OFFER), timing);
    assert_eq!(session(&solo.request(Method::Invite)), "");
    solo.answer(200, "b1", "", ANSWER);
    solo.forget();
    solo.wait(24 * 60 * MINUTE);
    assert_eq!((solo.sent.len(), solo.state()), (0, LegState::Confirmed));
    solo.peer_sends(Method::Update, "Supported: timer\nSession-Expires: 600;refresher=uac", "");
    assert_eq!(session(&solo.response(Method::Update)), "600;refresher=uac");
    solo.wait(10 * MINUTE);
    assert_eq!(solo.events, [LegEvent::Ended { by: EndedBy::SessionExpired, reason: None }]);
}

#[test]
fn a_session_that_expired_while_we_were_away_gets_some_grace() {
    let mut solo = Solo::up_as_caller("Session-Expires: 600;refresher=uas");
    solo.now = solo.now.after(Duration::from_secs(700));
    solo.resume();
    solo.wait(10_000);
    assert_eq!(solo.events, []);
    solo.peer_sends(Method::Update, "Supported: timer\nSession-Expires: 600;refresher=uac", "");
    solo.wait(5 * MINUTE);
    assert_eq!(solo.events, []);
}
