//! The office is away: what is remembered serves on, the rest waits, and not for ever.

use contract::Envelope;
use contract::account::{Changed, Doubt};
use exchange::In;
use sip::{Method, Name, Status};

use crate::calls::Pair;
use crate::phone::{OFFER, Phone, request, response, seconds, statuses};
use crate::platform::{Platform, RED};

#[test]
fn who_is_remembered_registers_and_calls_on() {
    let mut pair = Pair::new(Platform::new());
    pair.alice.comes(&mut pair.platform);
    pair.alice.calls(&mut pair.platform, "bob");
    pair.platform.restart();
    pair.platform.office.is_there = false;
    pair.platform.restart();
    pair.alice.call_id = "alice@phone-1.example".into();
    pair.alice.comes(&mut pair.platform);
    let heard = pair.alice.calls(&mut pair.platform, "bob");
    response(&heard, 100);
}

#[test]
fn who_is_not_remembered_waits_and_is_let_in_when_the_office_is_back() {
    let mut platform = Platform::new();
    platform.office.is_there = false;
    let mut alice = Phone::of("alice", "red.example");
    let contact = alice.contact();
    let heard = alice.send(&mut platform, Method::Register, "sip:red.example", &[("Contact", &contact)], "");
    assert_eq!(statuses(&heard), [0; 0], "nothing is known yet");
    platform.office.is_there = true;
    let heard = platform.pass(seconds(1));
    assert_eq!(statuses(&heard), [200]);
}

#[test]
fn who_waits_in_vain_is_told_to_come_back() {
    let mut platform = Platform::new();
    platform.office.is_there = false;
    let mut alice = Phone::of("alice", "red.example");
    let contact = alice.contact();
    alice.send(&mut platform, Method::Register, "sip:red.example", &[("Contact", &contact)], "");
    let heard = platform.pass(seconds(10));
    assert_eq!(statuses(&heard), [503]);
    assert!(heard[0].raw(Name::RetryAfter).is_some());
    assert_eq!(platform.gauge("exchange_requests_waiting"), 0.0);
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let mut settings = exchange::Settings::default();
    settings.waiting.room = 3;
    let mut platform = Platform::with(1, settings);
    platform.office.is_there = false;
    let mut refused = 0;
    for number in 0..5 {
        let mut phone = Phone::at(&format!("user-{number}"), "red.example", "phone-1.example");
        let heard = phone.send(&mut platform, Method::Register, "sip:red.example", &[], "");
        refused += heard.iter().filter(|answer| answer.status() == Some(Status::SERVICE_UNAVAILABLE)).count();
        let repeated = phone.send(&mut platform, Method::Register, "sip:red.example", &[], "");
        refused += repeated.len() - usize::from(repeated.len() == 1);
    }
    assert_eq!(platform.gauge("exchange_requests_waiting"), 3.0);
    assert!(refused >= 2);
}

#[test]
fn a_call_to_one_who_is_not_remembered_fails_in_a_bounded_time() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    alice.calls(&mut platform, "carol");
    platform.pass(seconds(40));
    platform.office.is_there = false;
    let mut heard = alice.calls(&mut platform, "dave");
    heard.extend(platform.pass(seconds(30)));
    let last = statuses(&heard).into_iter().max().unwrap();
    assert!((500..600).contains(&last), "{heard:?}");
}

#[test]
fn records_wait_for_the_store_and_are_kept_once() {
    let mut pair = Pair::new(Platform::new());
    let (_, answer) = pair.talk();
    let bye = pair.alice.in_dialog(Method::Bye, &answer);
    let heard = pair.platform.hear(&bye);
    let to_bob = request(&heard, Method::Bye).clone();
    pair.platform.hear(&pair.bob.answers(&to_bob, 200, ""));
    let mut rest = Pair::new(Platform::new());
    rest.platform.office.is_there = true;
    assert_eq!(pair.platform.office.records.len(), 1);
    // Another call, whose record finds nobody.
    pair.alice.calls(&mut pair.platform, "dave");
    pair.platform.office.is_there = false;
    pair.platform.pass(seconds(300));
    pair.platform.restart();
    pair.platform.pass(seconds(300));
    pair.platform.office.is_there = true;
    pair.platform.pass(seconds(10));
    let mut ids: Vec<_> = pair.platform.office.records.iter().map(|record| record.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    assert_eq!(pair.platform.gauge("exchange_records_waiting"), 0.0);
}

#[test]
fn at_the_first_start_everybody_waits_for_the_tenants() {
    let mut platform = Platform::new();
    platform.office.is_there = false;
    platform.threads[0].journal.clear();
    platform.restart();
    let mut alice = Phone::of("alice", "red.example");
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &[], OFFER);
    assert_eq!(platform.hear(&invite).len(), 0);
    platform.office.is_there = true;
    assert_eq!(statuses(&platform.pass(seconds(1))), [407]);
}

#[test]
fn an_answer_from_before_a_change_is_not_believed() {
    let mut platform = Platform::new();
    let mut dave = Phone::of("dave", "red.example");
    let contact = dave.contact();
    platform.office.is_slow = true;
    let heard = dave.send(&mut platform, Method::Register, "sip:red.example", &[("Contact", &contact)], "");
    assert_eq!(statuses(&heard), [0; 0], "the answer that there is no dave is on its way");
    platform.office.is_slow = false;
    platform.add_user(RED, "red.example", "dave");
    platform.tell(In::Bus(Envelope::notice(None, &Changed { tenant: RED, name: Some("dave".into()) })));
    assert_eq!(statuses(&platform.late_answers_come()), [200]);
}

#[test]
fn who_is_of_a_domain_that_may_be_new_waits_until_that_is_known() {
    let mut platform = Platform::new();
    platform.office.is_slow = true;
    platform.office.tenants.tenants.push(contract::account::Tenant {
        id: contract::TenantId(3),
        name: "green".into(),
        domains: vec!["green.example".into()],
        fallback: false,
    });
    platform.tell(In::Bus(Envelope::notice(None, &Changed { tenant: RED, name: None })));
    let mut eve = Phone::of("eve", "green.example");
    let heard = eve.send(&mut platform, Method::Register, "sip:green.example", &[], "");
    assert_eq!(statuses(&heard), [0; 0], "whether there is a green.example is not known yet");
    assert_eq!(statuses(&platform.late_answers_come()), [401]);
}

#[test]
fn after_missed_notices_what_is_remembered_serves_once_more_and_is_confirmed() {
    let mut pair = Pair::new(Platform::new());
    pair.alice.comes(&mut pair.platform);
    pair.platform.office.asked.clear();
    pair.alice.comes(&mut pair.platform);
    assert_eq!(pair.platform.office.asked, [""; 0], "it is fresh");
    pair.platform.pass(seconds(2));

    pair.platform.tell(In::Bus(Envelope::notice(None, &Doubt {})));
    assert_eq!(pair.platform.office.asked, ["api.tenants"]);
    pair.platform.pass(seconds(2));
    let user = pair.platform.office.users.get_mut(&(RED, "alice".to_owned())).unwrap();
    user.blocked = true;
    pair.alice.comes(&mut pair.platform);
    assert_eq!(pair.platform.office.asked, ["api.tenants", "api.look_up"]);
    let contact = pair.alice.contact();
    let heard = pair.alice.send(
        &mut pair.platform,
        Method::Register,
        "sip:red.example",
        &[("Contact", &contact)],
        "",
    );
    assert_eq!(statuses(&heard), [403], "what was missed is known now");
}
