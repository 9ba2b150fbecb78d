use std::time::Duration;

use machine::Moment;

use super::{Algorithm, Ha1, Nonce, NonceMint, Quality, Seen};
use crate::{Credentials, Method, Uri};

/// The value of a WWW-Authenticate or Proxy-Authenticate header. Send one for each algorithm that the
/// account can be checked with, the one you like best first (RFC 8760 2.4).
pub fn challenge(realm: &str, nonce: &Nonce, algorithm: Algorithm, stale: bool) -> String {
    let mut value = String::with_capacity(96 + realm.len());
    value.push_str("Digest realm=\"");
    value.push_str(realm);
    value.push_str("\", nonce=\"");
    value.push_str(nonce.as_str());
    value.push_str("\", algorithm=");
    value.push_str(algorithm.as_str());
    value.push_str(", qop=\"auth\"");
    if stale {
        value.push_str(", stale=true");
    }
    value
}

/// Credentials that are right as far as the password goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Tells the nonce from all others; greater for younger ones. None if it is ours, but too old.
    pub nonce: Option<u64>,
    /// How old the nonce is.
    pub age: Duration,
    /// Which use of the nonce this is; none from a client that doesn't count.
    pub nc: Option<u32>,
}

/// The parameters of credentials, read in one go. Values are without quotes, escapes kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// `username`.
    pub username: Option<&'a [u8]>,
    /// `realm`.
    pub realm: Option<&'a [u8]>,
    /// `nonce`.
    pub nonce: Option<&'a [u8]>,
    /// `algorithm`.
    pub algorithm: Option<&'a [u8]>,
    uri: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
    qop: Option<&'a [u8]>,
    nc: Option<&'a [u8]>,
    cnonce: Option<&'a [u8]>,
}

struct Unsupported;

impl<'a> Given<'a> {
    /// Of each parameter the first counts.
    pub fn of(credentials: &Credentials<'a>) -> Self {
        let mut given = Given::default();
        for field in credentials.iter() {
            let slot = match field.name {
                name if name.eq_ignore_ascii_case(b"username") => &mut given.username,
                name if name.eq_ignore_ascii_case(b"realm") => &mut given.realm,
                name if name.eq_ignore_ascii_case(b"nonce") => &mut given.nonce,
                name if name.eq_ignore_ascii_case(b"uri") => &mut given.uri,
                name if name.eq_ignore_ascii_case(b"response") => &mut given.response,
                name if name.eq_ignore_ascii_case(b"algorithm") => &mut given.algorithm,
                name if name.eq_ignore_ascii_case(b"qop") => &mut given.qop,
                name if name.eq_ignore_ascii_case(b"nc") => &mut given.nc,
                name if name.eq_ignore_ascii_case(b"cnonce") => &mut given.cnonce,
                _ => continue,
            };
            if slot.is_none() {
                *slot = field.bare();
            }
        }
        given
    }

    /// Checks them for a request of `method` against what is kept of the password; `None` if they are wrong, or not
    /// what we asked for. Whether they are for the right user and realm is known to whoever found `ha1` by them,
    /// and whether this use of the nonce is the first to whoever keeps count.
    ///
    /// Costs two hashes, and no allocation.
    pub fn check(&self, method: Method<'_>, ha1: &Ha1, mint: &NonceMint, now: Moment) -> Option<Checked> {
        let (nonce, uri, response) = (self.nonce?, self.uri?, self.response?);
        if Algorithm::named(self.algorithm) != Some(ha1.algorithm()) {
            return None;
        }
        let seen = mint.read(now, nonce);
        if seen == Seen::Foreign {
            return None;
        }
        let counted = self.counted().ok()?;
        let quality = counted.map(|(quality, _)| quality);
        if !ha1.response(nonce, quality, method.as_str(), uri).matches(response) {
            return None;
        }
        let nc = counted.map(|(_, nc)| nc);
        Some(match seen {
            Seen::Ours { id, age } => Checked { nonce: Some(id), age, nc },
            Seen::Stale | Seen::Foreign => Checked { nonce: None, age: Duration::MAX, nc },
        })
    }

    /// Whether `uri` names what the request is for (RFC 7616 3.4.6): else somebody took credentials from another
    /// request. Parameters and port are not compared, and of a REGISTER no user, since phones disagree on them.
    ///
    /// SIPp writes the address that it sends to, and no user, whomever it calls: what is said of nobody cannot be
    /// compared. Who takes the credentials of a phone that names whom it calls can't take the name away.
    pub fn is_for(&self, method: Method<'_>, target: &Uri<'_>) -> bool {
        let Some(Ok(uri)) = self.uri.map(Uri::parse) else { return false };
        let names_user = uri.user.is_some() && method != Method::Register;
        if names_user {
            uri.same_user(target)
        } else {
            uri.host.address().is_some() || uri.host.equivalent(&target.host)
        }
    }

    /// The count and what goes with it; none for a client that doesn't count.
    fn counted(&self) -> Result<Option<(Quality<'a>, u32)>, Unsupported> {
        let Some(qop) = self.qop else { return Ok(None) };
        let (Some(nc), Some(cnonce)) = (self.nc, self.cnonce) else { return Err(Unsupported) };
        let count = std::str::from_utf8(nc).ok().filter(|nc| nc.len() == 8);
        let count = count.and_then(|nc| u32::from_str_radix(nc, 16).ok());
        match count {
            Some(count) if count > 0 && qop.eq_ignore_ascii_case(b"auth") => {
                Ok(Some((Quality { nc, cnonce }, count)))
            }
            _ => Err(Unsupported),
        }
    }
}

#[cfg(test)]
mod tests {
    use machine::{KeyedHash, Secret};

