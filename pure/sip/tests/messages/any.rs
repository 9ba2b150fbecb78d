//! Any valid message, in any of the ways in which it may be written.

use proptest::prelude::*;

/// Bytes of a message, shown as text.
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Vec<u8>);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

fn token() -> BoxedStrategy<String> {
    "[A-Za-z0-9][A-Za-z0-9.!%*_+`'~-]{0,12}".boxed()
}

fn host() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}(\\.[a-z][a-z0-9]{0,6}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
    .boxed()
}

fn port() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), any::<u16>().prop_map(|port| format!(":{port}"))].boxed()
}

/// Parameters of different names.
fn numbered(params: Vec<String>) -> String {
    params.iter().enumerate().map(|(at, param)| param.replace('#', &at.to_string())).collect()
}

fn uri_params() -> BoxedStrategy<String> {
    let known = proptest::sample::subsequence(vec![";lr", ";transport=tcp", ";user=phone"], 0..3);
    let other = "[a-z]{1,6}#(=([a-z0-9.:\\[\\]-]|%4[0-9]){1,8})?".prop_map(|param| format!(";{param}"));
    (known, proptest::collection::vec(other, 0..2))
        .prop_map(|(known, other)| known.concat() + &numbered(other))
        .boxed()
}

/// A sip URI that may stand anywhere.
pub(crate) fn uri() -> BoxedStrategy<String> {
    let user = prop_oneof![
        Just(String::new()),
        "[A-Za-z0-9+._-]{1,12}@",
        "[A-Za-z0-9]{1,4}(;[a-z]=[a-z]|%4[0-9]|[&=+$,?/]){1,2}(:[a-z0-9]{0,4})?@",
    ];
    let scheme = prop_oneof![4 => Just("sip:"), 1 => Just("sips:"), 1 => Just("SIP:")];
    (scheme, user, host(), port(), uri_params())
        .prop_map(|(scheme, user, host, port, params)| format!("{scheme}{user}{host}{port}{params}"))
        .boxed()
}

/// White space where RFC 3261 allows it, a fold now and then.
fn space() -> BoxedStrategy<&'static str> {
    prop_oneof![8 => Just(" "), 1 => Just("  "), 1 => Just("\t"), 1 => Just("\r\n "), 1 => Just(" \r\n\t")]
        .boxed()
}

fn maybe_space() -> BoxedStrategy<&'static str> {
    prop_oneof![4 => Just(""), 1 => space()].boxed()
}

fn header_params() -> BoxedStrategy<String> {
    let value = prop_oneof![token(), "\"([a-z,;<> ]|\\\\[\"\\\\x]|é){0,8}\""];
    let param = (maybe_space(), maybe_space(), "[a-z]{2,6}#", proptest::option::of(value)).prop_map(
        |(before, after, name, value)| match value {
            None => format!("{before};{after}{name}"),
            Some(value) => format!("{before};{after}{name}{before}={after}{value}"),
        },
    );
    proptest::collection::vec(param, 0..3).prop_map(numbered).boxed()
}

/// An address with brackets.
pub(crate) fn address() -> BoxedStrategy<String> {
    let display = prop_oneof![
        Just(String::new()),
        (token(), space(), token()).prop_map(|(a, space, b)| format!("{a}{space}{b} ")),
        "\"([A-Za-z,;<>@ ]|\\\\[\"\\\\x]|ö){0,12}\" ?",
    ];
    (display, uri(), header_params())
        .prop_map(|(display, uri, params)| format!("{display}<{uri}>{params}"))
        .boxed()
}

fn tagged() -> BoxedStrategy<String> {
    (address(), proptest::option::of(token()))
        .prop_map(|(address, tag)| tag.map_or(address.clone(), |tag| format!("{address};tag={tag}")))
        .boxed()
}

