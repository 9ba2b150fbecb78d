use std::time::Duration;

use machine::{KeyedHash, Moment};

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
}
