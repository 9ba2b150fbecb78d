//! A probe as bytes: `stwp | kind u8 | from u16 | to u16 | life u64 | serial u32 | sent u64 | heard u32 | seal u64`, big
//! endian, and zeros up to the size of a packet of G.711: what audio meets on the way, it meets, too.

use contract::NodeId;
use machine::{KeyedHash, Moment};

/// An RTP header and 20 ms of G.711.
const SIZE: usize = 172;
const MAGIC: [u8; 4] = *b"stwp";
const SEALED: usize = 33;
const SEAL: std::ops::Range<usize> = SEALED..SEALED + 8;
/// What seals are drawn with.
const PURPOSE: u8 = 0xB0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To be echoed.
    Ask,
    /// An ask that came, on its way back.
    Echo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) kind: Kind,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// Which life of the asker this is of: serials begin anew with each.
    pub(crate) life: u64,
    pub(crate) serial: u32,
    /// When it was asked, by the asker's clock.
    pub(crate) sent: Moment,
    /// In an echo: how many asks of this life have come.
    pub(crate) heard: u32,
}

impl Probe {
    /// The echo of an ask, of which so many have been heard.
    pub(crate) fn echo(self, heard: u32) -> Probe {
        Probe { kind: Kind::Echo, from: self.to, to: self.from, heard, ..self }
    }

    pub(crate) fn write(self, hash: &KeyedHash) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend(MAGIC);
        bytes.push(self.kind as u8);
        bytes.extend(self.from.0.to_be_bytes());
        bytes.extend(self.to.0.to_be_bytes());
        bytes.extend(self.life.to_be_bytes());
        bytes.extend(self.serial.to_be_bytes());
        bytes.extend(self.sent.as_micros().to_be_bytes());
        bytes.extend(self.heard.to_be_bytes());
        bytes.extend(seal(hash, &bytes));
        bytes.resize(SIZE, 0);
        bytes
    }

    /// What `bytes` say, if one of us wrote them.
    pub(crate) fn read(bytes: &[u8], hash: &KeyedHash) -> Option<Probe> {
        let said = bytes.get(..SEALED)?;
        if bytes.get(SEAL)? != seal(hash, said) {
            return None;
        }
        let (magic, rest) = said.split_first_chunk::<4>()?;
        let (&[kind], rest) = rest.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        let (to, rest) = rest.split_first_chunk()?;
        let (life, rest) = rest.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        let heard = rest.first_chunk()?;
        let kind = match kind {
            0 => Kind::Ask,
            1 => Kind::Echo,
            _ => return None,
        };
        (*magic == MAGIC).then_some(Probe {
            kind,
            from: NodeId(u16::from_be_bytes(*from)),
            to: NodeId(u16::from_be_bytes(*to)),
            life: u64::from_be_bytes(*life),
            serial: u32::from_be_bytes(*serial),
            sent: Moment::from_micros(u64::from_be_bytes(*sent)),
            heard: u32::from_be_bytes(*heard),
        })
    }
}

fn seal(hash: &KeyedHash, said: &[u8]) -> [u8; 8] {
    hash.sum64(PURPOSE, &[said]).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Secret;

    #[test]
    fn what_one_of_us_wrote_is_read_and_nothing_else_is() {
        let hash = KeyedHash::new(Secret::new([7; 16]));
        let probe = Probe {
            kind: Kind::Ask,
            from: NodeId(1),
            to: NodeId(2),
            life: 3,
            serial: 4,
            sent: Moment::from_micros(5),
            heard: 0,
        };
        let bytes = probe.write(&hash);
        assert_eq!(bytes.len(), SIZE);
        assert_eq!(Probe::read(&bytes, &hash), Some(probe));
        let echo = probe.echo(6);
        assert_eq!((echo.from, echo.to, echo.heard, echo.serial), (NodeId(2), NodeId(1), 6, 4));
        for at in 0..SEAL.end {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(Probe::read(&forged, &hash), None, "{at}");
        }
        assert_eq!(Probe::read(&bytes, &KeyedHash::new(Secret::new([8; 16]))), None);
        assert_eq!(Probe::read(&bytes[..40], &hash), None);
    }
}