    use super::*;

    const NOW: Moment = Moment::from_secs(1_700_000_000);

    struct Server {
        mint: NonceMint,
        ha1: Ha1,
    }

    impl Server {
        fn new(algorithm: Algorithm) -> Self {
            let hash = KeyedHash::new(Secret::new([3; 16]));
            Server {
                mint: NonceMint::new(hash, Duration::from_secs(600)),
                ha1: Ha1::new(algorithm, b"alice", b"example.com", b"secret"),
            }
        }

        fn check(&self, after: u64, credentials: &str) -> Option<Checked> {
            let credentials = Credentials::parse(credentials.as_bytes()).unwrap();
            let now = NOW.after(Duration::from_secs(after));
            Given::of(&credentials).check(Method::Register, &self.ha1, &self.mint, now)
        }

        fn answer(&self, password: &str, nc: Option<u32>) -> String {
            let nonce = self.mint.mint(NOW, 1);
            let algorithm = self.ha1.algorithm();
            let ha1 = Ha1::new(algorithm, b"alice", b"example.com", password.as_bytes());
            let count = nc.map(|nc| format!("{nc:08x}"));
            let quality = count.as_ref().map(|nc| Quality { nc: nc.as_bytes(), cnonce: b"c" });
            let response = ha1.response(nonce.as_str().as_bytes(), quality, "REGISTER", b"sip:example.com");
            let qop = count.map(|nc| format!(", qop=auth, nc={nc}, cnonce=\"c\"")).unwrap_or_default();
            format!(
                "Digest username=\"alice\", realm=\"example.com\", nonce=\"{}\", uri=\"sip:example.com\", \
                 response=\"{}\", algorithm={}{qop}",
                nonce.as_str(),
                response.as_str(),
                algorithm.as_str(),
            )
        }
    }

    #[test]
    fn the_right_password_is_accepted_and_its_use_told_apart() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let server = Server::new(algorithm);
            let answer = server.answer("secret", Some(1));
            let checked = server.check(1, &answer).unwrap();
            assert_eq!((checked.nc, checked.age), (Some(1), Duration::from_secs(1)));
            assert!(checked.nonce.is_some());
            let next = server.check(2, &server.answer("secret", Some(2))).unwrap();
            assert_eq!((next.nc, next.nonce), (Some(2), checked.nonce), "the same nonce, used again");
            let stale = server.check(601, &answer).unwrap();
            assert_eq!(stale.nonce, None);
        }
    }

    #[test]
    fn a_wrong_password_is_wrong_even_if_the_nonce_is_stale() {
        let server = Server::new(Algorithm::Md5);
        assert_eq!(server.check(1, &server.answer("guess", Some(1))), None);
        assert_eq!(server.check(900, &server.answer("guess", Some(1))), None);
    }

    #[test]
    fn of_a_client_that_does_not_count_the_age_of_its_nonce_is_told() {
        let server = Server::new(Algorithm::Md5);
        let checked = server.check(33, &server.answer("secret", None)).unwrap();
        assert_eq!((checked.nc, checked.age), (None, Duration::from_secs(33)));
    }

    #[test]
    fn what_was_not_offered_is_wrong() {
        let server = Server::new(Algorithm::Md5);
        let answer = server.answer("secret", Some(1));
        for (from, to) in [
            ("qop=auth", "qop=auth-int"),
            ("algorithm=MD5", "algorithm=SHA-256"),
            ("algorithm=MD5", "algorithm=MD5-sess"),
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=00000002"),
            (", cnonce=\"c\"", ""),
            ("uri=\"sip:example.com\", ", ""),
        ] {
            assert_eq!(server.check(1, &answer.replace(from, to)), None, "{from} -> {to}");
        }
    }

    #[test]
    fn credentials_are_for_one_target() {
        let is_for = |method, uri: &str, target: &str| {
            let credentials = format!("Digest username=\"alice\", uri=\"{uri}\"");
            let credentials = Credentials::parse(credentials.as_bytes()).unwrap();
            Given::of(&credentials).is_for(method, &Uri::parse(target.as_bytes()).unwrap())
        };
        let bob = "sip:bob@Example.com;user=phone";
        for uri in ["sip:bob@example.com", "sip:%62ob@EXAMPLE.com:5060;transport=tcp", "sip:192.0.2.1:5060"] {
            assert!(is_for(Method::Invite, uri, bob), "{uri}");
        }
        for uri in [
            "sip:carol@example.com",
            "sip:bob@example.org",
            "sip:Bob@example.com",
            "sip:other.example",
            "bob",
        ] {
            assert!(!is_for(Method::Invite, uri, bob), "{uri}");
        }
        assert!(is_for(Method::Register, "sip:alice@example.com", "sip:example.com"));
        assert!(!is_for(Method::Register, "sip:example.org", "sip:example.com"));
        assert!(is_for(Method::Invite, "tel:+4930", "tel:+4930"));
        assert!(!is_for(Method::Invite, "tel:+4930", "tel:+49900"));
    }

    #[test]
    fn a_challenge_says_what_we_want() {
        let server = Server::new(Algorithm::Sha256);
        let nonce = server.mint.mint(NOW, 1);
        let value = challenge("example.com", &nonce, Algorithm::Sha256, true);
        let parsed = crate::Challenge::parse(value.as_bytes()).unwrap();
        assert_eq!(parsed.realm(), Some(&b"example.com"[..]));
        assert_eq!(parsed.nonce(), Some(nonce.as_str().as_bytes()));
        assert_eq!(parsed.algorithm(), Some(&b"SHA-256"[..]));
        assert_eq!(parsed.qop(), Some(&b"auth"[..]));
        assert!(parsed.is_stale());
    }
}
