//! One path, measured from its near end: what was asked within the last seconds, and what came back of it.

use std::collections::VecDeque;
use std::time::Duration;

use contract::NodeId;
use contract::paths::Path;
use machine::Moment;

/// What has not come back by then is lost.
const LATE: Duration = Duration::from_secs(1);
/// How much a round trip counts in the smoothed one, and in its variation (RFC 6298 2).
const GAIN: f64 = 1.0 / 8.0;
const GAIN_OF_VARIATION: f64 = 1.0 / 4.0;

/// A path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measure {
    asked: VecDeque<Asked>,
    serial: u32,
    /// Microseconds; none as long as nothing came back.
    round_trip: Option<f64>,
    variation: f64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    serial: u32,
    at: Moment,
    /// How many the other side had heard by then, if it came back.
    echoed: Option<u32>,
}

impl Measure {
    /// The number of the next ask. Of those before, the newest `window` count.
    pub(crate) fn ask(&mut self, now: Moment, window: usize) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        if self.asked.len() >= window {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked { serial: self.serial, at: now, echoed: None });
        self.serial
    }

    /// An echo came; the other side has heard so many.
    pub(crate) fn echoed(&mut self, now: Moment, serial: u32, heard: u32) {
        let asked = self.asked.iter_mut().find(|asked| asked.serial == serial && asked.echoed.is_none());
        let Some(asked) = asked else { return };
        asked.echoed = Some(heard);
        let round = now.since(asked.at).as_micros() as f64;
        match &mut self.round_trip {
            Some(smoothed) => {
                self.variation += ((round - *smoothed).abs() - self.variation) * GAIN_OF_VARIATION;
                *smoothed += (round - *smoothed) * GAIN;
            }
            None => self.round_trip = Some(round),
        }
    }

    /// How the path `to` there is by now.
    pub(crate) fn path(&self, to: NodeId, now: Moment) -> Path {
        let counts = |asked: &&Asked| asked.echoed.is_some() || now.since(asked.at) > LATE;
        let (ripe, back) =
            self.asked.iter().filter(counts).fold((0_u32, 0_u32), |(ripe, back), asked| {
                (ripe + 1, back + u32::from(asked.echoed.is_some()))
            });
        let (there, home) = if ripe == 0 { (0.0, 0.0) } else { self.lost(f64::from(back) / f64::from(ripe)) };
        let round = self.round_trip.unwrap_or_default();
        Path {
            to,
            lost_there: there as f32,
            lost_back: home as f32,
            delay_us: (round / 2.0) as u32,
            // Each way varies by itself: both together by the square root of two of it.
            jitter_us: (self.variation / std::f64::consts::SQRT_2) as u32,
            probes: ripe,
        }
    }

    /// What is lost on the way there and on the way back, if the share `back` made the round.
    fn lost(&self, back: f64) -> (f64, f64) {
        let mut echoes = self.asked.iter().filter_map(|asked| Some((asked.serial, asked.echoed?)));
        let (Some((first, heard_first)), Some((last, heard_last))) = (echoes.next(), echoes.next_back())
        else {
            return (1.0 - back, 1.0 - back);
        };
        let asked = f64::from(last.wrapping_sub(first));
        let heard = f64::from(heard_last.wrapping_sub(heard_first));
        // Those that overtook each other may make it more than all.
        let there = (1.0 - heard / asked).clamp(0.0, 1.0 - back);
        let home = 1.0 - back / (1.0 - there).max(back.max(f64::EPSILON));
        (there, home.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: u64 = 100;
    const WINDOW: usize = 50;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + millis * 1000)
    }

    /// Asks so often, of which those that `there` and `back` let pass come back after `round` milliseconds.
    fn measured(count: u64, there: impl Fn(u64) -> bool, back: impl Fn(u64) -> bool, round: u64) -> Path {
        let (mut measure, mut heard) = (Measure::default(), 0);
        for number in 0..count {
            let asked = at(number * EVERY);
            let serial = measure.ask(asked, WINDOW);
            heard += u32::from(there(number));
            if there(number) && back(number) {
                measure.echoed(asked.after(Duration::from_millis(round)), serial, heard);
            }
        }
        measure.path(NodeId(2), at(count * EVERY + 2000))
    }

    #[test]
    fn loss_is_told_for_each_way() {
        let path = measured(50, |_| true, |_| true, 20);
        assert_eq!((path.lost_there, path.lost_back, path.probes), (0.0, 0.0, 50));
        let tenth = |number: u64| number % 10 != 5;
        let there = measured(50, tenth, |_| true, 20);
        assert!((there.lost_there - 0.1).abs() < 0.015 && there.lost_back < 0.015, "{there:?}");
        let back = measured(50, |_| true, tenth, 20);
        assert!(back.lost_there < 0.015 && (back.lost_back - 0.1).abs() < 0.015, "{back:?}");
    }

    #[test]
    fn delay_is_half_of_the_round_trip_and_steady_if_that_is() {
        let path = measured(30, |_| true, |_| true, 80);
        assert_eq!((path.delay_us, path.jitter_us), (40_000, 0));
    }

    #[test]
    fn delay_that_varies_is_told() {
        let (mut measure, mut heard) = (Measure::default(), 0);
        for number in 0..200 {
            let asked = at(number * EVERY);
            let serial = measure.ask(asked, WINDOW);
            heard += 1;
            let round = if number % 2 == 0 { 60 } else { 100 };
            measure.echoed(asked.after(Duration::from_millis(round)), serial, heard);
        }
        let path = measure.path(NodeId(2), at(20_000));
        assert!((35_000..45_000).contains(&path.delay_us), "{path:?}");
        assert!((10_000..20_000).contains(&path.jitter_us), "{path:?}");
    }

    #[test]
    fn what_happened_before_the_window_does_not_count() {
        let path = measured(100, |number| number >= 50, |_| true, 20);
        assert_eq!((path.lost_there, path.lost_back), (0.0, 0.0));
    }

    #[test]
    fn nothing_that_comes_back_is_all_lost_and_what_is_on_its_way_is_not() {
        let path = measured(20, |_| false, |_| true, 20);
        assert_eq!((path.lost_there, path.lost_back), (1.0, 1.0));
        let mut measure = Measure::default();
        measure.ask(at(0), WINDOW);
        assert_eq!(measure.path(NodeId(2), at(500)).probes, 0);
        assert_eq!(measure.path(NodeId(2), at(1500)).probes, 1);
    }

    #[test]
    fn an_echo_counts_once() {
        let mut measure = Measure::default();
        let serial = measure.ask(at(0), WINDOW);
        for _ in 0..3 {
            measure.echoed(at(10), serial, 1);
        }
        measure.echoed(at(10), serial + 7, 1);
        let path = measure.path(NodeId(2), at(2000));
        assert_eq!((path.probes, path.delay_us), (1, 5_000));
    }
}
