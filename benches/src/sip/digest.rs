//! Digest authentication as a phone does it (RFC 7616 with MD5 and `qop=auth`), with a nonce used again.

use md5::{Digest, Md5};

use super::text::put_hex;

/// 16 bytes as 32 digits.
pub(crate) type Hex = [u8; 32];

/// The longest nonce there is room for.
const LONGEST_NONCE: usize = 96;

/// The digest of pieces with colons between them.
fn md5(pieces: &[&[u8]]) -> Hex {
    let mut hash = Md5::new();
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            hash.update(b":");
        }
        hash.update(piece);
    }
    let mut hex = [0; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(hash.finalize()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    hex
}

/// What a user proves its name with.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    ha1: Hex,
    nonce: [u8; LONGEST_NONCE],
    length: u8,
    count: u32,
}

impl Credentials {
    /// A user that was not challenged yet.
    pub(crate) fn new(user: &str, realm: &str, password: &str) -> Self {
        let ha1 = md5(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()]);
        Credentials { ha1, nonce: [0; LONGEST_NONCE], length: 0, count: 0 }
    }

    /// Takes a new nonce; false if it is too long.
    pub(crate) fn challenged(&mut self, nonce: &[u8]) -> bool {
        let Some(room) = self.nonce.get_mut(..nonce.len()) else { return false };
        room.copy_from_slice(nonce);
        self.length = nonce.len() as u8;
        self.count = 0;
        true
    }

    /// Whether there is a nonce.
    pub(crate) fn has_nonce(&self) -> bool {
        self.length > 0
    }

    /// The next use is the last one again.
    pub(crate) fn repeat(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// Writes a header line `name` for the next use of the nonce; `user` writes the user's name.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        name: &str,
        asked: &Asked<'_>,
        user: impl FnOnce(&mut Vec<u8>),
    ) {
        self.count += 1;
        let mut count = [b'0'; 8];
        for (at, digit) in count.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(self.count >> (28 - 4 * at) & 15) as usize];
        }
        let nonce = &self.nonce[..usize::from(self.length)];
        let mut cnonce = Vec::with_capacity(8);
        put_hex(&mut cnonce, self.count.wrapping_mul(0x9e37_79b9));
        let ha2 = md5(&[asked.method, asked.uri]);
        let response = md5(&[&self.ha1, nonce, &count, &cnonce, b"auth", &ha2]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": Digest username=\"");
        user(out);
        for piece in [b"\", realm=\"", asked.realm, b"\", nonce=\"", nonce, b"\", uri=\"", asked.uri] {
            out.extend_from_slice(piece);
        }
        for piece in [
            &b"\", response=\""[..],
            &response,
            b"\", algorithm=MD5, cnonce=\"",
            &cnonce,
            b"\", qop=auth, nc=",
            &count,
            b"\r\n",
        ] {
            out.extend_from_slice(piece);
        }
    }
}

/// What is to be proved for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) realm: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_is_that_of_rfc_2617() {
        let ha1 = md5(&[b"Mufasa", b"testrealm@host.com", b"Circle Of Life"]);
        let ha2 = md5(&[b"GET", b"/dir/index.html"]);
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = md5(&[&ha1, nonce, b"00000001", b"0a4f113b", b"auth", &ha2]);
        assert_eq!(&response, b"6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn each_use_of_a_nonce_is_counted() {
        let mut credentials = Credentials::new("u1", "x", "secret");
        assert!(!credentials.has_nonce() && credentials.challenged(b"abc"));
        let asked = Asked { method: b"REGISTER", uri: b"sip:x", realm: b"x" };
        let mut lines = Vec::new();
        for _ in 0..2 {
            credentials.write(&mut lines, "Authorization", &asked, |out| out.extend_from_slice(b"u1"));
        }
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.lines().nth(1).unwrap().ends_with("qop=auth, nc=00000002"), "{lines}");
        assert!(
            lines.starts_with(
                "Authorization: Digest username=\"u1\", realm=\"x\", nonce=\"abc\", uri=\"sip:x\""
            )
        );
        assert!(!credentials.challenged(&[b'a'; 97]));
    }
}
