use std::io;

use peering::{Frame, Garbled, Reader};
use strowger_io::{Interest, Poller, Stream};

/// What may wait to be written to one neighbour, bytes: a copy of all that lives in a shard or two.
const MOST_WAITING: usize = 64 << 20;
/// Reads of one readiness: a busy neighbour must not hold up the others.
const READS: usize = 16;

/// Why a line ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the other side closed it")]
    Closed,
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Garbled(#[from] Garbled),
    #[error("the other side does not read")]
    TooSlow,
}

/// A connection to or from a neighbour.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    reader: Reader,
    unwritten: Vec<u8>,
    written: usize,
    is_connecting: bool,
    waits_to_write: bool,
}

impl Line {
    pub(super) fn new(stream: Stream, is_connecting: bool, token: u64, poller: &Poller) -> Option<Self> {
        let interest = if is_connecting { Interest::BOTH } else { Interest::READ };
        poller.add(&stream, token, interest).ok()?;
        let (reader, unwritten) = (Reader::default(), Vec::new());
        Some(Line { stream, reader, unwritten, written: 0, is_connecting, waits_to_write: is_connecting })
    }

    /// Adds a frame to what [`Line::flush`] writes.
    pub(super) fn say(&mut self, frame: &Frame) {
        frame.write(&mut self.unwritten);
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, room: &mut [u8], told: &mut impl FnMut(Frame)) -> Result<(), Cut> {
        for _ in 0..READS {
            let length = match self.stream.read(room)? {
                None => return Ok(()),
                Some(0) => return Err(Cut::Closed),
                Some(length) => length,
            };
            self.reader.push(&room[..length]);
            while let Some(frame) = self.reader.next_frame()? {
                told(frame);
            }
            // That was all; if more has come meanwhile, or the end, the poller says so.
            if length < room.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a connect that was begun has been made by now.
    pub(super) fn connected(&mut self) -> Result<(), Cut> {
        if self.is_connecting {
            if let Some(failure) = self.stream.failure() {
                return Err(failure.into());
            }
            self.is_connecting = false;
        }
        Ok(())
    }

    /// Writes what can be written now.
    pub(super) fn flush(&mut self, token: u64, poller: &Poller) -> Result<(), Cut> {
        if self.unwritten.len() - self.written > MOST_WAITING {
            return Err(Cut::TooSlow);
        }
        while !self.is_connecting && self.written < self.unwritten.len() {
            match self.stream.write(&self.unwritten[self.written..])? {
                Some(length) => self.written += length,
                None => break,
            }
        }
        if self.written == self.unwritten.len() {
            self.unwritten.clear();
            self.written = 0;
        }
        let waits = self.is_connecting || !self.unwritten.is_empty();
        if waits != self.waits_to_write {
            let interest = if waits { Interest::BOTH } else { Interest::READ };
            poller.modify(&self.stream, token, interest).map_err(|error| error.source)?;
            self.waits_to_write = waits;
        }
        Ok(())
    }

    /// Whether more should not be copied over it for now.
    pub(super) fn is_busy(&self) -> bool {
        self.unwritten.len() - self.written > 1 << 20
    }

    pub(super) fn leave(&self, poller: &Poller) {
        let _ = poller.remove(&self.stream);
    }
}
