//! After ITU-T G.711 Appendix I: the last pitch period again, ever more quietly.

/// The longest pitch period looked for, as a part of a second: 66 Hz.
const LONGEST: u32 = 66;
/// The shortest: 200 Hz.
const SHORTEST: u32 = 200;
/// Milliseconds after which nothing is left of a sound that was lost.
const FADE: usize = 60;

/// Invents sound for packets that never came, from what was heard before.
#[derive(Clone, Debug)]
pub struct Concealment {
    rate: u32,
    /// The newest samples played, enough for two of the longest periods.
    history: Vec<i16>,
    /// The period repeated, and how many samples were invented since the last good packet.
    period: usize,
    invented: usize,
}

impl Concealment {
    /// For sound of `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        Concealment { rate: rate.max(4000), history: Vec::new(), period: 0, invented: 0 }
    }

    /// Sound that came; after a loss its beginning is blended with what was invented (in place).
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.invented > 0 {
            let blend = samples.len().min(self.rate as usize / 200);
            let bridge = self.invent(blend);
            for (index, (sample, invented)) in samples.iter_mut().zip(bridge).enumerate() {
                let (new, old) = (i32::from(*sample), i32::from(invented));
                *sample = (old + (new - old) * index as i32 / blend as i32) as i16;
            }
            self.invented = 0;
        }
        self.remember(samples);
    }

    /// `count` samples in place of those that are lost.
    pub fn lost(&mut self, count: usize) -> Vec<i16> {
        if self.invented == 0 {
            self.period = self.pitch();
        }
        let invented = self.invent(count);
        self.invented += count;
        invented
    }

    fn invent(&self, count: usize) -> Vec<i16> {
        let fade = self.rate as usize * FADE / 1000;
        let Some(start) = self.history.len().checked_sub(self.period).filter(|_| self.period > 0) else {
            return vec![0; count];
        };
        let sample = |index: usize| {
            let left = fade.saturating_sub(index) as i64;
            (i64::from(self.history[start + index % self.period]) * left / fade as i64) as i16
        };
        (self.invented..self.invented + count).map(sample).collect()
    }

    /// The distance at which the newest sound resembles itself most.
    fn pitch(&self) -> usize {
        let (shortest, longest) = ((self.rate / SHORTEST) as usize, (self.rate / LONGEST) as usize);
        let end = self.history.len();
        if end < 2 * longest {
            return end.min(longest);
        }
        let newest = &self.history[end - longest..];
        let likeness = |lag: usize| {
            let before = &self.history[end - longest - lag..end - lag];
            let (product, energy) =
                newest.iter().zip(before).fold((0.0, 1.0), |(product, energy), (&a, &b)| {
                    (product + f64::from(a) * f64::from(b), energy + f64::from(b).powi(2))
                });
            product / energy.sqrt()
        };
        let best = (shortest..=longest).map(|lag| (lag, likeness(lag))).max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(longest, |(lag, _)| lag)
    }

    fn remember(&mut self, samples: &[i16]) {
        self.history.extend_from_slice(samples);
        let keep = 2 * (self.rate / LONGEST) as usize;
        let old = self.history.len().saturating_sub(keep);
        self.history.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    #[test]
    fn a_lost_packet_of_a_vowel_sounds_on() {
        let mut concealment = Concealment::new(8000);
        let mut vowel = Tone::new(&[125.0, 250.0, 500.0], 4_000.0, 8000);
        concealment.heard(&mut vowel.take(800));
        let (lost, invented) = (vowel.take(160), concealment.lost(160));
        let product: f64 = lost.iter().zip(&invented).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let energy = |samples: &[i16]| samples.iter().map(|&it| f64::from(it).powi(2)).sum::<f64>();
        let likeness = product / (energy(&lost) * energy(&invented)).sqrt();
        assert!(likeness > 0.95, "{likeness}");
    }

    #[test]
    fn a_long_loss_fades_to_silence_and_sound_comes_back_gently() {
        let mut concealment = Concealment::new(8000);
        concealment.heard(&mut Tone::new(&[200.0], 8_000.0, 8000).take(800));
        let invented: Vec<i16> = (0..5).flat_map(|_| concealment.lost(160)).collect();
        assert!(invented[..100].iter().any(|&sample| sample > 5_000));
        assert!(invented[480..].iter().all(|&sample| sample == 0));
        let mut back = [10_000; 160];
        concealment.heard(&mut back);
        assert_eq!((back[0], back[159]), (0, 10_000));
    }

    #[test]
    fn before_anything_was_heard_there_is_silence() {
        assert_eq!(Concealment::new(8000).lost(160), [0; 160]);
    }
}
