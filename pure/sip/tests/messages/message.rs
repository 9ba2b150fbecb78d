//! Messages as they come from real peers, and what we read in them.

use std::net::Ipv4Addr;

use strowger_sip::{
    Host, Limits, Message, Method, Name, Refresher, Scheme, Status, Transport, Writer, respond,
};

const INVITE: &str = "INVITE sips:b%6fb;day=tuesday@[2001:db8::9]:5070;transport=tcp;lr?Subject=x SIP/2.0\r\n\
    v: SIP / 2.0 / UDP\r\n  192.0.2.1 : 5070;branch=z9hG4bK1;rport ,SIP/2.0/TLS [2001:db8::1];branch=z9hG4bK0;received=2001:db8::2\r\n\
    f: \"A \\\"B\\\" C\" <sip:alice@atlanta.example;x=y>;tag=88;other=\"q;z\"\r\n\
    t: sip:bob@biloxi.example;user=phone\r\n\
    i: 1@a\r\n\
    CSeq: 0009\r\n  INVITE\r\n\
    m: <sip:a@b>;q=0.75;expires=60, \"x, y\" <sip:c@d>\r\n\
    Max-Forwards: 70\r\n\
    x: 1800;refresher=uas\r\n\
    k: 100rel, timer\r\n\
    Reason: Q.850;cause=16;text=\"Normal \\\"clearing\\\"\"\r\n\
    Retry-After: 120 (I'm in a \\) (meeting)) ;duration=60\r\n\
    Subject: J\u{f6}rg\r\n\
    Content-Length: 3\r\n\r\nabcdef";

#[test]
fn typed_headers_are_read_on_access() {
    let invite = Message::parse(INVITE.as_bytes()).unwrap();
    assert_eq!(invite.method(), Some(Method::Invite));
    assert_eq!(invite.body(), b"abc");
    assert!(invite.bytes().ends_with(b"abc"));
    let uri = invite.request_uri().unwrap();
    assert_eq!((uri.scheme, uri.port), (Scheme::Sips, Some(5070)));
    assert_eq!(uri.user_text().as_deref(), Some("bob;day=tuesday"));
    assert_eq!((uri.param("transport"), uri.has_param("LR")), (Some(&b"tcp"[..]), true));
    assert_eq!(uri.headers, Some(&b"Subject=x"[..]));
    let vias: Vec<_> = invite.vias().map(Result::unwrap).collect();
    assert_eq!(vias[0].host, Host::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!((vias[0].branch(), vias[0].rport()), (Some("z9hG4bK1"), Some(None)));
    assert_eq!((vias[1].transport, vias[1].rport()), (Transport::Tls, None));
    assert_eq!(vias[1].response_target(), (Host::V6("2001:db8::2".parse().unwrap()), 5061));
    let from = invite.from().unwrap();
    assert_eq!((from.tag(), from.display_text().as_deref()), (Some("88"), Some("A \"B\" C")));
    assert_eq!(from.uri_bytes, b"sip:alice@atlanta.example;x=y");
    let to = invite.to().unwrap();
    assert_eq!((to.tag(), to.param("user"), to.uri.has_param("user")), (None, Some(&b"phone"[..]), false));
    let cseq = invite.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    let contacts: Vec<_> = invite.contacts().map(Result::unwrap).collect();
    assert_eq!((contacts[0].q(), contacts[0].expires()), (Ok(Some(750)), Ok(Some(60))));
    assert_eq!(contacts[1].address.display, Some(&b"x, y"[..]));
    let session = invite.session_expires().unwrap().unwrap();
    assert_eq!((session.secs, session.refresher), (1800, Some(Refresher::Uas)));
    assert!(invite.has_token(Name::Supported, "TIMER"));
    let reason = invite.reasons().next().unwrap().unwrap();
    assert_eq!((reason.cause, reason.text().as_deref()), (Some(16), Some("Normal \"clearing\"")));
    assert_eq!(invite.retry_after().unwrap().unwrap().secs, 120);
    assert_eq!(invite.text(Name::Subject).as_deref(), Some("J\u{f6}rg"));
    assert!(invite.check().unwrap_err().why.contains("without headers"));
}

#[test]
fn a_response_is_made_from_its_request() {
    let invite = Message::parse(INVITE.as_bytes()).unwrap();
    let mut out = Vec::new();
    respond(&invite, Status::RINGING, None, Some("ours"), &mut out)
        .header(Name::Contact, "<sip:us>")
        .empty_body();
    let ringing = Message::parse(out).unwrap();
    assert_eq!(ringing.status(), Some(Status::RINGING));
    assert_eq!(ringing.reason(), b"Ringing");
    assert_eq!(ringing.vias().count(), 2);
    assert_eq!(ringing.to().unwrap().tag(), Some("ours"));
    assert_eq!(ringing.check(), Ok(()));
}

#[test]
fn errors_name_header_and_offset() {
    let bytes = INVITE.replace("0009\r\n  INVITE", "4294967296 INVITE");
    let message = Message::parse(bytes.as_bytes()).unwrap();
    let error = message.cseq().unwrap_err();
    assert_eq!((error.header, error.offset), ("CSeq", bytes.find("4294967296").unwrap()));
    assert_eq!(
        Message::parse(&b"X sip:a SIP/2.0\r\n\r\n"[..]).unwrap().from().unwrap_err().to_string(),
        "From at byte 17: missing"
    );
}

#[test]
fn values_cannot_add_headers() {
    let mut out = Vec::new();
    Writer::request(&mut out, Method::Info, "sip:a\r\nX: y")
        .header(Name::Subject, "hello\r\nVia: evil")
        .body("text/plain", b"x");
    let message = Message::parse(out).unwrap();
    assert_eq!(message.headers().count(), 3);
    assert!(message.raw(Name::Via).is_none());
}

#[test]
fn more_headers_than_find_place_inline_are_kept() {
    let mut bytes = b"OPTIONS sip:a SIP/2.0\r\n".to_vec();
    for at in 0..1000 {
        bytes.extend_from_slice(format!("X-{at}: {at}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.headers().count(), 1000);
    assert_eq!(message.other("x-999"), Some(&b"999"[..]));
}

#[test]
fn limits_have_defaults() {
    assert!(Limits::default().headers > 1200);
}
