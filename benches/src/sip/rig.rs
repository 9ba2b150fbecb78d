//! A server, the generator that it is measured with, and the load.

use std::time::{Duration, Instant};

use super::drive::{Counts, Drive, Driven, Load, Pace};
use super::wire::Wire;
use crate::Trouble;
use crate::cpu::{APART, Sample, Used, Whose};

/// One side of a comparison.
pub(crate) struct Rig<L> {
    pub(crate) name: &'static str,
    pub(crate) wire: Wire,
    pub(crate) load: L,
    /// The processes of the server.
    pub(crate) whose: Whose,
    /// How long the load is on before anything is counted, and how long its last units take.
    pub(crate) warm: Duration,
    pub(crate) drain: Duration,
    pub(crate) start: Instant,
}

/// Whoever uses less than a twentieth of this is at rest.
const LOOK: Duration = Duration::from_millis(400);

/// Whoever is answered later waits in a queue, milliseconds: half of what a phone waits before it asks again (T1).
const LATE: f64 = 250.0;

/// Processor time a unit, and how it went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Microseconds of the server's processes a unit.
    pub(crate) process: f64,
    /// Microseconds of each of its hosts, and of what it works with, a unit.
    pub(crate) apart: [f64; APART],
    /// Microseconds of the whole machine on nobody else's account a unit.
    pub(crate) machine: f64,
    /// Microseconds of the generator a unit.
    pub(crate) generator: f64,
    /// The share of units that did not come to their end.
    pub(crate) missing: f64,
    /// Units done in a second.
    pub(crate) rate: f64,
    /// Units offered in a second.
    pub(crate) offered: f64,
    /// Milliseconds within which half and 99 of 100 were answered.
    pub(crate) delay: (f64, f64),
    /// Messages sent again, a unit.
    pub(crate) again: f64,
    /// Units done from the first to the last.
    pub(crate) done: f64,
    /// The generator could not keep the pace.
    pub(crate) behind: bool,
}

impl Figures {
    fn of(driven: &Driven) -> Figures {
        let Driven { used, counts, whole, behind } = driven;
        let unit = |time: Duration| time.as_secs_f64() * 1e6 / counts.done.max(1) as f64;
        Figures {
            process: unit(used.server),
            apart: used.apart.map(unit),
            machine: unit(used.machine),
            generator: unit(used.generator),
            missing: whole.missing(),
            rate: counts.done as f64 / used.span.as_secs_f64(),
            offered: counts.offered as f64 / used.span.as_secs_f64(),
            delay: (counts.delays.within(0.5), counts.delays.within(0.99)),
            again: whole.again as f64 / whole.offered.max(1) as f64,
            done: whole.done as f64,
            behind: *behind,
        }
    }

    /// The middle one of each figure.
    pub(crate) fn median(of: &[Figures]) -> Figures {
        let middle = |figure: fn(&Figures) -> f64| median(of.iter().map(figure));
        Figures {
            process: middle(|one| one.process),
            apart: std::array::from_fn(|at| median(of.iter().map(|one| one.apart[at]))),
            machine: middle(|one| one.machine),
            generator: middle(|one| one.generator),
            missing: middle(|one| one.missing),
            rate: middle(|one| one.rate),
            offered: middle(|one| one.offered),
            delay: (middle(|one| one.delay.0), middle(|one| one.delay.1)),
            again: middle(|one| one.again),
            done: middle(|one| one.done),
            behind: of.iter().filter(|one| one.behind).count() * 2 > of.len(),
        }
    }

    /// Whether the server was up to it: queues that only grow more slowly than a measurement lasts don't count as
    /// carried.
    pub(crate) fn carried(&self) -> bool {
        !self.behind && self.missing < 0.002 && self.again < 0.002 && self.delay.1 < LATE
    }
}

/// The middle one.
pub(crate) fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

impl<L: Load> Rig<L> {
    /// Offers `rate` units a second and counts for `span`.
    pub(crate) fn measure(&mut self, rate: f64, span: Duration) -> Result<Figures, Trouble> {
        let pace = Pace { rate, warm: self.warm, span, drain: self.drain };
        let drive = Drive::new(&mut self.wire, &mut self.load, self.start);
        let figures = Figures::of(&drive.run(pace, &self.whose)?);
        println!(
            "{:9} {rate:7.0}/s: {:6.2} µs, machine {:6.2}, generator {:5.2}; {:.2} % missing, {:.2} % again, delay {:.2} \
             and {:.2} ms{}",
            self.name,
            figures.process,
            figures.machine,
            figures.generator,
            figures.missing * 100.0,
            figures.again * 100.0,
            figures.delay.0,
            figures.delay.1,
            if figures.behind { ", the generator was behind" } else { "" }
        );
        Ok(figures)
    }

    /// Waits until nothing is open any more, forgets what still is, and waits until the server has done all that
    /// was left to do.
    pub(crate) fn settle(&mut self, most: Duration) -> Result<(), Trouble> {
        Drive::new(&mut self.wire, &mut self.load, self.start).all(0, 1.0, most)?;
        self.load.forget();
        for _ in 0..most.as_millis() / LOOK.as_millis() {
            if self.rest(LOOK)?.server < LOOK / 20 {
                break;
            }
        }
        Ok(())
    }

    /// What the server uses while nothing is offered for `span`.
    pub(crate) fn rest(&mut self, span: Duration) -> Result<Used, Trouble> {
        let before = Sample::take(&self.whose)?;
        Drive::new(&mut self.wire, &mut self.load, self.start).listen(span)?;
        Ok(before.until(&Sample::take(&self.whose)?))
    }

    /// Every unit once, in peace: whoever is challenged has a nonce from then on. If some were shed, since the
    /// machine has other things to do, all of it again, more slowly.
    pub(crate) fn prepare(&mut self, count: u64, rate: f64) -> Result<Counts, Trouble> {
        let mut counts = Counts::default();
        for slower in [1.0, 2.0, 4.0] {
            let wait = Duration::from_secs(10);
            counts =
                Drive::new(&mut self.wire, &mut self.load, self.start).all(count, rate / slower, wait)?;
            if counts.done >= count {
                return Ok(counts);
            }
            self.settle(wait)?;
        }
        Err(format!(
            "{}: of {} units only {} were done ({} refused, {} lost)",
            self.name, counts.offered, counts.done, counts.refused, counts.lost
        )
        .into())
    }
}
