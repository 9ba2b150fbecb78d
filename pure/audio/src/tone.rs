use std::f64::consts::TAU;

/// A sum of sines, all of one loudness.
#[derive(Clone, Debug)]
pub struct Tone {
    /// How far each sine is, and how far it goes with each sample (radians).
    sines: Vec<(f64, f64)>,
    amplitude: f64,
}

impl Tone {
    /// `frequencies` in Hz, each with a peak of `amplitude` (32767 is all there is, for all together).
    pub fn new(frequencies: &[f64], amplitude: f64, rate: u32) -> Self {
        let step = |frequency: &f64| (0.0, frequency * TAU / f64::from(rate.max(1)));
        Tone { sines: frequencies.iter().map(step).collect(), amplitude }
    }

    /// The next sample.
    pub fn sample(&mut self) -> i16 {
        let mut sum = 0.0;
        for (phase, step) in &mut self.sines {
            sum += phase.sin();
            *phase += *step;
            if *phase >= TAU {
                *phase -= TAU;
            }
        }
        // `as` stops at the ends of the range.
        (sum * self.amplitude).round() as i16
    }

    /// The next `count` samples.
    pub fn take(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.sample()).collect()
    }
}

/// A tone that comes and goes: what a telephone says without words. See [`crate::progress`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// In Hz.
    pub frequencies: &'static [f64],
    /// Milliseconds of tone and of silence, in turn, for ever; empty means tone without end.
    pub cadence: &'static [u32],
}

impl Signal {
    /// `count` samples of the signal, from the `from`th sample of its life (so that a player needs to keep
    /// nothing but a count).
    pub fn samples(&self, rate: u32, from: u64, count: usize) -> Vec<i16> {
        let peak = AMPLITUDE / self.frequencies.len().max(1) as f64;
        let sample = |index: u64| {
            let Some(at) = self.within(rate, index) else { return 0 };
            let sine = |frequency: &f64| (TAU * (frequency * at as f64 / f64::from(rate)).fract()).sin();
            (self.frequencies.iter().map(sine).sum::<f64>() * peak).round() as i16
        };
        (from..from.saturating_add(count as u64)).map(sample).collect()
    }

    /// How many samples ago the tone began that sounds at `index`; `None` in the silence between.
    fn within(&self, rate: u32, index: u64) -> Option<u64> {
        let length = |millis: &u32| u64::from(*millis) * u64::from(rate) / 1000;
        let period: u64 = self.cadence.iter().map(length).sum();
        if period == 0 {
            return Some(index);
        }
        let mut at = index % period;
        for (part, millis) in self.cadence.iter().enumerate() {
            match at.checked_sub(length(millis)) {
                Some(rest) => at = rest,
                None => return part.is_multiple_of(2).then_some(at),
            }
        }
        None
    }
}

/// The peak of a signal: about -13 dBm0, where E.180 wants its tones (-10 ± 5).
const AMPLITUDE: f64 = 7_000.0;

#[cfg(test)]
mod tests {
    use crate::progress;

    #[test]
    fn ringback_sounds_for_one_second_in_five() {
        let sound = progress::RINGBACK.samples(8000, 0, 80_000);
        let loud = |from: usize, to: usize| sound[from..to].iter().any(|&sample| sample.abs() > 3000);
        assert!(loud(0, 8000) && loud(40_000, 48_000));
        assert!(sound[8000..40_000].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn a_signal_in_pieces_is_the_signal() {
        let whole = progress::BUSY.samples(8000, 0, 9600);
        let pieces: Vec<i16> =
            (0..60).flat_map(|piece| progress::BUSY.samples(8000, piece * 160, 160)).collect();
        assert_eq!(pieces, whole);
    }

    #[test]
    fn dial_tone_has_its_frequency_and_no_end() {
        let sound = progress::DIAL.samples(8000, 8_000_000, 8000);
        let rises = sound.windows(2).filter(|it| it[0] < 0 && it[1] >= 0).count();
        assert!((424..=426).contains(&rises), "{rises}");
    }
}
