//! How what comes from phones, and what is to be said to them, stands in the journals of those who live here.

use edge::Flow;
use worker::In;

/// By which flow something came.
pub(crate) fn source(flow: Flow) -> Vec<u8> {
    format!("{} {} {}", flow.listener, flow.thread, flow.remote).into_bytes()
}

/// What came: from another thread, if it came by no flow.
pub(crate) fn input(source: &[u8], bytes: &[u8]) -> Option<In> {
    match source {
        [] => Some(In::Hop(bytes.to_vec())),
        source => Some(In::World { flow: flow(source)?, bytes: bytes.to_vec() }),
    }
}

fn flow(source: &[u8]) -> Option<Flow> {
    let mut words = std::str::from_utf8(source).ok()?.split(' ');
    let (listener, thread) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Flow { listener, thread, remote: words.next()?.parse().ok()? })
}

/// What is to be said.
pub(crate) fn unsaid(flow: Flow, bytes: &[u8]) -> Vec<u8> {
    let to = source(flow);
    [&[to.len() as u8], to.as_slice(), bytes].concat()
}

/// What was to be said, and where.
pub(crate) fn read_unsaid(kept: &[u8]) -> (Flow, &[u8]) {
    let read = kept.split_first().and_then(|(&length, rest)| {
        let (to, bytes) = rest.split_at_checked(length.into())?;
        Some((flow(to)?, bytes))
    });
    let Some(read) = read else { panic!("outgoing bytes that nobody wrote: {kept:?}") };
    read
}
