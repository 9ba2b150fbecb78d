//! Where everything lived at one moment, so that a successor need not read the whole ring: behind the segments
//! lie two slots, written in turns, each with the places of all live records and the place from which on the
//! ring must be read.
//!
//! ```text
//! slot   magic 8, life 8, sequence 8, batch 8, offset 4, count 4, serial 4, crc of the places 4, crc 4, 0 4
//!        and then count times: place in units of eight bytes 4, hash 4, tag 2, size in units of eight bytes 2
//! ```
//!
//! A checkpoint is a short cut and nothing else. Where it, or anything that was written since, is not as it should
//! be, the ring is read from end to end.

use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use machine::Tag;

use crate::index::{Index, Place};
use crate::layout::{PAGE, crc, u16_at, u32_at, u64_at};
use crate::ring::{Region, Ring, Shape};

const MAGIC: [u8; 8] = *b"STRWCHKP";
const HEAD: usize = 56;
const CHECKED: usize = 48;
const PLACE: usize = 12;
/// A checkpoint is due after this part of the ring was written: what is read again beside it.
const APART: u64 = 8;

/// Where a slot's bytes lie in a region of `bytes`; empty if there is no room for slots.
fn slot(shape: Shape, bytes: usize, number: u32) -> Range<usize> {
    let first = PAGE + shape.segment * shape.count as usize;
    let size = bytes.saturating_sub(first) / 2 / 8 * 8;
    if size < HEAD + PLACE {
        return 0..0;
    }
    let start = first + size * (number & 1) as usize;
    start..start + size
}

/// What a checkpoint says beside the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// From which segment on the ring is to be read,
    pub(crate) sequence: u64,
    /// and from where in it.
    pub(crate) offset: usize,
    /// The last batch before that; it was committed and sent.
    pub(crate) batch: u64,
    serial: u32,
    count: usize,
}

impl Checkpoint {
    fn read(slot: &[u8], life: u64) -> Option<Self> {
        let head = slot.get(..HEAD)?;
        let (serial, count) = (u32_at(head, 40), u32_at(head, 36) as usize);
        let whole = head[..8] == MAGIC
            && u64_at(head, 8) == life
            && crc(serial, &[&head[..CHECKED]]) == u32_at(head, CHECKED)
            && HEAD + count * PLACE <= slot.len();
        whole.then(|| Checkpoint {
            sequence: u64_at(head, 16),
            batch: u64_at(head, 24),
            offset: u32_at(head, 32) as usize,
            serial,
            count,
        })
    }

    fn head(&self, life: u64, places: u32) -> [u8; HEAD] {
        let mut raw = [0; HEAD];
        raw[..8].copy_from_slice(&MAGIC);
        raw[8..16].copy_from_slice(&life.to_le_bytes());
        raw[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        raw[24..32].copy_from_slice(&self.batch.to_le_bytes());
        raw[32..36].copy_from_slice(&(self.offset as u32).to_le_bytes());
        raw[36..40].copy_from_slice(&(self.count as u32).to_le_bytes());
        raw[40..44].copy_from_slice(&self.serial.to_le_bytes());
        raw[44..48].copy_from_slice(&places.to_le_bytes());
        let check = crc(self.serial, &[&raw[..CHECKED]]);
        raw[CHECKED..CHECKED + 4].copy_from_slice(&check.to_le_bytes());
        raw
    }

    /// The newest one whose head is whole, and all of its bytes.
    fn latest<R: Region>(ring: &Ring<R>) -> Option<(Self, &[u8])> {
        let raw = ring.region.as_ref();
        let slots = [0, 1].map(|number| &raw[slot(ring.shape, raw.len(), number)]);
        let read = slots.into_iter().filter_map(|slot| Some((Checkpoint::read(slot, ring.life)?, slot)));
        read.max_by_key(|(checkpoint, _)| (checkpoint.sequence, checkpoint.batch))
    }

    /// The newest one that is whole, and its places, in no order.
    pub(crate) fn newest<R: Region>(ring: &Ring<R>) -> Option<(Self, Vec<Place>)> {
        let (newest, slot) = Checkpoint::latest(ring)?;
        let places = &slot[HEAD..HEAD + newest.count * PLACE];
        if crc(0, &[places]) != u32_at(slot, CHECKED - 4) {
            return None;
        }
        let place = |raw: &[u8]| Place {
            eighth: u32_at(raw, 0),
            hash: u32_at(raw, 4),
            tag: Tag(u16_at(raw, 8)),
            size: u16_at(raw, 10),
        };
        Some((newest, places.chunks_exact(PLACE).map(place).collect()))
    }
}

/// When the next checkpoint is due, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    taken: u64,
    serial: u32,
}

impl Schedule {
    /// Goes on after the last one that was taken.
    pub(crate) fn of<R: Region>(ring: &Ring<R>) -> Self {
        match Checkpoint::latest(ring) {
            Some((last, _)) => Schedule { taken: last.sequence, serial: last.serial },
            None => Schedule { taken: ring.head, serial: 0 },
        }
    }

    /// Takes one if it is time: all that lives is in `index`, nothing is pending, and batch `batch` was said.
    pub(crate) fn look<R: Region>(&mut self, ring: &mut Ring<R>, index: &Index, batch: u64) {
        if ring.head < self.taken + (ring.shape.count / APART).max(1) {
            return;
        }
        self.taken = ring.head;
        self.serial = self.serial.wrapping_add(1);
        let (sequence, offset, serial) = (ring.head, ring.offset, self.serial);
        let checkpoint = Checkpoint { sequence, offset, batch, serial, count: index.len() };
        let room = slot(ring.shape, ring.region.as_ref().len(), serial);
        if room.len() >= HEAD + checkpoint.count * PLACE {
            write(&mut ring.region.as_mut()[room], ring.life, &checkpoint, index);
        }
    }
}

fn write(slot: &mut [u8], life: u64, checkpoint: &Checkpoint, index: &Index) {
    slot[..8].fill(0);
    fence(Ordering::Release);
    let (head, room) = slot.split_at_mut(HEAD);
    for (to, place) in room.chunks_exact_mut(PLACE).zip(index.all()) {
        to[..4].copy_from_slice(&place.eighth.to_le_bytes());
        to[4..8].copy_from_slice(&place.hash.to_le_bytes());
        to[8..10].copy_from_slice(&place.tag.0.to_le_bytes());
        to[10..].copy_from_slice(&place.size.to_le_bytes());
    }
    let places = crc(0, &[&room[..checkpoint.count * PLACE]]);
    let written = checkpoint.head(life, places);
    head[8..].copy_from_slice(&written[8..]);
    fence(Ordering::Release);
    head[..8].copy_from_slice(&written[..8]);
    fence(Ordering::Release);
}
