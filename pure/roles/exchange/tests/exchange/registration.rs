//! The registrar: RFC 3261 10.3, RFC 3327.

use contract::query::ListRegistrations;
use contract::registration::Locate;
use contract::{Aor, TenantId};
use sip::{Method, Name, Status};

use crate::phone::{Phone, contacts, seconds, text};
use crate::platform::{Platform, RED};

fn alice() -> (Platform, Phone) {
    (Platform::new(), Phone::of("alice", "red.example"))
}

fn located(platform: &mut Platform, tenant: TenantId, user: &str) -> Vec<String> {
    let located = platform.ask(0, &Locate { aor: Aor { tenant, user: user.into() } });
    located.contacts.into_iter().map(|contact| contact.uri).collect()
}

#[test]
fn a_phone_registers_and_is_told_its_contact_and_time() {
    let (mut platform, mut alice) = alice();
    let response =
        alice.register(&mut platform, &[("Contact", "<sip:alice@phone-1.example>"), ("Expires", "600")]);
    assert_eq!(response.status(), Some(Status::OK));
    assert_eq!(contacts(&response), [("sip:alice@phone-1.example".into(), 600)]);
    assert!(response.to().unwrap().tag().is_some());
    let located = platform.ask(0, &Locate { aor: Aor { tenant: RED, user: "alice".into() } }).contacts;
    let [phone] = &located[..] else { panic!("{located:?}") };
    assert_eq!(phone.uri, "sip:alice@phone-1.example");
    assert_eq!(phone.path, ["<sip:phone-1.example@edge.example;lr>"]);
    assert_eq!((phone.transport.as_str(), phone.source.as_str(), phone.q), ("udp", "192.0.2.7:5062", 1000));
    assert_eq!(phone.expires, platform.now.after(seconds(600)));
}

#[test]
fn the_path_comes_back_with_the_answer() {
    let (mut platform, mut alice) = alice();
    let response = alice.register(&mut platform, &[("Contact", "<sip:alice@phone-1.example>")]);
    let path = response.raw(Name::Path).map(|path| String::from_utf8_lossy(path).into_owned());
    assert_eq!(path.as_deref(), Some("<sip:phone-1.example@edge.example;lr>"));
}

#[test]
fn the_time_is_the_contacts_own_then_expires_then_ours() {
    let (mut platform, mut alice) = alice();
    let mut time = |contact: &str, expires: Option<&str>| {
        let mut headers = vec![("Contact", contact)];
        headers.extend(expires.map(|expires| ("Expires", expires)));
        contacts(&alice.register(&mut platform, &headers))[0].1
    };
    assert_eq!(time("<sip:alice@a.example>;expires=100", Some("200")), 100);
    assert_eq!(time("<sip:alice@a.example>", Some("200")), 200);
    assert_eq!(time("<sip:alice@a.example>", None), 3600);
    assert_eq!(time("<sip:alice@a.example>;expires=99999", None), 7200);
    assert_eq!(time("<sip:alice@a.example>;expires=4294967295", None), 7200);
}

#[test]
fn too_short_a_time_is_refused_with_the_shortest() {
    let (mut platform, mut alice) = alice();
    let response = alice.register(&mut platform, &[("Contact", "<sip:alice@a.example>;expires=59")]);
    assert_eq!(response.status(), Some(Status::INTERVAL_TOO_BRIEF));
    assert_eq!(response.min_expires().unwrap(), Some(60));
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new());
}

#[test]
fn a_refresh_prolongs_and_nothing_else() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    platform.pass(seconds(1800));
    alice.comes(&mut platform);
    platform.pass(seconds(3000));
    assert_eq!(located(&mut platform, RED, "alice"), ["sip:alice@phone-1.example"]);
    assert_eq!(platform.gauge("exchange_refreshes_total"), 1.0);
    platform.pass(seconds(601));
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new());
    assert!(platform.threads[0].journal.keys().all(|(tag, _)| *tag != exchange::kept::BINDINGS));
    assert_eq!(platform.gauge("exchange_registered_contacts"), 0.0);
}

#[test]
fn several_phones_ring_by_their_q() {
    let (mut platform, mut desk) = alice();
    let mut mobile = Phone::at("alice", "red.example", "phone-2.example");
    desk.register(&mut platform, &[("Contact", "<sip:alice@desk.example>;q=0.5")]);
    let response = mobile.register(&mut platform, &[("Contact", "<sip:alice@mobile.example>;q=0.7")]);
    assert_eq!(contacts(&response).len(), 2);
    assert!(text(&response).contains("<sip:alice@mobile.example>;expires=3600;q=0.700"));
    assert_eq!(located(&mut platform, RED, "alice"), ["sip:alice@mobile.example", "sip:alice@desk.example"]);
}

