//! Digest authentication (RFC 3261 22, RFC 2617, RFC 7616, RFC 8760): MD5 and SHA-256, with `qop=auth` or, for
//! old clients, without; `auth-int` is not offered.

mod client;
mod nonce;
mod server;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

pub use client::{Authenticator, Prospect};
pub use nonce::{Nonce, NonceMint, Seen};
pub use server::{Checked, Given, challenge};

/// The hash that a digest is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// What every phone knows.
    #[default]
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Algorithm {
    /// As in the `algorithm` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The algorithm that a header's `algorithm` parameter names; MD5 if it has none.
    pub fn named(name: Option<&[u8]>) -> Option<Algorithm> {
        match name {
            None => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"MD5") => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    /// The hash of `parts` with colons between them, in hexadecimal.
    pub fn sum(self, parts: &[&[u8]]) -> Hex {
        match self {
            Algorithm::Md5 => Hex::of(&hash::<Md5>(parts)),
            Algorithm::Sha256 => Hex::of(&hash::<Sha256>(parts)),
        }
    }
}

fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hasher = D::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hasher.finalize()
}

/// A hash in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex {
    digits: [u8; 64],
    length: u8,
}

impl Hex {
    fn of(raw: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex { digits: [0; 64], length: (raw.len() * 2) as u8 };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(raw) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }

    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether `text` is the same number, told in a time that doesn't depend on where they differ.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mine = self.as_bytes();
        mine.len() == text.len()
            && mine.iter().zip(text).fold(0, |differ, (a, b)| differ | (a ^ b.to_ascii_lowercase())) == 0
    }
}

impl std::fmt::Debug for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The hash of user, realm and password: all that a server needs to keep of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: Hex,
}

impl Ha1 {
    /// Of a password.
    pub fn new(algorithm: Algorithm, user: &[u8], realm: &[u8], password: &[u8]) -> Ha1 {
        Ha1 { algorithm, hex: algorithm.sum(&[user, realm, password]) }
    }

    /// As it was kept: 32 (MD5) or 64 (SHA-256) hexadecimal digits.
    pub fn kept(algorithm: Algorithm, digits: &str) -> Option<Ha1> {
        let length = match algorithm {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        };
        if digits.len() != length || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut hex = Hex { digits: [0; 64], length: length as u8 };
        hex.digits[..length].copy_from_slice(digits.as_bytes());
        hex.digits.make_ascii_lowercase();
        Some(Ha1 { algorithm, hex })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash, to be kept.
    pub fn hex(&self) -> &Hex {
        &self.hex
    }

    /// The response to a challenge (RFC 7616 3.4.1; RFC 2617 3.2.2.1 without `quality`).
    pub fn response(&self, nonce: &[u8], quality: Option<Quality<'_>>, method: &str, uri: &[u8]) -> Hex {
        let ha2 = self.algorithm.sum(&[method.as_bytes(), uri]);
        let (ha1, ha2) = (self.hex.as_bytes(), ha2.as_bytes());
        match quality {
            Some(Quality { nc, cnonce }) => self.algorithm.sum(&[ha1, nonce, nc, cnonce, b"auth", ha2]),
            None => self.algorithm.sum(&[ha1, nonce, ha2]),
        }
    }
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ha1({}, ..)", self.algorithm.as_str())
    }
}

/// What `qop=auth` adds to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality<'a> {
    /// The nonce count: eight hexadecimal digits.
    pub nc: &'a [u8],
    /// The client's own nonce.
    pub cnonce: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_2617_section_3_5() {
        let ha1 = Ha1::new(Algorithm::Md5, b"Mufasa", b"testrealm@host.com", b"Circle Of Life");
        let quality = Quality { nc: b"00000001", cnonce: b"0a4f113b" };
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = ha1.response(nonce, Some(quality), "GET", b"/dir/index.html");
        assert_eq!(response.as_str(), "6629fae49393a05397450978507c4ef1");
        let legacy = ha1.response(nonce, None, "GET", b"/dir/index.html");
        assert_eq!(legacy.as_str(), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn rfc_7616_section_3_9_1() {
        let quality = Quality { nc: b"00000001", cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let ha1 = Ha1::new(algorithm, b"Mufasa", b"http-auth@example.org", b"Circle of Life");
            let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let response = ha1.response(nonce, Some(quality), "GET", b"/dir/index.html");
            assert_eq!(response.as_str(), expected);
        }
    }

    #[test]
    fn a_kept_hash_is_the_same_as_a_fresh_one() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let fresh = Ha1::new(algorithm, b"alice", b"example.com", b"secret");
            assert_eq!(Ha1::kept(algorithm, &fresh.hex().as_str().to_uppercase()), Some(fresh));
            assert_eq!(Ha1::kept(algorithm, "abc"), None);
        }
        assert_eq!(Ha1::kept(Algorithm::Md5, "zz23456789abcdef0123456789abcdef"), None);
    }

    #[test]
    fn only_algorithms_that_we_know_have_a_name() {
        assert_eq!(Algorithm::named(None), Some(Algorithm::Md5));
        assert_eq!(Algorithm::named(Some(b"md5")), Some(Algorithm::Md5));
        assert_eq!(Algorithm::named(Some(b"SHA-256")), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::named(Some(b"MD5-sess")), None);
        assert_eq!(Algorithm::named(Some(b"SHA-512-256")), None);
    }

    #[test]
    fn a_response_is_compared_whole() {
        let sum = Algorithm::Md5.sum(&[b"a"]);
        assert!(sum.matches(sum.as_bytes()));
        assert!(sum.matches(sum.as_str().to_uppercase().as_bytes()));
        assert!(!sum.matches(&sum.as_bytes()[..31]));
        assert!(!sum.matches(b""));
    }
}
