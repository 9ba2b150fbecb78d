use journal::log::{self, Log};
use journal::{Entry, Tail};
use machine::Tag;

use crate::chance::Chance;

/// A log with more history than this is written anew.
const SMALL: usize = 256 * 1024;

/// The disk behind a thread's journal, and the follower that brings there what must outlive a power loss.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    log: Vec<u8>,
    /// The follower lives and dies with its process.
    tail: Option<Tail>,
}

impl Disk {
    /// A follower begins: it goes on where the last one was, if it is still the same ring.
    pub(crate) fn begin(&mut self, ring: &Vec<u8>) {
        self.tail = Log::read(&self.log).mark().and_then(|mark| Tail::resume(ring, mark));
        self.sync(ring);
    }

    /// The follower's process died.
    pub(crate) fn end(&mut self) {
        self.tail = None;
    }

    /// Brings all that is committed to the disk.
    pub(crate) fn sync(&mut self, ring: &Vec<u8>) {
        loop {
            let mut tail = match self.tail.take() {
                Some(tail) => tail,
                None => {
                    self.log.clear();
                    log::begin(&mut self.log);
                    let Some(tail) = Tail::start(ring) else { return };
                    tail
                }
            };
            let log = &mut self.log;
            let looked = tail.poll(ring, |entry| write(log, &entry));
            if looked.is_ok() {
                log::mark(log, tail.position());
                self.tail = Some(tail);
                break;
            }
        }
        if self.log.len() > SMALL {
            self.log = Log::read(&self.log).compact();
        }
    }

    /// The power goes, in the middle of a write: of what is new some bytes have arrived.
    pub(crate) fn tear(&mut self, ring: &Vec<u8>, chance: &mut Chance) {
        if let Some(tail) = &mut self.tail {
            let mut new = Vec::new();
            if tail.poll(ring, |entry| write(&mut new, &entry)).is_ok() {
                new.truncate(chance.below(new.len() as u64 + 1) as usize);
                self.log.extend_from_slice(&new);
            }
        }
        self.end();
    }

    /// What is there.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        Log::read(&self.log).entries().collect()
    }

    /// Which things of this kind are there.
    pub(crate) fn keys(&self, tag: Tag) -> impl Iterator<Item = machine::Key> {
        self.entries().into_iter().filter(move |entry| entry.tag == tag).map(|entry| entry.key)
    }
}

fn write(log: &mut Vec<u8>, entry: &Entry<'_>) {
    if exchange::kept::DURABLE.contains(&entry.tag) {
        log::record(log, entry);
    }
}
