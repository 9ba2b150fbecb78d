//! The disk behind a ring: the same records one behind the other, and marks that say how far the ring was
//! followed. It grows by appending, and is written anew when most of it is history.
//!
//! `STRWLOG1`, and then records as in a segment, their headers under seed 0.

use std::collections::BTreeMap;

use machine::{Key, Tag};

use crate::journal::Entry;
use crate::layout::{Head, crc, kind};
use crate::scan::{Found, scan};
use crate::tail::Position;

const FRONT: &[u8; 8] = b"STRWLOG1";
const SEED: u32 = 0;

/// Writes the beginning of a log to `out`.
pub fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(FRONT);
}

/// Writes the newest state of one thing; an empty body says that it is no more.
pub fn record(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let mut head = Head::new(kind::STATE, 0);
    (head.tag, head.shard, head.key) = (entry.tag, entry.shard.number(), entry.key);
    write(out, head, entry.body);
}

/// Writes how far the ring was followed.
pub fn mark(out: &mut Vec<u8>, position: Position) {
    let mut head = Head::new(kind::MARK, position.sequence);
    (head.number, head.key) = (position.offset, Key(position.life.into()));
    write(out, head, &[]);
}

fn write(out: &mut Vec<u8>, mut head: Head, body: &[u8]) {
    head.len = body.len() as u32;
    head.body_crc = crc(0, &[body]);
    out.extend_from_slice(&head.write(SEED));
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// What a log says.
#[derive(Debug)]
pub struct Log<'a> {
    bytes: &'a [u8],
    newest: BTreeMap<(Tag, Key), usize>,
    mark: Option<Position>,
    damage: Vec<usize>,
    end: usize,
}

impl<'a> Log<'a> {
    /// Reads all of `bytes` whose checksums hold.
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut log = Log { bytes, newest: BTreeMap::new(), mark: None, damage: Vec::new(), end: 0 };
        if bytes.is_empty() {
            return log;
        }
        if !bytes.starts_with(FRONT) {
            log.damage.push(0);
        }
        let mut end = FRONT.len();
        scan(bytes, SEED, FRONT.len(), |found| match found {
            Found::Record { offset, head } if head.body_holds(&bytes[offset..]) => {
                log.take(offset, &head);
                end = offset + head.size();
            }
            Found::Record { offset, .. } | Found::Broken { offset } => log.damage.push(offset),
        });
        if end < bytes.len() && log.damage.last() != Some(&end) {
            log.damage.push(end);
        }
        log.end = end;
        log
    }

    fn take(&mut self, offset: usize, head: &Head) {
        match head.kind {
            kind::STATE if head.len == 0 => drop(self.newest.remove(&(head.tag, head.key))),
            kind::STATE => drop(self.newest.insert((head.tag, head.key), offset)),
            kind::MARK => {
                let life = head.key.0 as u64;
                self.mark = Some(Position { life, sequence: head.batch, offset: head.number });
            }
            _ => {}
        }
    }

    /// The newest record of each key.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> {
        let bytes = self.bytes;
        self.newest.values().map(move |&offset| {
            let raw = &bytes[offset..];
            let head = Head::trusted(raw);
            Entry { tag: head.tag, shard: head.shard(), key: head.key, body: head.body(raw) }
        })
    }

    /// How far the ring was followed.
    pub fn mark(&self) -> Option<Position> {
        self.mark
    }

    /// Where the log is broken; the rest was read.
    pub fn damage(&self) -> &[usize] {
        &self.damage
    }

    /// Where to go on writing: behind the last record that holds.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The same log without its history.
    pub fn compact(&self) -> Vec<u8> {
        let mut out = Vec::new();
        begin(&mut out);
        for entry in self.entries() {
            record(&mut out, &entry);
        }
        if let Some(position) = self.mark {
            mark(&mut out, position);
        }
        out
    }
}
