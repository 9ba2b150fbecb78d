//! RFC 4475's messages: those that tear at a parser are understood, those that are wrong are refused.

use strowger_sip::{Host, Message, Method, Name, Scheme, Status, Transport, Uri};

/// What a server says to a message.
enum Verdict {
    /// Well-formed: what follows is for the layers above to decide.
    Fine,
    /// Refused with this status; the reason names this.
    Refused(Status, &'static str),
    /// Nothing that could be answered.
    Unanswerable,
}
use Verdict::{Fine, Refused, Unanswerable};

const BAD: Status = Status::BAD_REQUEST;

macro_rules! messages {
    ($($section:literal $name:ident $verdict:expr;)*) => {
        /// Section, name, bytes, and what is right to do.
        const MESSAGES: &[(&str, &str, &[u8], Verdict)] = &[
            $(($section, stringify!($name), include_bytes!(concat!("../rfc4475/", stringify!($name), ".dat")), $verdict),)*
        ];
    };
}

messages! {
    "3.1.1.1" wsinv Fine;
    "3.1.1.2" intmeth Fine;
    "3.1.1.3" esc01 Fine;
    "3.1.1.4" escnull Fine;
    "3.1.1.5" esc02 Fine;
    "3.1.1.6" lwsdisp Fine;
    "3.1.1.7" longreq Fine;
    "3.1.1.8" dblreq Fine;
    "3.1.1.9" semiuri Fine;
    "3.1.1.10" transports Fine;
    "3.1.1.11" mpart01 Fine;
    "3.1.1.12" unreason Fine;
    "3.1.1.13" noreason Fine;
    "3.1.2.1" badinv01 Refused(BAD, "Via at byte");
    "3.1.2.2" clerr Refused(BAD, "Content-Length at byte 336: body shorter");
    "3.1.2.3" ncl Refused(BAD, "Content-Length at byte");
    "3.1.2.4" scalar02 Refused(BAD, "CSeq at byte");
    "3.1.2.5" scalarlg Refused(BAD, "CSeq at byte");
    "3.1.2.6" quotbal Refused(BAD, "To at byte 41: quoted string does not end");
    "3.1.2.7" ltgtruri Refused(BAD, "Request-URI at byte 7: unexpected byte 0x3c");
    "3.1.2.8" lwsruri Refused(BAD, "Request-URI at byte 28: unexpected byte 0x20");
    "3.1.2.9" lwsstart Refused(BAD, "Request-URI at byte 7: unexpected byte 0x20");
    "3.1.2.10" trws Refused(BAD, "start line at byte 45: expected a line end");
    "3.1.2.11" escruri Refused(BAD, "Request-URI at byte 7: expected a URI without headers");
    // An element that has no use for Date ignores it; we have none.
    "3.1.2.12" baddate Fine;
    "3.1.2.13" regbadct Refused(BAD, "Contact at byte");
    "3.1.2.14" badaspec Refused(BAD, "To at byte 206: unexpected byte 0x20");
    "3.1.2.15" baddn Refused(BAD, "From at byte");
    "3.1.2.16" badvers Refused(Status::VERSION_NOT_SUPPORTED, "SIP/2.0");
    "3.1.2.17" mismatch01 Refused(BAD, "CSeq is of INVITE, the request is OPTIONS");
    "3.1.2.18" mismatch02 Refused(BAD, "CSeq is of INVITE, the request is NEWMETHOD");
    "3.1.2.19" bigcode Unanswerable;
    "3.2.1" badbranch Fine;
    "3.3.1" insuf Refused(BAD, "From at byte 150: missing");
    "3.3.2" unkscm Refused(Status::UNSUPPORTED_URI_SCHEME, "nobodyKnowsThisScheme");
    "3.3.3" novelsc Refused(Status::UNSUPPORTED_URI_SCHEME, "soap.beep");
    "3.3.4" unksm2 Fine;
    "3.3.5" bext01 Fine;
    "3.3.6" invut Fine;
    "3.3.7" regaut01 Fine;
    "3.3.8" multi01 Refused(BAD, "given more than once");
    "3.3.9" mcl01 Refused(BAD, "Content-Length at byte");
    "3.3.10" bcast Fine;
    "3.3.11" zeromf Fine;
    "3.3.12" cparam01 Fine;
    "3.3.13" cparam02 Fine;
    "3.3.14" regescrt Fine;
    "3.3.15" sdp01 Fine;
    "3.4.1" inv2543 Fine;
}

fn message(wanted: &str) -> Message<&'static [u8]> {
    let (.., bytes, _) = MESSAGES.iter().find(|(_, name, ..)| *name == wanted).unwrap();
    Message::parse(*bytes).unwrap()
}

