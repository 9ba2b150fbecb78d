use std::net::SocketAddr;

use edge::Flow;

/// What one turn received, in one arena, each message with its source in a few bytes.
#[derive(Debug, Default)]
pub struct Arrivals {
    arena: Vec<u8>,
    messages: Vec<(Source, usize, usize)>,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the world.
    World(Flow),
    /// From another edge, by the hop inside: it has passed an edge already.
    Hop,
}

impl Arrivals {
    /// Forgets the last turn's.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.messages.clear();
    }

    /// Adds a message.
    pub fn push(&mut self, source: Source, bytes: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        self.messages.push((source, start, self.arena.len()));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Message `number`.
    pub fn get(&self, number: usize) -> Option<(Source, &[u8])> {
        let &(source, start, end) = self.messages.get(number)?;
        Some((source, &self.arena[start..end]))
    }
}

impl Source {
    /// The longest that [`Source::write`] gives.
    pub const LONGEST: usize = 20;

    /// As bytes, for a journal.
    pub fn write(&self) -> ([u8; Self::LONGEST], usize) {
        let mut raw = [0; Self::LONGEST];
        let Source::World(flow) = self else { return (raw, 1) };
        raw[0] = flow.family();
        raw[1] = flow.listener;
        let end = match flow.remote {
            SocketAddr::V4(remote) => {
                raw[2..6].copy_from_slice(&remote.ip().octets());
                6
            }
            SocketAddr::V6(remote) => {
                raw[2..18].copy_from_slice(&remote.ip().octets());
                18
            }
        };
        raw[end..end + 2].copy_from_slice(&flow.remote.port().to_be_bytes());
        (raw, end + 2)
    }

    /// From what [`Source::write`] gave.
    pub fn read(raw: &[u8]) -> Option<Source> {
        let (kind, rest) = raw.split_first()?;
        if *kind == 0 {
            return Some(Source::Hop);
        }
        let (listener, rest) = rest.split_first()?;
        let (address, port) = rest.split_last_chunk::<2>()?;
        let port = u16::from_be_bytes(*port);
        let (family, thread) = Flow::family_and_thread(*kind);
        let remote = match family {
            4 => SocketAddr::from((<[u8; 4]>::try_from(address).ok()?, port)),
            6 => SocketAddr::from((<[u8; 16]>::try_from(address).ok()?, port)),
            _ => return None,
        };
        Some(Source::World(Flow { listener: *listener, thread, remote }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_was_written() {
        for (remote, thread) in [("192.0.2.1:5060", 0), ("[2001:db8::1]:65535", 0), ("192.0.2.1:5060", 7)] {
            let source = Source::World(Flow { listener: 9, thread, remote: remote.parse().unwrap() });
            let (raw, length) = source.write();
            assert_eq!(Source::read(&raw[..length]), Some(source));
        }
        let (raw, length) = Source::Hop.write();
        assert_eq!(Source::read(&raw[..length]), Some(Source::Hop));
        assert_eq!(Source::read(&[]), None);
        assert_eq!(Source::read(&[4, 1, 2, 3]), None);
    }
}
