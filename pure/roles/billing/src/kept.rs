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

#[cfg(test)]
mod tests {
    use contract::TenantId;
    use contract::billing::{Reserve, Settle};
    use ledger::{Purse, Rate};
    use machine::Moment;

    use super::*;

    /// The bytes of release 0.1, which later releases must read.
    #[test]
    fn the_reservation_of_the_first_release_is_read() {
        let now = Moment::from_secs(1_700_000_000);
        let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
        let payer = (TenantId(3), "alice".to_owned());
        let mut reservation =
            Reservation::open(now, rate, CallId(0x1234_5678_9abc_def0), payer, "1002".into());
        let ask = Reserve { serial: 1, seconds: 60, ..Reserve::default() };
        reservation.reserve(now, &ask, Purse::Postpaid);
        reservation.reserve(now, &Reserve { serial: 2, ..ask }, Purse::Prepaid(0));
        reservation.settle(now, &Settle { talked_ms: 10_000, ..Settle::default() });
        let golden = include_bytes!("../tests/golden/reservation.v1");
        assert_eq!(read(golden), Some(reservation.clone()));
        assert_eq!(record(&reservation).body, golden);
    }
}
