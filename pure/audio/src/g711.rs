//! ITU-T G.711: a sample in eight bits.

/// One of the two laws by which telephony compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law (PCMU, payload type 0): North America, Japan.
    Mu,
    /// A-law (PCMA, payload type 8): everywhere else.
    A,
}

const MU_BIAS: i32 = 132;
const MU_CLIP: i32 = 32_635;

static MU_TABLE: [i16; 256] = table(Law::Mu);
static A_TABLE: [i16; 256] = table(Law::A);

impl Law {
    /// The byte of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Law::Mu => 0xff,
            Law::A => 0xd5,
        }
    }

    /// A sample as a byte.
    #[inline]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// A byte as a sample.
    #[inline]
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Law::Mu => MU_TABLE[usize::from(byte)],
            Law::A => A_TABLE[usize::from(byte)],
        }
    }

    /// Samples as bytes.
    pub fn encode_all(self, samples: &[i16]) -> Vec<u8> {
        samples.iter().map(|&sample| self.encode(sample)).collect()
    }

    /// Bytes as samples.
    pub fn decode_all(self, bytes: &[u8]) -> Vec<i16> {
        bytes.iter().map(|&byte| self.decode(byte)).collect()
    }
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::Mu => decode_mu(code as u8),
            Law::A => decode_a(code as u8),
        };
        code += 1;
    }
    table
}

const fn encode_mu(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let magnitude = if magnitude > MU_CLIP { MU_CLIP } else { magnitude } + MU_BIAS;
    // The bias sets bit 7, so that the highest bit is the segment.
    let segment = 24 - magnitude.leading_zeros() as i32;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | segment << 4 | step) as u8
}

const fn decode_mu(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4 & 7) as i32;
    let magnitude = (((((code & 0x0f) as i32) << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn encode_a(sample: i16) -> u8 {
    // Even bits are inverted on the line.
    let (mask, magnitude) = if sample < 0 { (0x55, !sample as i32) } else { (0xd5, sample as i32) };
    let segment = 24 - (magnitude | 0xff).leading_zeros() as i32;
    let step = if segment == 0 { magnitude >> 4 } else { magnitude >> (segment + 3) & 0x0f };
    (segment << 4 | step) as u8 ^ mask
}

const fn decode_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4 & 7) as i32;
    let step = (((code & 0x0f) as i32) << 4) + 8;
    let magnitude = if segment == 0 { step } else { (step + 0x100) << (segment - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_tables() {
        for (law, code, sample) in [
            (Law::Mu, 0x00, -32_124),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0x7f, 0),
            (Law::Mu, 0xfe, 8),
            (Law::Mu, 0x0f, -16_764),
            (Law::Mu, 0x8f, 16_764),
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
            (Law::A, 0x80, 5_504),
            (Law::A, 0x00, -5_504),
        ] {
            assert_eq!(law.decode(code), sample, "{law:?} {code:#x}");
        }
    }

    #[test]
    fn every_code_is_the_code_of_its_sample() {
        for code in 0..=255u8 {
            // The negative zero of µ-law is written as the positive one.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), expected);
            assert_eq!(Law::A.encode(Law::A.decode(code)), code);
        }
    }

    #[test]
    fn every_sample_gets_a_code_within_half_a_step() {
        for law in [Law::Mu, Law::A] {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let decoded = law.decode(law.encode(sample));
                assert!(decoded >= last, "{law:?}: not monotonous at {sample}");
                last = decoded;
                let error = (i32::from(sample) - i32::from(decoded)).abs();
                let clip = if law == Law::Mu { 32_124 } else { 32_256 };
                let clipped = (i32::from(sample).abs() - clip).max(0);
                let step = (i32::from(sample).abs() + 132) / 32;
                assert!(error <= step.max(clipped).max(8), "{law:?} {sample} became {decoded}");
            }
        }
    }

    #[test]
    fn the_sequence_of_g_711_table_5_is_a_sine_of_1_khz() {
        // One period of the digital milliwatt, as table 5 (A) and table 6 (µ) give it.
        let a = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
        let mu = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
        for (law, codes) in [(Law::A, a), (Law::Mu, mu)] {
            let samples = law.decode_all(&codes);
            let peak = f64::from(samples[1].abs()) / (3.0 * std::f64::consts::FRAC_PI_8).sin();
            for (index, &sample) in samples.iter().enumerate() {
                let phase = (index as f64 + 0.5) * std::f64::consts::FRAC_PI_4;
                let expected = -peak * phase.sin();
                assert!((expected - f64::from(sample)).abs() < 400.0, "{law:?} {index}: {sample} {expected}");
            }
            assert_eq!(law.encode_all(&samples), codes);
        }
    }
}
