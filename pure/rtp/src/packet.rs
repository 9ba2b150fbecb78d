//! RFC 3550 5.1 and 5.3.1: the RTP packet.

use crate::Invalid;
use crate::invalid::part;

/// The fixed part of the header, all that a relay needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The beginning of a talk spurt, or of an event.
    pub marker: bool,
    /// How the payload is to be read: 0 to 127.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// A header extension (RFC 3550 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What the profile makes of it.
    pub profile: u16,
    /// Whole words; what is more than that is not written.
    pub data: &'a [u8],
}

/// A whole packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: Header,
    /// Contributing sources, four bytes each, at most 15.
    pub csrcs: &'a [u8],
    /// An extension.
    pub extension: Option<Extension<'a>>,
    /// What is carried.
    pub payload: &'a [u8],
    /// How many bytes of padding follow, the one that counts them included.
    pub padding: u8,
}

impl Header {
    /// Bytes of the fixed part.
    pub const LENGTH: usize = 12;

    /// Reads the fixed part: enough bytes and version 2 are all that is asked.
    #[inline]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; Self::LENGTH] = packet.first_chunk()?;
        (fixed[0] >> 6 == 2).then(|| Self::of(fixed))
    }

    #[inline]
    fn of(fixed: &[u8; Self::LENGTH]) -> Self {
        let [_, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        }
    }

    /// The fixed part as bytes, with nothing after it but a payload.
    pub fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut fixed = [0; Self::LENGTH];
        fixed[0] = 0x80;
        fixed[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        fixed[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        fixed[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        fixed
    }
}

impl<'a> Packet<'a> {
    /// A packet of header and payload.
    pub const fn new(header: Header, payload: &'a [u8]) -> Self {
        Packet { header, csrcs: &[], extension: None, payload, padding: 0 }
    }

    /// Reads a packet and checks that its parts fit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let fixed =
            bytes.first_chunk().ok_or(Invalid::Short { at: 0, needed: Header::LENGTH, had: bytes.len() })?;
        let first = fixed[0];
        if first >> 6 != 2 {
            return Err(Invalid::Version { at: 0, found: first >> 6 });
        }
        let csrcs = part(bytes, Header::LENGTH, usize::from(first & 0x0f) * 4)?;
        let mut at = Header::LENGTH + csrcs.len();
        let mut extension = None;
        if first & 0x10 != 0 {
            let head = part(bytes, at, 4)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let data = part(bytes, at + 4, words * 4)?;
            extension = Some(Extension { profile: u16::from_be_bytes([head[0], head[1]]), data });
            at += 4 + data.len();
        }
        let (payload, padding) = unpad(&bytes[at..], first & 0x20 != 0)?;
        Ok(Packet { header: Header::of(fixed), csrcs, extension, payload, padding })
    }

    /// Writes the packet after what is in `out`. What can't be written (more than 15 sources, a broken
    /// word) is cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        let sources = (self.csrcs.len() / 4).min(15);
        let mut fixed = self.header.bytes();
        fixed[0] |=
            u8::from(self.padding != 0) << 5 | u8::from(self.extension.is_some()) << 4 | sources as u8;
        out.extend_from_slice(&fixed);
        out.extend_from_slice(&self.csrcs[..sources * 4]);
        if let Some(extension) = self.extension {
            let words = (extension.data.len() / 4).min(usize::from(u16::MAX));
            out.extend_from_slice(&extension.profile.to_be_bytes());
            out.extend_from_slice(&(words as u16).to_be_bytes());
            out.extend_from_slice(&extension.data[..words * 4]);
        }
        out.extend_from_slice(self.payload);
        if let Some(zeroes) = self.padding.checked_sub(1) {
            out.resize(out.len() + usize::from(zeroes), 0);
            out.push(self.padding);
        }
    }
}

fn unpad(rest: &[u8], padded: bool) -> Result<(&[u8], u8), Invalid> {
    if !padded {
        return Ok((rest, 0));
    }
    let said = rest.last().copied().unwrap_or(0);
    let length = rest.len().checked_sub(usize::from(said)).filter(|_| said != 0);
    length.map(|length| (&rest[..length], said)).ok_or(Invalid::Padding { said, had: rest.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 16] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4];

    #[test]
    fn a_plain_packet_is_read() {
        let header =
            Header { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 160, ssrc: 0xdead_beef };
        assert_eq!(Header::read(&PLAIN), Some(header));
        assert_eq!(Packet::parse(&PLAIN), Ok(Packet::new(header, &[1, 2, 3, 4])));
        assert_eq!(Header::read(&PLAIN[..11]), None);
        assert_eq!(Header::read(&[0x40; 12]), None, "version 1");
    }

    #[test]
    fn sources_extension_and_padding_are_found() {
        let packet = Packet {
            header: Header { sequence: 1, ..Header::default() },
            csrcs: &[0, 0, 0, 1, 0, 0, 0, 2],
            extension: Some(Extension { profile: 0xbede, data: &[0x10, 0xff, 0, 0] }),
            payload: b"sound",
            padding: 3,
        };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        assert_eq!(bytes[0], 0x80 | 0x20 | 0x10 | 2);
        assert_eq!(bytes.len(), 12 + 8 + 8 + 5 + 3);
        assert_eq!(Packet::parse(&bytes), Ok(packet));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let mut bytes = PLAIN;
        bytes[0] = 0x82;
        assert_eq!(Packet::parse(&bytes), Err(Invalid::Short { at: 12, needed: 8, had: 4 }));
        bytes[0] = 0x90;
        assert_eq!(Packet::parse(&bytes), Err(Invalid::Short { at: 16, needed: 0x0304 * 4, had: 0 }));
        bytes[0] = 0xa0;
        assert_eq!(Packet::parse(&bytes).map(|it| it.payload.len()), Ok(0), "all of it may be padding");
        bytes[15] = 5;
        assert_eq!(Packet::parse(&bytes), Err(Invalid::Padding { said: 5, had: 4 }));
        bytes[15] = 0;
        assert_eq!(Packet::parse(&bytes), Err(Invalid::Padding { said: 0, had: 4 }));
    }
}
