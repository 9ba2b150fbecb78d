//! Offers load at an exact rate, and takes the accounts while it is steady.

use std::time::{Duration, Instant};

use super::wire::{Ear, Mouth, Wire};
use crate::Trouble;
use crate::cpu::{Sample, Used, Whose};

/// What a generator counts; all only grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Units begun.
    pub(crate) offered: u64,
    /// Units done as they should be.
    pub(crate) done: u64,
    /// Units refused by an answer.
    pub(crate) refused: u64,
    /// Units given up, since nothing came.
    pub(crate) lost: u64,
    /// Messages sent again.
    pub(crate) again: u64,
    /// Challenges.
    pub(crate) challenged: u64,
    /// From the first request to the final answer.
    pub(crate) delays: Delays,
}

impl Counts {
    fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            offered: self.offered - earlier.offered,
            done: self.done - earlier.done,
            refused: self.refused - earlier.refused,
            lost: self.lost - earlier.lost,
            again: self.again - earlier.again,
            challenged: self.challenged - earlier.challenged,
            delays: self.delays.since(&earlier.delays),
        }
    }

    /// How much of what was offered did not come to its end.
    pub(crate) fn missing(&self) -> f64 {
        1.0 - self.done as f64 / self.offered.max(1) as f64
    }
}

/// Delays in buckets, eight for each doubling.
#[derive(Clone, Debug)]
pub(crate) struct Delays([u64; 256]);

impl Default for Delays {
    fn default() -> Self {
        Delays([0; 256])
    }
}

impl Delays {
    /// Notes a delay in microseconds.
    pub(crate) fn note(&mut self, micros: u64) {
        let micros = micros.clamp(8, 1 << 33);
        let top = micros.ilog2();
        self.0[(((top - 3) << 3) as u64 | (micros >> (top - 3) & 7)) as usize] += 1;
    }

    fn since(&self, earlier: &Delays) -> Delays {
        let mut difference = self.clone();
        difference.0.iter_mut().zip(earlier.0).for_each(|(now, then)| *now -= then);
        difference
    }

    /// The delay that a share of all stays within, milliseconds; zero if there are none.
    pub(crate) fn within(&self, share: f64) -> f64 {
        let all: u64 = self.0.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut sum = 0;
        let bucket = self.0.iter().position(|count| {
            sum += count;
            all > 0 && sum >= wanted
        });
        bucket.map_or(0.0, |at| ((8 + at % 8 + 1) << (at / 8)) as f64 / 1000.0)
    }
}

/// What can be offered.
pub(crate) trait Load: Ear {
    /// Begins one more unit.
    fn begin(&mut self, now: u64, mouth: &mut Mouth);
    /// Does what is due.
    fn tick(&mut self, now: u64, mouth: &mut Mouth);
    /// What was counted so far.
    fn counts(&self) -> &Counts;
    /// Units begun and not over.
    fn open(&self) -> usize;
    /// Ends what is open without another word; it counts as lost.
    fn forget(&mut self);
}

/// How much is offered for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Units a second.
    pub(crate) rate: f64,
    /// Offered before anything is counted.
    pub(crate) warm: Duration,
    /// What is counted.
    pub(crate) span: Duration,
    /// How long open units may take to come to their end.
    pub(crate) drain: Duration,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct Driven {
    pub(crate) used: Used,
    /// Within the span.
    pub(crate) counts: Counts,
    /// From the first to the last.
    pub(crate) whole: Counts,
    /// The generator could not keep the pace.
    pub(crate) behind: bool,
}

/// No wait is shorter: a generator that wakes for every message would take the processor from the server.
const LEAST_WAIT: Duration = Duration::from_micros(100);
/// No wait is longer: what is due by time is looked after in between.
const MOST_WAIT: Duration = Duration::from_millis(4);
/// Units begun before the answers are heard again.
const BURST: u64 = 32;
/// So much of a second's units may wait before the pace counts as lost.
const SLACK: f64 = 0.05;

