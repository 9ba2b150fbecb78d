use std::path::Path;

/// Speech-like sound: `seconds` of 8 kHz samples whose pitch and loudness wander, so that no two places of it
/// are alike. `voice` makes different speakers.
pub fn speech(voice: u64, seconds: u32) -> Vec<i16> {
    let mut state = voice.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut samples = Vec::with_capacity(seconds as usize * 8000);
    let mut phase = 0.0f32;
    while samples.len() < seconds as usize * 8000 {
        let (pitch, loudness) = (180.0 + 900.0 * random(), 2000.0 + 9000.0 * random());
        for _ in 0..(400.0 + 800.0 * random()) as usize {
            phase += std::f32::consts::TAU * pitch / 8000.0;
            let noise = 0.2 * (random() - 0.5);
            samples.push((loudness * (phase.sin() + 0.4 * (2.7 * phase).sin() + noise) / 1.6) as i16);
        }
    }
    samples.truncate(seconds as usize * 8000);
    samples
}

/// Writes 16-bit mono at 8 kHz.
pub fn write_wav(path: &Path, samples: &[i16]) {
    let length = samples.len() as u32 * 2;
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&8000u32.to_le_bytes());
    file.extend_from_slice(&16000u32.to_le_bytes());
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    for sample in samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    std::fs::write(path, file).expect("a WAV file");
}

/// How well `heard` is what was `said`: for each half second of `heard`, the best normalised correlation with
/// any place of `said`; the median of those windows that hold sound. Over 0.9 it is the same speech.
pub fn correlation(said: &[i16], heard: &[i16]) -> f64 {
    const WINDOW: usize = 4000;
    let said: Vec<f32> = said.iter().map(|&sample| f32::from(sample)).collect();
    let mut best: Vec<f64> = heard
        .chunks_exact(WINDOW)
        .filter(|window| window.iter().filter(|sample| sample.unsigned_abs() > 300).count() > WINDOW / 4)
        .map(|window| best_match(&said, window))
        .collect();
    best.sort_by(f64::total_cmp);
    best.get(best.len() / 2).copied().unwrap_or(0.0)
}

fn best_match(said: &[f32], window: &[i16]) -> f64 {
    let window: Vec<f32> = window.iter().map(|&sample| f32::from(sample)).collect();
    // A coarse search on every second sample of the window, then all samples around the best place.
    let score = |at: usize, step: usize| {
        let (mut dot, mut own) = (0.0f32, 0.0f32);
        let mut theirs = 0.0f32;
        for index in (0..window.len()).step_by(step) {
            let (a, b) = (window[index], said[at + index]);
            dot += a * b;
            own += b * b;
            theirs += a * a;
        }
        f64::from(dot) / (f64::from(own).sqrt() * f64::from(theirs).sqrt()).max(1.0)
    };
    let places = said.len().saturating_sub(window.len());
    let coarse = (0..places).max_by(|&a, &b| score(a, 8).total_cmp(&score(b, 8))).unwrap_or(0);
    let near = coarse.saturating_sub(8)..(coarse + 8).min(places);
    near.map(|at| score(at, 1)).fold(0.0, f64::max)
}
