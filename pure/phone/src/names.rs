//! Identifiers without randomness.

/// Texts that nobody else uses, without randomness: a seed and a count.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    seed: u64,
    count: u64,
}

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        Names { seed: mix(seed ^ 0x9E37_79B9_7F4A_7C15), count: 0 }
    }

    pub(crate) fn next(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        mix(self.seed.wrapping_add(self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
