//! Death and after: everything is there again, and one call's fault is no other's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use contract::query::ListCalls;
use exchange::{In, Restored, Settings, kept};
use machine::{Failpoint, Fault, Key, Machine, Outbox, Record, Shard, Tag};
use sip::Method;

use crate::calls::Pair;
use crate::phone::{OFFER, request, response, seconds, statuses};
use crate::platform::Platform;

#[test]
fn phones_stay_registered() {
    let mut pair = Pair::new(Platform::new());
    pair.platform.restart();
    let heard = pair.alice.calls(&mut pair.platform, "bob");
    request(&heard, Method::Invite);
    pair.platform.pass(seconds(3601));
    assert_eq!(pair.platform.gauge("exchange_registered_contacts"), 0.0, "and they end when they should");
}

#[test]
fn a_call_goes_on_from_wherever_it_was() {
    let mut pair = Pair::new(Platform::new());
    let heard = pair.alice.calls(&mut pair.platform, "bob");
    let invite = request(&heard, Method::Invite).clone();
    pair.platform.restart();
    pair.platform.hear(&pair.bob.answers(&invite, 180, ""));
    pair.platform.restart();
    let heard = pair.platform.hear(&pair.bob.answers(&invite, 200, OFFER));
    let answer = response(&heard, 200).clone();
    pair.platform.restart();
    assert_eq!(pair.platform.hear(&pair.alice.in_dialog(Method::Ack, &answer)).len(), 0);
    pair.platform.restart();
    let calls = pair.platform.ask(0, &ListCalls { limit: 1, ..ListCalls::default() }).calls;
    assert_eq!(calls[0].state, "answered");
    let heard = pair.platform.hear(&pair.alice.in_dialog(Method::Bye, &answer));
    response(&heard, 200);
    let bye = request(&heard, Method::Bye).clone();
    pair.platform.restart();
    pair.platform.hear(&pair.bob.answers(&bye, 200, ""));
    pair.platform.pass(seconds(60));
    assert_eq!(pair.platform.office.records.len(), 1);
}

#[test]
fn a_retransmitted_invite_finds_its_call_after_a_restart() {
    let mut pair = Pair::new(Platform::new());
    pair.alice.calls(&mut pair.platform, "bob");
    pair.alice.cseq += 1;
    pair.alice.call_id = "repeated".into();
    let contact = [("Contact", "<sip:alice@phone-1.example>")];
    let invite = pair.alice.request(Method::Invite, "sip:bob@red.example", &contact, OFFER);
    pair.platform.hear(&invite);
    pair.platform.restart();
    assert_eq!(statuses(&pair.platform.hear(&invite)), [100]);
    assert_eq!(pair.platform.gauge("exchange_calls"), 2.0);
}

#[test]
fn a_poisoned_call_takes_no_other_with_it() {
    let poison = Failpoint { dialed: "poison".into(), fault: Fault::Panic };
    let mut pair = Pair::new(Platform::with(1, Settings { failpoints: vec![poison], ..Settings::default() }));
    let (_, answer) = pair.talk();
    pair.alice.cseq += 1;
    pair.alice.call_id = "poisoned".into();
    let contact = [("Contact", "<sip:alice@phone-1.example>")];
    let invite = pair.alice.request(Method::Invite, "sip:poison@red.example", &contact, OFFER);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let exchange = &mut pair.platform.threads[0].exchange;
    let mut out = Outbox::new();
    let now = pair.platform.now;
    let struck = catch_unwind(AssertUnwindSafe(|| exchange.handle(now, In::Sip(invite), &mut out)));
    std::panic::set_hook(quiet);
    assert!(struck.is_err());
    let (tag, key) = exchange.in_hand().expect("a call was in hand");
    assert_eq!(tag, kept::CALL);
    exchange.forget(tag, key);
    assert_eq!(pair.platform.gauge("exchange_calls"), 1.0);
    let heard = pair.platform.hear(&pair.alice.in_dialog(Method::Bye, &answer));
    assert_eq!(statuses(&heard), [481], "another Call-ID");
    pair.alice.call_id = answer_call_id(&answer);
    let heard = pair.platform.hear(&pair.alice.in_dialog(Method::Bye, &answer));
    response(&heard, 200);
}

fn answer_call_id(answer: &crate::platform::Sip) -> String {
    String::from_utf8_lossy(answer.call_id().unwrap()).into_owned()
}

#[test]
fn the_one_in_hand_is_rebuilt_from_its_record() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    let thread = &mut pair.platform.threads[0];
    let record = thread.journal.values().find(|record| record.tag == kept::CALL).cloned().unwrap();
    thread.exchange.forget(record.tag, record.key);
    assert_eq!(thread.exchange.restore(record), Restored::Taken);
    let heard = pair.platform.hear(&pair.alice.in_dialog(Method::Bye, &answer));
    response(&heard, 200);
}

#[test]
fn what_is_not_ours_or_not_readable_is_said_so() {
    let mut platform = Platform::new();
    let exchange = &mut platform.threads[0].exchange;
    let record = |tag, body: &[u8]| Record { tag, shard: Shard::default(), key: Key(5), body: body.to_vec() };
    assert_eq!(exchange.restore(record(Tag(0x7777), b"x")), Restored::Foreign);
    for tag in [kept::BINDINGS, kept::CALL, kept::ACCOUNT, kept::TENANTS, kept::CALL_RECORD] {
        assert_eq!(exchange.restore(record(tag, b"\xc1rubbish")), Restored::Unreadable, "{tag:?}");
        assert_eq!(exchange.restore(record(tag, b"")), Restored::Taken, "{tag:?}");
    }
}

#[test]
fn a_call_that_is_given_up_ends_for_both_with_a_record() {
    let mut pair = Pair::new(Platform::new());
    let heard = pair.alice.calls(&mut pair.platform, "bob");
    let invite = request(&heard, Method::Invite).clone();
    let heard = pair.platform.hear(&pair.bob.answers(&invite, 200, OFFER));
    let answer = response(&heard, 200).clone();
    pair.platform.hear(&pair.alice.in_dialog(Method::Ack, &answer));
    let calls = pair.platform.ask(0, &ListCalls { limit: 1, ..ListCalls::default() }).calls;
    let heard = pair.platform.abandon((kept::CALL, kept::call_key(calls[0].id)));
    let byes = heard.iter().filter(|message| message.method() == Some(Method::Bye)).count();
    assert_eq!(byes, 2, "{heard:?}");
    pair.platform.pass(seconds(60));
    assert_eq!(pair.platform.office.records.len(), 1);
    assert_eq!(pair.platform.gauge("exchange_calls"), 0.0);
    assert_eq!(pair.platform.gauge("exchange_given_up_total"), 1.0);
}

#[test]
fn whose_deadline_it_is_can_be_told_beforehand() {
    let mut pair = Pair::new(Platform::new());
    let heard = pair.alice.calls(&mut pair.platform, "bob");
    request(&heard, Method::Invite);
    let calls = pair.platform.ask(0, &ListCalls { limit: 1, ..ListCalls::default() }).calls;
    let due = pair.platform.due();
    assert_eq!(due, Some((kept::CALL, kept::call_key(calls[0].id))), "its INVITE is said again");
}
