//! How good what one side hears is: the E-model (ITU-T G.107) from loss, delay and its variation.

use std::time::Duration;

use rtp::quality::{Conditions, Impairment, Score};

/// A jump of the sequence number by more than this is another stream.
const JUMP: i16 = 1000;

/// What came since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sound {
    /// The newest sequence number.
    newest: Option<u16>,
    expected: u32,
    came: u32,
    /// Of all that came, microseconds.
    delays: u64,
    /// Between each two that followed each other.
    changes: u64,
    last: Option<Duration>,
}

impl Sound {
    /// The packet of that number came, so long after it was sent.
    pub(crate) fn heard(&mut self, number: u16, delay: Duration) {
        let ahead = self.newest.map_or(1, |newest| number.wrapping_sub(newest).cast_signed());
        // One that was overtaken is expected already.
        if !(-JUMP..=0).contains(&ahead) {
            self.newest = Some(number);
            self.expected += if (0..=JUMP).contains(&ahead) { u32::from(ahead.unsigned_abs()) } else { 1 };
        }
        self.came += 1;
        self.delays += delay.as_micros() as u64;
        let change = self.last.map_or(Duration::ZERO, |last| last.abs_diff(delay));
        self.changes += change.as_micros() as u64;
        self.last = Some(delay);
    }

    /// The mean opinion score of what came, with a player's buffer of twice the variation; none of too little. It
    /// counts anew from here.
    pub(crate) fn take(&mut self) -> Option<f64> {
        const LEAST: u32 = 50;
        let heard = *self;
        *self = Sound { newest: heard.newest, ..Sound::default() };
        if heard.came < LEAST {
            return None;
        }
        let mean = |sum: u64| Duration::from_micros(sum / u64::from(heard.came));
        // Between two packets both vary.
        let jitter = mean(heard.changes).div_f64(std::f64::consts::SQRT_2);
        let conditions = Conditions {
            delay: mean(heard.delays) + jitter * 2,
            loss: 1.0 - (f64::from(heard.came) / f64::from(heard.expected.max(1))).min(1.0),
            burst_ratio: 1.0,
            codec: Impairment::G711_CONCEALED,
        };
        Some(Score::of(&conditions).mos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(count: u16, comes: impl Fn(u16) -> Option<u64>) -> Option<f64> {
        let mut sound = Sound::default();
        for number in 0..count {
            if let Some(millis) = comes(number) {
                sound.heard(number.wrapping_add(65_500), Duration::from_millis(millis));
            }
        }
        sound.take()
    }

    #[test]
    fn what_is_lost_or_late_or_uneven_sounds_worse() {
        let good = heard(200, |_| Some(1)).unwrap();
        let late = heard(200, |_| Some(80)).unwrap();
        let uneven = heard(200, |number| Some(if number % 2 == 0 { 40 } else { 120 })).unwrap();
        let lossy = heard(200, |number| (number % 12 != 3).then_some(80)).unwrap();
        assert!(good > 4.38, "{good}");
        assert!(good > late && late > uneven && late > lossy + 0.4, "{good} {late} {uneven} {lossy}");
        assert_eq!(heard(20, |_| Some(1)), None);
    }

    #[test]
    fn what_was_said_before_counts_no_more() {
        let mut sound = Sound::default();
        (0..100_u16).step_by(2).for_each(|number| sound.heard(number, Duration::ZERO));
        assert!(sound.take().unwrap() < 3.0);
        (100..200_u16).for_each(|number| sound.heard(number, Duration::ZERO));
        assert!(sound.take().unwrap() > 4.2);
    }
}
