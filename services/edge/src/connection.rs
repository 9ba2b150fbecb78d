use std::collections::VecDeque;
use std::io;

use edge::Flow;
use machine::Moment;
use sip::{Framed, Framer};
use strowger_io::Stream;

/// What may wait to be written to one peer, bytes.
const MOST_WAITING: usize = 256 * 1024;

/// One stream to a phone.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    pub(crate) stream: Stream,
    pub(crate) last_heard: Moment,
    framer: Framer,
    unread: Vec<u8>,
    unwritten: VecDeque<u8>,
    is_connecting: bool,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error("the other side closed it")]
    ByPeer,
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("what came is no SIP: {0}")]
    Unreadable(#[from] sip::ParseError),
    #[error("the other side does not read")]
    TooSlow,
}

impl Connection {
    pub(crate) fn new(
        flow: Flow,
        stream: Stream,
        limits: sip::Limits,
        is_connecting: bool,
        now: Moment,
    ) -> Self {
        Connection {
            flow,
            stream,
            last_heard: now,
            framer: Framer::new(limits),
            unread: Vec::new(),
            unwritten: VecDeque::new(),
            is_connecting,
        }
    }

    /// Reads what is there and tells each whole message.
    pub(crate) fn read(
        &mut self,
        now: Moment,
        room: &mut [u8],
        told: &mut impl FnMut(Flow, &[u8]),
    ) -> Result<(), Closed> {
        // A bounded share: one greedy peer must not hold up the others.
        for _ in 0..4 {
            match self.stream.read(room)? {
                None => return Ok(()),
                Some(0) => return Err(Closed::ByPeer),
                Some(length) => {
                    self.last_heard = now;
                    self.unread.extend_from_slice(&room[..length]);
                    self.cut(told)?;
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, told: &mut impl FnMut(Flow, &[u8])) -> Result<(), Closed> {
        let mut start = 0;
        loop {
            let framed = match self.framer.next(&self.unread[start..]) {
                Ok(framed) => framed,
                Err(why) => return Err(self.part(start, why)),
            };
            match framed {
                Framed::Message { len } => {
                    told(self.flow, &self.unread[start..start + len]);
                    start += len;
                }
                Framed::KeepAlive { len, ping } => {
                    start += len;
                    if ping {
                        self.write(b"\r\n")?;
                    }
                }
                Framed::Partial => break,
            }
        }
        self.unread.drain(..start);
        Ok(())
    }

    /// Says why, as far as that can be said at once, before the connection is closed.
    fn part(&mut self, start: usize, why: sip::ParseError) -> Closed {
        let mut answer = Vec::new();
        if edge::farewell(&self.unread[start..], &why, &mut answer) {
            let _ = self.write(&answer);
        }
        why.into()
    }

    /// Writes now what can be, and keeps the rest.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        if self.unwritten.len() + bytes.len() > MOST_WAITING {
            return Err(Closed::TooSlow);
        }
        let mut written = 0;
        if self.unwritten.is_empty() && !self.is_connecting {
            while written < bytes.len() {
                match self.stream.write(&bytes[written..])? {
                    Some(length) => written += length,
                    None => break,
                }
            }
        }
        self.unwritten.extend(&bytes[written..]);
        Ok(())
    }

    /// There is room again, or the connection was made (or could not be).
    pub(crate) fn writable(&mut self) -> Result<(), Closed> {
        if self.is_connecting {
            if let Some(failure) = self.stream.failure() {
                return Err(failure.into());
            }
            self.is_connecting = false;
        }
        while !self.unwritten.is_empty() {
            let (front, _) = self.unwritten.as_slices();
            match self.stream.write(front)? {
                Some(length) => drop(self.unwritten.drain(..length)),
                None => break,
            }
        }
        Ok(())
    }

    /// Whether it is between two messages in either direction.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.unread.is_empty() && !self.wants_to_write()
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        self.is_connecting || !self.unwritten.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use strowger_io::Listener;

    use super::*;

    #[test]
    fn a_message_too_long_is_told_so_before_the_connection_is_closed() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), false).unwrap();
        let mut phone = std::net::TcpStream::connect(listener.local().unwrap()).unwrap();
        let accepted = std::iter::repeat_with(|| listener.accept().unwrap()).flatten().next();
        let (stream, remote) = accepted.unwrap();
        let limits = sip::Limits { headers: 1024, body: 1024 };
        let flow = Flow { listener: 0, thread: 0, remote };
        let mut connection = Connection::new(flow, stream, limits, false, Moment::from_secs(0));
        let long = "OPTIONS sip:red.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKx\r\n\
            From: <sip:alice@red.example>;tag=a\r\nTo: <sip:red.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
            Content-Length: 1025\r\n\r\n";
        phone.write_all(long.as_bytes()).unwrap();
        let mut room = [0; 4096];
        let closed = loop {
            match connection.read(Moment::from_secs(0), &mut room, &mut |_, _| panic!("a message")) {
                Ok(()) => std::thread::yield_now(),
                Err(closed) => break closed,
            }
        };
        assert!(matches!(closed, Closed::Unreadable(_)), "{closed}");
        drop(connection);
        let mut answer = String::new();
        phone.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("SIP/2.0 513 "), "{answer}");
    }
}
