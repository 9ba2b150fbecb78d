use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use machine::{CellId, KeyedHash, base32};

const PURPOSE: u8 = 0xE0;
const SEAL: usize = 4;
/// Listener (1), family (1), address (16), port (2), cell (1, if there are cells), seal (4).
const LONGEST: usize = 25;
/// Address, port and cell.
const WITH_CELL_4: usize = 7;
const WITH_CELL_6: usize = 19;
/// The family's byte of a flow of another thread than the first: this, [`SIX`] if it is IPv6, and the thread.
const THREADED: u8 = 0x80;
const SIX: u8 = 0x40;
const MOST_THREAD: u8 = 0x3f;

/// A way to a phone: by which listener, to which address. With a stream transport, the address is the far
/// end of the connection that the phone made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The place of the listener in the edges' list, which is the same everywhere.
    pub listener: u8,
    /// The signalling thread that has the connection, if it is one; below 64.
    pub thread: u8,
    /// The phone's end.
    pub remote: SocketAddr,
}

impl Flow {
    /// The flow as text that only a holder of the same secret can write: `[0-9a-z]`, 20 symbols for IPv4. `cell` is
    /// that whose edges have it; [`CellId::HOME`] without cells.
    pub fn token(&self, hash: &KeyedHash, cell: CellId) -> String {
        let mut raw = [0; LONGEST];
        let mut length = self.write(&mut raw);
        if !cell.is_home() {
            raw[length] = cell.0;
            length += 1;
        }
        let seal = hash.sum64(PURPOSE, &[&raw[..length]]) as u32;
        raw[length..length + SEAL].copy_from_slice(&seal.to_be_bytes());
        base32::encode(&raw[..length + SEAL])
    }

    /// The flow that `token` tells, and the cell whose edges have it, if the seal is right.
    pub fn read(token: &[u8], hash: &KeyedHash) -> Option<(CellId, Flow)> {
        let mut raw = [0; LONGEST];
        let length = base32::decode(token, &mut raw)?.checked_sub(SEAL)?;
        let (said, seal) = raw.get(..length + SEAL)?.split_at(length);
        if (hash.sum64(PURPOSE, &[said]) as u32).to_be_bytes() != seal {
            return None;
        }
        let (&[listener, family], rest) = said.split_first_chunk::<2>()?;
        let (family, thread) = Flow::family_and_thread(family);
        let (rest, cell) = match (family, rest.len()) {
            (4, WITH_CELL_4) | (6, WITH_CELL_6) => {
                rest.split_last().map(|(&cell, rest)| (rest, CellId(cell)))?
            }
            _ => (rest, CellId::HOME),
        };
        let (address, port) = rest.split_last_chunk::<2>()?;
        let ip: IpAddr = match family {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
            6 => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
            _ => return None,
        };
        Some((cell, Flow { listener, thread, remote: SocketAddr::new(ip, u16::from_be_bytes(*port)) }))
    }

    /// Family and thread as one byte: 4 or 6 for the first thread.
    pub fn family(&self) -> u8 {
        match (self.thread, self.remote.is_ipv6()) {
            (0, false) => 4,
            (0, true) => 6,
            (thread, false) => THREADED | thread & MOST_THREAD,
            (thread, true) => THREADED | SIX | thread & MOST_THREAD,
        }
    }

    /// What [`Flow::family`] says: 4 or 6 (anything else is no family), and the thread.
    pub fn family_and_thread(byte: u8) -> (u8, u8) {
        match (byte & THREADED, byte & SIX) {
            (0, _) => (byte, 0),
            (_, 0) => (4, byte & MOST_THREAD),
            (_, _) => (6, byte & MOST_THREAD),
        }
    }

    fn write(&self, raw: &mut [u8; LONGEST]) -> usize {
        raw[0] = self.listener;
        let end = match self.remote.ip() {
            IpAddr::V4(ip) => {
                raw[2..6].copy_from_slice(&ip.octets());
                6
            }
            IpAddr::V6(ip) => {
                raw[2..18].copy_from_slice(&ip.octets());
                18
            }
        };
        raw[1] = self.family();
        raw[end..end + 2].copy_from_slice(&self.remote.port().to_be_bytes());
        end + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Secret;

    #[test]
    fn a_flow_token_is_read_only_by_those_who_share_the_secret() {
        let ours = KeyedHash::new(Secret::new([1; 16]));
        let theirs = KeyedHash::new(Secret::new([2; 16]));
        let ends = ["192.0.2.7:5062", "[2001:db8::9]:65535"].map(|end| [(end, 0), (end, 63)]);
        for ((remote, thread), cell) in ends.into_iter().flatten().flat_map(|end| [(end, 0), (end, 15)]) {
            let flow = Flow { listener: 3, thread, remote: remote.parse().unwrap() };
            let token = flow.token(&ours, CellId(cell));
            assert_eq!(Flow::read(token.as_bytes(), &ours), Some((CellId(cell), flow)));
            assert_eq!(Flow::read(token.as_bytes(), &theirs), None);
            assert_eq!(Flow::read(&token.as_bytes()[1..], &ours), None);
        }
        for rubbish in ["", "0", "zzzzzzzz", "0000000000000000000000000000000000000000000000000000"] {
            assert_eq!(Flow::read(rubbish.as_bytes(), &ours), None);
        }
    }
}
