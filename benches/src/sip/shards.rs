//! `shards.call_cpu_2_over_1`: what a call costs with two signalling threads, over what it costs with one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::Options;
use super::calls::{ready, setup};
use super::compare::{Ramp, in_turn, saturation};
use crate::Trouble;
use crate::platform::{Platform, Setup};
use crate::row::{Row, Rows};

/// Where the platform with two threads is.
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// How long a call lasts.
const HOLD: Duration = Duration::from_secs(1);
/// So much of what one thread carries is offered to both: two processors must do for two threads, the office and
/// the generator.
const SHARE: f64 = 0.6;

/// Measures, and writes the row.
pub(crate) fn measure(binary: &Path, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let one = Platform::start(binary, setup(1, 10, true))?;
    let two = Platform::start(binary, Setup { ip: SECOND, ..setup(2, 10, true) })?;
    let (mut first, mut second) = (ready(&one, HOLD)?, ready(&two, HOLD)?);
    (first.name, second.name) = ("1 thread", "2 threads");
    let mut rigs = [first, second];
    let rate = match options.rate {
        Some(rate) => rate,
        None => SHARE * saturation(&mut rigs[..1], Ramp { first: 1_000.0, most: 25_000.0 })?,
    };
    let figures = in_turn(&mut rigs, rate, options)?;
    let [one, two] = figures[..] else { return Ok(()) };
    let ratio = two.process / one.process;
    println!("one thread {:.2} µs a call, two {:.2}: {ratio:.3}", one.process, two.process);
    if options.alone {
        return Ok(());
    }
    rows.put(Row {
        ours: Some(ratio),
        note: format!(
            "processor time of all our processes a call as in sip.call with two signalling threads ({:.1} µs) over that with \
             one ({:.1} µs), {rate:.0} calls/s offered to each in turn, medians; a message arrives at either thread and is \
             handed to the one that owns its call",
            two.process, one.process
        ),
        ..Row::new("shards.call_cpu_2_over_1", "ratio").goal("at most 1.1", Some(ratio <= 1.1))
    })
}
