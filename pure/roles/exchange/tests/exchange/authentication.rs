//! Who says so: RFC 3261 22, RFC 7616.

use contract::account::Changed;
use contract::{Envelope, TenantId};
use exchange::{In, Settings};
use sip::digest::{Algorithm, Prospect};
use sip::{Method, Name, Status};

use crate::phone::{OFFER, Phone, request, seconds, statuses};
use crate::platform::{Platform, RED};

const CONTACT: [(&str, &str); 1] = [("Contact", "<sip:alice@phone-1.example>")];

#[test]
fn a_register_is_challenged_with_401_and_an_invite_with_407() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    let register = alice.request(Method::Register, "sip:red.example", &CONTACT, "");
    let heard = platform.hear(&register);
    assert_eq!(statuses(&heard), [401]);
    let challenge = heard[0].challenges(Name::WwwAuthenticate).next().unwrap().unwrap();
    assert_eq!(challenge.realm(), Some(&b"red.example"[..]));
    assert_eq!(challenge.qop(), Some(&b"auth"[..]));
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &CONTACT, OFFER);
    let heard = platform.hear(&invite);
    assert_eq!(statuses(&heard), [407]);
    assert!(heard[0].challenges(Name::ProxyAuthenticate).next().is_some());
    assert_eq!(platform.office.times("api.look_up"), 0, "a challenge needs nobody");
}

#[test]
fn who_does_not_know_the_password_learns_nothing() {
    let mut platform = Platform::new();
    for phone in [Phone::of("alice", "red.example"), Phone::of("nobody", "red.example")] {
        let mut phone = phone.with_password("a guess");
        assert_eq!(phone.register(&mut platform, &CONTACT).status(), Some(Status::FORBIDDEN));
    }
}

#[test]
fn a_blocked_user_is_refused() {
    let mut platform = Platform::new();
    platform.office.users.get_mut(&(RED, "alice".into())).unwrap().blocked = true;
    let response = Phone::of("alice", "red.example").register(&mut platform, &CONTACT);
    assert_eq!(response.status(), Some(Status::FORBIDDEN));
}

#[test]
fn a_nonce_serves_until_it_is_stale_and_then_another_is_given() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    for _ in 0..3 {
        platform.pass(seconds(1800));
        alice.comes(&mut platform);
    }
    assert_eq!(platform.gauge("exchange_challenges_total"), 1.0);
    platform.pass(seconds(3600));
    alice.cseq += 1;
    let heard = platform.hear(&alice.request(Method::Register, "sip:red.example", &CONTACT, ""));
    let challenge = heard[0].challenges(Name::WwwAuthenticate).next().unwrap().unwrap();
    assert!(challenge.is_stale());
}

#[test]
fn what_was_said_before_is_not_believed_again() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    alice.cseq += 1;
    let goes = alice.request(Method::Register, "sip:red.example", &[("Contact", "*"), ("Expires", "0")], "");
    assert_eq!(statuses(&platform.hear(&goes)), [200]);
    alice.comes(&mut platform);
    let replayed = platform.hear(&goes);
    assert_eq!(statuses(&replayed), [500], "its CSeq is over");
    // The same credentials under a higher CSeq, which the digest does not cover:
    let forged = String::from_utf8(goes).unwrap().replace("CSeq: 3", "CSeq: 300");
    assert_eq!(statuses(&platform.hear(forged.as_bytes())), [401]);
    assert_eq!(platform.gauge("exchange_registered_contacts"), 1.0);
    assert_eq!(platform.gauge("exchange_replays_total"), 1.0);
}

#[test]
fn a_call_is_not_begun_twice_by_a_replay() {
    let mut platform = Platform::new();
    Phone::at("bob", "red.example", "phone-2.example").comes(&mut platform);
    let mut alice = Phone::of("alice", "red.example");
    alice.calls(&mut platform, "bob");
    alice.cseq += 1;
    alice.call_id = "another".into();
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &CONTACT, OFFER);
    assert_eq!(statuses(&platform.hear(&invite)), [100]);
    let replay = String::from_utf8(invite).unwrap().replace("Call-ID: another", "Call-ID: third");
    assert_eq!(statuses(&platform.hear(replay.as_bytes())), [407]);
    assert_eq!(platform.gauge("exchange_calls_total"), 2.0);
}

