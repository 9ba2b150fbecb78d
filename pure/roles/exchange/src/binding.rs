//! The bindings of one address-of-record as they lie in memory and in the journal (RFC 3261 10.3).
//!
//! A hundred thousand of them must be back in a moment, most requests are refreshes that change nothing but
//! a time, and a list of all users looks at all of them. So whose it is and what changes often stand in front
//! with fixed places, and are read and changed without looking at the rest:
//!
//! ```text
//! format 1 | n u8 | length of user u16 | tenant u32
//!   | n times: expires u64, print u64, cseq u32, flags u32 | user | MessagePack of the phones
//! ```
//!
//! All numbers are little endian.

use contract::registration::Contact;
use contract::{Aor, TenantId};
use machine::Moment;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;
const HEAD: usize = 8;
const CLOCK: usize = 24;
const GONE: u32 = 1;

/// What changes with each refresh of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// When the contact ends; of a contact that is gone: until when that is remembered.
    pub(crate) expires: Moment,
    /// A hash of all that the REGISTER said of the contact, but for its time and CSeq.
    pub(crate) print: u64,
    /// The CSeq of the REGISTER that set it last.
    pub(crate) cseq: u32,
    /// It was taken away. It is remembered for a while, so that a REGISTER that was overtaken by the one
    /// that took it away does not bring it back.
    pub(crate) gone: bool,
}

/// One contact of an address-of-record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Phone {
    #[serde(skip)]
    pub(crate) clock: Clock,
    /// Where it wants requests.
    pub(crate) uri: String,
    /// The way there (RFC 3327).
    pub(crate) path: Vec<String>,
    /// Thousandths.
    pub(crate) q: u16,
    /// Its own transport.
    pub(crate) transport: String,
    /// Where its packets come from.
    pub(crate) source: String,
    /// What it calls itself.
    #[serde(rename = "agent")]
    pub(crate) user_agent: String,
    /// A hash of the Call-ID of its REGISTERs.
    #[serde(rename = "call")]
    pub(crate) call_id: u64,
    /// `+sip.instance` and `reg-id` (RFC 5626), if it says them: which device it is, whatever its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) instance: String,
}

/// All contacts of an address-of-record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) tenant: TenantId,
    pub(crate) user: String,
    pub(crate) phones: Vec<Phone>,
}

/// What stands behind the fixed places. A release that has more to say adds it here.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Rest<P> {
    phones: P,
}

impl Phone {
    /// It can be called.
    pub(crate) fn is_live(&self, now: Moment) -> bool {
        self.clock.is_live(now)
    }

    /// As others see it.
    pub(crate) fn into_contact(self) -> Contact {
        Contact {
            uri: self.uri,
            path: self.path,
            q: self.q,
            expires: self.clock.expires,
            transport: self.transport,
            source: self.source,
            user_agent: self.user_agent,
        }
    }
}

impl Clock {
    pub(crate) fn is_live(&self, now: Moment) -> bool {
        !self.gone && self.expires > now
    }
}

impl Binding {
    /// Whose.
    pub(crate) fn aor(&self) -> Aor {
        Aor { tenant: self.tenant, user: self.user.clone() }
    }

    /// The contacts that can be called, highest q first, then the newest.
    pub(crate) fn contacts(self, now: Moment) -> Vec<Contact> {
        let mut live: Vec<Phone> = self.phones.into_iter().filter(|phone| phone.is_live(now)).collect();
        live.sort_by_key(|phone| std::cmp::Reverse((phone.q, phone.clock.expires)));
        live.into_iter().map(Phone::into_contact).collect()
    }

    /// The bytes; empty if no contact is left.
    pub(crate) fn write(&self) -> Vec<u8> {
        if self.phones.is_empty() {
            return Vec::new();
        }
        let mut body = Vec::with_capacity(HEAD + self.user.len() + (CLOCK + 256) * self.phones.len());
        body.extend_from_slice(&[FORMAT, self.phones.len() as u8]);
        body.extend_from_slice(&(self.user.len() as u16).to_le_bytes());
        body.extend_from_slice(&self.tenant.0.to_le_bytes());
        for phone in &self.phones {
            body.extend_from_slice(&phone.clock.bytes());
        }
        body.extend_from_slice(self.user.as_bytes());
        match rmp_serde::encode::write_named(&mut body, &Rest { phones: &self.phones }) {
            Ok(()) => body,
            Err(error) => unreachable!("a binding that MessagePack cannot hold: {error}"),
        }
    }
}

impl Clock {
    fn bytes(&self) -> [u8; CLOCK] {
        let mut bytes = [0; CLOCK];
        bytes[..8].copy_from_slice(&self.expires.as_micros().to_le_bytes());
        bytes[8..16].copy_from_slice(&self.print.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.cseq.to_le_bytes());
        bytes[20..].copy_from_slice(&(if self.gone { GONE } else { 0 }).to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; CLOCK]) -> Self {
        let word = |at: usize| {
            let (_, from) = bytes.split_at(at);
            from.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
        };
        let numbers = word(16);
        Clock {
            expires: Moment::from_micros(word(0)),
            print: word(8),
            cseq: numbers as u32,
            gone: (numbers >> 32) as u32 & GONE != 0,
        }
    }
}

