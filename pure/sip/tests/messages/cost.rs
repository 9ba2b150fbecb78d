//! What messages cost: no allocation in the usual case, and never more than their length is worth.

use allocation_counter::measure;
use strowger_sip::{Edit, Message, Name, Status, respond};

const INVITE: &[u8] = include_bytes!("../../benches/invite.dat");

#[test]
fn the_way_of_an_invite_allocates_nothing() {
    let mut out = Vec::with_capacity(4096);
    let info = measure(|| {
        let invite = Message::parse(INVITE).unwrap();
        assert!(invite.check().is_ok());
        assert!(invite.request_uri().is_ok() && invite.contact().is_ok() && invite.routes().count() == 1);
        Edit::new(&invite)
            .set_request_uri("sip:bob@192.0.2.7")
            .prepend(Name::Via, "SIP/2.0/UDP edge.example.net;branch=z9hG4bK1")
            .replace_first(Name::MaxForwards, "68")
            .prepend(Name::RecordRoute, "<sip:edge.example.net;lr>")
            .remove_first_value(Name::Route)
            .write(&mut out);
        respond(&invite, Status::TRYING, None, None, &mut out).empty_body();
    });
    assert_eq!(info.count_total, 0);
}

/// Allocates no more than the index needs, and ends soon: nothing is quadratic.
fn read(bytes: &[u8]) {
    strowger_sip::fuzzing::message(bytes);
}

#[test]
fn large_messages_take_time_in_proportion() {
    const MANY: usize = 20_000;
    let start = "INVITE sip:a SIP/2.0\r\n";
    let needed = "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n";
    let message = |many: &str, times: usize| format!("{start}{needed}{}\r\n\r\n", many.repeat(times));
    read(message("v: SIP/2.0/UDP h;branch=z9hG4bK2\r\n", MANY).as_bytes());
    read(message("X-New: a\r\n", MANY).as_bytes());
    read(message("Route: <sip:a;lr>, <sip:b;lr>\r\n", MANY).as_bytes());
    read(message("a:\r\n", MANY).as_bytes());
    read(message(" \r\n", MANY).as_bytes());
    let lists = ["<sip:a>,", ",", "\"", "\"\\", "<", "\\\"", ";a=b", ";a=\"b\"", "sip:a;b,", "(", "\r\n "];
    for part in lists {
        for name in ["m", "Route", "v", "Reason", "Authorization: Digest", "Retry-After: 1", "f", "k"] {
            let separator = if name.contains(':') { " " } else { ": " };
            read(format!("{start}{needed}{name}{separator}{}\r\n\r\n", part.repeat(MANY)).as_bytes());
        }
    }
}
