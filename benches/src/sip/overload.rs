//! `overload.goodput`: twice as many calls are offered as can be carried; how many are still carried?

use std::path::Path;
use std::time::Duration;

use super::Options;
use super::calls::{ready, setup};
use super::compare::{Ramp, saturation};
use crate::Trouble;
use crate::platform::Platform;
use crate::row::{Row, Rows};

/// How long a call lasts.
const HOLD: Duration = Duration::from_secs(1);

/// More rounds tell no more.
const ROUNDS: usize = 3;

/// Measures, and writes the row.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let platform = Platform::start(binary, setup(1, 10, true))?;
    let mut rigs = [ready(&platform, HOLD)?];
    let carried = match options.rate {
        Some(rate) => rate,
        None => saturation(&mut rigs, Ramp { first: 1_000.0, most: 25_000.0 })?,
    };
    let [mut rig] = rigs;
    let mut shares = Vec::new();
    for _ in 0..options.rounds.clamp(1, ROUNDS) {
        let capacity = rig.measure(carried, options.span())?.rate;
        let flooded = rig.measure(2.0 * carried, options.span())?;
        println!("{:.0} calls/s of {capacity:.0} are left at twice the load", flooded.rate);
        shares.push((flooded.rate / capacity.max(1.0), flooded));
        // What is left of the flood: retransmissions, calls half made.
        rig.settle(Duration::from_secs(10))?;
    }
    shares.sort_by(|one, other| one.0.total_cmp(&other.0));
    let Some((share, flooded)) = shares.get(shares.len() / 2).copied() else { return Ok(()) };
    if options.alone {
        return Ok(());
    }
    rows.put(Row {
        ours: Some(share),
        note: format!(
            "calls done from INVITE to BYE in a second when twice the capacity is offered, over the capacity ({carried:.0} \
             calls/s on one signalling thread); {:.0} a second came to be offered; answered within p50/p99 {:.2}/{:.2} ms; more \
             is better; the callers do not come back when refused",
            flooded.offered, flooded.delay.0, flooded.delay.1
        ),
        ..Row::new("overload.goodput", "share").goal("at least 0.8", Some(share >= 0.8))
    })
}
