//! What is refused, and what is shed.

use std::time::Duration;

use exchange::settings::Overload;
use exchange::{In, Out};
use machine::{Machine, Outbox, Owned};
use sip::{Method, Name};

use crate::calls::Pair;
use crate::phone::{OFFER, Phone, response, statuses};
use crate::platform::Platform;

fn refused(method: Method<'_>, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let heard = platform.hear(&alice.request(method, "sip:bob@red.example", headers, body));
    let answer = heard.first().expect("an answer");
    (answer.status().unwrap().code(), String::from_utf8_lossy(answer.bytes()).into_owned())
}

#[test]
fn methods_that_we_do_not_serve_are_refused_by_name() {
    for (method, status) in [
        (Method::Message, 405),
        (Method::Refer, 405),
        (Method::Notify, 405),
        (Method::Other("DANCE"), 405),
        (Method::Subscribe, 405),
        (Method::Publish, 405),
    ] {
        let (refused, text) = refused(method, &[], "");
        assert_eq!(refused, status, "{method}");
        assert!(text.contains("Allow: INVITE, "));
    }
}

#[test]
fn extensions_that_we_do_not_know_are_refused_by_name() {
    let (status, text) = refused(Method::Invite, &[("Require", "timer, 100rel, magic")], OFFER);
    assert_eq!(status, 420);
    assert!(text.contains("Unsupported: 100rel, magic"));
    let (status, text) = refused(Method::Options, &[("Require", "magic")], "");
    assert_eq!((status, text.contains("Unsupported: magic")), (420, true));
}

#[test]
fn bodies_that_we_cannot_read_are_refused() {
    let (status, text) = refused(Method::Invite, &[("Content-Encoding", "gzip")], OFFER);
    assert_eq!((status, text.contains("Accept-Encoding: identity")), (415, true));
    let mut platform = Platform::new();
    let invite = Phone::of("alice", "red.example").request(Method::Invite, "sip:bob@red.example", &[], OFFER);
    let invite = String::from_utf8(invite).unwrap().replace("application/sdp", "text/plain");
    assert_eq!(statuses(&platform.hear(invite.as_bytes())), [415]);
}

#[test]
fn a_call_that_went_in_circles_ends() {
    let mut platform = Platform::new();
    let invite = Phone::of("alice", "red.example").request(Method::Invite, "sip:bob@red.example", &[], OFFER);
    let invite = String::from_utf8(invite).unwrap().replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(statuses(&platform.hear(invite.as_bytes())), [483]);
}

#[test]
fn what_is_malformed_is_told_so_and_what_is_rubbish_is_not_answered() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &[], OFFER);
    let invite = String::from_utf8(invite).unwrap();
    let broken = invite.replace("From: <sip:alice", "From: <sip:alice\"<");
    assert_eq!(statuses(&platform.hear(broken.as_bytes())), [400]);
    let later = invite.replace("bob@red.example SIP/2.0", "bob@red.example SIP/3.0");
    assert_eq!(statuses(&platform.hear(later.as_bytes())), [505]);
    let strange = invite.replace("INVITE sip:bob@red.example", "INVITE soap:bob@red.example");
    assert_eq!(statuses(&platform.hear(strange.as_bytes())), [416]);
    assert_eq!(platform.hear(b"\0\x01 rubbish").len(), 0);
    let ack = broken.replace("INVITE", "ACK");
    assert_eq!(platform.hear(ack.as_bytes()).len(), 0);
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:a@b>;tag=y\r\n\
                 Call-ID: 1\r\nCSeq: 1 BYE\r\n\r\n";
    assert_eq!(platform.hear(stray.as_bytes()).len(), 0);
}

/// Good messages with a few bytes changed, cut or doubled: nothing of it stops the exchange.
#[test]
fn no_message_takes_the_exchange_down() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    let contact = pair.alice.contact();
    let headers = [("Contact", &contact[..]), ("Expires", "60"), ("Require", "timer")];
    let mut good = vec![
        pair.alice.request(Method::Register, "sip:red.example", &headers, ""),
        pair.alice.request(Method::Invite, "sip:bob@red.example", &headers, OFFER),
        pair.alice.request(Method::Options, "sip:red.example", &[], ""),
        pair.alice.in_dialog(Method::Invite, &answer),
        pair.alice.in_dialog(Method::Update, &answer),
        pair.alice.in_dialog(Method::Ack, &answer),
    ];
    let register = pair.bob.request(Method::Register, "sip:red.example", &headers, "");
    good.extend([pair.bob.answers(&answer_to(&register), 200, OFFER), register]);
    let mut seed = 1u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut out = Outbox::new();
    for round in 0..20_000 {
        let mut message = good[round % good.len()].clone();
        for _ in 0..=draw(3) {
            let at = draw(message.len());
            match draw(4) {
                0 => message[at] = draw(256) as u8,
                1 => message.truncate(at.max(1)),
                2 => message.insert(at, b"\r\n<>\";,:@=*\0"[draw(12)]),
                _ => message.extend_from_within(at..),
            }
        }
        let now = pair.platform.now;
        pair.platform.threads[0].exchange.handle(now, In::Sip(message), &mut out);
        out.keep.clear();
        out.emit.clear();
    }
    let calls = pair.platform.gauge("exchange_calls");
    assert!(calls >= 1.0);
    pair.alice.comes(&mut pair.platform);
}