/// The bytes of a [`Binding`], read no further than needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    tenant: TenantId,
    clocks: &'a [[u8; CLOCK]],
    user: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    /// A look at `bytes`, if they are of our format.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[format, count, low, high, tenant @ ..], rest) = bytes.split_first_chunk::<HEAD>()?;
        let (clocks, rest) = rest.split_at_checked(usize::from(count) * CLOCK)?;
        let (clocks, []) = clocks.as_chunks::<CLOCK>() else { return None };
        let (user, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        let tenant = TenantId(u32::from_le_bytes(tenant));
        (format == FORMAT && count > 0).then_some(Body { tenant, clocks, user, rest })
    }

    /// Whose: tenant and user, in the order of lists.
    pub(crate) fn whose(&self) -> (TenantId, &'a [u8]) {
        (self.tenant, self.user)
    }

    /// The clocks, in the order of the phones.
    pub(crate) fn clocks(&self) -> impl ExactSizeIterator<Item = Clock> + use<'a> {
        self.clocks.iter().map(Clock::read)
    }

    /// When the first contact ends.
    pub(crate) fn next_expiry(&self) -> Moment {
        self.clocks().map(|clock| clock.expires).min().unwrap_or(Moment::NEVER)
    }

    /// Everything; `None` if the rest is unreadable.
    pub(crate) fn binding(&self) -> Option<Binding> {
        let rest: Rest<Vec<Phone>> = rmp_serde::from_slice(self.rest).ok()?;
        let mut phones = rest.phones;
        if phones.len() != self.clocks.len() {
            return None;
        }
        for (phone, clock) in phones.iter_mut().zip(self.clocks()) {
            phone.clock = clock;
        }
        let user = String::from_utf8(self.user.to_vec()).ok()?;
        Some(Binding { tenant: self.tenant, user, phones })
    }
}

/// Sets the clock of the phone in place `at`, and leaves all other bytes as they are.
pub(crate) fn set_clock(bytes: &mut [u8], at: usize, clock: Clock) {
    let start = HEAD + at * CLOCK;
    if let Some(place) = bytes.get_mut(start..start + CLOCK) {
        place.copy_from_slice(&clock.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_phones() -> Binding {
        let phone = |uri: &str, secs, cseq| Phone {
            clock: Clock { expires: Moment::from_secs(secs), print: secs * 7, cseq, gone: false },
            uri: uri.into(),
            path: vec!["<sip:flow@edge.example;lr>".into()],
            q: 1000,
            transport: "udp".into(),
            source: "192.0.2.4:5060".into(),
            user_agent: "desk phone".into(),
            call_id: 42,
            instance: String::new(),
        };
        Binding {
            tenant: TenantId(3),
            user: "alice".into(),
            phones: vec![phone("sip:alice@192.0.2.4", 100, 1), phone("sip:alice@192.0.2.5", 50, u32::MAX)],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = two_phones().write();
        let body = Body::read(&bytes).unwrap();
        assert_eq!(body.next_expiry(), Moment::from_secs(50));
        assert_eq!(body.binding(), Some(two_phones()));
    }

    #[test]
    fn a_refresh_changes_the_clock_and_nothing_else() {
        let mut bytes = two_phones().write();
        let clock = Clock { expires: Moment::from_secs(900), print: 5, cseq: 7, gone: true };
        set_clock(&mut bytes, 1, clock);
        let mut refreshed = two_phones();
        refreshed.phones[1].clock = clock;
        assert_eq!(Body::read(&bytes).unwrap().binding(), Some(refreshed));
    }

    #[test]
    fn the_best_phone_comes_first_and_the_dead_do_not_come() {
        let mut binding = two_phones();
        binding.phones[1].q = 300;
        binding.phones.push(Phone { q: 200, ..binding.phones[0].clone() });
        binding.phones[0].clock.gone = true;
        let contacts = binding.contacts(Moment::from_secs(40));
        assert_eq!(contacts.iter().map(|contact| contact.q).collect::<Vec<_>>(), [300, 200]);
    }

    #[test]
    fn bytes_that_are_none_of_ours_are_no_binding() {
        let bytes = two_phones().write();
        for cut in 0..bytes.len() {
            assert!(Body::read(&bytes[..cut]).and_then(|body| body.binding()).is_none(), "cut at {cut}");
        }
        let mut later = bytes.clone();
        later[0] = FORMAT + 1;
        assert!(Body::read(&later).is_none());
    }

    /// The bytes of release 0.1, which later releases must read.
    #[test]
    fn the_binding_of_the_first_release_is_read() {
        let golden = include_bytes!("../tests/golden/binding.v1");
        assert_eq!(two_phones().write(), golden);
        assert_eq!(Body::read(golden).unwrap().binding(), Some(two_phones()));
    }
}
