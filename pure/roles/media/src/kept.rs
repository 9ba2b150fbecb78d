//! What a successor needs, as records of a journal.

use std::net::SocketAddr;

use contract::CallId;
use contract::media::Anchor;
use journal::Entry;
use machine::{Key, Moment, Record, Shard, Tag};
use serde::{Deserialize, Serialize};

use crate::latch::Latch;
use crate::leg::{Counts, Digits, Leg};
use crate::player::Voicing;
use crate::reminders::Reminders;
use crate::session::{Gone, Session};

/// A session: its wish, its ports, whom its legs hear, what is played; or how it was, once released.
pub const MEDIA_SESSION: Tag = Tag(0x20);
/// The running counts of a session.
pub const MEDIA_COUNTERS: Tag = Tag(0x21);

/// The format that we write.
const FORMAT: u16 = 1;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptSession {
    pub(crate) format: u16,
    pub(crate) wish: Anchor,
    pub(crate) legs: Vec<KeptLeg>,
    pub(crate) reminders: Reminders,
    pub(crate) alive_at: Moment,
    pub(crate) gone: Option<Gone>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptLeg {
    pub(crate) leg: u8,
    /// The ports are known by the address of the first.
    pub(crate) rtp: Option<SocketAddr>,
    pub(crate) latch: Latch,
    pub(crate) reports_from: Option<SocketAddr>,
    pub(crate) digits: Digits,
    pub(crate) voicing: Voicing,
    pub(crate) told: Moment,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptCounts {
    pub(crate) format: u16,
    pub(crate) legs: Vec<KeptLegCounts>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptLegCounts {
    pub(crate) leg: u8,
    pub(crate) counts: Counts,
}

impl KeptLeg {
    fn of(leg: &Leg, rtp: SocketAddr) -> Self {
        KeptLeg {
            leg: leg.number,
            rtp: Some(rtp),
            latch: leg.latch.clone(),
            reports_from: leg.reports_from,
            digits: leg.digits.clone(),
            voicing: leg.voicing.clone(),
            told: leg.told,
        }
    }
}

/// The record of a session that is there.
pub(crate) fn session<'a>(session: &Session, legs: impl Iterator<Item = (&'a Leg, SocketAddr)>) -> Record {
    let kept = KeptSession {
        format: FORMAT,
        wish: session.wish.clone(),
        legs: legs.map(|(leg, rtp)| KeptLeg::of(leg, rtp)).collect(),
        reminders: session.reminders.clone(),
        alive_at: session.alive_at,
        gone: None,
    };
    record(MEDIA_SESSION, session.wish.call, session.wish.shard, contract::encode(&kept))
}

/// The record of a session that was released.
pub(crate) fn gone(wish: &Anchor, gone: &Gone) -> Record {
    let wish = Anchor { call: wish.call, shard: wish.shard, ..Anchor::default() };
    let (call, shard) = (wish.call, wish.shard);
    let kept = KeptSession { format: FORMAT, wish, gone: Some(gone.clone()), ..KeptSession::default() };
    record(MEDIA_SESSION, call, shard, contract::encode(&kept))
}

/// The record of a session's counts.
pub(crate) fn counts<'a>(session: &Session, legs: impl Iterator<Item = &'a Leg>) -> Record {
    let legs = legs.map(|leg| KeptLegCounts { leg: leg.number, counts: leg.counts.clone() }).collect();
    let body = contract::encode(&KeptCounts { format: FORMAT, legs });
    record(MEDIA_COUNTERS, session.wish.call, session.wish.shard, body)
}

/// Says that a record is of no more use.
pub(crate) fn forget(tag: Tag, call: CallId, shard: Shard) -> Record {
    record(tag, call, shard, Vec::new())
}

fn record(tag: Tag, call: CallId, shard: Shard, body: Vec<u8>) -> Record {
    Record { tag, shard, key: key(call), body }
}

pub(crate) fn key(call: CallId) -> Key {
    Key(u128::from(call.0))
}

pub(crate) fn call_of(entry: &Entry<'_>) -> CallId {
    CallId(entry.key.0 as u64)
}
