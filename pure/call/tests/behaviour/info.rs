use sip::Method;

use crate::scene::talking;

#[test]
fn an_info_goes_through_as_it_came() {
    let mut scene = talking();
    scene.alice().sends_body(Method::Info, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    let info = scene.bob().last();
    assert_eq!(info.method(), Some(Method::Info));
    assert_eq!(info.body(), b"Signal=5\r\nDuration=160\r\n");
    assert_eq!(info.raw(sip::Name::ContentType), Some(&b"application/dtmf-relay"[..]));
    assert_eq!(scene.alice().heard().last().unwrap(), "200");

    scene.bob().sends_body(Method::Info, "application/media_control+xml", "<x/>");
    assert_eq!(scene.alice().last().body(), b"<x/>");
}
