use contract::record::Outcome;
use sip::Name;

use crate::phone::ALICES_SDP;
use crate::scene::{calling, scene, talking};

#[test]
fn a_call_is_rung_answered_talked_and_recorded() {
    let mut scene = calling();
    assert_eq!(scene.alice().heard(), ["100"]);
    assert_eq!(scene.bob().heard(), ["INVITE"]);
    assert_eq!(scene.state(), "routing");

    scene.passes(1);
    scene.bob().rings();
    assert_eq!(scene.alice().heard(), ["100", "180"]);
    assert_eq!(scene.state(), "ringing");

    scene.passes(5);
    scene.bob().answers();
    assert_eq!(scene.alice().heard(), ["100", "180", "200"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK"]);
    scene.alice().acks();
    assert_eq!(scene.state(), "answered");

    scene.passes(60);
    scene.alice().hangs_up();
    assert_eq!(scene.alice().heard(), ["100", "180", "200", "200"]);
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);

    let record = scene.record();
    assert_eq!((record.outcome, record.status), (Outcome::Answered, 200));
    assert_eq!((&*record.caller, &*record.dialed, &*record.callee), ("alice", "bob", "bob"));
    assert_eq!(record.cause, "caller hung up");
    assert_eq!(record.sip_call_id, "alices-call");
    assert_eq!(record.rang.unwrap().since(record.started).as_secs(), 1);
    assert_eq!(record.answered.unwrap().since(record.started).as_secs(), 6);
    assert_eq!(record.ended.since(record.answered.unwrap()).as_secs(), 60);
    assert_eq!(record.price.unwrap().micros, 60_000);
    assert_eq!(record.reserved.unwrap().micros, 60_000 + record.released.unwrap().micros);
    assert_eq!(record.quality[0].mos, Some(4.4));
}

#[test]
fn the_callee_may_hang_up_too() {
    let mut scene = talking();
    scene.bob().sends_with(sip::Method::Bye, None, &[("Reason", "Q.850;cause=16")]);
    let bye = scene.alice().last();
    assert_eq!(bye.method(), Some(sip::Method::Bye));
    assert_eq!(bye.raw(Name::Reason), Some(&b"Q.850;cause=16"[..]), "the reason goes through");
    assert_eq!(scene.record().cause, "callee hung up");
}

#[test]
fn both_phones_are_told_where_media_stands() {
    let mut scene = talking();
    let offer = scene.bob().last_sdp();
    assert!(
        offer.contains("c=IN IP4 203.0.113.1") && offer.contains("m=audio 30002 RTP/AVP 0 8 101"),
        "{offer}"
    );
    let answer = scene.alice().last_sdp();
    assert!(
        answer.contains("c=IN IP4 203.0.113.1") && answer.contains("m=audio 30000 RTP/AVP 0\r\n"),
        "{answer}"
    );

    let wish = scene.wish();
    assert_eq!(wish.legs[0].remote_rtp, Some(([192, 0, 2, 1], 4000).into()));
    assert_eq!(wish.legs[1].remote_rtp, Some(([192, 0, 2, 2], 5000).into()));
    assert_eq!(wish.legs[0].signalling, Some([192, 0, 2, 1].into()));
    assert_eq!(wish.legs[1].signalling, Some([192, 0, 2, 2].into()));
    assert_eq!((wish.legs[0].peer, wish.legs[1].peer), (Some(1), Some(0)));
    assert_eq!(wish.legs[0].payloads.len(), 3);
    assert!(wish.inactivity_ms > 0 && wish.legs.iter().all(|leg| !leg.held));
}

#[test]
fn silence_does_not_count_before_the_answer() {
    let scene = calling();
    assert_eq!(scene.wish().inactivity_ms, 0);
    assert!(scene.wish().legs[0].held);
}

#[test]
fn the_callee_sees_who_calls_and_nothing_of_the_callers_way() {
    let mut scene = calling();
    let invite = scene.bob().last();
    assert_eq!(invite.request_uri_bytes(), b"sip:bob@192.0.2.2");
    assert_eq!(invite.raw(Name::Route), Some(&b"<sip:flow@edge.example;lr>"[..]));
    let from = invite.from().unwrap();
    assert_eq!(from.uri.to_string(), "sip:alice@red.example");
    assert_eq!(from.display_text().unwrap(), "Alice");
    assert_ne!(invite.call_id().unwrap(), b"alices-call");
    assert_eq!(invite.vias().count(), 1);
    assert_eq!(invite.max_forwards().unwrap(), Some(19), "one hop less than alice's had");
}

#[test]
fn a_number_is_shown_in_place_of_the_name() {
    let mut scene = scene();
    scene.caller.number = Some("4930123".into());
    scene.alice().invites("bob", Some(ALICES_SDP));
    assert_eq!(scene.bob().last().from().unwrap().uri.to_string(), "sip:4930123@red.example");
}

#[test]
fn every_identifier_of_ours_tells_whose_call_it_is() {
    use machine::{Kind, Shard};
    let mut scene = talking();
    let invite = scene.bob().scene.memories[&1].heard[0].clone();
    let answer = scene.memories[&0].heard.last().unwrap().clone();
    let mint = &scene.mint;
    let id = scene.call().id();
    let is_ours = |kind, text: &[u8], part| {
        let token = mint.read(kind, text).unwrap();
        assert_eq!((token.shard, token.call, token.part), (Shard::of(17), id.0, part));
    };
    is_ours(Kind::CallId, invite.call_id().unwrap(), 1);
    is_ours(Kind::Tag, invite.from().unwrap().tag().unwrap().as_bytes(), 1);
    is_ours(Kind::Contact, invite.contact().unwrap().address.uri.user.unwrap(), 1);
    is_ours(Kind::Tag, answer.to().unwrap().tag().unwrap().as_bytes(), 0);
    is_ours(Kind::Contact, answer.contact().unwrap().address.uri.user.unwrap(), 0);
    let via = invite.top_via().unwrap();
    assert!(mint.read(Kind::Branch, &via.branch().unwrap().as_bytes()[7..]).is_some());
}

#[test]
fn the_session_id_stays_and_its_version_counts_changes() {
    let mut scene = talking();
    let origin = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("o=")).unwrap();
        line.split(' ').skip(1).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = origin(&scene.bob().last_sdp());
    scene.alice().reinvites(Some(&crate::phone::held(ALICES_SDP, "sendonly")));
    let after = origin(&scene.bob().last_sdp());
    assert_eq!(before[0], after[0]);
    assert_eq!(before[1].parse::<u64>().unwrap() + 1, after[1].parse::<u64>().unwrap());
}

#[test]
fn an_answer_that_nobody_can_read_is_none() {
    let mut scene = calling();
    scene.bob().answers_with("v=0\r\nthis is no SDP\r\n");
    assert_eq!(scene.bob().heard(), ["INVITE", "ACK", "BYE"]);
    assert_eq!(scene.alice().heard(), ["100", "488"]);
    assert_eq!(scene.record().outcome, Outcome::Refused);
}

#[test]
fn an_offer_that_nobody_can_read_is_refused() {
    let mut scene = scene();
    scene.alice().invites("bob", Some("v=0\r\nm=audio\r\n"));
    assert_eq!(scene.alice().heard().last().unwrap(), "488");
    assert_eq!(scene.record().status, 488);
}
