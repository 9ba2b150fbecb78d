//! Where records are put, one behind the other, segment after segment, round and round.

use std::sync::atomic::{Ordering, fence};

use machine::{Key, Tag};

use crate::layout::{
    CARRIED, FEWEST, Front, HEADER, Head, Note, PAGE, PREFIX, Places, SEGMENT_SIZES, SegmentFront, THING,
    Thing, VERSION, crc, seed,
};

/// The bytes a ring lives in: a mapped file, or plain memory.
pub trait Region: AsRef<[u8]> + AsMut<[u8]> {}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Region for T {}

/// A ring of so many segments is worth checkpoints; a smaller one is read in no time.
const MANY: u64 = 32;
/// Which part of the segments' room checkpoints get.
const CHECKPOINTS: u64 = 16;

/// How a region is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) segment: usize,
    pub(crate) count: u64,
}

impl Shape {
    /// Divides `bytes`, and leaves room for checkpoints if there are many; `None` if they are too few, or the
    /// segment is of no sensible size.
    pub(crate) fn of(bytes: usize, segment: usize) -> Option<Self> {
        let most = (bytes.checked_sub(PAGE)? / segment.max(1)) as u64;
        let count = if most < MANY { most } else { most - most / CHECKPOINTS };
        Shape { segment, count }.sensible()
    }

    fn sensible(self) -> Option<Self> {
        let Shape { segment, count } = self;
        let fits = SEGMENT_SIZES.contains(&segment) && segment.is_multiple_of(8) && count >= FEWEST;
        fits.then_some(self)
    }

    /// Where the segment of that sequence number starts.
    pub(crate) fn start(&self, sequence: u64) -> usize {
        PAGE + (sequence % self.count) as usize * self.segment
    }

    /// Which segment that place of the region belongs to.
    pub(crate) fn number(&self, at: usize) -> usize {
        (at - PAGE) / self.segment
    }

    /// Bytes for records.
    pub(crate) fn room(&self) -> usize {
        self.segment - PREFIX
    }
}

impl Shape {
    /// As a ring's front says; `None` if `bytes` are too few for it.
    pub(crate) fn of_front(bytes: usize, front: &Front) -> Option<Self> {
        let shape = Shape { segment: front.segment as usize, count: u64::from(front.count) };
        let needed = PAGE + shape.segment.checked_mul(front.count as usize)?;
        (needed <= bytes).then(|| shape.sensible()).flatten()
    }
}

/// The ring's writing end.
#[derive(Debug)]
pub(crate) struct Ring<R> {
    pub(crate) region: R,
    pub(crate) shape: Shape,
    pub(crate) life: u64,
    /// Sequence number of the segment that is being written.
    pub(crate) head: u64,
    /// Where the next record goes in it.
    pub(crate) offset: usize,
    seed: u32,
    serials: [u32; 3],
}

impl<R: Region> Ring<R> {
    /// A ring whose writing end is at `offset` of segment `head`.
    pub(crate) fn at(region: R, shape: Shape, life: u64, head: u64, offset: usize) -> Self {
        let mut ring = Ring { region, shape, life, head, offset, seed: seed(life, head), serials: [0; 3] };
        // Notes of inputs are told by their batch; a note of a thing has only its serial number.
        ring.serials[THING.number] = ring.noted_thing().map_or(0, |thing| thing.serial);
        ring
    }

    /// Makes an empty ring of whatever `region` held.
    pub(crate) fn format(mut region: R, shape: Shape, life: u64) -> Self {
        let raw = region.as_mut();
        raw[..PAGE].fill(0);
        for sequence in 0..shape.count {
            let start = shape.start(sequence);
            raw[start..start + PREFIX + 8].fill(0);
        }
        let mut ring = Ring::at(region, shape, life, shape.count - 1, shape.segment);
        ring.step();
        ring.write_front();
        ring
    }

    fn front(&self) -> Front {
        Front {
            version: VERSION,
            segment: self.shape.segment as u32,
            count: self.shape.count as u32,
            life: self.life,
        }
    }

    /// Writes who this ring is.
    pub(crate) fn write_front(&mut self) {
        let front = self.front().write();
        self.region.as_mut()[..front.len()].copy_from_slice(&front);
    }

    /// Goes on to the next segment; what lay there is no more.
    pub(crate) fn step(&mut self) {
        self.head += 1;
        self.offset = PREFIX;
        self.seed = seed(self.life, self.head);
        let front = SegmentFront { ring: self.front(), sequence: self.head }.write();
        let start = self.shape.start(self.head);
        let raw = &mut self.region.as_mut()[start..start + PREFIX + 8];
        raw[..8].fill(0);
        fence(Ordering::Release);
        raw[8..PREFIX].copy_from_slice(&front[8..]);
        raw[PREFIX..].fill(0);
        fence(Ordering::Release);
        raw[..8].copy_from_slice(&front[..8]);
        fence(Ordering::Release);
    }