#[test]
fn several_contacts_may_come_in_one_request_and_one_may_go() {
    let (mut platform, mut alice) = alice();
    let both = "<sip:alice@a.example>, \"the other\" <sip:alice@b.example;transport=tcp>;expires=300";
    assert_eq!(contacts(&alice.register(&mut platform, &[("Contact", both)])).len(), 2);
    let response = alice.register(&mut platform, &[("Contact", "<sip:alice@a.example>;expires=0")]);
    assert_eq!(contacts(&response), [("sip:alice@b.example;transport=tcp".into(), 300)]);
}

#[test]
fn a_contact_is_known_by_its_uri_not_by_its_spelling() {
    let (mut platform, mut alice) = alice();
    alice.register(&mut platform, &[("Contact", "<sip:alice@Phone.Example;ob>")]);
    let response = alice.register(&mut platform, &[("Contact", "<sip:%61lice@phone.example;ob>")]);
    assert_eq!(contacts(&response).len(), 1);
}

#[test]
fn a_device_that_moved_leaves_no_contact_behind() {
    let (mut platform, mut alice) = alice();
    let at = |host: &str| format!("<sip:alice@{host}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    alice.register(&mut platform, &[("Contact", &at("192.0.2.1:5060"))]);
    let response = alice.register(&mut platform, &[("Contact", &at("192.0.2.1:6000"))]);
    assert_eq!(contacts(&response).len(), 1);
    assert_eq!(located(&mut platform, RED, "alice"), ["sip:alice@192.0.2.1:6000"]);
}

#[test]
fn a_device_that_numbers_no_flows_may_have_several_contacts() {
    let (mut platform, mut alice) = alice();
    let at = |host: &str| format!("<sip:alice@{host}>;+sip.instance=\"<urn:uuid:1>\"");
    alice.register(&mut platform, &[("Contact", &at("192.0.2.1:5060"))]);
    let response = alice.register(&mut platform, &[("Contact", &at("192.0.2.1:6000"))]);
    assert_eq!(contacts(&response).len(), 2);
    let response = alice.register(&mut platform, &[("Contact", &at("192.0.2.1:5060"))]);
    assert_eq!(contacts(&response).len(), 2);
}

#[test]
fn a_time_that_is_no_number_means_an_hour() {
    let (mut platform, mut alice) = alice();
    for headers in [
        &[("Contact", "<sip:alice@a.example>;expires=soon"), ("Expires", "200")][..],
        &[("Contact", "<sip:alice@a.example>"), ("Expires", "1 hour")],
        &[("Contact", "<sip:alice@a.example>;expires=99999999999")],
        &[("Contact", "<sip:alice@a.example>;expires=-1")],
    ] {
        let response = alice.register(&mut platform, headers);
        assert_eq!(contacts_for(&response), [3600], "{headers:?}");
    }
}

fn contacts_for(response: &crate::platform::Sip) -> Vec<u32> {
    contacts(response).into_iter().map(|(_, seconds)| seconds).collect()
}

#[test]
fn without_a_contact_it_only_asks() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    platform.pass(seconds(600));
    let response = alice.register(&mut platform, &[]);
    assert_eq!(contacts(&response), [("sip:alice@phone-1.example".into(), 3000)]);
}

#[test]
fn the_answer_lists_what_is_bound_not_what_was_asked_for() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    platform.pass(seconds(600));
    let bound = [("sip:alice@phone-1.example".to_owned(), 3000)];
    let unknown = alice.register(&mut platform, &[("Contact", "<sip:alice@elsewhere.example>;expires=0")]);
    assert_eq!(contacts(&unknown), bound);
    alice.register(&mut platform, &[("Contact", "<sip:alice@elsewhere.example>;expires=600")]);
    let gone = alice.register(&mut platform, &[("Contact", "<sip:alice@elsewhere.example>;expires=0")]);
    assert_eq!(contacts(&gone), bound);
    let spelled =
        alice.register(&mut platform, &[("Contact", "\"Alice\" <sip:alice@PHONE-1.example>;expires=60")]);
    assert_eq!(contacts(&spelled), [("sip:alice@PHONE-1.example".to_owned(), 60)]);
}

#[test]
fn a_star_takes_all_contacts_away() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    alice.register(&mut platform, &[("Contact", "<sip:alice@b.example>")]);
    let response = alice.register(&mut platform, &[("Contact", "*"), ("Expires", "0")]);
    assert_eq!(response.status(), Some(Status::OK));
    assert_eq!(contacts(&response), []);
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new());
}

#[test]
fn a_star_goes_with_expires_zero_and_nothing_else() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    for headers in [
        &[("Contact", "*"), ("Expires", "60")][..],
        &[("Contact", "*")],
        &[("Contact", "*"), ("Contact", "<sip:alice@b.example>"), ("Expires", "0")],
        &[("Contact", "<sip:alice@b.example>, *"), ("Expires", "0")],
    ] {
        let response = alice.register(&mut platform, headers);
        assert_eq!(response.status(), Some(Status::BAD_REQUEST), "{headers:?}");
    }
    assert_eq!(located(&mut platform, RED, "alice").len(), 1);
}

