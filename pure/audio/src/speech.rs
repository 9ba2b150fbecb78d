//! Something like speech, for tests.

/// Something with the changing pitch and loudness of speech; each seed another sentence.
pub(crate) fn speech(seed: u32, seconds: usize) -> Vec<i16> {
    let mut state = seed;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let mut samples = Vec::new();
    while samples.len() < seconds * 8000 {
        let (pitch, loudness) = (90.0 + draw() * 160.0, draw() * 6000.0);
        let weights: Vec<f64> = (0..12).map(|_| draw()).collect();
        for index in 0..1200 {
            let time = f64::from(index) / 8000.0;
            let harmonic = |(n, weight): (usize, &f64)| {
                weight * (std::f64::consts::TAU * pitch * (n + 1) as f64 * time).sin()
            };
            let sum: f64 = weights.iter().enumerate().map(harmonic).sum();
            samples.push((sum * loudness / 6.0 + draw() * 100.0) as i16);
        }
    }
    samples
}
