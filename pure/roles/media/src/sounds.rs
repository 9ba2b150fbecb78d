use std::collections::BTreeMap;
use std::sync::Arc;

use audio::{Law, Wav, WavError, dtmf, resample};
use contract::media::Sound;

/// Samples a second of all that is played.
pub(crate) const RATE: u32 = 8_000;
/// Samples of one packet: 20 ms.
pub(crate) const FRAME: usize = 160;
/// How long a digit sounds, and the pause behind it, in samples.
const TONE: usize = 800;
const PAUSE: usize = 800;
/// Nothing that is played lasts longer, in samples: ten minutes.
const LONGEST: usize = 600 * RATE as usize;

/// A sound in both laws, so that playing it copies bytes and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    mu: Arc<[u8]>,
    a: Arc<[u8]>,
}

impl Voice {
    /// From samples at 8000 Hz.
    pub fn new(samples: &[i16]) -> Self {
        Voice { mu: Law::Mu.encode_all(samples).into(), a: Law::A.encode_all(samples).into() }
    }

    /// From a WAV file: any usual rate, one or two channels.
    pub fn from_wav(file: &[u8]) -> Result<Self, WavError> {
        let wav = Wav::parse(file)?;
        let samples = wav.mono();
        let samples = if wav.rate == RATE { samples } else { resample(&samples, wav.rate, RATE) };
        Ok(Voice::new(&samples))
    }

    fn in_law(&self, law: Law) -> &Arc<[u8]> {
        match law {
            Law::Mu => &self.mu,
            Law::A => &self.a,
        }
    }
}

/// All that can be played.
#[derive(Clone, Debug, Default)]
pub struct Sounds {
    prompts: BTreeMap<String, Voice>,
    digits: BTreeMap<char, Voice>,
}

impl Sounds {
    /// Digits, and no prompts yet.
    pub fn new() -> Self {
        let sound = |digit| Some((digit, Voice::new(&dtmf::sound(digit, RATE, TONE, PAUSE)?)));
        let digits = "0123456789*#ABCD".chars().filter_map(sound).collect();
        Sounds { prompts: BTreeMap::new(), digits }
    }

    /// Knows a prompt, instead of another of the same name.
    pub fn teach(&mut self, name: &str, voice: Voice) {
        self.prompts.insert(name.to_owned(), voice);
    }

    /// The names of the prompts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.prompts.keys().map(String::as_str)
    }

    /// `sounds` one after another, and how many of them are not known.
    pub(crate) fn track(&self, sounds: &[Sound], law: Law) -> (Track, u32) {
        let mut track = Track { parts: Vec::new(), length: 0, law };
        let mut unknown = 0;
        for sound in sounds {
            match sound {
                Sound::Prompt { name } => match self.prompts.get(name) {
                    Some(voice) => track.push(Part::Voice(voice.in_law(law).clone())),
                    None => unknown += 1,
                },
                Sound::Digits { digits } => {
                    for digit in digits.chars() {
                        match self.digits.get(&digit.to_ascii_uppercase()) {
                            Some(voice) => track.push(Part::Voice(voice.in_law(law).clone())),
                            None => unknown += 1,
                        }
                    }
                }
                Sound::Silence { ms } => track.push(Part::Silence(*ms as usize * RATE as usize / 1000)),
                Sound::Unknown => unknown += 1,
            }
        }
        (track, unknown)
    }
}

#[derive(Clone, Debug)]
enum Part {
    Voice(Arc<[u8]>),
    Silence(usize),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Voice(bytes) => bytes.len(),
            Part::Silence(samples) => *samples,
        }
    }
}

/// What is played, cut into packets.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    parts: Vec<Part>,
    length: usize,
    law: Law,
}

impl Track {
    fn push(&mut self, part: Part) {
        if self.length + part.len() <= LONGEST {
            self.length += part.len();
            self.parts.push(part);
        }
    }

    /// How many packets it takes.
    pub(crate) fn frames(&self) -> u32 {
        self.length.div_ceil(FRAME) as u32
    }

    /// Packet number `frame`: silence behind the end.
    pub(crate) fn frame(&self, frame: u32) -> [u8; FRAME] {
        let mut out = [self.law.silence(); FRAME];
        let start = frame as usize * FRAME;
        let mut at = 0;
        for part in &self.parts {
            let end = at + part.len();
            if let Part::Voice(bytes) = part
                && end > start
                && at < start + FRAME
            {
                let (from, to) = (start.max(at), end.min(start + FRAME));
                out[from - start..to - start].copy_from_slice(&bytes[from - at..to - at]);
            }
            at = end;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_without_a_gap() {
        let mut sounds = Sounds::new();
        sounds.teach("low", Voice::new(&[1000; 100]));
        sounds.teach("high", Voice::new(&[20_000; 100]));
        let prompt = |name: &str| Sound::Prompt { name: name.into() };
        let wanted = [prompt("low"), Sound::Silence { ms: 10 }, prompt("missing"), prompt("high")];
        let (track, unknown) = sounds.track(&wanted, Law::A);
        assert_eq!((track.frames(), unknown), (2, 1));
        let all: Vec<u8> = [track.frame(0), track.frame(1)].concat();
        let expected =
            [[Law::A.encode(1000)].repeat(100), vec![0xd5; 80], [Law::A.encode(20_000)].repeat(100)];
        assert_eq!(&all[..280], expected.concat());
        assert!(all[280..].iter().all(|&byte| byte == 0xd5));
    }

    #[test]
    fn digits_can_be_heard() {
        let (track, _) = Sounds::new().track(&[Sound::Digits { digits: "42".into() }], Law::Mu);
        let bytes: Vec<u8> = (0..track.frames()).flat_map(|frame| track.frame(frame)).collect();
        let heard = dtmf::Detector::new(RATE).hear(&Law::Mu.decode_all(&bytes));
        assert_eq!(heard, ['4', '2']);
    }

    #[test]
    fn a_wav_of_another_rate_is_brought_to_ours() {
        let file = audio::WavWriter::file(audio::Encoding::Pcm16, 1, 16_000, &[500; 1600]);
        let voice = Voice::from_wav(&file).unwrap();
        assert_eq!((voice.mu.len(), voice.a.len()), (800, 800));
        assert!(Voice::from_wav(b"no sound").is_err());
    }
}
