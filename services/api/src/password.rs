use md5::{Digest, Md5};
use sha2::Sha256;

use crate::token::hexadecimal;

/// What is kept of a password: the digests that RFC 8760 and RFC 2617 call HA1, MD5 and SHA-256.
pub(crate) fn digests(name: &str, realm: &str, password: &str) -> (String, String) {
    let text = format!("{name}:{realm}:{password}");
    (hexadecimal(&Md5::digest(text.as_bytes())), hexadecimal(&Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_rfc() {
        // RFC 2617 3.5.
        let (md5, _) = digests("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(md5, "939e7578ed9e3c518a452acee763bce9");
        // RFC 7616 3.9.1.
        let (_, sha256) = digests("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
    }
}
