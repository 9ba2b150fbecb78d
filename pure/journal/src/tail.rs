//! Following a ring from another thread, which sees the memory while it is written.

use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use crate::batches::Batches;
use crate::journal::Entry;
use crate::layout::{CARRIED, Front, Head, PAGE, PREFIX, SegmentFront, kind, seed};
use crate::ring::Shape;
use crate::scan::{Found, scan, walk};

/// A region as another thread or process sees it, that may change at any time.
pub trait Window {
    /// How many bytes it has.
    fn len(&self) -> usize;
    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Copies the bytes from `offset` on as they are at the moment, in ascending order.
    fn copy(&self, offset: usize, to: &mut [u8]);
}

impl Window for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn copy(&self, offset: usize, to: &mut [u8]) {
        to.copy_from_slice(&self[offset..offset + to.len()]);
    }
}

impl Window for Vec<u8> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn copy(&self, offset: usize, to: &mut [u8]) {
        self.as_slice().copy(offset, to);
    }
}

/// How far a ring has been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// What tells the ring from all others.
    pub life: u64,
    /// Which segment, counted from the ring's beginning.
    pub sequence: u64,
    /// Where in the segment.
    pub offset: u32,
}

/// The writer has used again what was not read yet: start anew, with everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring's writer has overtaken its follower")]
pub struct Lapped;

/// A follower's place in a ring. It hands out committed states in the order of their writing.
#[derive(Debug)]
pub struct Tail {
    shape: Shape,
    at: Position,
    /// After the last batch that was handed out whole.
    settled: Position,
    /// Copies of older records count, too, until the end has been reached once.
    from_scratch: bool,
    batches: Batches<Range<usize>>,
    /// States whose batch is not known to be committed.
    held: Vec<u8>,
    chunk: Vec<u8>,
    damaged: u64,
}

impl Tail {
    /// Starts with everything that is in the ring: what is handed out up to the first return of [`Tail::poll`]
    /// is all that lives, and whatever was known before is to be forgotten. `None` if there is no ring.
    pub fn start(window: &(impl Window + ?Sized)) -> Option<Self> {
        let (shape, front) = shape(window)?;
        let sequences = (0..shape.count).filter_map(|number| sequence(window, &shape, front.life, number));
        let newest = sequences.max()?;
        // The segment that is used next may still be about to be carried on.
        let oldest = (newest + 1).saturating_sub(shape.count).max(shape.count);
        let whole = sequence(window, &shape, front.life, oldest) == Some(oldest);
        let at = Position {
            life: front.life,
            sequence: if whole { oldest } else { oldest + 1 },
            offset: PREFIX as u32,
        };
        Some(Tail::over(shape, at, true))
    }

    /// Goes on where a follower was. `None` if that was another ring.
    pub fn resume(window: &(impl Window + ?Sized), position: Position) -> Option<Self> {
        let (shape, front) = shape(window)?;
        let fits =
            front.life == position.life && (PREFIX..=shape.segment).contains(&(position.offset as usize));
        fits.then(|| Tail::over(shape, position, false))
    }

    fn over(shape: Shape, at: Position, from_scratch: bool) -> Self {
        let batches = Batches::default();
        let (held, chunk) = (Vec::new(), Vec::new());
        Tail { shape, at, settled: at, from_scratch, batches, held, chunk, damaged: 0 }
    }

    /// Where another follower can go on without missing anything that was not handed out here.
    pub fn position(&self) -> Position {
        self.settled
    }

    /// How many places were broken and left out.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Hands out what was committed since the last time. An empty body says that the thing is no more.
    pub fn poll(
        &mut self,
        window: &(impl Window + ?Sized),
        mut each: impl FnMut(Entry<'_>),
    ) -> Result<(), Lapped> {
        loop {
            // First whether this segment is complete, then what is in it.
            let moved_on = self.sequence_at(window, self.at.sequence + 1) == Some(self.at.sequence + 1);
            fence(Ordering::Acquire);
            self.copy_chunk(window);
            fence(Ordering::Acquire);
            if self.sequence_at(window, self.at.sequence) != Some(self.at.sequence) {
                return Err(Lapped);
            }
            self.read_chunk(moved_on, &mut each);
            if !moved_on {
                self.from_scratch = false;
                return Ok(());
            }
            self.at = Position { sequence: self.at.sequence + 1, offset: PREFIX as u32, ..self.at };
        }
    }

    fn sequence_at(&self, window: &(impl Window + ?Sized), number: u64) -> Option<u64> {
        sequence(window, &self.shape, self.at.life, number)
    }

    /// Copies the rest of the segment, if there is anything new.
    fn copy_chunk(&mut self, window: &(impl Window + ?Sized)) {
        let start = self.shape.start(self.at.sequence) + self.at.offset as usize;
        let len = self.shape.segment - self.at.offset as usize;
        self.chunk.clear();
        let mut first = [0; 8];
        let peeked = len.min(8);
        window.copy(start, &mut first[..peeked]);
        if first != [0; 8] {
            self.chunk.resize(len, 0);
            window.copy(start, &mut self.chunk);
        }
    }

    fn read_chunk(&mut self, complete: bool, each: &mut impl FnMut(Entry<'_>)) {
        let chunk = std::mem::take(&mut self.chunk);
        let seed = seed(self.at.life, self.at.sequence);
        let base = self.at.offset;
        if complete {
            scan(&chunk, seed, 0, |found| match found {
                Found::Record { offset, head } if head.body_holds(&chunk[offset..]) => {
                    self.take(&head, &chunk[offset..], each);
                    self.read_up_to(base + (offset + head.size()) as u32);
                }
                Found::Record { .. } | Found::Broken { .. } => self.damaged += 1,
            });
        } else {
            // What does not hold yet may be about to be written.
            let mut holds = true;
            walk(&chunk, seed, 0, |offset, head| {
                holds = holds && head.body_holds(&chunk[offset..]);
                if holds {
                    self.take(&head, &chunk[offset..], each);
                    self.read_up_to(base + (offset + head.size()) as u32);
                }
            });
        }
        self.chunk = chunk;
    }

    fn read_up_to(&mut self, offset: u32) {
        self.at.offset = offset;
        if self.batches.current.committed {
            self.settled = self.at;
            self.held.clear();
        }
    }

    fn take(&mut self, head: &Head, raw: &[u8], each: &mut impl FnMut(Entry<'_>)) {
        if head.flags & CARRIED != 0 && !self.from_scratch {
            return;
        }
        let start = self.held.len();
        if head.kind == kind::STATE {
            self.held.extend_from_slice(&raw[..head.size()]);
        }
        let held = &self.held;
        self.batches.feed(head, start..held.len(), &mut |range: Range<usize>| {
            let raw = &held[range];
            let head = Head::trusted(raw);
            each(Entry { tag: head.tag, shard: head.shard(), key: head.key, body: head.body(raw) });
        });
    }
}

fn shape(window: &(impl Window + ?Sized)) -> Option<(Shape, Front)> {
    if window.len() < PAGE {
        return None;
    }
    let mut raw = [0; 32];
    window.copy(0, &mut raw);
    let front = Front::read(&raw)?;
    Some((Shape::of_front(window.len(), &front)?, front))
}

/// Which sequence number stands at the place of segment `number`.
fn sequence(window: &(impl Window + ?Sized), shape: &Shape, life: u64, number: u64) -> Option<u64> {
    let mut raw = [0; PREFIX];
    window.copy(shape.start(number), &mut raw);
    SegmentFront::read(&raw).filter(|front| front.ring.life == life).map(|front| front.sequence)
}
