//! When two URIs are the same: the examples of RFC 3261 19.1.4, and some more.

use strowger_sip::Uri;

fn same(a: &str, b: &str) -> bool {
    let uri = |text: &'static str| Uri::parse(text.as_bytes()).unwrap();
    let (a, b) = (uri(a.to_owned().leak()), uri(b.to_owned().leak()));
    let is_same = a.equivalent(&b);
    assert_eq!(is_same, b.equivalent(&a), "{a} and {b}");
    assert!(a.equivalent(&a) && b.equivalent(&b));
    is_same
}

#[test]
fn equivalent_uris() {
    assert!(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
    assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
    assert!(same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"));
    let (a, b) = (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    );
    assert!(same(a, b));
    let (a, b) = (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    );
    assert!(same(a, b));
    assert!(same("tel:+15551234", "TEL:+15551234"));
    assert!(same("sip:[2001:db8::1]", "sip:[2001:0db8:0::1]"));
}

#[test]
fn uris_that_differ() {
    assert!(!same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
    assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
    assert!(!same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
    assert!(!same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
    assert!(!same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
    assert!(!same("sip:a@b", "sips:a@b") && !same("sip:a@b", "sip:b") && !same("sip:a:x@b", "sip:a@b"));
}

#[test]
fn what_is_no_uri() {
    let wrong = [
        "",
        "sip:",
        "sip",
        ":a",
        "sip:@a",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b",
        "sip:a:",
        "sip:a:65536",
        "sip:a:x",
        "sip:[::1",
        "sip:[::1]x",
        "sip:1.2.3",
        "sip:256.1.1.1",
        "sip:a>b",
        "tel:",
        "9sip:a",
        "sip:a;b@c;d@e",
        "x:",
        "sip:\u{e4}.com",
    ];
    for text in wrong {
        assert!(Uri::parse(text.as_bytes()).is_err(), "{text}");
    }
    for text in
        ["sip:a.", "sip:1a", "sip:a-1", "sip:J\u{f6}rg@a", "sip:*98#@a", "sip:a;;lr", "sip:192.168.001.001"]
    {
        assert!(Uri::parse(text.as_bytes()).is_ok(), "{text}");
    }
}
