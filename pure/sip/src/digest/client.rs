use serde::{Deserialize, Serialize};

use super::{Algorithm, Ha1, Quality};
use crate::leg::Login;
use crate::{Challenge, Message, Method, Name, Status};

/// How many realms one client answers at a time (a proxy's and a server's, say).
const REALMS: usize = 4;

/// A client that answers challenges: it remembers what each realm asked for, so that later requests carry
/// their credentials unasked (RFC 3261 22.2, 22.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authenticator {
    login: Login,
    held: Vec<Held>,
}

/// Whether a request that was challenged is worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Prospect {
    /// Yes, with new credentials.
    TryAgain,
    /// No: the credentials are wrong, or we don't know how to answer.
    Hopeless,
}

/// One realm's newest challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Held {
    #[serde(with = "serde_bytes")]
    realm: Vec<u8>,
    #[serde(with = "serde_bytes")]
    nonce: Vec<u8>,
    #[serde(with = "serde_bytes")]
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    /// Whether uses are counted (`qop=auth`).
    counted: bool,
    /// Whether a proxy asked (407).
    proxy: bool,
    /// How often it was answered.
    count: u32,
}

impl Authenticator {
    /// Answers with `login`.
    pub fn new(login: Login) -> Self {
        Authenticator { login, held: Vec::new() }
    }

    /// Takes the challenge in a 401 or 407. Of several, the first that we can answer counts (RFC 8760 2.4).
    pub fn challenged<B: AsRef<[u8]>>(&mut self, response: &Message<B>) -> Prospect {
        let proxy = response.status() == Some(Status::PROXY_AUTHENTICATION_REQUIRED);
        let name = if proxy { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        let mut prospect = Prospect::Hopeless;
        let mut realms: Vec<Vec<u8>> = Vec::new();
        for challenge in response.challenges(name).flatten().filter(Challenge::is_digest) {
            let Some(new) = Held::of(&challenge, proxy) else { continue };
            if realms.contains(&new.realm) {
                continue;
            }
            realms.push(new.realm.clone());
            if self.hold(new, challenge.is_stale()) == Prospect::TryAgain {
                prospect = Prospect::TryAgain;
            }
        }
        prospect
    }

    /// A second challenge right after the first was answered means that the password is wrong, unless it
    /// says that it was only late.
    fn hold(&mut self, new: Held, stale: bool) -> Prospect {
        let old = self.held.iter_mut().find(|held| held.proxy == new.proxy && held.realm == new.realm);
        match old {
            Some(old) => {
                let wrong = old.count == 1 && !stale;
                *old = new;
                if wrong { Prospect::Hopeless } else { Prospect::TryAgain }
            }
            None => {
                if self.held.len() == REALMS {
                    self.held.remove(0);
                }
                self.held.push(new);
                Prospect::TryAgain
            }
        }
    }

    /// The headers for a request, one for each realm that has asked so far. `cnonce` is any text that isn't
    /// used twice.
    pub fn headers(&mut self, method: Method<'_>, uri: &[u8], cnonce: &str) -> Vec<(Name, Vec<u8>)> {
        let login = &self.login;
        self.held.iter_mut().map(|held| held.header(login, method, uri, cnonce)).collect()
    }

    /// Whether anybody has asked so far.
    pub fn was_challenged(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Held {
    fn of(challenge: &Challenge<'_>, proxy: bool) -> Option<Held> {
        let counted = match challenge.qop() {
            Some(list) => {
                let mut words = list.split(|&byte| byte == b',');
                words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"auth")).then_some(true)?
            }
            None => false,
        };
        Some(Held {
            realm: challenge.realm()?.to_vec(),
            nonce: challenge.nonce()?.to_vec(),
            opaque: challenge.opaque().map(<[u8]>::to_vec),
            algorithm: Algorithm::named(challenge.algorithm())?,
            counted,
            proxy,
            count: 0,
        })
    }

    fn header(&mut self, login: &Login, method: Method<'_>, uri: &[u8], cnonce: &str) -> (Name, Vec<u8>) {
        self.count = self.count.saturating_add(1);
        let ha1 = Ha1::new(self.algorithm, login.user.as_bytes(), &self.realm, login.password.as_bytes());
        let nc = format!("{:08x}", self.count);
        let quality = Quality { nc: nc.as_bytes(), cnonce: cnonce.as_bytes() };
        let response = ha1.response(&self.nonce, self.counted.then_some(quality), method.as_str(), uri);
        let mut value = Vec::with_capacity(256 + uri.len());
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| value.extend_from_slice(part));
        put(&[b"Digest username=\"", &escaped(login.user.as_bytes()), b"\", realm=\"", &self.realm]);
        put(&[b"\", nonce=\"", &self.nonce, b"\", uri=\"", uri, b"\", response=\"", response.as_bytes()]);
        put(&[b"\", algorithm=", self.algorithm.as_str().as_bytes()]);
        if let Some(opaque) = &self.opaque {
            put(&[b", opaque=\"", opaque, b"\""]);
        }
        if self.counted {
            put(&[b", qop=auth, nc=", nc.as_bytes(), b", cnonce=\"", cnonce.as_bytes(), b"\""]);
        }
        (if self.proxy { Name::ProxyAuthorization } else { Name::Authorization }, value)
    }
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use machine::{KeyedHash, Moment, Secret};

