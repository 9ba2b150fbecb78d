use machine::Moment;
use serde::{Deserialize, Serialize};

/// Seconds from 1900 to 1970.
const EPOCH: u64 = 2_208_988_800;

/// A time as RTCP writes it: seconds since 1900, and 2^32 parts of a second (RFC 3550 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ntp(pub u64);

impl Ntp {
    /// A moment as NTP time.
    pub const fn of(moment: Moment) -> Self {
        let micros = moment.as_micros();
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        Ntp(((seconds + EPOCH) << 32) | ((rest << 32) / 1_000_000))
    }

    /// The middle 32 bits, by which reports refer to each other: 1/65536 s.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_3550_6_4_1() {
        // 10 Nov 1995 11:33:25.125 UTC
        let moment = Moment::from_micros(816_003_205_125_000);
        assert_eq!(Ntp::of(moment), Ntp(0xb44d_b705_2000_0000));
        assert_eq!(Ntp::of(moment).middle(), 0xb705_2000);
    }
}
