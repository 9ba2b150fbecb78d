//! ITU-T E.180: what a telephone says without words. 425 Hz is what most of the world uses; North America's
//! pairs are in [`north_america`].

use crate::Signal;

/// Dial: go on.
pub const DIAL: Signal = Signal { frequencies: &[425.0], cadence: &[] };
/// It rings over there.
pub const RINGBACK: Signal = Signal { frequencies: &[425.0], cadence: &[1000, 4000] };
/// The line is in use.
pub const BUSY: Signal = Signal { frequencies: &[425.0], cadence: &[500, 500] };
/// There is no way through.
pub const CONGESTION: Signal = Signal { frequencies: &[425.0], cadence: &[250, 250] };
/// No such number: three rising tones (E.180 5.4) are said by [`special_information`].
pub const SPECIAL_INFORMATION: [Signal; 3] = [
    Signal { frequencies: &[950.0], cadence: &[] },
    Signal { frequencies: &[1400.0], cadence: &[] },
    Signal { frequencies: &[1800.0], cadence: &[] },
];

/// The special information tone once: a third of a second each, then a second of silence.
pub fn special_information(rate: u32) -> Vec<i16> {
    let third = rate as usize * 330 / 1000;
    let mut sound: Vec<i16> =
        SPECIAL_INFORMATION.iter().flat_map(|signal| signal.samples(rate, 0, third)).collect();
    sound.resize(sound.len() + rate as usize, 0);
    sound
}

/// The signals of North America.
pub mod north_america {
    use crate::Signal;

    /// Dial: go on.
    pub const DIAL: Signal = Signal { frequencies: &[350.0, 440.0], cadence: &[] };
    /// It rings over there.
    pub const RINGBACK: Signal = Signal { frequencies: &[440.0, 480.0], cadence: &[2000, 4000] };
    /// The line is in use.
    pub const BUSY: Signal = Signal { frequencies: &[480.0, 620.0], cadence: &[500, 500] };
    /// There is no way through.
    pub const CONGESTION: Signal = Signal { frequencies: &[480.0, 620.0], cadence: &[250, 250] };
}
