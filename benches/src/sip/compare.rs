//! Two servers at equal offered rates: at nine tenths of what the slower one can carry, and at a ninth of that.

use super::Options;
use super::drive::Load;
use super::rig::{Figures, Rig};
use crate::Trouble;
use crate::row::{Row, Rows};
use std::time::Duration;

/// The rates at which the limit is sought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    pub(crate) first: f64,
    pub(crate) most: f64,
}

/// Each step of the ramp is so much more than the last one.
const STEP: f64 = 1.25;
/// How long a step lasts.
const SPAN: Duration = Duration::from_millis(1_500);
/// How long what is left of an overload may take.
const REST: Duration = Duration::from_secs(15);
/// How often a step that fails is tried again: a shared machine stumbles.
const TRIES: usize = 2;

/// How often a rate is lowered that is not carried for as long as a measurement takes.
const LOWERED: usize = 5;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared<'a> {
    /// The row's name.
    pub(crate) name: &'a str,
    /// What one unit is.
    pub(crate) what: &'a str,
    pub(crate) goal: &'a str,
    /// The most that we may need of what the peer needs.
    pub(crate) at_most: f64,
}

/// The highest rate that every rig carries; rates above it are carried by all but the slowest.
pub(crate) fn saturation<L: Load>(rigs: &mut [Rig<L>], ramp: Ramp) -> Result<f64, Trouble> {
    let mut carried = ramp.first / STEP;
    let mut rate = ramp.first;
    while rate <= ramp.most {
        for rig in &mut *rigs {
            if !carries(rig, rate)? {
                println!("{} does not carry {rate:.0}/s; the limit is {carried:.0}/s", rig.name);
                return Ok(carried);
            }
        }
        carried = rate;
        rate *= STEP;
    }
    println!("all carry {carried:.0}/s; more was not tried");
    Ok(carried)
}

fn carries<L: Load>(rig: &mut Rig<L>, rate: f64) -> Result<bool, Trouble> {
    for _ in 0..TRIES {
        if rig.measure(rate, SPAN)?.carried() {
            return Ok(true);
        }
        rig.settle(REST)?;
    }
    Ok(false)
}

/// In turn, so that what else the machine does meets all alike.
pub(crate) fn in_turn<L: Load>(
    rigs: &mut [Rig<L>],
    rate: f64,
    options: &Options,
) -> Result<Vec<Figures>, Trouble> {
    let mut all = vec![Vec::new(); rigs.len()];
    for _ in 0..options.rounds.max(1) {
        for (rig, figures) in rigs.iter_mut().zip(&mut all) {
            figures.push(rig.measure(rate, options.span())?);
        }
    }
    Ok(all.iter().map(|figures| Figures::median(figures)).collect())
}

/// Measures us (the first) beside the peer (the second), and writes the rows. The rate of the first row.
pub(crate) fn compare<L: Load>(
    compared: Compared<'_>,
    rigs: &mut [Rig<L>],
    ramp: Ramp,
    options: &Options,
    rows: &mut Rows,
) -> Result<f64, Trouble> {
    let row_rate = match options.rate {
        Some(rate) => rate,
        None => saturation(rigs, ramp)? * 0.9,
    };
    let (rate, figures) = carried_by_all(rigs, row_rate, options)?;
    if let [ours, peer] = figures[..] {
        write(compared, "", rate, (ours, peer), rows)?;
    }
    if let [ours, peer] = in_turn(rigs, rate / 9.0, options)?[..] {
        write(compared, ".light", rate / 9.0, (ours, peer), rows)?;
    }
    Ok(rate)
}

/// Measures all at `rate`, or at the highest rate below it that all carry for as long as that takes: a short step of
/// the ramp may fit into queues, and what a server needs while it drowns says nothing.
pub(crate) fn carried_by_all<L: Load>(
    rigs: &mut [Rig<L>],
    mut rate: f64,
    options: &Options,
) -> Result<(f64, Vec<Figures>), Trouble> {
    for _ in 0..LOWERED {
        let figures = in_turn(rigs, rate, options)?;
        if options.rate.is_some() || figures.iter().all(Figures::carried) {
            return Ok((rate, figures));
        }
        println!("not carried for long: {rate:.0}/s");
        rate /= STEP.sqrt();
        for rig in &mut *rigs {
            rig.settle(REST)?;
        }
    }
    Ok((rate, in_turn(rigs, rate, options)?))
}

fn write(
    compared: Compared<'_>,
    suffix: &str,
    rate: f64,
    (ours, peer): (Figures, Figures),
    rows: &mut Rows,
) -> Result<(), Trouble> {
    let note = |counted: &str| {
        format!(
            "{}; {counted}; {rate:.0} a second offered to each in turn, medians; missing: ours {:.2} %, peer {:.2} %; delay \
             p50/p99: ours {:.2}/{:.2} ms, peer {:.2}/{:.2} ms",
            compared.what,
            ours.missing * 100.0,
            peer.missing * 100.0,
            ours.delay.0,
            ours.delay.1,
            peer.delay.0,
            peer.delay.1,
        )
    };
    let met = ours.process <= compared.at_most * peer.process;
    rows.put(Row {
        ours: Some(ours.process),
        peer: Some(peer.process),
        note: note("processor time of all processes of the server"),
        ..Row::new(&format!("{}{suffix}", compared.name), "µs").goal(compared.goal, Some(met))
    })?;
    rows.put(Row {
        ours: Some(ours.machine),
        peer: Some(peer.machine),
        note: note(
            "the whole machine's time that is not idle, less the generator's and that of other processes",
        ),
        ..Row::new(&format!("{}_machine{suffix}", compared.name), "µs")
    })
}
