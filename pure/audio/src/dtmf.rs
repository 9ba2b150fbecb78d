//! ITU-T Q.23 and Q.24: digits as pairs of tones, made and heard.

use crate::Tone;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The peak of each tone of a pair: about -10 dBm0.
const AMPLITUDE: f64 = 7_000.0;
/// Samples heard at a time, at 8000 Hz: 12.75 ms, so that two whole blocks lie in the shortest digit (40 ms).
const BLOCK: usize = 102;
/// The quietest tone that is heard: a peak of about 160, -43 dBm0.
const QUIETEST: f64 = 160.0;
/// A column may be this much louder than its row (8 dB in power), and ...
const TWIST: f64 = 6.31;
/// ... a row this much louder than its column (4 dB, and one of grace).
const REVERSE_TWIST: f64 = 3.16;
/// A tone must stand out this much among the four of its group (8 dB).
const STANDS_OUT: f64 = 6.31;
/// The part of the sound's energy that the two tones must have: voices have less.
const PURITY: f64 = 0.72;

/// The two frequencies of a digit.
pub fn frequencies(digit: char) -> Option<[f64; 2]> {
    let digit = digit.to_ascii_uppercase();
    let places = (0..4).flat_map(|row| (0..4).map(move |column| (row, column)));
    let (row, column) = places.into_iter().find(|&(row, column)| KEYS[row][column] == digit)?;
    Some([ROWS[row], COLUMNS[column]])
}

/// The sound of a digit: `tone` samples of it, then `pause` samples of silence. `None` if there is none.
pub fn sound(digit: char, rate: u32, tone: usize, pause: usize) -> Option<Vec<i16>> {
    let mut sound = Tone::new(&frequencies(digit)?, AMPLITUDE, rate).take(tone);
    sound.resize(tone + pause, 0);
    Some(sound)
}

/// Hears digits in sound, each once.
#[derive(Clone, Debug)]
pub struct Detector {
    block: usize,
    /// One for each of the eight frequencies.
    filters: [Goertzel; 8],
    energy: f64,
    filled: usize,
    /// What the last block said, and what is held to be pressed.
    last: Option<char>,
    pressed: Option<char>,
}

#[derive(Clone, Copy, Debug)]
struct Goertzel {
    coefficient: f64,
    s1: f64,
    s2: f64,
}

impl Goertzel {
    fn new(frequency: f64, rate: u32) -> Self {
        let coefficient = 2.0 * (std::f64::consts::TAU * frequency / f64::from(rate)).cos();
        Goertzel { coefficient, s1: 0.0, s2: 0.0 }
    }

    #[inline]
    fn feed(&mut self, sample: f64) {
        let s = sample + self.coefficient * self.s1 - self.s2;
        self.s2 = self.s1;
        self.s1 = s;
    }

    /// The power at the frequency; begins anew.
    fn finish(&mut self) -> f64 {
        let power = self.s1 * self.s1 + self.s2 * self.s2 - self.coefficient * self.s1 * self.s2;
        (self.s1, self.s2) = (0.0, 0.0);
        power
    }
}

impl Detector {
    /// Hears sound of `rate` samples a second, 8000 or more.
    pub fn new(rate: u32) -> Self {
        let rate = rate.max(4000);
        let filter = |index: usize| {
            let frequency = if index < 4 { ROWS[index] } else { COLUMNS[index - 4] };
            Goertzel::new(frequency, rate)
        };
        Detector {
            block: BLOCK * rate as usize / 8000,
            filters: std::array::from_fn(filter),
            energy: 0.0,
            filled: 0,
            last: None,
            pressed: None,
        }
    }

    /// Hears `samples`; the digits that began in them.
    pub fn hear(&mut self, samples: &[i16]) -> Vec<char> {
        let mut heard = Vec::new();
        for &sample in samples {
            let sample = f64::from(sample);
            self.filters.iter_mut().for_each(|filter| filter.feed(sample));
            self.energy += sample * sample;
            self.filled += 1;
            if self.filled == self.block {
                heard.extend(self.decide());
            }
        }
        heard
    }

    /// A digit is pressed when two blocks in a row say so, and up again when two don't (Q.24).
    fn decide(&mut self) -> Option<char> {
        let powers: [f64; 8] = std::array::from_fn(|index| self.filters[index].finish());
        let hit = self.judge(&powers);
        (self.energy, self.filled) = (0.0, 0);
        let last = std::mem::replace(&mut self.last, hit);
        if hit == self.pressed || last == self.pressed || hit != last {
            return None;
        }
        self.pressed = hit;
        hit
    }

