use std::time::Duration;

use machine::{KeyedHash, Moment};
use serde::{Deserialize, Serialize};

use super::Hex;

const PURPOSE: u8 = 0xD1;
/// Milliseconds since 1970 (6), salt (2), seal (8), each byte two digits.
const TEXT: usize = 32;

/// A nonce that we made, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; TEXT]);

impl Nonce {
    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What a nonce in a request turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Ours, and not too old.
    Ours {
        /// Tells it from all others; greater for younger ones.
        id: u64,
        /// How old it is.
        age: Duration,
    },
    /// Ours, but too old.
    Stale,
    /// Not ours.
    Foreign,
}

/// Makes nonces that carry when they were made, sealed, so that nothing has to be kept for a challenge.
#[derive(Clone, Debug)]
pub struct NonceMint {
    hash: KeyedHash,
    lifetime: Duration,
}

impl NonceMint {
    /// Makes nonces that live for `lifetime`.
    pub fn new(hash: KeyedHash, lifetime: Duration) -> Self {
        NonceMint { hash, lifetime }
    }

    /// A nonce; two made in the same millisecond differ if their `salt`s do.
    pub fn mint(&self, now: Moment, salt: u16) -> Nonce {
        let id = (now.as_micros() / 1000) << 16 | u64::from(salt);
        let mut raw = [0; TEXT / 2];
        raw[..8].copy_from_slice(&id.to_be_bytes());
        raw[8..].copy_from_slice(&self.seal(id).to_be_bytes());
        let mut text = [0; TEXT];
        text.copy_from_slice(Hex::of(&raw).as_bytes());
        Nonce(text)
    }

    /// What `text` is at `now`.
    pub fn read(&self, now: Moment, text: &[u8]) -> Seen {
        let Some((id, seal)) = halves(text) else { return Seen::Foreign };
        if self.seal(id) != seal {
            return Seen::Foreign;
        }
        let age = now.since(Moment::from_micros((id >> 16) * 1000));
        if age > self.lifetime { Seen::Stale } else { Seen::Ours { id, age } }
    }

    fn seal(&self, id: u64) -> u64 {
        self.hash.sum64(PURPOSE, &[&id.to_be_bytes()])
    }
}

fn halves(text: &[u8]) -> Option<(u64, u64)> {
    if text.len() != TEXT {
        return None;
    }
    let number = |half: &[u8]| {
        half.iter().try_fold(0u64, |number, &digit| {
            let digit = (digit as char).to_digit(16)?;
            Some(number << 4 | u64::from(digit))
        })
    };
    Some((number(&text[..16])?, number(&text[16..])?))
}

/// How many nonces of one client are remembered.
const REMEMBERED: usize = 4;
/// How far behind the highest count a late request may be.
const WINDOW: u32 = 64;

/// Which counts of which nonces a client has used: a request that is replayed isn't accepted again
/// (RFC 7616 3.4, `nc`), while requests that overtook each other are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NonceUses {
    /// Nonces up to this one count as used up, unless they are in `recent`.
    floor: u64,
    recent: Vec<Use>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Use {
    id: u64,
    highest: u32,
    /// Bit n: the count `highest - n` was used.
    used: u64,
}

/// What a use of a nonce is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    FirstTime,
    Again,
    Forgotten,
}

impl NonceUses {
    /// Notes that count `nc` of nonce `id` is used.
    pub(super) fn note(&mut self, id: u64, nc: u32) -> Used {
        if let Some(known) = self.recent.iter_mut().find(|known| known.id == id) {
            return known.note(nc);
        }
        if id <= self.floor {
            return Used::Forgotten;
        }
        if self.recent.len() == REMEMBERED {
            let oldest = self.recent.iter().map(|known| known.id).min().unwrap_or(0);
            self.floor = self.floor.max(oldest);
            self.recent.retain(|known| known.id != oldest);
        }
        if id <= self.floor {
            return Used::Forgotten;
        }
        self.recent.push(Use { id, highest: nc, used: 1 });
        Used::FirstTime
    }
}

impl Use {
    fn note(&mut self, nc: u32) -> Used {
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return Used::FirstTime;
        }
        let behind = self.highest - nc;
        if behind >= WINDOW || self.used >> behind & 1 == 1 {
            return Used::Again;
        }
        self.used |= 1 << behind;
        Used::FirstTime
    }
}

#[cfg(test)]
mod tests {
    use machine::Secret;

    use super::*;

    fn mint(secret: u8) -> NonceMint {
        NonceMint::new(KeyedHash::new(Secret::new([secret; 16])), Duration::from_secs(300))
    }

    #[test]
    fn a_nonce_is_known_until_it_is_too_old() {
        let made = Moment::from_secs(1_700_000_000);
        let nonce = mint(1).mint(made, 7);
        let read =
            |later: u64| mint(1).read(Moment::from_secs(1_700_000_000 + later), nonce.as_str().as_bytes());
        assert!(matches!(read(0), Seen::Ours { age: Duration::ZERO, .. }));
        assert!(matches!(read(300), Seen::Ours { .. }));
        assert_eq!(read(301), Seen::Stale);
    }

    #[test]
    fn a_forged_nonce_is_foreign() {
        let now = Moment::from_secs(1_700_000_000);
        let nonce = mint(1).mint(now, 7);
        assert_eq!(mint(2).read(now, nonce.as_str().as_bytes()), Seen::Foreign);
        for at in 0..TEXT {
            let mut text = nonce.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(mint(1).read(now, &text), Seen::Foreign, "digit {at}");
        }
        assert_eq!(mint(1).read(now, b""), Seen::Foreign);
        assert_eq!(mint(1).read(now, &[b'\xff'; TEXT]), Seen::Foreign);
    }

    #[test]
    fn a_count_is_accepted_once_and_may_come_late() {
        let mut uses = NonceUses::default();
        assert_eq!(uses.note(10, 1), Used::FirstTime);
        assert_eq!(uses.note(10, 1), Used::Again);
        assert_eq!(uses.note(10, 3), Used::FirstTime);
        assert_eq!(uses.note(10, 2), Used::FirstTime);
        assert_eq!(uses.note(10, 2), Used::Again);
        assert_eq!(uses.note(10, 66), Used::FirstTime);
        assert_eq!(uses.note(10, 2), Used::Again, "outside of the window");
        assert_eq!(uses.note(10, 4), Used::FirstTime);
        assert_eq!(uses.note(10, u32::MAX), Used::FirstTime);
        assert_eq!(uses.note(10, 66), Used::Again);
    }

    #[test]
    fn a_nonce_that_was_forgotten_is_not_accepted_again() {
        let mut uses = NonceUses::default();
        for id in 1..=5 {
            assert_eq!(uses.note(id, 1), Used::FirstTime);
        }
        assert_eq!(uses.note(1, 1), Used::Forgotten);
        assert_eq!(uses.note(1, 2), Used::Forgotten);
        for id in 2..=5 {
            assert_eq!(uses.note(id, 1), Used::Again);
        }
    }
}
