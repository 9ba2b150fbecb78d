//! Two tenants with the same extension never meet.

use contract::registration::Locate;
use contract::{Aor, query::ListCalls};
use sip::{Method, Status};

use crate::phone::{OFFER, Phone, request, statuses, text};
use crate::platform::{BLUE, Platform, RED};

fn two_bobs() -> (Platform, Phone, Phone) {
    let mut platform = Platform::new();
    let mut red = Phone::at("bob", "red.example", "red-phone.example");
    let mut blue = Phone::at("bob", "blue.example", "blue-phone.example");
    red.comes(&mut platform);
    blue.comes(&mut platform);
    (platform, red, blue)
}

#[test]
fn the_same_name_has_its_own_phones_in_each_tenant() {
    let (mut platform, ..) = two_bobs();
    for (tenant, phone) in [(RED, "sip:bob@red-phone.example"), (BLUE, "sip:bob@blue-phone.example")] {
        let located = platform.ask(0, &Locate { aor: Aor { tenant, user: "bob".into() } });
        assert_eq!(located.contacts.iter().map(|contact| &contact.uri[..]).collect::<Vec<_>>(), [phone]);
    }
}

#[test]
fn the_same_number_rings_each_tenants_own_bob() {
    let (mut platform, ..) = two_bobs();
    for (domain, phone) in [("red.example", "red-phone"), ("blue.example", "blue-phone")] {
        let heard = Phone::of("alice", domain).calls(&mut platform, "1002");
        assert!(text(request(&heard, Method::Invite)).contains(phone), "{domain}");
    }
}

#[test]
fn a_number_of_one_is_unknown_to_the_other() {
    let (mut platform, ..) = two_bobs();
    let heard = Phone::of("alice", "blue.example").calls(&mut platform, "1001");
    assert_eq!(statuses(&heard), [100, 404]);
}

#[test]
fn the_password_of_one_does_not_open_the_other() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let to = [("To", "<sip:alice@blue.example>"), ("Contact", "<sip:alice@evil.example>")];
    assert_eq!(alice.register(&mut platform, &to).status(), Some(Status::FORBIDDEN));
}

#[test]
fn nobody_calls_from_one_into_the_other() {
    let (mut platform, ..) = two_bobs();
    let mut alice = Phone::of("alice", "red.example");
    let headers = [("Contact", "<sip:alice@phone-1.example>")];
    let heard = alice.send(&mut platform, Method::Invite, "sip:bob@blue.example", &headers, OFFER);
    assert_eq!(statuses(&heard), [403]);
}

#[test]
fn an_address_for_a_domain_is_the_fallback_tenants() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "192.0.2.1");
    alice.comes(&mut platform);
    let located = platform.ask(0, &Locate { aor: Aor { tenant: RED, user: "alice".into() } });
    assert_eq!(located.contacts.len(), 1);
}

#[test]
fn a_list_of_calls_shows_no_others() {
    let (mut platform, ..) = two_bobs();
    for domain in ["red.example", "blue.example"] {
        Phone::of("alice", domain).calls(&mut platform, "bob");
    }
    let of = |tenant| ListCalls { tenant, limit: 10, after: None };
    assert_eq!(platform.ask(0, &of(None)).calls.len(), 2);
    let blue = platform.ask(0, &of(Some(BLUE))).calls;
    assert_eq!(blue.iter().map(|call| call.tenant).collect::<Vec<_>>(), [BLUE]);
}
