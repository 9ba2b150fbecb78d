use serde::{Deserialize, Serialize};

/// A way to write sound as bytes, under the payload number that one side gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// The payload type in RTP, 0 to 127.
    pub payload: u8,
    /// Its name in the registry; compared without regard to case.
    pub name: String,
    /// The clock of its RTP timestamps, in Hz (8000 for G.722, though it samples at 16000).
    pub clock: u32,
    /// How many channels.
    #[serde(default = "one")]
    pub channels: u8,
    /// Its parameters, as written in `a=fmtp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmtp: Option<String>,
}

const fn one() -> u8 {
    1
}

const TELEPHONE_EVENT: &str = "telephone-event";
const COMFORT_NOISE: &str = "CN";

/// RFC 3551 6, table 4, and table 5's clock of 90000 for video.
const STATIC: [(u8, &str, u32, u8); 24] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, COMFORT_NOISE, 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
    (25, "CelB", 90000, 1),
    (26, "JPEG", 90000, 1),
    (28, "nv", 90000, 1),
    (31, "H261", 90000, 1),
    (32, "MPV", 90000, 1),
    (33, "MP2T", 90000, 1),
    (34, "H263", 90000, 1),
];

impl Codec {
    /// A codec with one channel and no parameters.
    pub fn new(payload: u8, name: &str, clock: u32) -> Self {
        Codec { payload, name: name.to_owned(), clock, channels: 1, fmtp: None }
    }

    /// G.711 µ-law.
    pub fn pcmu() -> Self {
        Codec::new(0, "PCMU", 8000)
    }

    /// G.711 A-law.
    pub fn pcma() -> Self {
        Codec::new(8, "PCMA", 8000)
    }

    /// G.722.
    pub fn g722() -> Self {
        Codec::new(9, "G722", 8000)
    }

    /// Opus (RFC 7587: always 48000 and two channels).
    pub fn opus(payload: u8) -> Self {
        Codec { channels: 2, ..Codec::new(payload, "opus", 48000) }
    }

    /// Digits as events (RFC 4733), beside audio of the same clock.
    pub fn telephone_event(payload: u8, clock: u32) -> Self {
        Codec { fmtp: Some("0-15".to_owned()), ..Codec::new(payload, TELEPHONE_EVENT, clock) }
    }

    /// What a payload number means without any `a=rtpmap` (RFC 3551).
    pub fn of_static(payload: u8) -> Option<Self> {
        let &(_, name, clock, channels) = STATIC.iter().find(|entry| entry.0 == payload)?;
        Some(Codec { channels, ..Codec::new(payload, name, clock) })
    }

    /// Whether both mean the same way to write sound, whatever number they give it.
    pub fn same_as(&self, other: &Codec) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock == other.clock
            && self.channels == other.channels
    }

    /// Whether this is RFC 4733's events.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case(TELEPHONE_EVENT)
    }

    /// Whether it carries sound by itself (neither events nor comfort noise).
    pub fn is_voice(&self) -> bool {
        !self.is_telephone_event() && !self.name.eq_ignore_ascii_case(COMFORT_NOISE)
    }

    /// The value of one parameter of `a=fmtp` (`name=value`, separated by semicolons).
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.fmtp.as_deref()?.split(';');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then(|| value.trim()))
    }

    /// The value of `a=rtpmap`, after the payload number.
    pub(crate) fn encoding(&self) -> String {
        match self.channels {
            0 | 1 => format!("{}/{}", self.name, self.clock),
            channels => format!("{}/{}/{channels}", self.name, self.clock),
        }
    }

    /// Reads `name/clock[/channels]`.
    pub(crate) fn of_encoding(payload: u8, encoding: &str) -> Option<Self> {
        let mut parts = encoding.trim().split('/');
        let (name, clock) = (parts.next()?, parts.next()?.parse().ok()?);
        let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
        Some(Codec { channels, ..Codec::new(payload, name, clock) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_payload_numbers_need_no_rtpmap() {
        assert_eq!(Codec::of_static(0), Some(Codec::pcmu()));
        assert_eq!(Codec::of_static(8), Some(Codec::pcma()));
        assert_eq!(Codec::of_static(18).unwrap().name, "G729");
        assert_eq!(Codec::of_static(96), None);
    }

    #[test]
    fn names_are_compared_without_case_and_with_clock_and_channels() {
        assert!(Codec::pcmu().same_as(&Codec::new(100, "pcmu", 8000)));
        assert!(!Codec::pcmu().same_as(&Codec::new(0, "PCMU", 16000)));
        assert!(Codec::opus(96).same_as(&Codec::of_encoding(111, "OPUS/48000/2").unwrap()));
        assert!(!Codec::opus(96).same_as(&Codec::of_encoding(111, "opus/48000").unwrap()));
    }

    #[test]
    fn parameters_are_found_by_name() {
        let g729 = Codec { fmtp: Some("annexb=no; mode = 20".into()), ..Codec::new(18, "G729", 8000) };
        assert_eq!(g729.parameter("AnnexB"), Some("no"));
        assert_eq!(g729.parameter("mode"), Some("20"));
        assert_eq!(g729.parameter("bitrate"), None);
    }
}
