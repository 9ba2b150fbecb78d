//! WAV files, read.

use thiserror::Error;

use crate::Law;

/// How a file writes its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Eight bits, unsigned.
    Pcm8,
    /// Sixteen bits, signed.
    Pcm16,
    /// G.711.
    G711(Law),
}

impl Encoding {
    /// Bytes of one sample.
    pub const fn width(self) -> usize {
        match self {
            Encoding::Pcm16 => 2,
            Encoding::Pcm8 | Encoding::G711(_) => 1,
        }
    }

    /// The number of the format in a file.
    pub(crate) const fn tag(self) -> u16 {
        match self {
            Encoding::Pcm8 | Encoding::Pcm16 => 1,
            Encoding::G711(Law::A) => 6,
            Encoding::G711(Law::Mu) => 7,
        }
    }

    fn of(tag: u16, bits: u16) -> Option<Self> {
        match (tag, bits) {
            (1, 8) => Some(Encoding::Pcm8),
            (1, 16) => Some(Encoding::Pcm16),
            (6, 8) => Some(Encoding::G711(Law::A)),
            (7, 8) => Some(Encoding::G711(Law::Mu)),
            _ => None,
        }
    }

    fn read(self, data: &[u8]) -> Vec<i16> {
        match self {
            Encoding::Pcm8 => data.iter().map(|&byte| (i16::from(byte) - 128) << 8).collect(),
            Encoding::Pcm16 => data.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect(),
            Encoding::G711(law) => law.decode_all(data),
        }
    }

    pub(crate) fn write(self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Encoding::Pcm8 => out.extend(samples.iter().map(|&sample| ((sample >> 8) + 128) as u8)),
            Encoding::Pcm16 => out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
            Encoding::G711(law) => out.extend(samples.iter().map(|&sample| law.encode(sample))),
        }
    }
}

/// Why bytes are no WAV file that we can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WavError {
    /// Something else stands where the format wants this.
    #[error("at byte {at}: {expected} expected")]
    Expected {
        /// Where.
        at: usize,
        /// What.
        expected: &'static str,
    },
    /// A way to write samples that we don't read.
    #[error("at byte {at}: format {tag} with {bits} bits; 8 or 16 bit PCM, A-law or µ-law expected")]
    Encoding {
        /// Where the format stands.
        at: usize,
        /// The format's number.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
    },
    /// More than two channels, or none.
    #[error("at byte {at}: {channels} channels; one or two expected")]
    Channels {
        /// Where the number stands.
        at: usize,
        /// How many.
        channels: u16,
    },
    /// A rate that no one uses.
    #[error("at byte {at}: {rate} samples a second; 4000 to 192000 expected")]
    Rate {
        /// Where the rate stands.
        at: usize,
        /// The rate.
        rate: u32,
    },
}

/// The sound in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Samples a second.
    pub rate: u32,
    /// One or two.
    pub channels: u16,
    /// How they were written.
    pub encoding: Encoding,
    /// The samples; of two channels in turn.
    pub samples: Vec<i16>,
}

struct Format {
    encoding: Encoding,
    channels: u16,
    rate: u32,
}

impl Wav {
    /// Reads a file. Unknown chunks are skipped; a file cut off (its writer was killed) is read as far as it
    /// goes.
    pub fn parse(bytes: &[u8]) -> Result<Self, WavError> {
        expect(bytes, 0, b"RIFF", "RIFF")?;
        expect(bytes, 8, b"WAVE", "WAVE")?;
        let mut format = None;
        let mut at = 12;
        while let Some(head) = bytes.get(at..at + 8) {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = &bytes[at + 8..];
            let body = &body[..size.min(body.len())];
            match &head[..4] {
                b"fmt " => format = Some(read_format(at + 8, body)?),
                b"data" => {
                    let expected = WavError::Expected { at, expected: "a fmt chunk before the data" };
                    return Ok(read_data(&format.ok_or(expected)?, body));
                }
                _ => {}
            }
            // Chunks begin at even bytes.
            at = at.saturating_add(8).saturating_add(size).saturating_add(size & 1);
        }
        Err(WavError::Expected { at: bytes.len().min(at), expected: "a data chunk" })
    }

    /// One channel: both mixed, if there are two.
    pub fn mono(&self) -> Vec<i16> {
        let channels = usize::from(self.channels.max(1));
        let mix = |frame: &[i16]| frame.iter().map(|&it| i32::from(it)).sum::<i32>() / channels as i32;
        self.samples.chunks_exact(channels).map(|frame| mix(frame) as i16).collect()
    }

    /// One channel of two: 0 is the left one.
    pub fn channel(&self, index: usize) -> Vec<i16> {
        let channels = usize::from(self.channels.max(1));
        self.samples.iter().skip(index).step_by(channels).copied().collect()
    }
}

fn expect(bytes: &[u8], at: usize, word: &[u8; 4], expected: &'static str) -> Result<(), WavError> {
    let found = bytes.get(at..at + 4) == Some(word);
    if found { Ok(()) } else { Err(WavError::Expected { at, expected }) }
}

fn read_format(at: usize, body: &[u8]) -> Result<Format, WavError> {
    let Some(fixed) = body.first_chunk::<16>() else {
        return Err(WavError::Expected { at, expected: "16 bytes of format" });
    };
    let short = |index: usize| u16::from_le_bytes([fixed[index], fixed[index + 1]]);
    let (mut tag, channels, bits) = (short(0), short(2), short(14));
    // WAVE_FORMAT_EXTENSIBLE hides the number at the head of its GUID.
    if let (0xfffe, Some(&[low, high])) = (tag, body.get(24..26)) {
        tag = u16::from_le_bytes([low, high]);
    }
    let rate = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    if !(1..=2).contains(&channels) {
        return Err(WavError::Channels { at: at + 2, channels });
    }
    if !(4_000..=192_000).contains(&rate) {
        return Err(WavError::Rate { at: at + 4, rate });
    }
    let encoding = Encoding::of(tag, bits).ok_or(WavError::Encoding { at, tag, bits })?;
    Ok(Format { encoding, channels, rate })
}

fn read_data(format: &Format, body: &[u8]) -> Wav {
    let frame = format.encoding.width() * usize::from(format.channels);
    let whole = body.len() / frame * frame;
    Wav {
        rate: format.rate,
        channels: format.channels,
        encoding: format.encoding,
        samples: format.encoding.read(&body[..whole]),
    }
}
