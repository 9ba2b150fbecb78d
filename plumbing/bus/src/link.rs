//! One connection of an [`crate::Endpoint`], and what waits to be written to it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use contract::Envelope;

use crate::frame::Reader;

/// So many messages are written at once.
const AT_ONCE: usize = 64;

/// A message as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The number of the request that it is, if it is one.
    pub(crate) request: Option<u64>,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// Messages that wait to be written, in order, at most so many bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    frames: VecDeque<Frame>,
    /// How much of the first one is written already.
    begun: usize,
    bytes: usize,
    most: usize,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        Queue { frames: VecDeque::new(), begun: 0, bytes: 0, most }
    }

    /// Takes `frame`, unless too much waits already.
    pub(crate) fn push(&mut self, frame: Frame) -> bool {
        if self.bytes > 0 && self.bytes + frame.bytes.len() > self.most {
            return false;
        }
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        true
    }

    /// Writes as much as `to` takes.
    pub(crate) fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while !self.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            let mut skip = self.begun;
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(&self.frames) {
                *slice = IoSlice::new(&frame.bytes[skip..]);
                skip = 0;
                count += 1;
            }
            match to.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut count: usize) {
        while let Some(first) = self.frames.front() {
            let left = first.bytes.len() - self.begun;
            if count < left {
                self.begun += count;
                return;
            }
            count -= left;
            self.bytes -= first.bytes.len();
            self.begun = 0;
            self.frames.pop_front();
        }
    }

    /// What was not begun, when the connection is no more.
    pub(crate) fn into_unbegun(mut self) -> VecDeque<Frame> {
        if self.begun > 0 {
            self.frames.pop_front();
        }
        self.frames
    }
}

/// A connection, whoever opened it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: UnixStream,
    pub(crate) queue: Queue,
    reader: Reader,
}

impl Link {
    pub(crate) fn new(stream: UnixStream, most: usize) -> Self {
        Link { stream, queue: Queue::new(most), reader: Reader::default() }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.queue.flush(&mut self.stream)
    }

    /// Reads all that is there into `into`, by way of `room`; `to_the_end` if the peer has closed it. False: the
    /// connection is no more.
    pub(crate) fn read(
        &mut self,
        room: &mut [u8],
        to_the_end: bool,
        into: &mut impl FnMut(Envelope),
    ) -> bool {
        loop {
            let count = match self.stream.read(room) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            self.reader.push(&room[..count]);
            loop {
                match self.reader.next() {
                    Ok(Some(envelope)) => into(envelope),
                    // A stream that gave less than it might have is empty; of more, or its end, the poll tells.
                    Ok(None) if count < room.len() && !to_the_end => return true,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "a bus connection is closed for what came on it");
                        return false;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, and then would block.
    struct Narrow {
        got: Vec<u8>,
        at_a_time: usize,
        turns: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.turns == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.turns -= 1;
            let count = bytes.len().min(self.at_a_time);
            self.got.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame(byte: u8, length: usize) -> Frame {
        Frame { request: None, bytes: Arc::new(vec![byte; length]) }
    }

    #[test]
    fn what_was_begun_is_gone_with_the_connection_and_the_rest_is_not() {
        let mut queue = Queue::new(100);
        for byte in 1..=3 {
            assert!(queue.push(frame(byte, 10)));
        }
        let mut narrow = Narrow { got: Vec::new(), at_a_time: 7, turns: 2 };
        queue.flush(&mut narrow).unwrap();
        assert_eq!(narrow.got, [1; 10]);
        narrow.turns = 1;
        queue.flush(&mut narrow).unwrap();
        assert_eq!(queue.into_unbegun(), VecDeque::from([frame(3, 10)]));
    }

    #[test]
    fn a_queue_is_bounded_but_takes_one_message_of_any_size() {
        let mut queue = Queue::new(100);
        assert!(queue.push(frame(0, 1_000)));
        assert!(!queue.push(frame(0, 1)));
        let mut wide = Narrow { got: Vec::new(), at_a_time: 10_000, turns: 9 };
        queue.flush(&mut wide).unwrap();
        assert!(queue.push(frame(0, 1)));
    }
}
