//! Several threads, each with its own shards, do together what one does alone.

use contract::query::ListRegistrations;
use exchange::{Restored, Settings, kept};
use sip::{Method, Status};

use crate::calls::Pair;
use crate::phone::{Phone, request, response, seconds, statuses};
use crate::platform::Platform;

#[test]
fn a_call_finds_phones_that_another_thread_knows() {
    // Whatever the Call-ID's shard is, Bob's binding has its own: with four threads most calls must ask.
    for number in 0..8 {
        let mut pair = Pair::new(Platform::with(4, Settings::default()));
        pair.alice.host = format!("phone-{number}.example");
        let (_, answer) = pair.talk();
        let heard = pair.platform.hear(&pair.alice.in_dialog(Method::Bye, &answer));
        response(&heard, 200);
        let bye = request(&heard, Method::Bye).clone();
        pair.platform.hear(&pair.bob.answers(&bye, 200, ""));
        pair.platform.pass(seconds(60));
        assert_eq!(pair.platform.office.records.len(), 1);
    }
}

#[test]
fn who_is_nowhere_is_unavailable_with_several_threads_too() {
    for number in 0..8 {
        let mut platform = Platform::with(4, Settings::default());
        let mut alice = Phone::at("alice", "red.example", &format!("phone-{number}.example"));
        assert_eq!(statuses(&alice.calls(&mut platform, "bob")), [100, 480]);
    }
}

#[test]
fn a_register_that_came_to_the_wrong_thread_is_sent_on() {
    let mut platform = Platform::with(4, Settings::default());
    let mut alice = Phone::of("alice", "red.example");
    let contact = alice.contact();
    for thread in 0..4 {
        alice.cseq += 1;
        let request = alice.request(Method::Register, "sip:red.example", &[("Contact", &contact)], "");
        let heard = platform.hear_at(thread, &request);
        if thread == 0 {
            assert_eq!(heard[0].status(), Some(Status::UNAUTHORIZED));
            let _ = alice.auth.challenged(&heard[0]);
        } else {
            assert_eq!(heard[0].status(), Some(Status::OK));
        }
    }
    let list = ListRegistrations { limit: 9, ..ListRegistrations::default() };
    let owners = (0..4).filter(|&thread| !platform.ask(thread, &list).registrations.is_empty()).count();
    assert_eq!(owners, 1);
    assert!(platform.gauge("exchange_messages_forwarded_total") >= 3.0);
}

#[test]
fn each_phone_is_on_one_list_and_together_they_have_all() {
    let mut platform = Platform::with(3, Settings::default());
    for user in ["alice", "bob", "carol"] {
        for domain in ["red.example", "blue.example"] {
            Phone::of(user, domain).comes(&mut platform);
        }
    }
    let list = ListRegistrations { limit: 9, ..ListRegistrations::default() };
    let all: usize = (0..3).map(|thread| platform.ask(thread, &list).registrations.len()).sum();
    assert_eq!(all, 6);
    platform.restart();
    let all: usize = (0..3).map(|thread| platform.ask(thread, &list).registrations.len()).sum();
    assert_eq!(all, 6);
}

#[test]
fn an_invite_that_came_to_the_wrong_thread_is_sent_on_and_so_is_its_cancel() {
    for thread in 0..4 {
        let mut pair = Pair::new(Platform::with(4, Settings::default()));
        pair.alice.calls(&mut pair.platform, "nobody");
        pair.alice.cseq += 1;
        pair.alice.call_id = "astray".into();
        let contact = [("Contact", "<sip:alice@phone-1.example>")];
        let invite = pair.alice.request(Method::Invite, "sip:bob@red.example", &contact, "");
        let heard = pair.platform.hear_at(thread, &invite);
        request(&heard, Method::Invite);
        let cancel = String::from_utf8(invite).unwrap().replace("INVITE", "CANCEL");
        let heard = pair.platform.hear_at(3 - thread, cancel.as_bytes());
        response(&heard, 200);
    }
}

#[test]
fn what_another_thread_owns_is_not_taken_up() {
    let mut platform = Platform::with(2, Settings::default());
    for user in ["alice", "bob", "carol"] {
        Phone::of(user, "red.example").comes(&mut platform);
    }
    let journals: Vec<_> = platform.threads.iter().map(|thread| thread.journal.clone()).collect();
    for (number, thread) in platform.threads.iter_mut().enumerate() {
        for record in journals[1 - number].values().filter(|record| record.tag == kept::BINDINGS) {
            assert_eq!(thread.exchange.restore(record.clone()), Restored::Elsewhere);
        }
    }
}
