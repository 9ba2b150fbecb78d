//! Calls through the exchange: found, carried, recorded.

use contract::query::{HangUp, ListCalls};
use contract::record::Outcome;
use sip::{Method, Name, Status};

use crate::phone::{OFFER, Phone, request, response, seconds, statuses, text};
use crate::platform::{Platform, Sip};

pub(crate) struct Pair {
    pub(crate) platform: Platform,
    pub(crate) alice: Phone,
    pub(crate) bob: Phone,
}

impl Pair {
    pub(crate) fn new(mut platform: Platform) -> Self {
        let alice = Phone::of("alice", "red.example");
        let mut bob = Phone::at("bob", "red.example", "phone-2.example");
        bob.comes(&mut platform);
        Pair { platform, alice, bob }
    }

    /// Alice calls Bob, who answers; her 200 comes back.
    pub(crate) fn talk(&mut self) -> (Sip, Sip) {
        let heard = self.alice.calls(&mut self.platform, "bob");
        let invite = request(&heard, Method::Invite).clone();
        assert_eq!(statuses(&self.platform.hear(&self.bob.answers(&invite, 180, ""))), [180]);
        let heard = self.platform.hear(&self.bob.answers(&invite, 200, OFFER));
        let answer = response(&heard, 200).clone();
        request(&heard, Method::Ack);
        let ack = self.alice.in_dialog(Method::Ack, &answer);
        assert_eq!(self.platform.hear(&ack).len(), 0);
        (invite, answer)
    }
}

#[test]
fn a_call_is_found_carried_and_recorded_once() {
    let mut pair = Pair::new(Platform::new());
    let (invite, answer) = pair.talk();
    assert!(text(&invite).contains("Route: <sip:phone-2.example@edge.example;lr>"));
    assert!(answer.body().starts_with(b"v=0"));
    pair.platform.pass(seconds(5));
    let bye = pair.alice.in_dialog(Method::Bye, &answer);
    let heard = pair.platform.hear(&bye);
    response(&heard, 200);
    let to_bob = request(&heard, Method::Bye).clone();
    pair.platform.hear(&pair.bob.answers(&to_bob, 200, ""));
    pair.platform.pass(seconds(60));
    assert_eq!(pair.platform.gauge("exchange_calls"), 0.0);
    let [record] = &pair.platform.office.records[..] else { panic!("{:?}", pair.platform.office.records) };
    assert_eq!(
        (record.caller.as_str(), record.dialed.as_str(), record.outcome),
        ("alice", "bob", Outcome::Answered)
    );
    let left: Vec<_> = pair.platform.threads[0].journal.keys().map(|(tag, _)| *tag).collect();
    assert!(
        !left.contains(&exchange::kept::CALL) && !left.contains(&exchange::kept::CALL_RECORD),
        "{left:?}"
    );
}

#[test]
fn a_retransmitted_invite_finds_its_call() {
    let mut pair = Pair::new(Platform::new());
    pair.alice.calls(&mut pair.platform, "bob");
    pair.alice.cseq += 1;
    pair.alice.call_id = "repeated".into();
    let contact = [("Contact", "<sip:alice@phone-1.example>")];
    let invite = pair.alice.request(Method::Invite, "sip:bob@red.example", &contact, OFFER);
    assert_eq!(statuses(&pair.platform.hear(&invite)), [100]);
    assert_eq!(statuses(&pair.platform.hear(&invite)), [100]);
    assert_eq!(pair.platform.gauge("exchange_calls"), 2.0);
    let copy = String::from_utf8(invite).unwrap().replace("branch=z9hG4bK", "branch=z9hG4bKother");
    assert_eq!(statuses(&pair.platform.hear(copy.as_bytes())), [482], "the same by another way");
}

#[test]
fn a_caller_gives_up() {
    let mut pair = Pair::new(Platform::new());
    pair.alice.calls(&mut pair.platform, "bob");
    pair.alice.cseq += 1;
    pair.alice.call_id = "given up".replace(' ', "-");
    let contact = [("Contact", "<sip:alice@phone-1.example>")];
    let invite = pair.alice.request(Method::Invite, "sip:bob@red.example", &contact, OFFER);
    let heard = pair.platform.hear(&invite);
    let to_bob = request(&heard, Method::Invite).clone();
    pair.platform.hear(&pair.bob.answers(&to_bob, 180, ""));
    let cancel = String::from_utf8(invite).unwrap().replace("INVITE", "CANCEL");
    let heard = pair.platform.hear(
        cancel
            .split("Content-Type")
            .next()
            .map(|head| format!("{head}Content-Length: 0\r\n\r\n"))
            .unwrap()
            .as_bytes(),
    );
    response(&heard, 200);
    response(&heard, 487);
    request(&heard, Method::Cancel);
}