    fn judge(&self, powers: &[f64; 8]) -> Option<char> {
        let (row, row_power) = strongest(&powers[..4])?;
        let (column, column_power) = strongest(&powers[4..])?;
        // A sine with a peak of a has the power (a * n / 2)^2 over n samples, and the energy a^2 * n / 2.
        let n = self.block as f64;
        let quietest = (QUIETEST * n / 2.0).powi(2);
        let loud = row_power > quietest && column_power > quietest;
        let even = column_power < row_power * TWIST && row_power < column_power * REVERSE_TWIST;
        let pure = row_power + column_power > PURITY * self.energy * n / 2.0;
        (loud && even && pure).then(|| KEYS[row][column])
    }
}

/// The one of four that stands out.
fn strongest(powers: &[f64]) -> Option<(usize, f64)> {
    let (best, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let alone = powers.iter().enumerate().all(|(index, &it)| index == best || it * STANDS_OUT < power);
    alone.then_some((best, power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Law;

    const ALL: &str = "0123456789*#ABCD";

    fn dial(digits: &str, rate: u32, millis: usize) -> Vec<i16> {
        let count = rate as usize * millis / 1000;
        digits.chars().flat_map(|digit| sound(digit, rate, count, count).unwrap()).collect()
    }

    fn heard(rate: u32, samples: &[i16]) -> String {
        let mut detector = Detector::new(rate);
        samples.chunks(160).flat_map(|chunk| detector.hear(chunk)).collect()
    }

    /// Noise that is the same on every run.
    fn noise(amplitude: i32) -> impl FnMut() -> i16 {
        let mut state = 12345u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as i32 % (2 * amplitude + 1) - amplitude) as i16
        }
    }

    #[test]
    fn every_digit_is_heard_once_at_every_rate() {
        for rate in [8_000, 16_000, 48_000] {
            assert_eq!(heard(rate, &dial(ALL, rate, 100)), ALL, "{rate}");
        }
    }

    #[test]
    fn the_shortest_digits_of_q_24_are_heard() {
        assert_eq!(heard(8000, &dial("1122334455667788990*#", 8000, 40)), "1122334455667788990*#");
    }

    #[test]
    fn digits_are_heard_through_g711_noise_and_at_low_level() {
        let clean = dial(ALL, 8000, 60);
        for law in [Law::Mu, Law::A] {
            assert_eq!(heard(8000, &law.decode_all(&law.encode_all(&clean))), ALL);
        }
        let mut hiss = noise(1500);
        let noisy: Vec<i16> = clean.iter().map(|&sample| sample.saturating_add(hiss())).collect();
        assert_eq!(heard(8000, &noisy), ALL);
        let quiet: Vec<i16> = clean.iter().map(|&sample| sample / 32).collect();
        assert_eq!(heard(8000, &quiet), ALL);
    }

    #[test]
    fn tones_one_and_a_half_percent_off_are_heard() {
        for factor in [0.985, 1.015] {
            for digit in ALL.chars() {
                let off = frequencies(digit).unwrap().map(|frequency| frequency * factor);
                let samples = Tone::new(&off, AMPLITUDE, 8000).take(800);
                assert_eq!(heard(8000, &samples), digit.to_string(), "{factor}");
            }
        }
    }

    #[test]
    fn twist_is_borne_within_its_limits() {
        let pair = |row: f64, column: f64| {
            let row = Tone::new(&[770.0], row, 8000).take(800);
            let column = Tone::new(&[1336.0], column, 8000).take(800);
            row.iter().zip(&column).map(|(a, b)| a + b).collect::<Vec<i16>>()
        };
        assert_eq!(heard(8000, &pair(4_000.0, 8_000.0)), "5");
        assert_eq!(heard(8000, &pair(8_000.0, 5_500.0)), "5");
        assert_eq!(heard(8000, &pair(2_000.0, 8_000.0)), "", "12 dB");
        assert_eq!(heard(8000, &pair(8_000.0, 3_500.0)), "", "7 dB the other way");
    }

    #[test]
    fn voices_are_not_heard_as_digits() {
        for seed in 0..20 {
            assert_eq!(heard(8000, &crate::speech::speech(seed, 30)), "", "{seed}");
        }
    }

    #[test]
    fn what_is_no_digit_is_not_heard() {
        assert_eq!(heard(8000, &crate::progress::north_america::DIAL.samples(8000, 0, 16_000)), "");
        assert_eq!(heard(8000, &Tone::new(&[770.0], 8_000.0, 8000).take(8000)), "");
        assert_eq!(heard(8000, &Tone::new(&[770.0, 1336.0, 1000.0], 8_000.0, 8000).take(8000)), "");
        let mut hiss = noise(8000);
        let white: Vec<i16> = (0..800_000).map(|_| hiss()).collect();
        assert_eq!(heard(8000, &white), "");
        assert_eq!(heard(8000, &sound('5', 8000, 160, 800).unwrap()), "", "20 ms are too short");
    }
}
