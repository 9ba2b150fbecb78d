use std::net::SocketAddr;

use contract::media::Payload;
use machine::terse::{is_default, maybe_address};
use sdp::{Codec, Direction, Session};
use serde::{Deserialize, Serialize, Serializer};

/// What a phone's session description says, as far as the call and the anchor need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Heard {
    /// A sum over the whole body: the same again is a mere refresh.
    #[serde(skip_serializing_if = "is_default")]
    sum: u64,
    /// Where it wants RTP.
    #[serde(with = "maybe_address", skip_serializing_if = "is_default")]
    pub(crate) rtp: Option<SocketAddr>,
    /// Where it wants RTCP.
    #[serde(with = "maybe_address", skip_serializing_if = "is_default")]
    pub(crate) rtcp: Option<SocketAddr>,
    /// It lives in IPv6.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ipv6: bool,
    /// What its payload numbers mean.
    #[serde(serialize_with = "briefly", skip_serializing_if = "is_default")]
    pub(crate) payloads: Vec<Payload>,
    /// Whether it sends, whether it hears.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) direction: Direction,
    /// It wants no audio.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) refused: bool,
}

impl Heard {
    /// Of `session`, which was written as `body`.
    pub(crate) fn of(session: &Session, body: &[u8]) -> Self {
        let sum = sum(body);
        let Some(audio) = session.audio() else { return Heard { sum, refused: true, ..Heard::default() } };
        Heard {
            sum,
            rtp: audio.rtp_target(),
            rtcp: rtcp(&audio),
            ipv6: audio.ip().is_some_and(|ip| ip.is_ipv6()),
            payloads: audio.codecs().into_iter().map(payload).collect(),
            direction: audio.direction(),
            refused: audio.media().is_rejected(),
        }
    }

    /// Whether this is of the same `body`.
    pub(crate) fn is_of(&self, body: &[u8]) -> bool {
        self.sum == sum(body)
    }

    /// It doesn't want to hear the other side.
    pub(crate) fn is_hold(&self) -> bool {
        !self.refused && !self.direction.receives()
    }
}

/// We never agree to `a=rtcp-mux` (the anchor's descriptions lack it), so RTCP goes to a port of its own
/// even if the phone could take it on RTP's. None: one port further.
fn rtcp(audio: &sdp::Stream<'_>) -> Option<SocketAddr> {
    let rtp = audio.rtp_target()?;
    let said = audio.media().rtcp()?;
    (said.port != 0).then(|| SocketAddr::new(said.ip.unwrap_or(rtp.ip()), said.port))
}

fn payload(codec: Codec) -> Payload {
    Payload { number: codec.payload, name: codec.name, clock: codec.clock }
}

/// Without the names of their fields, which a reader can do without.
fn briefly<S: Serializer>(payloads: &[Payload], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(payloads.iter().map(|payload| (payload.number, &payload.name, payload.clock)))
}

/// FNV-1a.
fn sum(body: &[u8]) -> u64 {
    body.iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