#[test]
fn each_message_is_taken_or_refused_as_the_rfc_says() {
    assert_eq!(MESSAGES.len(), 49);
    for (section, name, bytes, verdict) in MESSAGES {
        let checked = Message::parse(*bytes).map(|message| message.check());
        match verdict {
            Fine => assert_eq!(checked, Ok(Ok(())), "{section} {name}"),
            Unanswerable => assert!(checked.is_err(), "{section} {name}: {checked:?}"),
            Refused(status, why) => {
                let refusal = checked.unwrap().expect_err(name);
                assert_eq!(refusal.status, *status, "{section} {name}");
                assert!(refusal.why.contains(why), "{section} {name}: {refusal}");
            }
        }
    }
}

#[test]
fn refused_requests_can_be_answered() {
    for (section, name, bytes, verdict) in MESSAGES {
        let Ok(request) = Message::parse(*bytes) else { continue };
        if let (Refused(status, why), true) = (verdict, request.is_request()) {
            let mut out = Vec::new();
            strowger_sip::respond(&request, *status, Some(why), Some("t"), &mut out).empty_body();
            let answer = Message::parse(out).unwrap();
            assert_eq!(answer.status(), Some(*status), "{section} {name}");
            assert_eq!(answer.raw(Name::Via), request.raw(Name::Via), "{section} {name}");
        }
    }
}

