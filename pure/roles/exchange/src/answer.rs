//! Answers that are made from the request alone (RFC 3261 8.2.6, 8.2.7).

use std::time::Duration;

use machine::{KeyedHash, Moment, base32};
use sip::leg::Refusal;
use sip::{Contact, Message, Name, Status, Writer};

use crate::binding::Body;
use crate::decide::Reply;
use crate::hashes;

/// Writes answers under the platform's secret.
#[derive(Debug)]
pub(crate) struct Answerer<'a> {
    pub(crate) hash: &'a KeyedHash,
    pub(crate) server: &'a str,
}

impl Answerer<'_> {
    /// The answer `reply` to `request`.
    pub(crate) fn reply(&self, request: &Message<&[u8]>, reply: &Reply) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(request.bytes().len() + 128);
        let mut writer = self.begin(request, reply.status, reply.reason.as_deref(), &mut bytes);
        for (name, value) in &reply.headers {
            writer = writer.header(*name, value.as_bytes());
        }
        writer.empty_body();
        bytes
    }

    /// The answer to an INVITE that could not become a leg.
    pub(crate) fn refusal(&self, invite: &Message<&[u8]>, refusal: &Refusal) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(invite.bytes().len());
        let mut writer = self.begin(invite, refusal.status, None, &mut bytes);
        for (name, value) in &refusal.headers {
            writer = writer.other(name, value);
        }
        writer.empty_body();
        bytes
    }

    /// 200 to a REGISTER: all contacts of the user as they are now, and the way to it (RFC 3327 5.3). A refresh
    /// has found its own contact among them.
    pub(crate) fn registered(
        &self,
        request: &Message<&[u8]>,
        body: Option<Body<'_>>,
        is_refresh: bool,
        now: Moment,
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(request.bytes().len() + 128);
        let mut writer = self.begin(request, Status::OK, None, &mut bytes);
        let mut line = Vec::with_capacity(128);
        if let Some(body) = body {
            match only_contact(request, &body, now).filter(|_| is_refresh) {
                Some((contact, expires)) => {
                    let q = contact.q().ok().flatten().unwrap_or(1000);
                    contact_line(contact.address.uri_bytes, expires.since(now), q, &mut line);
                    writer = writer.header(Name::Contact, &line);
                }
                None => {
                    for contact in body.binding().map(|binding| binding.contacts(now)).unwrap_or_default() {
                        line.clear();
                        let left = contact.expires.since(now);
                        contact_line(contact.uri.as_bytes(), left, contact.q, &mut line);
                        writer = writer.header(Name::Contact, &line);
                    }
                }
            }
        }
        writer.copy(request, Name::Path).empty_body();
        bytes
    }

    fn begin<'o>(
        &self,
        request: &Message<&[u8]>,
        status: Status,
        reason: Option<&str>,
        bytes: &'o mut Vec<u8>,
    ) -> Writer<'o> {
        let tag = (status != Status::TRYING).then(|| self.tag(request));
        let writer = sip::respond(request, status, reason, tag.as_deref(), bytes);
        if self.server.is_empty() { writer } else { writer.header(Name::Server, self.server) }
    }

    /// The same To-tag for each retransmission.
    fn tag(&self, request: &Message<&[u8]>) -> String {
        let part = |name| request.raw(name).unwrap_or_default();
        let sum = self.hash.sum64(hashes::TAG, &[part(Name::CallId), part(Name::From), part(Name::CSeq)]);
        base32::encode(&sum.to_be_bytes())
    }
}

/// The contact of a refresh if the user has no other: then what is kept of it needs no reading.
fn only_contact<'m>(
    request: &'m Message<&[u8]>,
    body: &Body<'_>,
    now: Moment,
) -> Option<(Contact<'m>, Moment)> {
    let mut clocks = body.clocks();
    let (Some(clock), None) = (clocks.next(), clocks.next()) else { return None };
    let mut values = request.values(Name::Contact);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let contact = Contact::parse(value).ok()?;
    clock.is_live(now).then_some((contact, clock.expires))
}

fn contact_line(uri: &[u8], left: Duration, q: u16, line: &mut Vec<u8>) {
    use std::io::Write as _;
    line.push(b'<');
    line.extend_from_slice(uri);
    // Rounded up: who refreshes by it must not be told less than it asked for.
    let seconds = left.as_micros().div_ceil(1_000_000);
    let _ = write!(line, ">;expires={seconds}");
    if q < 1000 {
        let _ = write!(line, ";q=0.{q:03}");
    }
}
