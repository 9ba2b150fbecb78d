use std::sync::{Mutex, PoisonError};

use machine::Shard;
use peering::Wire;
use strowger_io::Waker;

/// What one thread of this worker leaves for another.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A message for the exchange that owns the shard.
    Inward(Shard, Vec<u8>),
    /// A message for the world, on a connection that the other thread has.
    Outward(Wire, Vec<u8>),
}

/// Where the other threads of this worker leave messages for a thread.
#[derive(Debug)]
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    waker: Waker,
}

/// A mailbox holds so many; what comes then is lost, as a datagram would be.
const ROOM: usize = 10_000;

impl Mailbox {
    pub(crate) fn new() -> Result<Self, strowger_io::Error> {
        Ok(Mailbox { letters: Mutex::new(Vec::new()), waker: Waker::new()? })
    }

    /// Leaves a message; false if the mailbox is full.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= ROOM {
            return false;
        }
        letters.push(letter);
        if letters.len() == 1 {
            self.waker.wake();
        }
        true
    }

    /// Takes all there are, into `taken`.
    pub(crate) fn take(&self, taken: &mut Vec<Letter>) {
        self.waker.drain();
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        taken.append(&mut letters);
    }

    /// Readable when there are messages.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }
}