#[test]
fn a_short_tortuous_invite() {
    let invite = message("wsinv");
    assert_eq!(invite.method(), Some(Method::Invite));
    assert!(invite.request_uri().unwrap().has_param("unknownparam"));
    let to = invite.to().unwrap();
    assert_eq!((to.uri_bytes, to.tag()), (&b"sip:vivekg@chair-dnrc.example.com"[..], Some("1918181833n")));
    let from = invite.from().unwrap();
    assert_eq!((from.display_text().as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!(invite.max_forwards(), Ok(Some(68)));
    assert_eq!(invite.cseq().unwrap().number, 9);
    assert_eq!(invite.raw(Name::Subject), Some(&b""[..]));
    assert_eq!(
        invite.other("newfangledheader"),
        Some(&b"newfangled value\r\n continued newfangled value"[..])
    );
    assert_eq!(invite.other("UnknownHeaderWithUnusualValue"), Some(&b";;,,;;,;"[..]));
    let vias: Vec<_> = invite.vias().map(Result::unwrap).collect();
    let seen: Vec<_> = vias.iter().map(|via| (via.transport, via.host.to_string(), via.branch())).collect();
    assert_eq!(
        seen,
        [
            (Transport::Udp, "192.0.2.2".into(), Some("390skdjuw")),
            (Transport::Tcp, "spindle.example.com".into(), Some("z9hG4bK9ikj8")),
            (Transport::Udp, "192.168.255.111".into(), Some("z9hG4bK30239")),
        ]
    );
    let route = invite.routes().next().unwrap().unwrap();
    assert!(route.uri.has_param("lr") && route.uri.has_param("unknown-no-value"));
    assert_eq!(route.uri.param("unknownwith"), Some(&b"value"[..]));
    let contact = invite.contact().unwrap();
    assert_eq!(contact.address.display_text().as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.address.param("newparam"), Some(&b"newvalue"[..]));
    assert_eq!((contact.address.params.has("secondparam"), contact.q()), (true, Ok(Some(330))));
    assert_eq!(invite.body().len(), 150);
}

#[test]
fn a_wide_range_of_valid_characters() {
    let odd = message("intmeth");
    assert_eq!(odd.method(), Some(Method::Other("!interesting-Method0123456789_*+`.%indeed'~")));
    let uri = odd.request_uri().unwrap();
    assert_eq!(uri.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(uri.password, Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(odd.top_via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(odd.to().unwrap().display_text().as_deref(), Some("BEL:\x07 NUL:\0 DEL:\x7f"));
    let from = odd.from().unwrap();
    assert_eq!(from.display, Some(&b"token1~` token2'+_ token3*%!.-"[..]));
    assert_eq!(from.params.get_str("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(odd.call_id().unwrap(), b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(odd.other("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電".as_bytes()));
}

#[test]
fn escapes_are_kept_and_can_be_resolved() {
    let invite = message("esc01");
    let uri = invite.request_uri().unwrap();
    assert_eq!((uri.scheme, uri.user_text().as_deref()), (Scheme::Sip, Some("sips:user@example.com")));
    assert_eq!(invite.from().unwrap().uri.user_text().as_deref(), Some("I have spaces"));
    assert!(invite.to().unwrap().uri.equivalent(&Uri::parse(b"sip:user@example.com").unwrap()));
    let contact = invite.contact().unwrap().address.uri;
    assert!(!contact.equivalent(&Uri::parse(b"sip:caller@host5.example.net;lr;name=value%41").unwrap()));
    assert!(contact.equivalent(&Uri::parse(b"sip:caller@host5.example.net;lr;name=value%2541").unwrap()));
}

#[test]
fn escaped_nulls_are_three_characters() {
    let register = message("escnull");
    let users: Vec<_> = register.contacts().map(|contact| contact.unwrap().address.uri.user).collect();
    assert_eq!(users, [Some(&b"%00"[..]), Some(&b"%00%00"[..])]);
    assert_eq!(register.to().unwrap().uri.user_text().as_deref(), Some("null-\0-null"));
}

#[test]
fn a_percent_sign_is_no_escape_outside_of_uris() {
    let request = message("esc02");
    assert_eq!(request.method(), Some(Method::Other("RE%47IST%45R")));
    assert_eq!(request.from().unwrap().display_text().as_deref(), Some("%Z%45"));
    assert_eq!(request.contacts().count(), 2, "C%6Fntact is another header");
}

#[test]
fn no_space_between_display_name_and_bracket() {
    assert_eq!(message("lwsdisp").from().unwrap().display, Some(&b"caller"[..]));
}

#[test]
fn long_values_are_kept() {
    let invite = message("longreq");
    assert_eq!(invite.vias().filter_map(Result::ok).count(), 34);
    assert_eq!(invite.from().unwrap().tag().map(str::len), Some(155));
    assert_eq!(invite.vias().last().unwrap().unwrap().branch().map(str::len), Some(215));
    let long = format!("Unknown-{}-Name", "Long".repeat(20));
    assert!(invite.other(&long).unwrap().starts_with(b"unknown-longlong"));
}

#[test]
fn what_follows_a_message_in_its_datagram_is_dropped() {
    let register = message("dblreq");
    assert!(register.body().is_empty());
    assert!(register.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn semicolons_belong_to_the_user() {
    let options = message("semiuri");
    let uri = options.request_uri().unwrap();
    assert_eq!(uri.user, Some(&b"user;par=u%40example.net"[..]));
    assert!(uri.params.is_empty());
    assert_eq!(options.values(Name::Accept).count(), 6);
}

#[test]
fn transports_known_and_unknown() {
    let options = message("transports");
    let transports: Vec<_> = options.vias().map(|via| via.unwrap().transport).collect();
    let wanted =
        [Transport::Udp, Transport::Sctp, Transport::Tls, Transport::Other("UNKNOWN"), Transport::Tcp];
    assert_eq!(transports, wanted);
}

#[test]
fn bodies_are_bytes() {
    let request = message("mpart01");
    assert_eq!(request.body().len(), 553);
    assert!(request.body().contains(&0) && request.body().ends_with(b"--7a9cbec02ceef655--\r\n"));
    let content_type = request.content_type().unwrap().unwrap();
    assert!(content_type.is("multipart/mixed"));
    assert_eq!(content_type.params.get_str("boundary"), Some("7a9cbec02ceef655"));
}

#[test]
fn reason_phrases_are_free() {
    let text = std::str::from_utf8(message("unreason").reason()).unwrap().to_owned();
    assert_eq!(text, "= 2**3 * 5**2 но сто девяносто девять - простое");
    assert_eq!(message("noreason").reason(), b"");
    assert_eq!(message("noreason").status(), Some(Status::TRYING));
}

#[test]
fn extensions_that_nobody_knows() {
    let options = message("bext01");
    let wanted = "nothingSupportsThis, nothingSupportsThisEither";
    assert_eq!(options.unsupported(Name::Require, &["timer"]).as_deref(), Some(wanted));
    let half = options.unsupported(Name::ProxyRequire, &["NOPROXIESsupportthis"]);
    assert_eq!(half.as_deref(), Some("norDoAnyProxiesSupportThis"));
}

#[test]
fn schemes_that_are_not_ours_stand_in_other_places() {
    let register = message("unksm2");
    assert_eq!(register.to().unwrap().uri.scheme, Scheme::Other("isbn"));
    assert_eq!(register.contact().unwrap().address.uri.rest, b"John_Smith");
    let auth = message("regaut01");
    let unknown = auth.credentials(Name::Authorization).next().unwrap().unwrap();
    assert_eq!((unknown.scheme, unknown.is_digest()), ("NoOneKnowsThisScheme", false));
}

#[test]
fn parameters_belong_to_the_contact_or_to_its_uri() {
    let outside = message("cparam01");
    let contact = outside.contact().unwrap().address;
    assert!(contact.params.has("unknownparam") && !contact.uri.has_param("unknownparam"));
    let inside = message("cparam02");
    let contact = inside.contact().unwrap().address;
    assert!(!contact.params.has("unknownparam") && contact.uri.has_param("unknownparam"));
    let escaped = message("regescrt");
    assert_eq!(escaped.contact().unwrap().address.uri.headers, Some(&b"Route=%3Csip:sip.example.com%3E"[..]));
}

#[test]
fn requests_of_rfc_2543_have_no_branch_and_no_tag() {
    let invite = message("inv2543");
    assert_eq!(invite.top_via().unwrap().branch(), None);
    assert_eq!(invite.from().unwrap().tag(), None);
    assert_eq!(invite.body().len(), 105);
    assert_eq!(message("badbranch").top_via().unwrap().branch(), Some("z9hG4bK"));
    assert_eq!(message("bcast").vias().nth(1).unwrap().unwrap().host, Host::V4([255; 4].into()));
}