#[test]
fn whom_nobody_knows_is_not_found_and_who_is_out_is_unavailable() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    assert_eq!(statuses(&alice.calls(&mut platform, "dave")), [100, 404]);
    assert_eq!(statuses(&alice.calls(&mut platform, "bob")), [100, 480]);
    assert_eq!(statuses(&alice.calls(&mut platform, "1002")), [100, 480]);
    platform.pass(seconds(60));
    assert_eq!(platform.office.records.len(), 3);
}

#[test]
fn a_blocked_user_is_not_called() {
    let mut pair = Pair::new(Platform::new());
    let bob = pair.platform.office.users.get_mut(&(crate::platform::RED, "bob".into())).unwrap();
    bob.blocked = true;
    pair.platform.restart();
    let key = key_of_bob(&pair.platform);
    pair.platform.threads[0].exchange.forget(exchange::kept::ACCOUNT, key);
    assert_eq!(statuses(&pair.alice.calls(&mut pair.platform, "bob")), [100, 403]);
}

fn key_of_bob(platform: &Platform) -> machine::Key {
    let accounts =
        platform.threads[0].journal.values().filter(|record| record.tag == exchange::kept::ACCOUNT);
    let mut bob = accounts.filter(|record| String::from_utf8_lossy(&record.body).contains("bob of red"));
    bob.next_back().unwrap().key
}

#[test]
fn a_number_may_lead_to_an_app() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let heard = alice.calls(&mut platform, "600");
    let answer = response(&heard, 200).clone();
    platform.hear(&alice.in_dialog(Method::Ack, &answer));
    let calls = platform.ask(0, &ListCalls { limit: 10, ..ListCalls::default() }).calls;
    assert_eq!(calls[0].state, "answered");
    assert!(platform.office.times("apps.happened") >= 2);
}

#[test]
fn an_operator_ends_a_call() {
    let mut pair = Pair::new(Platform::new());
    pair.talk();
    let calls = pair.platform.ask(0, &ListCalls { limit: 10, ..ListCalls::default() }).calls;
    let hang_up = HangUp { call: calls[0].id, reason: "maintenance".into() };
    assert!(pair.platform.ask(0, &hang_up).found);
    let heard = pair.platform.pass(seconds(0));
    assert_eq!(heard.iter().filter(|message| message.method() == Some(Method::Bye)).count(), 2);
    assert!(!pair.platform.ask(0, &HangUp { call: contract::CallId(1), ..hang_up }).found);
}

#[test]
fn what_belongs_to_no_call_is_told_so() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    let mut forger = Phone::of("alice", "red.example");
    forger.call_id = "another-call".into();
    let bye = forger.in_dialog(Method::Bye, &answer);
    assert_eq!(statuses(&pair.platform.hear(&bye)), [481], "the right tag in the wrong Call-ID");
    for method in [Method::Bye, Method::Update, Method::Info, Method::Cancel] {
        let stray = forger.request(method, "sip:bob@red.example", &[], "");
        assert_eq!(statuses(&pair.platform.hear(&stray)), [481], "{method}");
    }
    let to = [("To", "<sip:bob@red.example>;tag=never-heard-of")];
    let stray = forger.request(Method::Invite, "sip:bob@red.example", &to, OFFER);
    assert_eq!(statuses(&pair.platform.hear(&stray)), [481]);
    let stray = forger.request(Method::Ack, "sip:bob@red.example", &to, "");
    assert_eq!(pair.platform.hear(&stray).len(), 0);
}

#[test]
fn the_server_says_who_it_is_and_what_it_can() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let heard = platform.hear(&alice.request(Method::Options, "sip:red.example", &[], ""));
    assert_eq!(heard[0].status(), Some(Status::OK));
    for name in [Name::Allow, Name::Accept, Name::Supported, Name::AcceptLanguage, Name::Server] {
        assert!(heard[0].raw(name).is_some(), "{name}");
    }
}
