//! Another sampling rate, by a windowed sinc in as many phases as the ratio has.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side, at the lower of both rates.
const CROSSINGS: usize = 16;
/// Where the pass band ends, as part of the lower rate's half.
const PASS: f64 = 0.92;
/// The Kaiser window's shape: about 70 dB.
const BETA: f64 = 7.0;

/// Turns a stream of one rate into one of another, a piece at a time. Its delay is sixteen samples of the
/// lower rate (2 ms at 8000).
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Output samples for each `down` input samples.
    up: usize,
    down: usize,
    /// For each phase the weights of the input samples, oldest first.
    phases: Vec<Vec<f32>>,
    /// Input not used up, with as many before it as a phase looks back.
    held: Vec<f32>,
    /// Where the next output sample lies after the start of `held`, in 1/`up` of an input sample.
    at: usize,
}

impl Resampler {
    /// From one rate to another, both in samples a second (0 is taken as 1).
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1) as usize, to.max(1) as usize);
        let common = divisor(from, to);
        let (up, down) = (to / common, from / common);
        // Half the filter's length, in input samples.
        let half = if up >= down { CROSSINGS } else { (CROSSINGS * down).div_ceil(up) };
        let phases = (0..up).map(|phase| weights(phase as f64 / up as f64, half, up, down)).collect();
        Resampler { up, down, phases, held: vec![0.0; 2 * half - 1], at: 0 }
    }

    /// The samples that `samples` make possible.
    pub fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        if self.up == self.down {
            return samples.to_vec();
        }
        self.held.extend(samples.iter().map(|&sample| f32::from(sample)));
        let taps = self.phases[0].len();
        let mut out = Vec::with_capacity(samples.len() * self.up / self.down + 1);
        while let Some(window) = self.held.get(self.at / self.up..self.at / self.up + taps) {
            let weights = &self.phases[self.at % self.up];
            out.push(product(window, weights).round() as i16);
            self.at += self.down;
        }
        let used = (self.at / self.up).min(self.held.len());
        self.held.drain(..used);
        self.at -= used * self.up;
        out
    }
}

/// A whole sound at another rate, neither late nor cut.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to);
    let count = (samples.len() as u64 * u64::from(to) / u64::from(from.max(1))) as usize;
    let taps = resampler.phases[0].len();
    // The first sample that comes out is the first that went in, not one that lies before.
    resampler.at = taps / 2 * resampler.up;
    let mut out = resampler.process(samples);
    out.extend(resampler.process(&vec![0; taps]));
    out.truncate(count);
    out
}

/// The scalar product, in lanes so that the compiler can use wide registers.
fn product(samples: &[f32], weights: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (samples, last_samples) = samples.as_chunks::<LANES>();
    let (weights, last_weights) = weights.as_chunks::<LANES>();
    for (samples, weights) in samples.iter().zip(weights) {
        for lane in 0..LANES {
            sums[lane] += samples[lane] * weights[lane];
        }
    }
    let rest: f32 = last_samples.iter().zip(last_weights).map(|(sample, weight)| sample * weight).sum();
    sums.iter().sum::<f32>() + rest
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The weights of `2 * half` input samples for an output sample that lies `phase` after the middle one.
fn weights(phase: f64, half: usize, up: usize, down: usize) -> Vec<f32> {
    let narrow = if up >= down { 1.0 } else { up as f64 / down as f64 };
    let cutoff = narrow * PASS;
    let weight = |tap: usize| {
        let distance = tap as f64 + 1.0 - half as f64 - phase;
        sinc(distance * cutoff) * kaiser(distance / half as f64)
    };
    let raw: Vec<f64> = (0..2 * half).map(weight).collect();
    // Scaled so that every phase passes a constant unchanged.
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|weight| (weight / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over -1 to 1, unscaled.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) }
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    fn sine(frequency: f64, rate: u32) -> Vec<i16> {
        Tone::new(&[frequency], 10_000.0, rate).take(rate as usize / 2)
    }

    /// Energy of the difference over the energy of `wanted`, in dB, away from both ends.
    fn error(wanted: &[i16], found: &[i16]) -> f64 {
        let inner = wanted.len() / 8..wanted.len() * 7 / 8;
        let pairs = wanted[inner.clone()].iter().zip(&found[inner]);
        let (noise, signal) = pairs.fold((0.0, 0.0), |(noise, signal), (&a, &b)| {
            let (a, b) = (f64::from(a), f64::from(b));
            (noise + (a - b).powi(2), signal + a * a)
        });
        10.0 * (noise / signal).log10()
    }

    #[test]
    fn a_sine_is_the_same_sine_at_every_rate() {
        for (from, to) in
            [(8_000, 16_000), (8_000, 48_000), (16_000, 8_000), (48_000, 8_000), (48_000, 16_000)]
        {
            for frequency in [300.0, 1000.0, 3000.0] {
                let out = resample(&sine(frequency, from), from, to);
                assert_eq!(out.len(), to as usize / 2);
                let error = error(&sine(frequency, to), &out);
                assert!(error < -55.0, "{from} to {to}, {frequency} Hz: {error:.1} dB");
            }
        }
    }

    #[test]
    fn rates_without_a_whole_ratio_work() {
        let out = resample(&sine(1000.0, 44_100), 44_100, 8_000);
        assert!(error(&sine(1000.0, 8_000), &out) < -50.0);
    }

    #[test]
    fn what_the_lower_rate_can_not_carry_is_gone() {
        let out = resample(&sine(5000.0, 48_000), 48_000, 8_000);
        let peak = out[500..3500].iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak < Some(20), "{peak:?}");
    }

    #[test]
    fn pieces_make_the_whole() {
        let sound = sine(440.0, 8_000);
        let whole = Resampler::new(8_000, 48_000).process(&sound);
        let mut resampler = Resampler::new(8_000, 48_000);
        let pieces: Vec<i16> = sound.chunks(37).flat_map(|piece| resampler.process(piece)).collect();
        assert_eq!(pieces, whole);
        assert_eq!(Resampler::new(8_000, 8_000).process(&sound), sound);
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> =
            (0..4000).map(|index| if index / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = resample(&square, 8_000, 16_000);
        assert!(out.contains(&i16::MAX), "overshoot is clipped");
        assert!(out[3000..3010].windows(2).all(|it| (i32::from(it[0]) - i32::from(it[1])).abs() < 60_000));
    }
}
