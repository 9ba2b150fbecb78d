//! A proxy rewrites what it must, and nothing else.

use strowger_sip::{Edit, Message, Name};

const INVITE: &str = "INVITE sip:bob@biloxi.example SIP/2.0\r\n\
    v: SIP/2.0/TCP client.atlanta.example:5060;branch=z9hG4bK74bf9, SIP/2.0/UDP b\r\n\
    Max-Forwards:   70\r\n\
    Route: <sip:one.example;lr>, <sip:two.example;lr>\r\n\
    From: Alice <sip:alice@atlanta.example>;tag=9fxced76sl\r\n\
    X-Odd :  kept\r\n  as it is \r\n\
    Route: <sip:three.example;lr>\r\n\
    To: Bob <sip:bob@biloxi.example>\r\n\
    Call-ID: 3848276298220188511@atlanta.example\r\n\
    CSeq: 2 INVITE\r\n\
    Content-Type: application/sdp\r\n\
    l: 4\r\n\r\nv=0\n";

fn edited(change: impl for<'e> FnOnce(Edit<'e, &'e [u8]>) -> Edit<'e, &'e [u8]>) -> String {
    let message = Message::parse(INVITE.as_bytes()).unwrap();
    let mut out = Vec::new();
    change(Edit::new(&message)).write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn no_change_is_the_identity() {
    assert_eq!(edited(|edit| edit), INVITE);
}

#[test]
fn a_proxy_forwards_a_request() {
    let out = edited(|edit| {
        edit.set_request_uri("sip:bob@10.0.0.1")
            .remove_first_value(Name::Route)
            .replace_first(Name::MaxForwards, "69")
            .replace_first_value(Name::Via, "SIP/2.0/TCP c;received=1.2.3.4")
            .prepend(Name::Via, "SIP/2.0/UDP edge")
            .prepend(Name::RecordRoute, "<sip:edge;lr>")
    });
    let wanted = INVITE
        .replace("INVITE sip:bob@biloxi.example SIP", "INVITE sip:bob@10.0.0.1 SIP")
        .replace("<sip:one.example;lr>, <sip:two", "<sip:two")
        .replace(":   70", ":   69")
        .replace(
            "v: SIP/2.0/TCP client.atlanta.example:5060;branch=z9hG4bK74bf9, SIP/2.0/UDP b\r\n",
            "Via: SIP/2.0/UDP edge\r\nv: SIP/2.0/TCP c;received=1.2.3.4, SIP/2.0/UDP b\r\nRecord-Route: <sip:edge;lr>\r\n",
        );
    assert_eq!(out, wanted);
}

#[test]
fn values_are_removed_across_lines() {
    let three = edited(|edit| {
        let edit = edit.remove_first_value(Name::Route).remove_first_value(Name::Route);
        edit.remove_first_value(Name::Route)
    });
    assert!(!three.contains("Route"), "{three}");
    let two = edited(|edit| {
        let edit = edit.replace_first_value(Name::Route, "<sip:new>");
        edit.remove_first_value(Name::Route).remove_first_value(Name::Route)
    });
    assert_eq!(two.matches("Route").count(), 1);
    assert!(two.contains("Route: <sip:new>\r\nTo:"), "{two}");
}

#[test]
fn appended_lines_follow_their_header_or_stand_at_the_end() {
    let out = edited(|edit| {
        edit.append(Name::Route, "<sip:last>").append_other("X-Odd", "more").append_other("X-New", "a\r\nb")
    });
    let wanted = INVITE
        .replace("<sip:three.example;lr>\r\n", "<sip:three.example;lr>\r\nRoute: <sip:last>\r\n")
        .replace("as it is \r\n", "as it is \r\nX-Odd: more\r\n")
        .replace("l: 4\r\n", "l: 4\r\nX-New: a  b\r\n");
    assert_eq!(out, wanted);
}

#[test]
fn a_new_body_has_its_length_and_type() {
    let out = edited(|edit| edit.set_body("text/plain", "hello"));
    let wanted = INVITE.replace(
        "Content-Type: application/sdp\r\nl: 4\r\n\r\nv=0\n",
        "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(out, wanted);
    let out = edited(|edit| edit.set_body("", ""));
    assert!(out.ends_with("CSeq: 2 INVITE\r\nContent-Length: 0\r\n\r\n"), "{out}");
}

#[test]
fn more_edits_than_find_place_inline_work_the_same() {
    let message = Message::parse(INVITE.as_bytes()).unwrap();
    let values: Vec<String> = (0..30).map(|at| format!("{at}")).collect();
    let mut edit = Edit::new(&message);
    for value in &values {
        edit = edit.prepend(Name::Path, value);
    }
    let mut out = Vec::new();
    edit.write(&mut out);
    let again = Message::parse(out).unwrap();
    let found: Vec<String> =
        again.values(Name::Path).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
    assert!(found.iter().eq(values.iter().rev()));
}