/// Something to answer.
fn answer_to(request: &[u8]) -> crate::platform::Sip {
    sip::Message::parse(request.to_vec()).unwrap()
}

/// So long do messages wait, and did a while ago.
fn press(platform: &mut Platform, waited: Duration) {
    platform.tell(In::Pressure(waited));
    platform.pass(Overload::default().after);
    platform.tell(In::Pressure(waited));
}

struct Crowd {
    pair: Pair,
    stranger: Phone,
}

impl Crowd {
    /// Bob has a phone, Alice has one, a stranger has none; Alice and Bob talk.
    fn new() -> Self {
        let mut pair = Pair::new(Platform::new());
        pair.alice.comes(&mut pair.platform);
        pair.alice.calls(&mut pair.platform, "bob");
        let stranger = Phone::of("carol", "red.example");
        Crowd { pair, stranger }
    }

    /// The statuses of a stranger's REGISTER, of a refresh, of a new call and of one in need.
    fn at(&mut self, waited: u64) -> [u16; 4] {
        let Pair { platform, alice, bob } = &mut self.pair;
        press(platform, Duration::from_millis(waited));
        let mut ask = |phone: &mut Phone, method, uri| {
            phone.cseq += 1;
            phone.call_id.push('x');
            let contact = phone.contact();
            let body = if method == Method::Invite { OFFER } else { "" };
            let request = phone.request(method, uri, &[("Contact", &contact)], body);
            statuses(&platform.hear(&request))[0]
        };
        [
            ask(&mut self.stranger, Method::Register, "sip:red.example"),
            ask(bob, Method::Register, "sip:red.example"),
            ask(alice, Method::Invite, "sip:bob@red.example"),
            ask(alice, Method::Invite, "sip:112@red.example"),
        ]
    }
}

#[test]
fn strangers_are_shed_first_then_refreshes_then_calls_and_never_an_emergency() {
    let mut crowd = Crowd::new();
    assert_eq!(crowd.at(0), [401, 200, 100, 100]);
    assert_eq!(crowd.at(100), [503, 200, 100, 100]);
    assert_eq!(crowd.at(200), [503, 503, 100, 100]);
    assert_eq!(crowd.at(400), [503, 503, 503, 100]);
    assert_eq!(crowd.at(10_000), [503, 503, 503, 100]);
    assert_eq!(crowd.at(0), [401, 200, 100, 100], "it is over");
}

#[test]
fn nobody_is_a_stranger_to_an_exchange_that_got_its_shards_just_now() {
    let mut platform = Platform::new();
    // All bindings are another's, and so is the knowledge of who has which.
    platform.tell(In::Owned(Owned::of(|_| None)));
    let is_shed = |platform: &mut Platform| {
        press(platform, Duration::from_millis(100));
        let carol = Phone::of("carol", "red.example").request(Method::Register, "sip:red.example", &[], "");
        let (now, mut out) = (platform.now, Outbox::new());
        platform.threads[0].exchange.handle(now, In::Sip(carol), &mut out);
        let is_503 = |said: &Out| matches!(said, Out::Sip { bytes, .. } if bytes.starts_with(b"SIP/2.0 503"));
        out.emit.iter().any(is_503)
    };
    assert!(!is_shed(&mut platform));
    platform.pass(Duration::from_secs(10));
    assert!(is_shed(&mut platform));
}

#[test]
fn who_is_in_a_call_stays_in_it() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    press(&mut pair.platform, Duration::from_secs(60));
    let bye = pair.alice.in_dialog(Method::Bye, &answer);
    response(&pair.platform.hear(&bye), 200);
}

#[test]
fn who_is_shed_comes_back_at_different_times() {
    let mut platform = Platform::new();
    press(&mut platform, Duration::from_secs(1));
    let mut times = std::collections::BTreeSet::new();
    for number in 0..100 {
        let mut phone = Phone::at("carol", "red.example", &format!("phone-{number}.example"));
        let heard = platform.hear(&phone.request(Method::Register, "sip:red.example", &[], ""));
        let after = heard[0].raw(Name::RetryAfter).unwrap();
        times.insert(std::str::from_utf8(after).unwrap().parse::<u32>().unwrap());
        let again = platform.hear(&phone.request(Method::Register, "sip:red.example", &[], ""));
        assert_eq!(again[0].raw(Name::RetryAfter), Some(after), "a retransmission has the same lot");
    }
    assert_eq!(times, (5..=10).collect());
}
