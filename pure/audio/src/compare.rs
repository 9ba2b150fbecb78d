use crate::fourier::{Complex, Fourier, times};

/// A window of the original in which the loudest sample is below this says nothing.
const SILENT: u16 = 200;

/// How much of an original is found in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The middle one of the correlations of all windows: 1 is the same sound, 0 nothing in common.
    pub median: f64,
    /// How many windows of half a second had any sound in them.
    pub windows: usize,
}

impl Comparison {
    /// Surely a recording of the original.
    pub fn is_same(&self) -> bool {
        self.median > 0.96
    }

    /// Surely of something else.
    pub fn is_other(&self) -> bool {
        self.median < 0.42
    }
}

/// Looks for every half second of `original` anywhere in `recording` (same rate): wherever it correlates
/// best counts, so neither a delay nor a slip of a jitter buffer between windows matters. `None` if the
/// original has no sound, or the recording is shorter than a window.
pub fn compare(original: &[i16], recording: &[i16], rate: u32) -> Option<Comparison> {
    let window = rate as usize / 2;
    if window == 0 || recording.len() < window {
        return None;
    }
    let finder = Finder::new(recording, window);
    let loud = |piece: &&[i16]| piece.iter().any(|sample| sample.unsigned_abs() >= SILENT);
    let pieces: Vec<&[i16]> = original.chunks_exact(window).filter(loud).collect();
    let mut found: Vec<f64> = pieces.chunks(2).flat_map(|pair| finder.best(pair)).collect();
    found.sort_by(f64::total_cmp);
    let median = *found.get(found.len() / 2)?;
    Some(Comparison { median, windows: found.len() })
}

/// Finds windows in a recording by multiplying spectra.
struct Finder {
    fourier: Fourier,
    spectrum: Vec<Complex>,
    /// The energy of each window of the recording.
    energies: Vec<f64>,
}

impl Finder {
    fn new(recording: &[i16], window: usize) -> Self {
        let count = recording.len().next_power_of_two().max(2);
        let fourier = Fourier::new(count);
        let mut spectrum = padded(recording, count);
        fourier.forward(&mut spectrum);
        Finder { fourier, spectrum, energies: energies(recording, window) }
    }

    /// The best correlation of each of `pieces` (one or two) with any window. Two go through one transform,
    /// as real and imaginary part: both correlations are real, so they come out apart. The transform is
    /// circular, but lags at which a window would wrap around are not looked at.
    fn best(&self, pieces: &[&[i16]]) -> Vec<f64> {
        let mut product = padded(pieces[0], self.spectrum.len());
        if let Some(second) = pieces.get(1) {
            product.iter_mut().zip(*second).for_each(|(value, &sample)| value.1 = f32::from(sample));
        }
        self.fourier.forward(&mut product);
        for (value, &other) in product.iter_mut().zip(&self.spectrum) {
            *value = times(other, (value.0, -value.1));
        }
        self.fourier.backward(&mut product);
        let parts: [fn(&Complex) -> f32; 2] = [|value| value.0, |value| -value.1];
        pieces.iter().zip(parts).map(|(piece, part)| self.highest(piece, product.iter().map(part))).collect()
    }

    fn highest(&self, piece: &[i16], sums: impl Iterator<Item = f32>) -> f64 {
        let energy: f64 = piece.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        let scale = self.spectrum.len() as f64;
        let floor = energy * 1e-4;
        let loud = sums.zip(&self.energies).filter(|(_, there)| **there > floor);
        loud.map(|(sum, there)| f64::from(sum) / scale / (energy * there).sqrt()).fold(0.0, f64::max)
    }
}

fn padded(samples: &[i16], count: usize) -> Vec<Complex> {
    let mut values: Vec<Complex> = samples.iter().map(|&sample| (f32::from(sample), 0.0)).collect();
    values.resize(count, (0.0, 0.0));
    values
}

fn energies(samples: &[i16], window: usize) -> Vec<f64> {
    let square = |sample: i16| f64::from(sample).powi(2);
    let mut sum: f64 = samples[..window].iter().map(|&sample| square(sample)).sum();
    let mut energies = vec![sum];
    for (old, new) in samples.iter().zip(&samples[window..]) {
        sum += square(*new) - square(*old);
        energies.push(sum);
    }
    energies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Law;
    use crate::speech::speech;

    #[test]
    fn a_recording_through_g711_late_and_with_slips_is_the_same() {
        let original = speech(1, 8);
        let mut recording = vec![0; 1234];
        recording.extend(Law::Mu.decode_all(&Law::Mu.encode_all(&original)));
        assert!(compare(&original, &recording, 8000).unwrap().is_same());
        recording.drain(30_000..30_160);
        recording.splice(50_000..50_000, [0; 160]);
        let comparison = compare(&original, &recording, 8000).unwrap();
        assert!(comparison.is_same(), "{comparison:?}");
        assert_eq!(comparison.windows, 16);
    }

    #[test]
    fn another_sentence_and_noise_are_other() {
        let original = speech(1, 8);
        let comparison = compare(&original, &speech(2, 8), 8000).unwrap();
        assert!(comparison.is_other(), "{comparison:?}");
        let mut state = 1u32;
        let noise: Vec<i16> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        })
        .take(64_000)
        .collect();
        assert!(compare(&original, &noise, 8000).unwrap().is_other());
    }

    #[test]
    fn half_the_packets_lost_is_not_the_same() {
        let original = speech(3, 8);
        let mut recording = original.clone();
        recording.chunks_mut(160).step_by(2).for_each(|packet| packet.fill(0));
        assert!(!compare(&original, &recording, 8000).unwrap().is_same());
    }

    #[test]
    fn silence_has_no_opinion() {
        assert_eq!(compare(&[0; 16_000], &speech(1, 2), 8000), None);
        assert_eq!(compare(&speech(1, 2), &[0; 100], 8000), None);
        assert_eq!(compare(&speech(1, 2), &[0; 16_000], 8000).unwrap().median, 0.0);
    }
}
