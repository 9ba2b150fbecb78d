//! What fuzz targets and the replay of their corpora do with bytes from anywhere. Not for use.
//!
//! Each function panics if something that has to hold does not.

use crate::edit::Edit;
use crate::framing::{Framed, Framer, Limits};
use crate::message::Message;
use crate::name::Name;
use crate::status::Status;
use crate::values::Values;
use crate::write::respond;

/// Parses a message, reads all that can be read, rewrites and answers it, and parses the results.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    read_everything(&message);
    assert!(message.bytes().len() <= bytes.len());
    if message.check().is_ok() {
        rewrite(&message);
    }
    if message.is_request() {
        let mut out = Vec::new();
        respond(&message, Status::RINGING, None, Some("ours"), &mut out).empty_body();
        let Ok(answer) = Message::parse(out) else { panic!("an answer can't be read") };
        assert_eq!(answer.status(), Some(Status::RINGING));
    }
}

fn read_everything<B: AsRef<[u8]>>(message: &Message<B>) {
    let mut read = 0usize;
    read += usize::from(message.call_id().is_ok());
    read += usize::from(message.cseq().is_ok());
    read += usize::from(message.max_forwards().is_ok());
    read += usize::from(message.content_length().is_ok());
    read += usize::from(message.content_type().is_ok());
    read += usize::from(message.expires().is_ok());
    read += usize::from(message.min_expires().is_ok());
    read += usize::from(message.session_expires().is_ok());
    read += usize::from(message.min_se().is_ok());
    read += usize::from(message.rack().is_ok());
    read += usize::from(message.rseq().is_ok());
    read += usize::from(message.retry_after().is_ok());
    read += usize::from(message.event().is_ok());
    read += message.reasons().flatten().filter(|reason| reason.text().is_some()).count();
    for name in [Name::Authorization, Name::ProxyAuthorization, Name::WwwAuthenticate] {
        read += message.credentials(name).flatten().map(|auth| auth.iter().count()).sum::<usize>();
    }
    for name in [Name::From, Name::To, Name::Route, Name::RecordRoute, Name::Path, Name::ReferTo] {
        for address in message.addresses(name).flatten() {
            read += usize::from(address.display_text().is_some()) + address.tag().map_or(0, str::len);
            read += address.params.iter().filter_map(|param| param.text()).count();
            assert!(address.uri.equivalent(&address.uri), "{} is not itself", address.uri);
            read += usize::from(address.uri.user_text().is_some());
        }
    }
    for contact in message.contacts().flatten() {
        read += usize::from(contact.expires().is_ok()) + usize::from(contact.q().is_ok());
    }
    for via in message.vias().flatten() {
        read += via.branch().map_or(0, str::len) + usize::from(via.response_target().1);
    }
    for (name, spelling, value) in message.headers() {
        assert_eq!(name, Name::of(spelling));
        read += Values::new(value).count();
    }
    for name in [Name::Subject, Name::Via, Name::Other] {
        read += message.text(name).map_or(0, |text| text.len()) + message.values(name).count();
    }
    read +=
        message.reason().len() + message.body().len() + message.request_uri().map_or(0, |uri| uri.rest.len());
    std::hint::black_box(read);
}

/// A message that a server takes can be rewritten; nothing else in it changes.
fn rewrite(message: &Message<&[u8]>) {
    let mut same = Vec::new();
    Edit::new(message).write(&mut same);
    assert_eq!(same, message.bytes(), "no change is a change");
    let mut out = Vec::new();
    Edit::new(message)
        .set_request_uri("sip:new@example.com")
        .replace_first_value(Name::Via, "SIP/2.0/TCP changed.example.com")
        .prepend(Name::Via, "SIP/2.0/UDP edge.example.com;branch=z9hG4bK1")
        .remove_first_value(Name::Route)
        .append(Name::Path, "<sip:edge.example.com;lr>")
        .append_other("X-New", "a\r\nb")
        .with_content_length()
        .write(&mut out);
    let Ok(changed) = Message::parse(out) else { panic!("a rewritten message can't be read") };
    assert_eq!(changed.check().map_err(|refusal| refusal.why), Ok(()), "a rewritten message is refused");
    assert_eq!(changed.body(), message.body());
    assert_eq!(changed.values(Name::Via).count(), message.values(Name::Via).count() + 1);
    assert_eq!(changed.values(Name::Route).count(), message.values(Name::Route).count().saturating_sub(1));
    let touched = [Name::Via, Name::Route, Name::Path, Name::ContentLength];
    let mine = |(name, spelling, _): &(Name, &[u8], &[u8])| {
        !touched.contains(name) && !spelling.eq_ignore_ascii_case(b"X-New")
    };
    assert!(changed.headers().filter(mine).eq(message.headers().filter(mine)), "an untouched header changed");
}

/// What a stream holds: its messages, how many pings, bytes of line ends, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Stream {
    messages: Vec<Vec<u8>>,
    pings: usize,
    line_ends: usize,
    is_broken: bool,
}

/// Frames a stream in one piece and in small pieces: both must find the same.
pub fn framing(bytes: &[u8]) {
    let [step, stream @ ..] = bytes else { return };
    let whole = read_stream(stream, stream.len().max(1));
    let pieces = read_stream(stream, usize::from(*step % 16) + 1);
    assert_eq!(whole, pieces, "what is found depends on how it arrives");
    for found in &whole.messages {
        if let Ok(message) = Message::parse(&found[..])
            && message.check().is_ok()
        {
            assert_eq!(message.bytes(), found, "framed and parsed lengths differ");
            assert_eq!(message.content_length(), Ok(Some(message.body().len())));
        }
    }
}

fn read_stream(stream: &[u8], step: usize) -> Stream {
    let mut framer = Framer::new(Limits { headers: 2048, body: 4096 });
    let mut found = Stream { messages: Vec::new(), pings: 0, line_ends: 0, is_broken: false };
    let (mut from, mut to) = (0, 0);
    loop {
        match framer.next(&stream[from..to]) {
            Ok(Framed::Message { len }) => {
                found.messages.push(stream[from..from + len].to_vec());
                from += len;
            }
            Ok(Framed::KeepAlive { len, ping }) => {
                found.pings += usize::from(ping);
                found.line_ends += len;
                from += len;
            }
            Ok(Framed::Partial) if to == stream.len() => return found,
            Ok(Framed::Partial) => to = (to + step).min(stream.len()),
            Err(_) => {
                found.is_broken = true;
                return found;
            }
        }
    }
}
