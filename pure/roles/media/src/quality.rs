//! How a leg sounded: what came from the phone, and what the phone said about what went to it.

use std::time::Duration;

use contract::media::{LegQuality, LegWish};
use rtp::quality::{Conditions, Impairment, Score};

use crate::leg::{Counts, Leg};

/// Names of the payload numbers that need no telling (RFC 3551).
const STATIC: [(u8, &str); 5] = [(0, "PCMU"), (3, "GSM"), (4, "G723"), (8, "PCMA"), (9, "G722")];

/// The quality of a leg so far.
pub(crate) fn of(leg: &Leg, wish: Option<&LegWish>) -> LegQuality {
    let totals = leg.counts.receiver.totals();
    let codec = if totals.received == 0 { String::new() } else { codec(leg.counts.payload_type, wish) };
    let round_trip = leg.counts.round_trip.last();
    let millis = |span: Duration| span.as_secs_f32() * 1000.0;
    LegQuality {
        leg: leg.number,
        received: totals.received,
        sent: leg.counts.sent,
        lost: totals.lost(),
        remote_lost: leg.counts.remote_lost,
        jitter_ms: millis(leg.counts.receiver.jitter()),
        round_trip_ms: round_trip.map(millis),
        mos: (totals.received > 0).then(|| score(&leg.counts, &codec)),
        codec,
    }
}

fn score(counts: &Counts, codec: &str) -> f32 {
    let delay = counts.round_trip.last().unwrap_or_default() / 2;
    let (totals, jitter) = (counts.receiver.totals(), counts.receiver.jitter());
    Score::of(&Conditions::of(&totals, jitter, delay, Impairment::of(codec))).mos as f32
}

fn codec(number: u8, wish: Option<&LegWish>) -> String {
    let told = wish.and_then(|wish| wish.payloads.iter().find(|it| it.number == number));
    let known = || STATIC.iter().find(|it| it.0 == number).map(|it| it.1.to_owned());
    told.map(|it| it.name.clone()).or_else(known).unwrap_or_default()
}
