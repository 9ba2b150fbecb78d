//! WAV files, written while the sound comes.

use crate::Encoding;

/// The length that says "until the end of the file", while it is being written.
const UNKNOWN: u32 = u32::MAX;
/// Bytes of a header.
const HEADER: usize = 44;

/// Makes the bytes of a file as the samples come; whoever holds it does the writing. When it ends,
/// [`WavWriter::header`] over the first bytes says the true length; a file without that (its writer was
/// killed) is still read to its end by tolerant players, and by [`crate::Wav::parse`].
#[derive(Clone, Debug)]
pub struct WavWriter {
    encoding: Encoding,
    channels: u16,
    rate: u32,
    written: u64,
}

impl WavWriter {
    /// A file of one or two channels at `rate` samples a second.
    pub fn new(encoding: Encoding, channels: u16, rate: u32) -> Self {
        WavWriter { encoding, channels, rate, written: 0 }
    }

    /// The first bytes of the file: before any sample with an unknown length, afterwards with the true one.
    pub fn header(&self) -> [u8; HEADER] {
        let width = self.encoding.width() as u32;
        let frame = width * u32::from(self.channels);
        let data = match self.written {
            0 => UNKNOWN,
            written => u32::try_from(written).unwrap_or(UNKNOWN),
        };
        let mut header = [0; HEADER];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(b"RIFF");
        put(&data.saturating_add(HEADER as u32 - 8).to_le_bytes());
        put(b"WAVEfmt ");
        put(&16u32.to_le_bytes());
        put(&self.encoding.tag().to_le_bytes());
        put(&self.channels.to_le_bytes());
        put(&self.rate.to_le_bytes());
        put(&self.rate.saturating_mul(frame).to_le_bytes());
        put(&(frame as u16).to_le_bytes());
        put(&(width as u16 * 8).to_le_bytes());
        put(b"data");
        put(&data.to_le_bytes());
        header
    }

    /// Appends samples (of two channels in turn) to `out`.
    pub fn write(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let before = out.len();
        self.encoding.write(samples, out);
        self.written += (out.len() - before) as u64;
    }

    /// A whole file at once.
    pub fn file(encoding: Encoding, channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
        let mut writer = WavWriter::new(encoding, channels, rate);
        let mut file = vec![0; HEADER];
        writer.write(samples, &mut file);
        file[..HEADER].copy_from_slice(&writer.header());
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Law, Wav, WavError};

    const RAMP: [i16; 6] = [0, 256, -256, 5_504, -5_504, 32_256];

    #[test]
    fn every_encoding_is_read_as_it_was_written() {
        for encoding in [Encoding::Pcm16, Encoding::G711(Law::A)] {
            let exact: &[i16] = if encoding == Encoding::Pcm16 { &RAMP } else { &[8, 5_504, -5_504, 32_256] };
            for channels in [1, 2] {
                let wav = Wav::parse(&WavWriter::file(encoding, channels, 8000, exact)).unwrap();
                assert_eq!(wav, Wav { rate: 8000, channels, encoding, samples: exact.to_vec() });
            }
        }
        let coarse = Wav::parse(&WavWriter::file(Encoding::Pcm8, 1, 8000, &RAMP)).unwrap();
        assert_eq!(coarse.samples, [0, 256, -256, 5_376, -5_632, 32_256]);
        let mu = Wav::parse(&WavWriter::file(Encoding::G711(Law::Mu), 1, 8000, &[0, 32_124])).unwrap();
        assert_eq!(mu.samples, [0, 32_124]);
    }

    #[test]
    fn a_file_in_the_making_is_read_to_its_end() {
        let mut writer = WavWriter::new(Encoding::Pcm16, 1, 16_000);
        let mut file = writer.header().to_vec();
        writer.write(&RAMP, &mut file);
        file.push(0);
        assert_eq!(Wav::parse(&file).unwrap().samples, RAMP);
        assert_eq!(&writer.header()[40..], 12u32.to_le_bytes());
    }

    #[test]
    fn two_channels_are_mixed_or_parted() {
        let wav = Wav::parse(&WavWriter::file(Encoding::Pcm16, 2, 8000, &RAMP)).unwrap();
        assert_eq!(wav.mono(), [128, 2_624, 13_376]);
        assert_eq!(wav.channel(0), [0, -256, -5_504]);
        assert_eq!(wav.channel(1), [256, 5_504, 32_256]);
    }

    #[test]
    fn unknown_chunks_of_odd_length_are_skipped() {
        let file = WavWriter::file(Encoding::Pcm16, 1, 8000, &RAMP);
        let mut odd = file[..12].to_vec();
        odd.extend_from_slice(b"LIST\x03\0\0\0abc\0");
        odd.extend_from_slice(&file[12..]);
        assert_eq!(Wav::parse(&odd), Wav::parse(&file));
    }

    #[test]
    fn what_can_not_be_played_is_refused_with_its_place() {
        let good = WavWriter::file(Encoding::Pcm16, 1, 8000, &RAMP);
        let with = |at: usize, byte: u8| {
            let mut file = good.clone();
            file[at] = byte;
            Wav::parse(&file).unwrap_err()
        };
        assert_eq!(with(0, b'X'), WavError::Expected { at: 0, expected: "RIFF" });
        assert_eq!(with(9, b'X'), WavError::Expected { at: 8, expected: "WAVE" });
        assert_eq!(with(20, 3), WavError::Encoding { at: 20, tag: 3, bits: 16 });
        assert_eq!(with(22, 6), WavError::Channels { at: 22, channels: 6 });
        assert_eq!(with(25, 0), WavError::Rate { at: 24, rate: 64 });
        assert_eq!(with(36, b'x'), WavError::Expected { at: 56, expected: "a data chunk" });
        assert_eq!(with(12, b'x'), WavError::Expected { at: 36, expected: "a fmt chunk before the data" });
        assert_eq!(Wav::parse(b""), Err(WavError::Expected { at: 0, expected: "RIFF" }));
    }
}
