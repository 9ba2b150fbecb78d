//! What the till keeps in its journal: the newest state of each call, as `format 1 | MessagePack`.

use contract::CallId;
use ledger::Reservation;
use machine::{Key, Record, Shard, Tag};

/// The kind of thing that is kept.
pub const RESERVATION: Tag = Tag(1);
const FORMAT: u8 = 1;

pub(crate) fn record(reservation: &Reservation) -> Record {
    let mut body = vec![FORMAT];
    body.extend_from_slice(&contract::encode(reservation));
    Record { body, ..forgotten(reservation.call) }
}

/// Nothing need be known of the call any more.
pub(crate) fn forgotten(call: CallId) -> Record {
    Record { tag: RESERVATION, shard: Shard::default(), key: Key(call.0.into()), body: Vec::new() }
}

pub(crate) fn read(body: &[u8]) -> Option<Reservation> {
    match body.split_first() {
        Some((&FORMAT, reservation)) => contract::decode(reservation).ok(),
        Some(_) | None => None,
    }
}
