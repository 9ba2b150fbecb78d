use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::{SipHasher13, SipHasher24};
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};

/// A hasher state without randomness, for maps whose keys no stranger chooses (or that are keyed already).
pub type FixedState = BuildHasherDefault<SipHasher13>;

/// The platform's secret: all processes of a platform share it, nobody else knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    /// Wraps sixteen random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Secret(bytes)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Hashes that nobody without the secret can predict or forge (SipHash).
#[derive(Clone, Debug)]
pub struct KeyedHash {
    secret: Secret,
}

impl KeyedHash {
    /// Hashes under `secret`.
    pub const fn new(secret: Secret) -> Self {
        KeyedHash { secret }
    }

    /// 64 bits over `parts`, each delimited, for a named `purpose` (two purposes never collide).
    pub fn sum64(&self, purpose: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret.0);
        feed(&mut hasher, purpose, parts);
        hasher.finish()
    }

    /// 128 bits over `parts`, each delimited, for a named `purpose`.
    pub fn sum128(&self, purpose: u8, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher13x128::new_with_key(&self.secret.0);
        feed(&mut hasher, purpose, parts);
        hasher.finish128().as_u128()
    }
}

fn feed(hasher: &mut impl Hasher, purpose: u8, parts: &[&[u8]]) {
    hasher.write_u8(purpose);
    for part in parts {
        hasher.write_u32(part.len() as u32);
        hasher.write(part);
    }
}
