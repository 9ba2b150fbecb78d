//! An exchange tells a media node what a call's audio should be; media tells what it heard.
//!
//! `Anchor` says the whole wish each time, under a rising version: a repeat, or one that comes after a
//! death on either side, does no harm.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use machine::terse::is_default;
use machine::{Epoch, Shard};
use serde::{Deserialize, Serialize};

use crate::{CallId, Conversation, NodeId, Notice, Repeat, Role, Subject};

/// The whole wish for the audio of one call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Anchor {
    /// Which call.
    pub call: CallId,
    /// Who owns the call: events go there.
    pub shard: Shard,
    /// The owner's epoch; media does not hear a lower one.
    pub epoch: Epoch,
    /// Rises with each change of the wish; an older version is answered but changes nothing.
    pub version: u32,
    /// The legs, each with its number.
    pub legs: Vec<LegWish>,
    /// After how many milliseconds without RTP on a leg that is not held to tell; 0: never.
    pub inactivity_ms: u32,
}

/// What one leg should be.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LegWish {
    /// 0 is the caller's, 1 the callee's.
    pub leg: u8,
    /// Wants an IPv6 port pair.
    pub ipv6: bool,
    /// Where the phone wants its RTP, from its SDP; none until known. Packets go to where the phone's come
    /// from (latching) as soon as some did.
    pub remote_rtp: Option<SocketAddr>,
    /// Where the phone wants its RTCP; none: RTP's port plus one.
    pub remote_rtcp: Option<SocketAddr>,
    /// The host that the phone's signalling comes from: RTP from there is better known than RTP from elsewhere.
    pub signalling: Option<IpAddr>,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The leg that hears this one; none: nobody.
    pub peer: Option<u8>,
    /// On hold: silence is no sign of death.
    pub held: bool,
    /// What the payload numbers of this leg mean.
    pub payloads: Vec<Payload>,
    /// Tell the digits pressed here (RFC 4733 events).
    pub hear_digits: bool,
    /// What to play to this leg.
    pub say: Option<Say>,
}

/// One payload number of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Payload {
    /// The RTP payload type, 0 to 127.
    pub number: u8,
    /// As in `a=rtpmap`, e.g. `PCMU`, `telephone-event`.
    pub name: String,
    /// Hz.
    pub clock: u32,
}

/// Something to play, once.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Say {
    /// Rises with each thing to play in a call; the same serial is played once.
    pub serial: u32,
    /// One after another.
    pub sounds: Vec<Sound>,
}

/// A sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sound {
    /// A prompt by its name.
    Prompt {
        /// E.g. `welcome`.
        name: String,
    },
    /// Digits as DTMF tones that can be heard.
    Digits {
        /// `0-9*#A-D`.
        digits: String,
    },
    /// Nothing, for a while.
    Silence {
        /// Milliseconds.
        ms: u32,
    },
    /// Of a later release: passed over.
    #[serde(other)]
    Unknown,
}

/// The answer to [`Anchor`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anchored {
    /// The session is as wished.
    Ready {
        /// Who holds it.
        #[serde(default)]
        node: NodeId,
        /// One for each leg, in the order of the wish.
        #[serde(default)]
        legs: Vec<LegPort>,
    },
    /// No ports left: try again, or elsewhere.
    Full {
        /// Milliseconds.
        #[serde(default)]
        retry_ms: u32,
    },
    /// The asker's epoch is over.
    Stale,
    /// Of a later release.
    #[serde(other)]
    Unknown,
}

/// Where a leg hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegPort {
    /// As in the wish.
    pub leg: u8,
    /// The address to write into SDP for RTP.
    pub rtp: SocketAddr,
    /// The same for RTCP.
    pub rtcp: SocketAddr,
}

impl Conversation for Anchor {
    type Answer = Anchored;
    const SUBJECT: Subject = Subject::new(Role::Media, "anchor");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// The call is over: give the ports back and say how it sounded.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// Which call.
    pub call: CallId,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The last wish that counts: a session of a later one stays. 0: whichever.
    #[serde(skip_serializing_if = "is_default")]
    pub version: u32,
}

/// The answer to [`Release`]. A session already gone answers with what it measured, for some minutes.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Released {
    /// How each leg sounded; empty if the session is unknown.
    pub quality: Vec<LegQuality>,
}

impl Conversation for Release {
    type Answer = Released;
    const SUBJECT: Subject = Subject::new(Role::Media, "release");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// How one leg sounded: what we received from that phone.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LegQuality {
    /// Which leg.
    pub leg: u8,
    /// The codec last heard.
    pub codec: String,
    /// RTP packets from the phone.
    pub received: u64,
    /// RTP packets to the phone.
    pub sent: u64,
    /// Packets that the phone sent and we never saw.
    pub lost: u64,
    /// What the phone reported as lost of ours (RTCP), if it reported.
    pub remote_lost: Option<u64>,
    /// Interarrival jitter (RFC 3550), milliseconds.
    pub jitter_ms: f32,
    /// Round trip by RTCP, milliseconds.
    pub round_trip_ms: Option<f32>,
    /// Mean opinion score by the E-model (ITU-T G.107), 1 to 4.5; none if no packet came.
    pub mos: Option<f32>,
}

/// How the media worker does; answered with what [`crate::query::Gauge`] is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {}

impl Conversation for Gauge {
    type Answer = crate::query::Gauges;
    const SUBJECT: Subject = Subject::new(Role::Media, "gauge");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// What media noticed of a call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Noticed {
    /// Which call.
    pub call: CallId,
    /// Which leg.
    pub leg: u8,
    /// What.
    pub what: Happening,
    /// By whom: a session that its call has left notices things, too.
    #[serde(skip_serializing_if = "is_default")]
    pub node: NodeId,
}

/// What can be noticed.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// No RTP for the time of the wish.
    Inactive,
    /// A digit was pressed.
    Digit {
        /// `0-9*#A-D`.
        digit: char,
        /// Counts the digits of this leg, so that a repeated notice is known as one.
        serial: u32,
    },
    /// All of `say` was played.
    Said {
        /// The `say`'s serial.
        serial: u32,
    },
    /// Nothing has come for a while to a session of which silence is not told (it rings, it is held): whoever does not
    /// want it should release it. It is asked again and again.
    Idle,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Notice for Noticed {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "noticed");
}