pub(crate) fn via() -> BoxedStrategy<String> {
    let transport = prop_oneof![Just("UDP"), Just("TCP"), Just("TLS"), Just("WSS"), Just("OTHER")];
    let rport = prop_oneof![
        Just(String::new()),
        Just(";rport".to_owned()),
        (1u16..).prop_map(|p| format!(";rport={p}"))
    ];
    (transport, space(), host(), port(), rport, header_params(), token())
        .prop_map(|(transport, space, host, port, rport, params, branch)| {
            format!("SIP/2.0/{transport}{space}{host}{port}{rport};branch=z9hG4bK{branch}{params}")
        })
        .boxed()
}

/// Values of one header over lines, some with commas.
fn lines(
    name: &'static str,
    compact: &'static str,
    value: BoxedStrategy<String>,
    least: usize,
) -> BoxedStrategy<Vec<String>> {
    let spelling = prop_oneof![4 => Just(name), 1 => Just(compact)];
    let line = (spelling, maybe_space(), space(), proptest::collection::vec(value, 1..3), maybe_space())
        .prop_map(|(name, before, after, values, around)| {
            // No fold between name and colon: parsers may disagree about that one.
            format!(
                "{name}{}:{after}{}",
                before.replace("\r\n", ""),
                values.join(&format!("{around},{around}"))
            )
        });
    proptest::collection::vec(line, least..least + 2).boxed()
}

fn other() -> BoxedStrategy<Vec<String>> {
    let value =
        prop_oneof!["[ -~]{0,30}", "([ -~]|ü|日){0,10}(\r\n [!-~]{1,5}){0,2}", Just(";;,,;;,;".to_owned())];
    let line = ("X-[A-Za-z0-9]{1,20}", space(), value).prop_map(|(name, space, value)| {
        let value = value.trim();
        if value.is_empty() { format!("{name}:") } else { format!("{name}:{space}{value}") }
    });
    proptest::collection::vec(line, 0..4).boxed()
}

fn single(
    name: &'static str,
    compact: &'static str,
    value: BoxedStrategy<String>,
) -> BoxedStrategy<Vec<String>> {
    (prop_oneof![Just(name), Just(compact)], space(), value)
        .prop_map(|(name, space, value)| vec![format!("{name}:{space}{value}")])
        .boxed()
}

fn start_line() -> BoxedStrategy<(String, String)> {
    let methods = prop_oneof![Just("INVITE".to_owned()), Just("REGISTER".to_owned()), "[A-Z]{3,9}"];
    prop_oneof![
        (methods, uri()).prop_map(|(method, uri)| (format!("{method} {uri} SIP/2.0"), method)),
        (100u16..700, "[ -~]{0,20}")
            .prop_map(|(code, reason)| (format!("SIP/2.0 {code} {reason}"), "INVITE".to_owned())),
    ]
    .boxed()
}

/// A valid message as it stands on the wire.
pub(crate) fn message() -> impl Strategy<Value = Wire> {
    let call_id = "[A-Za-z0-9.!%*_+`'~()<>:\\\\/\"\\[\\]?{}-]{1,20}(@[a-z0-9.]{1,10})?".boxed();
    let headers = (
        single("From", "f", tagged()),
        single("To", "t", tagged()),
        single("Call-ID", "i", call_id),
        lines("Via", "v", via(), 1),
        lines("Contact", "m", address(), 0),
        lines("Record-Route", "record-ROUTE", address(), 0),
        lines("Route", "ROUTE", address(), 0),
        single("Max-Forwards", "max-forwards", (0u8..).prop_map(|hops| hops.to_string()).boxed()),
        other(),
    );
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    (start_line(), headers, 0u32..1 << 31, body)
        .prop_flat_map(|((start, method), headers, number, body)| {
            let (from, to, call_id, via, contact, record_route, route, hops, other) = headers;
            let single = [from, to, call_id, hops, vec![format!("CSeq: {number} {method}")]];
            let length = vec![format!("Content-Length: {}", body.len())];
            let lists = [via, contact, record_route, route, other, length];
            let lines: Vec<String> = single.into_iter().chain(lists).flatten().collect();
            (Just(start), Just(lines).prop_shuffle(), Just(body))
        })
        .prop_map(|(start, lines, body)| {
            let mut bytes = format!("{start}\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes();
            bytes.extend_from_slice(&body);
            Wire(bytes)
        })
}
