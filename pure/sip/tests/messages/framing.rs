//! A stream is cut into messages; what can't be cut is refused.

use strowger_sip::{Framed, Framer, Limits, Problem};

const ONE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";

fn error(bytes: &[u8], limits: &Limits) -> (&'static str, Problem) {
    let error = Framer::new(*limits).next(bytes).unwrap_err();
    (error.header, error.problem)
}

#[test]
fn a_message_ends_where_its_content_length_says() {
    let limits = Limits::default();
    for cut in 1..ONE.len() {
        assert_eq!(Framer::new(limits).next(&ONE[..cut]), Ok(Framed::Partial), "{cut}");
    }
    let two = [ONE, ONE].concat();
    assert_eq!(Framer::new(limits).next(&two), Ok(Framed::Message { len: ONE.len() }));
}

#[test]
fn a_double_line_end_is_a_ping_even_in_two_pieces() {
    let mut framer = Framer::new(Limits::default());
    assert_eq!(framer.next(b"\r\n\r\n"), Ok(Framed::KeepAlive { len: 4, ping: true }));
    assert_eq!(framer.next(b"\r"), Ok(Framed::Partial));
    assert_eq!(framer.next(b"\r\n"), Ok(Framed::KeepAlive { len: 2, ping: false }));
    assert_eq!(framer.next(b"\r\n"), Ok(Framed::KeepAlive { len: 2, ping: true }));
    assert_eq!(framer.next(ONE), Ok(Framed::Message { len: ONE.len() }));
    assert_eq!(framer.next(b"\r\n"), Ok(Framed::KeepAlive { len: 2, ping: false }));
}

#[test]
fn a_stream_needs_a_content_length() {
    let limits = Limits::default();
    assert_eq!(error(b"OPTIONS sip:a SIP/2.0\r\n\r\n", &limits), ("Content-Length", Problem::Missing));
    let twice = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(error(twice, &limits), ("Content-Length", Problem::Repeated));
    let negative = b"OPTIONS sip:a SIP/2.0\r\nl: -3\r\n\r\nabc";
    assert_eq!(error(negative, &limits), ("Content-Length", Problem::Expected("a number")));
    let two = b"OPTIONS sip:a SIP/2.0\r\nl: 3, 3\r\n\r\nabc";
    assert_eq!(error(two, &limits), ("Content-Length", Problem::Unexpected(b',')));
}

#[test]
fn what_a_sender_may_send_is_limited() {
    let limits = Limits { headers: 64, body: 10 };
    let endless = vec![b'x'; 65];
    assert_eq!(error(&endless, &limits), ("message", Problem::TooLong(64)));
    let long = [&b"OPTIONS sip:a SIP/2.0\r\nX: "[..], &[b'x'; 64], b"\r\nl: 0\r\n\r\n"].concat();
    assert_eq!(error(&long, &limits), ("message", Problem::TooLong(64)));
    let large = b"OPTIONS sip:a SIP/2.0\r\nl: 11\r\n\r\n";
    assert_eq!(error(large, &limits), ("Content-Length", Problem::TooLong(10)));
    let huge = b"OPTIONS sip:a SIP/2.0\r\nl: 99999999999999999999\r\n\r\n";
    assert_eq!(error(huge, &limits), ("Content-Length", Problem::TooLarge((1 << 31) - 1)));
}

#[test]
fn a_slow_sender_costs_no_more_than_a_fast_one() {
    // A header section of 1 MB, byte by byte: looking at all of it each time would take hours.
    let mut stream = b"OPTIONS sip:a SIP/2.0\r\n".to_vec();
    stream.extend(b"X-Long: value value value value\r\n".repeat(32_000));
    stream.extend(b"l: 0\r\n\r\n");
    let mut framer = Framer::new(Limits { headers: 2 << 20, body: 0 });
    for end in 1..stream.len() {
        assert_eq!(framer.next(&stream[..end]), Ok(Framed::Partial));
    }
    assert_eq!(framer.next(&stream), Ok(Framed::Message { len: stream.len() }));
}
