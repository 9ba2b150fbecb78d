//! Parse, write, parse is the identity; an edit changes what it says; no bytes make us panic.

use proptest::prelude::*;
use strowger_sip::{Edit, Message, Name, Writer, fuzzing};

use crate::any::{self, Wire};

/// Writes a message anew from what was read in it.
fn write_again(message: &Message<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    let writer = match (message.method(), message.status()) {
        (Some(method), _) => Writer::request(&mut out, method, message.request_uri_bytes()),
        (None, status) => {
            let reason = String::from_utf8_lossy(message.reason());
            Writer::response(&mut out, status.unwrap(), Some(&reason))
        }
    };
    let writer = message
        .headers()
        .filter(|(name, ..)| *name != Name::ContentLength)
        .fold(writer, |writer, (_, spelling, value)| {
            writer.other(std::str::from_utf8(spelling).unwrap(), value)
        });
    writer.number(Name::ContentLength, message.body().len() as u64).end_with(message.body());
    out
}

/// Folds and the white space around them count as one space.
fn flat(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn headers(message: &Message<Vec<u8>>) -> Vec<(Name, String)> {
    let mine = message.headers().filter(|(name, ..)| *name != Name::ContentLength);
    mine.map(|(name, _, value)| (name, flat(value))).collect()
}

/// Lines of a message as bytes, folds with their line, without those of these names.
fn lines_but<'a>(message: &'a Message<Vec<u8>>, names: &'a [Name]) -> Vec<(&'a [u8], &'a [u8])> {
    let others = message.headers().filter(|(name, ..)| !names.contains(name));
    others.map(|(_, spelling, value)| (spelling, value)).collect()
}

const TROUBLE: [&str; 20] = [
    "\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\"",
    "<",
    ">",
    ",",
    ";",
    ";;",
    "\\",
    "\0",
    "99999999999999999999",
    "\r\nl: 5\r\n",
    "\r\n\r\n",
    ":",
    "=",
    "[",
    "*",
    "%",
];

/// What can go wrong on the way.
fn damaged() -> impl Strategy<Value = Wire> {
    let interesting = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        proptest::sample::select(&TROUBLE[..]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    let damage = (any::<prop::sample::Index>(), 0..4usize, interesting);
    (any::message(), proptest::collection::vec(damage, 1..6)).prop_map(|(Wire(mut bytes), damages)| {
        for (place, cut, insert) in damages {
            let at = place.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, insert);
        }
        Wire(bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_messages_are_taken_as_they_are(Wire(bytes) in any::message()) {
        let message = Message::parse(bytes.clone()).unwrap();
        prop_assert_eq!(message.check().map_err(|refusal| refusal.to_string()), Ok(()));
        prop_assert_eq!(message.bytes(), &bytes[..]);
        fuzzing::message(&bytes);
    }

    #[test]
    fn parse_write_parse_is_the_identity(Wire(bytes) in any::message()) {
        let message = Message::parse(bytes).unwrap();
        let again = Message::parse(write_again(&message)).unwrap();
        prop_assert_eq!(again.check(), Ok(()));
        prop_assert_eq!(again.method(), message.method());
        prop_assert_eq!(again.status(), message.status());
        prop_assert_eq!(again.request_uri_bytes(), message.request_uri_bytes());
        prop_assert_eq!(headers(&again), headers(&message));
        prop_assert_eq!(again.body(), message.body());
    }

    #[test]
    fn an_edit_leaves_the_rest_alone(
        Wire(bytes) in any::message(), route in any::address(), via in any::via(), body in any::<Vec<u8>>(),
    ) {
        let message = Message::parse(bytes).unwrap();
        let mut out = Vec::new();
        Edit::new(&message)
            .prepend(Name::Via, &via)
            .remove_first_value(Name::Route)
            .prepend(Name::RecordRoute, &route)
            .replace_first(Name::MaxForwards, "7")
            .set_body("text/plain", &body)
            .write(&mut out);
        let edited = Message::parse(out).unwrap();
        prop_assert_eq!(edited.check(), Ok(()));
        let touched = [Name::Via, Name::Route, Name::RecordRoute, Name::MaxForwards, Name::ContentType, Name::ContentLength];
        prop_assert_eq!(lines_but(&edited, &touched), lines_but(&message, &touched));
        let values = |message: &Message<Vec<u8>>, name| message.values(name).map(flat).collect::<Vec<_>>();
        prop_assert_eq!(&values(&edited, Name::Via)[1..], &values(&message, Name::Via)[..]);
        prop_assert_eq!(&values(&edited, Name::RecordRoute)[1..], &values(&message, Name::RecordRoute)[..]);
        let behind: Vec<_> = values(&message, Name::Route).into_iter().skip(1).collect();
        prop_assert_eq!(values(&edited, Name::Route), behind);
        prop_assert_eq!(edited.max_forwards(), Ok(Some(7)));
        prop_assert_eq!(edited.body(), &body[..]);
    }

    #[test]
    fn damaged_messages_are_read_or_refused(Wire(bytes) in damaged()) {
        fuzzing::message(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        fuzzing::message(&bytes);
        let mut headed = b"INVITE sip:a SIP/2.0\r\n".to_vec();
        headed.extend_from_slice(&bytes);
        fuzzing::message(&headed);
    }

    #[test]
    fn streams_are_framed_alike_however_they_arrive(
        step in any::<u8>(), parts in proptest::collection::vec(prop_oneof![
            any::message().boxed(), damaged().boxed(), Just(Wire(b"\r\n".to_vec())).boxed(), Just(Wire(b"\r\n\r\n".to_vec())).boxed(),
        ], 0..6),
    ) {
        let mut stream = vec![step];
        parts.iter().for_each(|Wire(part)| stream.extend(part));
        fuzzing::framing(&stream);
    }
}