    use super::*;
    use crate::Credentials;
    use crate::digest::{Given, NonceMint, challenge};

    fn response(lines: &str) -> Message<Vec<u8>> {
        Message::parse(format!("SIP/2.0 401 Unauthorized\r\n{lines}Content-Length: 0\r\n\r\n").into_bytes())
            .unwrap()
    }

    fn client() -> Authenticator {
        Authenticator::new(Login { user: "alice".into(), password: "secret".into() })
    }

    #[test]
    fn what_the_client_answers_the_server_accepts() {
        let mint = NonceMint::new(KeyedHash::new(Secret::new([1; 16])), Duration::from_secs(60));
        let now = Moment::from_secs(1_700_000_000);
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let mut client = client();
            let value = challenge("example.com", &mint.mint(now, 0), algorithm, false);
            let refusal = response(&format!("WWW-Authenticate: {value}\r\n"));
            assert_eq!(client.challenged(&refusal), Prospect::TryAgain);
            let ha1 = Ha1::new(algorithm, b"alice", b"example.com", b"secret");
            for count in 1..=3 {
                let headers = client.headers(Method::Register, b"sip:example.com", "c1");
                let [(Name::Authorization, header)] = &headers[..] else { panic!("{headers:?}") };
                let credentials = Credentials::parse(header).unwrap();
                let checked = Given::of(&credentials).check(Method::Register, &ha1, &mint, now).unwrap();
                assert_eq!(checked.nc, Some(count));
            }
        }
    }

    #[test]
    fn the_first_challenge_that_we_can_answer_counts() {
        let mut client = client();
        let refusal = response(
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
             WWW-Authenticate: Digest realm=\"r\", nonce=\"b\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n\
             WWW-Authenticate: Digest realm=\"r\", nonce=\"c\", algorithm=MD5, qop=\"auth\"\r\n",
        );
        assert_eq!(client.challenged(&refusal), Prospect::TryAgain);
        let headers = client.headers(Method::Invite, b"sip:b@r", "c");
        assert_eq!(headers.len(), 1);
        assert!(String::from_utf8_lossy(&headers[0].1).contains("algorithm=SHA-256"));
    }

    #[test]
    fn a_password_that_was_refused_at_once_is_wrong_but_a_stale_nonce_is_not() {
        let mut client = client();
        let refuse = |nonce: &str, more: &str| {
            response(&format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\"{more}\r\n"))
        };
        assert_eq!(client.challenged(&refuse("a", "")), Prospect::TryAgain);
        client.headers(Method::Invite, b"sip:b@r", "c");
        assert_eq!(client.challenged(&refuse("b", ", stale=TRUE")), Prospect::TryAgain);
        client.headers(Method::Invite, b"sip:b@r", "c");
        client.headers(Method::Bye, b"sip:b@r", "c");
        assert_eq!(
            client.challenged(&refuse("c", "")),
            Prospect::TryAgain,
            "the old nonce had served before"
        );
        client.headers(Method::Bye, b"sip:b@r", "c");
        assert_eq!(client.challenged(&refuse("d", "")), Prospect::Hopeless);
    }

    #[test]
    fn only_digest_can_be_answered() {
        for line in
            ["Basic realm=\"r\"", "Digest realm=\"r\", nonce=\"a\", qop=\"auth-int\"", "Digest nonce=\"a\""]
        {
            assert_eq!(
                client().challenged(&response(&format!("WWW-Authenticate: {line}\r\n"))),
                Prospect::Hopeless
            );
        }
    }
}