#[test]
fn all_of_a_request_is_done_or_nothing() {
    let (mut platform, mut alice) = alice();
    let response = alice
        .register(&mut platform, &[("Contact", "<sip:alice@a.example>, <sip:alice@b.example>;expires=5")]);
    assert_eq!(response.status(), Some(Status::INTERVAL_TOO_BRIEF));
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new());
}

#[test]
fn no_more_phones_than_allowed() {
    let (mut platform, mut alice) = alice();
    for number in 0..10 {
        let contact = format!("<sip:alice@phone-{number}.example>");
        assert_eq!(alice.register(&mut platform, &[("Contact", &contact)]).status(), Some(Status::OK));
    }
    let response = alice.register(&mut platform, &[("Contact", "<sip:alice@one-more.example>")]);
    assert_eq!(response.status(), Some(Status::FORBIDDEN));
    assert_eq!(located(&mut platform, RED, "alice").len(), 10);
}

#[test]
fn within_a_call_id_order_is_kept() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    let uri = "sip:red.example";
    alice.cseq += 1;
    let overtaken = alice.request(Method::Register, uri, &[("Contact", "<sip:alice@phone-1.example>")], "");
    alice.cseq += 1;
    let gone = [("Contact", "<sip:alice@phone-1.example>;expires=0")];
    let newer = alice.request(Method::Register, uri, &gone, "");
    assert_eq!(platform.hear(&newer)[0].status(), Some(Status::OK));
    let response = &platform.hear(&overtaken)[0];
    assert_eq!(response.status(), Some(Status::SERVER_INTERNAL_ERROR));
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new(), "the dead do not come back");
}

#[test]
fn another_call_id_has_an_order_of_its_own() {
    let (mut platform, mut alice) = alice();
    alice.cseq = 500;
    alice.comes(&mut platform);
    alice.call_id = "restarted@phone-1.example".into();
    alice.cseq = 0;
    alice.comes(&mut platform);
}

#[test]
fn a_retransmission_is_answered_alike_and_changes_nothing() {
    let (mut platform, mut alice) = alice();
    alice.comes(&mut platform);
    for headers in [
        &[("Contact", "<sip:alice@phone-1.example>"), ("Expires", "900")][..],
        &[("Contact", "<sip:alice@b.example>, <sip:alice@c.example>")],
        &[("Contact", "<sip:alice@c.example>;expires=0")],
        &[("Contact", "*"), ("Expires", "0")],
    ] {
        alice.cseq += 1;
        let request = alice.request(Method::Register, "sip:red.example", headers, "");
        let first = platform.hear(&request);
        assert_eq!(first[0].status(), Some(Status::OK), "{headers:?}");
        let before = platform.threads[0].journal.clone();
        let again = platform.hear(&request);
        assert_eq!(text(&again[0]), text(&first[0]), "{headers:?}");
        assert_eq!(platform.threads[0].journal, before);
    }
}

#[test]
fn nobody_registers_for_another() {
    let (mut platform, mut eve) = (Platform::new(), Phone::of("carol", "red.example"));
    let to = [("To", "<sip:alice@red.example>"), ("Contact", "<sip:carol@evil.example>")];
    assert_eq!(eve.register(&mut platform, &to).status(), Some(Status::FORBIDDEN));
    assert_eq!(located(&mut platform, RED, "alice"), Vec::<String>::new());
}

#[test]
fn a_contact_that_cannot_be_called_is_refused() {
    let (mut platform, mut alice) = alice();
    for contact in ["<mailto:alice@example>", "<tel:+4930123>", "<sip:>", "<sip:alice@b.example>;q=2"] {
        let response = alice.register(&mut platform, &[("Contact", contact)]);
        assert_eq!(response.status(), Some(Status::BAD_REQUEST), "{contact}");
    }
}

#[test]
fn the_list_goes_by_tenant_and_name_page_by_page() {
    let mut platform = Platform::new();
    for (user, domain) in
        [("carol", "red.example"), ("bob", "blue.example"), ("alice", "red.example"), ("bob", "red.example")]
    {
        Phone::of(user, domain).comes(&mut platform);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = ListRegistrations { after: after.clone(), limit: 2, tenant: None };
        let page = platform.ask(0, &page).registrations;
        let Some(last) = page.last() else { break };
        after = Some(last.aor.clone());
        seen.extend(page.iter().map(|found| (found.aor.tenant.0, found.aor.user.clone())));
    }
    let expected = [(1, "alice"), (1, "bob"), (1, "carol"), (2, "bob")];
    assert_eq!(seen, expected.map(|(tenant, user)| (tenant, user.to_owned())));
    let red = ListRegistrations { tenant: Some(TenantId(2)), limit: 10, after: None };
    assert_eq!(platform.ask(0, &red).registrations.len(), 1);
}
