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
            match self.framer.next(&self.unread[start..])? {
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

    pub(crate) fn wants_to_write(&self) -> bool {
        self.is_connecting || !self.unwritten.is_empty()
    }
}