#[test]
fn credentials_for_one_number_call_no_other() {
    let mut platform = Platform::new();
    Phone::at("bob", "red.example", "phone-2.example").comes(&mut platform);
    let mut alice = Phone::of("alice", "red.example");
    alice.calls(&mut platform, "bob");
    alice.cseq += 1;
    alice.call_id = "another".into();
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &CONTACT, OFFER);
    let taken = String::from_utf8(invite.clone()).unwrap();
    let taken =
        taken.replace("INVITE sip:bob@", "INVITE sip:600@").replace("Call-ID: another", "Call-ID: taken");
    assert_eq!(statuses(&platform.hear(taken.as_bytes())), [400]);
    assert_eq!(platform.gauge("exchange_calls_total"), 1.0);
    let spelled =
        String::from_utf8(invite).unwrap().replacen("bob@red.example", "%62ob@RED.example;user=phone", 1);
    assert_eq!(statuses(&platform.hear(spelled.as_bytes())), [100], "it is used up by nobody else");
}

#[test]
fn sha_256_registers_and_calls_where_nothing_else_is_offered() {
    let mut settings = Settings::default();
    settings.authentication.offered = vec![Algorithm::Sha256];
    let mut platform = Platform::with(1, settings);
    Phone::at("bob", "red.example", "phone-2.example").comes(&mut platform);
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    let heard = alice.calls(&mut platform, "bob");
    assert_eq!(statuses(&heard), [100]);
    request(&heard, Method::Invite);
    let mut guess = Phone::of("alice", "red.example").with_password("a guess");
    assert_eq!(guess.register(&mut platform, &CONTACT).status(), Some(Status::FORBIDDEN));
}

#[test]
fn nonces_from_before_a_restart_serve_on_and_what_calls_used_is_not_believed_again() {
    let mut platform = Platform::new();
    Phone::at("bob", "red.example", "phone-2.example").comes(&mut platform);
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    alice.calls(&mut platform, "bob");
    alice.cseq += 1;
    alice.call_id = "another".into();
    let used = alice.request(Method::Invite, "sip:bob@red.example", &CONTACT, OFFER);
    assert_eq!(statuses(&platform.hear(&used)), [100]);
    platform.pass(seconds(1));
    platform.restart();
    let challenges = platform.gauge("exchange_challenges_total");
    alice.call_id = "alice@phone-1.example".into();
    alice.comes(&mut platform);
    assert_eq!(platform.gauge("exchange_challenges_total"), challenges, "no storm after a restart");
    alice.cseq += 1;
    alice.call_id = "fourth".into();
    let invite = alice.request(Method::Invite, "sip:bob@red.example", &CONTACT, OFFER);
    assert!(statuses(&platform.hear(&invite)).contains(&100), "a count that was not used before");
    let replay = String::from_utf8(used).unwrap().replace("Call-ID: another", "Call-ID: fifth");
    assert_eq!(statuses(&platform.hear(replay.as_bytes())), [407]);
}

#[test]
fn sha_256_is_offered_first_where_it_is_wanted() {
    let mut settings = Settings::default();
    settings.authentication.offered = vec![Algorithm::Sha256, Algorithm::Md5];
    let mut platform = Platform::with(1, settings);
    let mut alice = Phone::of("alice", "red.example");
    let heard = platform.hear(&alice.request(Method::Register, "sip:red.example", &CONTACT, ""));
    let challenges = heard[0]
        .challenges(Name::WwwAuthenticate)
        .map(|challenge| String::from_utf8_lossy(challenge.unwrap().algorithm().unwrap()).into_owned());
    assert_eq!(challenges.collect::<Vec<_>>(), ["SHA-256", "MD5"]);
    assert_eq!(alice.auth.challenged(&heard[0]), Prospect::TryAgain);
    alice.cseq += 1;
    let answer = alice.request(Method::Register, "sip:red.example", &CONTACT, "");
    assert!(String::from_utf8_lossy(&answer).contains("SHA-256"));
    assert_eq!(statuses(&platform.hear(&answer)), [200]);
}

#[test]
fn a_new_password_counts_as_soon_as_it_is_told() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    platform.office.users.remove(&(RED, "alice".into()));
    let changed = Changed { tenant: TenantId(1), name: Some("alice".into()) };
    platform.tell(In::Bus(Envelope::notice(None, &changed)));
    assert_eq!(alice.register(&mut platform, &CONTACT).status(), Some(Status::FORBIDDEN));
}

#[test]
fn a_nonce_that_is_not_ours_is_no_proof() {
    let mut platform = Platform::new();
    let mut alice = Phone::of("alice", "red.example");
    alice.comes(&mut platform);
    alice.cseq += 1;
    let request = alice.request(Method::Register, "sip:red.example", &CONTACT, "");
    let request = String::from_utf8(request).unwrap();
    let at = request.find("nonce=\"").unwrap() + 7;
    let forged = format!("{}{}{}", &request[..at], "0123456789abcdef".repeat(2), &request[at + 32..]);
    assert_eq!(statuses(&platform.hear(forged.as_bytes())), [401]);
}
