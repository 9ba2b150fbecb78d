//! RFC 7983 and RFC 5761 4: telling apart what arrives on one port.

/// What a datagram on a media port is, by its first two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// A packet of sound.
    Rtp,
    /// Reports.
    Rtcp,
    /// A STUN message.
    Stun,
    /// A DTLS record.
    Dtls,
    /// None of these.
    Other,
}

impl Datagram {
    /// Looks at no more than two bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match *bytes {
            [128..=191, 192..=223, ..] => Datagram::Rtcp,
            [128..=191, _, ..] => Datagram::Rtp,
            [0..=3, _, ..] => Datagram::Stun,
            [20..=63, _, ..] => Datagram::Dtls,
            _ => Datagram::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Datagram;

    #[test]
    fn first_bytes_tell_them_apart() {
        assert_eq!(Datagram::of(&[0x80, 0]), Datagram::Rtp);
        assert_eq!(Datagram::of(&[0x80, 0x80]), Datagram::Rtp, "PCMU with the marker");
        assert_eq!(Datagram::of(&[0x80, 200]), Datagram::Rtcp, "a sender report");
        assert_eq!(Datagram::of(&[0x81, 201]), Datagram::Rtcp);
        assert_eq!(Datagram::of(&[0, 1]), Datagram::Stun);
        assert_eq!(Datagram::of(&[22, 254]), Datagram::Dtls);
        assert_eq!(Datagram::of(&[]), Datagram::Other);
        assert_eq!(Datagram::of(b"\r\n"), Datagram::Other);
    }
}