/// A generator at its wire.
pub(crate) struct Drive<'a, L> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) load: &'a mut L,
    start: Instant,
    began: Instant,
    begun: u64,
    behind: bool,
}

impl<'a, L: Load> Drive<'a, L> {
    /// Times in `load` are counted from `start`.
    pub(crate) fn new(wire: &'a mut Wire, load: &'a mut L, start: Instant) -> Self {
        Drive { wire, load, start, began: Instant::now(), begun: 0, behind: false }
    }

    /// Offers `pace`, and samples the server meanwhile.
    pub(crate) fn run(mut self, pace: Pace, server: &Whose) -> Result<Driven, Trouble> {
        self.began = Instant::now();
        let first = self.load.counts().clone();
        self.offer(pace.rate, pace.warm, u64::MAX)?;
        self.behind = false;
        let (before, counted) = (Sample::take(server)?, self.load.counts().clone());
        self.offer(pace.rate, pace.warm + pace.span, u64::MAX)?;
        let (after, counts) = (Sample::take(server)?, self.load.counts().since(&counted));
        self.drain(pace.drain)?;
        let whole = self.load.counts().since(&first);
        Ok(Driven { used: before.until(&after), counts, whole, behind: self.behind })
    }

    /// Begins `count` units at `rate`, and waits for the last of them.
    pub(crate) fn all(mut self, count: u64, rate: f64, drain: Duration) -> Result<Counts, Trouble> {
        self.began = Instant::now();
        let first = self.load.counts().clone();
        let most = Duration::from_secs_f64(count as f64 / rate * 2.0 + 5.0);
        self.offer(rate, most, count)?;
        self.drain(drain)?;
        Ok(self.load.counts().since(&first))
    }

    /// Offers nothing, and answers what comes.
    pub(crate) fn listen(mut self, span: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.turn(MOST_WAIT)?;
        }
        Ok(())
    }

    fn offer(&mut self, rate: f64, until: Duration, count: u64) -> Result<(), Trouble> {
        loop {
            let elapsed = self.began.elapsed();
            if elapsed >= until || self.begun >= count {
                return Ok(());
            }
            let due = ((elapsed.as_secs_f64() * rate) as u64 + 1).min(count).saturating_sub(self.begun);
            self.behind |= due as f64 > BURST as f64 + rate * SLACK;
            let now = self.now();
            for _ in 0..due.min(BURST) {
                self.load.begin(now, self.wire.mouth());
            }
            self.begun += due.min(BURST);
            let next = Duration::from_secs_f64(self.begun as f64 / rate).saturating_sub(self.began.elapsed());
            self.turn(if due > BURST { Duration::ZERO } else { next.clamp(LEAST_WAIT, MOST_WAIT) })?;
        }
    }

    /// Waits for what is open.
    fn drain(&mut self, most: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + most;
        while self.load.open() > 0 && Instant::now() < until {
            self.turn(MOST_WAIT)?;
        }
        Ok(())
    }

    fn turn(&mut self, wait: Duration) -> Result<(), Trouble> {
        let now = self.now();
        self.load.tick(now, self.wire.mouth());
        self.wire.flush();
        let start = self.start;
        self.wire.listen(wait, || micros(start), self.load)?;
        self.wire.flush();
        Ok(())
    }

    fn now(&self) -> u64 {
        micros(self.start)
    }
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_within_an_eighth() {
        let mut delays = Delays::default();
        assert!(delays.within(0.5) < f64::EPSILON);
        (1..=1000).for_each(|ms| delays.note(ms * 1000));
        assert!((500.0..=570.0).contains(&delays.within(0.5)), "{}", delays.within(0.5));
        assert!((990.0..=1120.0).contains(&delays.within(0.99)), "{}", delays.within(0.99));
        let mut later = delays.clone();
        later.note(7_000_000);
        assert!((7000.0..=7900.0).contains(&later.since(&delays).within(0.5)));
    }
}