    /// Whether a record of `size` bytes fits in this segment.
    pub(crate) fn fits(&self, size: usize) -> bool {
        self.offset + size <= self.shape.segment
    }

    /// Writes a record that fits, and returns where in the region.
    pub(crate) fn put(&mut self, mut head: Head, parts: [&[u8]; 2]) -> usize {
        head.len = (parts[0].len() + parts[1].len()) as u32;
        head.body_crc = crc(0, &parts);
        let at = self.shape.start(self.head) + self.offset;
        let body = &mut self.region.as_mut()[at + HEADER..];
        let (first, rest) = body.split_at_mut(parts[0].len());
        first.copy_from_slice(parts[0]);
        rest[..parts[1].len()].copy_from_slice(parts[1]);
        self.seal(at, &head);
        at
    }

    /// Copies the record at `from` to the writing end, where it fits, and returns where that is.
    pub(crate) fn copy(&mut self, from: usize, carried: bool) -> usize {
        let mut head = Head::trusted(&self.region.as_ref()[from..]);
        if carried {
            head.flags |= CARRIED;
        }
        let at = self.shape.start(self.head) + self.offset;
        let body = from + HEADER..from + HEADER + head.len as usize;
        self.region.as_mut().copy_within(body, at + HEADER);
        self.seal(at, &head);
        at
    }

    /// The body is there: marks the end behind it, and then, as the last word, makes it a record.
    fn seal(&mut self, at: usize, head: &Head) {
        let size = head.size();
        let marked = self.offset + size + 8 <= self.shape.segment;
        let written = head.write(self.seed);
        let raw = &mut self.region.as_mut()[at..];
        if marked {
            raw[size..size + 8].fill(0);
        }
        raw[8..HEADER].copy_from_slice(&written[8..]);
        fence(Ordering::Release);
        raw[..8].copy_from_slice(&written[..8]);
        fence(Ordering::Release);
        self.offset += size;
    }

    /// The bytes of segment `sequence`.
    pub(crate) fn segment(&self, sequence: u64) -> &[u8] {
        let start = self.shape.start(sequence);
        &self.region.as_ref()[start..start + self.shape.segment]
    }

    /// The header of the record at `at`.
    pub(crate) fn head_at(&self, at: usize) -> Head {
        Head::trusted(&self.region.as_ref()[at..])
    }

    /// The body of the record at `at`.
    pub(crate) fn body_at(&self, at: usize) -> &[u8] {
        let raw = &self.region.as_ref()[at..];
        Head::trusted(raw).body(raw)
    }

    /// Writes a note into one of the two places of its kind, each in turn, so that one is always whole.
    pub(crate) fn note(&mut self, places: Places, batch: u64, input: u32) {
        let serial = self.serials[places.number].wrapping_add(1);
        self.serials[places.number] = serial;
        let at = places.at[(serial & 1) as usize];
        let raw = Note { batch, input, serial }.write(self.life);
        fence(Ordering::Release);
        self.region.as_mut()[at..at + raw.len()].copy_from_slice(&raw);
        fence(Ordering::Release);
    }

    /// Writes which thing is in hand.
    pub(crate) fn note_thing(&mut self, tag: Tag, key: Key, deaths: u8) {
        let serial = self.serials[THING.number].wrapping_add(1);
        self.serials[THING.number] = serial;
        let at = THING.at[(serial & 1) as usize];
        let raw = Thing { tag, key, deaths, serial }.write(self.life);
        fence(Ordering::Release);
        self.region.as_mut()[at..at + raw.len()].copy_from_slice(&raw);
        fence(Ordering::Release);
    }

    /// The newest note of a thing in hand.
    pub(crate) fn noted_thing(&self) -> Option<Thing> {
        let page = self.region.as_ref();
        let read = THING.at.into_iter().filter_map(|at| Thing::read(&page[at..], self.life));
        read.max_by_key(|thing| thing.serial)
    }

    /// The newer of the two notes, and which of the places are broken.
    pub(crate) fn noted(&self, places: Places) -> (Option<Note>, Vec<usize>) {
        let page = self.region.as_ref();
        let read = places.at.map(|at| Note::read(&page[at..], self.life));
        let newest = read.iter().filter_map(|note| note.ok().flatten());
        let broken = places.at.into_iter().zip(&read).filter(|(_, note)| note.is_err()).map(|(at, _)| at);
        (newest.max_by_key(|note| (note.batch, note.serial)), broken.collect())
    }
}
