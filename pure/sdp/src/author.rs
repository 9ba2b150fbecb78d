use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Origin, Session};

/// Whoever signs a session's `o=` line: the same id throughout, and a version that grows by one exactly when
/// the description changes (RFC 3264 8). A B2BUA has one for each leg, kept with the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The session's id.
    pub id: u64,
    /// The version last signed.
    #[serde(default)]
    pub version: u64,
    /// The address in the `o=` line.
    #[serde(with = "machine::terse::address")]
    pub address: IpAddr,
    /// A sum over what was last signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed: Option<u64>,
}

impl Author {
    /// An author that has signed nothing yet.
    pub fn new(id: u64, address: IpAddr) -> Self {
        Author { id, version: 0, address, signed: None }
    }

    /// Puts our `o=` line in, with the version that this description deserves.
    pub fn sign(&mut self, session: &mut Session) {
        self.sign_body(session);
    }

    /// The same, and writes it.
    pub fn write(&mut self, session: &mut Session) -> Vec<u8> {
        let body = self.sign_body(session);
        session.write_around(&body)
    }

    fn sign_body(&mut self, session: &mut Session) -> Vec<u8> {
        let mut body = Vec::with_capacity(1024);
        session.write_unsigned(&mut body);
        let sum = sum(&body);
        if self.signed != Some(sum) {
            self.version += 1;
            self.signed = Some(sum);
        }
        session.origin = Origin::new(self.id, self.version, self.address);
        body
    }
}

/// A sum over all that the version counts changes of. It is compared with our own sums only, so it need not
/// withstand anybody; but it is kept with the call, so it never changes.
fn sum(body: &[u8]) -> u64 {
    body.chunks(8).fold(body.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Direction, Offer};

    #[test]
    fn the_version_grows_with_changes_only() {
        let ip = "192.0.2.1".parse().unwrap();
        let offer = |direction| Offer::audio(ip, 4000, vec![Codec::pcmu()], direction).session();
        let mut author = Author::new(7, ip);
        let mut say = |direction| {
            let mut session = offer(direction);
            author.sign(&mut session);
            // The author is kept with the call, and goes on after a restart.
            author = serde_json::from_str(&serde_json::to_string(&author).unwrap()).unwrap();
            session.origin.to_string()
        };
        assert_eq!(say(Direction::SendRecv), "- 7 1 IN IP4 192.0.2.1");
        assert_eq!(
            say(Direction::SendRecv),
            "- 7 1 IN IP4 192.0.2.1",
            "a retransmission or a session refresh"
        );
        assert_eq!(say(Direction::SendOnly), "- 7 2 IN IP4 192.0.2.1");
        assert_eq!(say(Direction::SendRecv), "- 7 3 IN IP4 192.0.2.1");
    }

    #[test]
    fn the_sum_is_what_it_was_in_the_first_release() {
        let session =
            Offer::audio("192.0.2.1".parse().unwrap(), 4000, vec![Codec::pcmu()], Direction::SendRecv);
        let mut body = Vec::new();
        session.session().write_unsigned(&mut body);
        assert_eq!(sum(&body), 4_572_542_141_149_991_448);
    }
}
