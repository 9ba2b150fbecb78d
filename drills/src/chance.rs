//! Randomness that follows from a printed seed (splitmix64).

use std::time::Duration;

/// A sequence that a seed begins.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The sequence of `seed`, for the purpose `what`.
    pub(crate) fn new(seed: u64, what: &str) -> Self {
        let mixed = what.bytes().fold(seed, |seed, byte| mix(seed ^ u64::from(byte)));
        Chance(mixed)
    }

    /// A number from 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) as f64 / u64::MAX as f64
    }

    /// A time between two others.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let span = most.saturating_sub(least).as_micros() as u64;
        least + Duration::from_micros(mix(self.0) % (span + 1))
    }
}

fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
