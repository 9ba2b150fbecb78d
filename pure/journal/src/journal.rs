//! The writing side: a batch at a time.

use std::fmt;

use machine::{Key, Moment, Record, Shard, Tag};

use crate::checkpoint::Schedule;
use crate::index::{Index, Place, hash};
use crate::layout::{A_THING, HEADER, Head, IN_HAND, NOTHING, PREFIX, SEGMENT, SENT, kind, seed, size_of};
use crate::ring::{Region, Ring, Shape};
use crate::scan::{Found, scan};

/// How much of the ring's room live records may take: beyond it, carrying them round would cost too much.
const FULL: (usize, usize) = (7, 8);

/// The region is too small to turn in, or its segments would be of no sensible size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a region of {bytes} bytes is no ring of at least four segments of {segment} bytes")]
pub struct TooSmall {
    /// The bytes there are.
    pub bytes: usize,
    /// The size of a segment.
    pub segment: usize,
}

/// Whether a record will survive a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kept {
    /// It will.
    Safe,
    /// It will not: the ring is full of live records, or the record is larger than a segment.
    Unprotected,
}

/// The newest record of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The kind of thing.
    pub tag: Tag,
    /// The shard it belongs to.
    pub shard: Shard,
    /// Which one.
    pub key: Key,
    /// Its state; empty if it is no more.
    pub body: &'a [u8],
}

impl Entry<'_> {
    /// The same, to be kept.
    pub fn to_record(self) -> Record {
        let Entry { tag, shard, key, body } = self;
        Record { tag, shard, key, body: body.to_vec() }
    }
}

/// How the journal is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of the records that are the newest of their key.
    pub live_bytes: usize,
    /// How many those are.
    pub live_records: usize,
    /// Bytes that may be live before records go unprotected.
    pub capacity: usize,
    /// Records, inputs and outgoing bytes that went unprotected since the start. Above zero: wake someone.
    pub unprotected: u64,
    /// Batches committed since the start.
    pub batches: u64,
    /// Bytes that were copied to keep them when their segment was used again.
    pub carried_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    key: Key,
    place: Place,
}

impl Pending {
    fn is(&self, tag: Tag, key: Key) -> bool {
        self.key == key && self.place.tag == tag
    }
}

/// A ring of records in a region that outlives the process. See the crate's page for the order of calls.
#[derive(Debug)]
pub struct Journal<R> {
    pub(crate) ring: Ring<R>,
    pub(crate) index: Index,
    pub(crate) live_bytes: usize,
    /// How many live records there are in each segment.
    pub(crate) live_in: Vec<u32>,
    /// The number of the batch that is open, or was last.
    pub(crate) batch: u64,
    /// The last batch of which anything was written and committed.
    pub(crate) committed: u64,
    said: u64,
    open: bool,
    written: bool,
    pub(crate) inputs: u32,
    /// The segment in which the batch began.
    pub(crate) floor: u64,
    pending: Vec<Pending>,
    pending_bytes: usize,
    /// Which of `pending` lie before a copy of what they replace.
    pub(crate) overtaken: Vec<usize>,
    pub(crate) carrying: Vec<usize>,
    /// What was in hand when a predecessor died, and at how many deaths.
    pub(crate) suspect: Option<(Tag, Key, u8)>,
    holds_thing: bool,
    checkpoints: Schedule,
    pub(crate) stats: Stats,
}

impl<R: Region> Journal<R> {
    /// An empty journal; whatever `region` held is lost. `now` tells this ring from all others.
    pub fn create(region: R, now: Moment) -> Result<Self, TooSmall> {
        Self::create_with(region, now, SEGMENT)
    }

    /// The same with segments of another size than [`SEGMENT`].
    pub fn create_with(region: R, now: Moment, segment: usize) -> Result<Self, TooSmall> {
        let bytes = region.as_ref().len();
        let shape = Shape::of(bytes, segment).ok_or(TooSmall { bytes, segment })?;
        Ok(Self::over(Ring::format(region, shape, now.as_micros()), Index::default(), 0))
    }

    pub(crate) fn over(ring: Ring<R>, index: Index, batch: u64) -> Self {
        let floor = ring.head;
        let live_in = vec![0; ring.shape.count as usize];
        let checkpoints = Schedule::of(&ring);
        Journal {
            ring,
            index,
            live_bytes: 0,
            live_in,
            batch,
            committed: 0,
            said: 0,
            open: false,
            written: false,
            inputs: 0,
            floor,
            pending: Vec::new(),
            pending_bytes: 0,
            overtaken: Vec::new(),
            carrying: Vec::new(),
            suspect: None,
            holds_thing: false,
            checkpoints,
            stats: Stats::default(),
        }
    }

    /// Begins a batch: keeps what is to be decided, each input with a few bytes that say where it came from.
    /// After a recovery that left inputs undecided, their batch is open already, and `inputs` are added to it.
    pub fn begin<'a>(&mut self, inputs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) {
        self.open_batch();
        for (source, bytes) in inputs {
            let mut head = Head::new(kind::INPUT, self.batch);
            head.number = self.inputs;
            self.inputs += 1;
            let _ = self.input(head, source, bytes);
        }
    }

    pub(crate) fn open_batch(&mut self) {
        if !self.open {
            self.open = true;
            self.batch += 1;
            self.inputs = 0;
            self.floor = self.ring.head;
            self.written = false;
        }
    }

    pub(crate) fn input(&mut self, mut head: Head, source: &[u8], bytes: &[u8]) -> Kept {
        let Ok(source_len) = u8::try_from(source.len()) else {
            return self.unprotected();
        };
        head.source_len = source_len;
        self.put(head, [source, bytes]).map_or(Kept::Unprotected, |_| Kept::Safe)
    }

    /// How many inputs the open batch has: the next one gets this number.
    pub fn inputs(&self) -> u32 {
        self.inputs
    }

    /// Notes that input number `input` of this batch is being decided: should the process die now, it is to blame.
    pub fn in_hand(&mut self, input: u32) {
        self.holds_thing = false;
        self.ring.note(IN_HAND, self.batch, input);
    }

    /// Notes that something is being decided about this thing that is no input: a deadline, or an answer that
    /// would come again. Should the process die now, the thing is to blame.
    pub fn thing_in_hand(&mut self, tag: Tag, key: Key) {
        let deaths = self.suspect.filter(|&(of, which, _)| (of, which) == (tag, key)).map_or(0, |it| it.2);
        self.holds_thing = true;
        self.ring.note_thing(tag, key, deaths);
        self.ring.note(IN_HAND, self.batch, A_THING);
    }

    /// Notes that nothing is being decided any more.
    pub fn put_down(&mut self) {
        self.holds_thing = false;
        self.ring.note(IN_HAND, self.batch, NOTHING);
    }

    /// Keeps in mind that input number `input` of this batch must not be decided again.
    pub fn set_aside(&mut self, input: u32) {
        let mut head = Head::new(kind::SET_ASIDE, self.batch);
        head.number = input;
        self.put(head, [&[], &[]]);
    }

    /// Keeps the newest state of one thing; an empty body forgets it. It counts once the batch is committed.
    pub fn append(&mut self, record: &Record) -> Kept {
        self.open_batch();
        let hash = hash(record.tag, record.key);
        if !record.body.is_empty() && !self.has_room_for(hash, record) {
            return self.unprotected();
        }
        let mut head = Head::new(kind::STATE, self.batch);
        (head.tag, head.shard, head.key) = (record.tag, record.shard.number(), record.key);
        let Some(at) = self.put(head, [&record.body, &[]]) else {
            return Kept::Unprotected;
        };
        let place = Place::new(at, hash, record.tag, record.body.len());
        self.pending.push(Pending { key: record.key, place });
        self.pending_bytes += size_of(record.body.len());
        Kept::Safe
    }

    fn has_room_for(&self, hash: u32, record: &Record) -> bool {
        let needed = self.live_bytes + self.pending_bytes + size_of(record.body.len());
        needed <= self.capacity() || {
            let old = self.index.find(hash, |place| self.is(place, record.tag, record.key));
            needed - old.map_or(0, Place::bytes) <= self.capacity()
        }
    }

    fn capacity(&self) -> usize {
        let shape = self.ring.shape;
        (shape.count as usize - 2) * shape.room() / FULL.1 * FULL.0
    }

    /// Keeps bytes that go out once the batch is committed: where to, and what, in the caller's own form.
    pub fn outgoing(&mut self, bytes: &[u8]) -> Kept {
        self.open_batch();
        let head = Head::new(kind::OUTGOING, self.batch);
        self.put(head, [bytes, &[]]).map_or(Kept::Unprotected, |_| Kept::Safe)
    }

    /// All of the batch counts from here on, whoever dies.
    pub fn commit(&mut self) {
        if self.holds_thing {
            self.put_down();
        }
        if !self.open {
            return;
        }
        if self.written {
            // Making room may overtake a state, and saying that one again takes room.
            self.make_room(size_of(0));
            while let Some(overtaken) = self.overtaken.pop() {
                self.append_again(overtaken);
                self.make_room(size_of(0));
            }
            self.put(Head::new(kind::COMMIT, self.batch), [&[], &[]]);
            self.committed = self.batch;
        }
        let mut pending = std::mem::take(&mut self.pending);
        for Pending { key, place } in pending.drain(..) {
            self.settle(place, |ring, other| is(ring, other, place.tag, key));
        }
        self.pending = pending;
        self.pending_bytes = 0;
        self.open = false;
        self.stats.batches += 1;
    }

    /// A copy of an older state was made behind this one, so it is said once more.
    fn append_again(&mut self, overtaken: usize) {
        let Pending { key, place } = self.pending[overtaken];
        if self.newest_pending(place.tag, key) != Some(overtaken) {
            return;
        }
        if self.make_room(place.bytes()) {
            let at = self.ring.copy(place.at(), false);
            self.pending[overtaken].place.eighth = (at / 8) as u32;
        } else {
            let _ = self.unprotected();
        }
    }

    pub(crate) fn newest_pending(&self, tag: Tag, key: Key) -> Option<usize> {
        self.pending.iter().rposition(|pending| pending.is(tag, key))
    }

    /// The record at `place` counts from now on; `same` tells another one of its key.
    pub(crate) fn settle(&mut self, place: Place, same: impl Fn(&Ring<R>, Place) -> bool) {
        let ring = &self.ring;
        let same = |other: Place| same(ring, other);
        let before = if place.is_gone() {
            self.index.remove(place.hash, same)
        } else {
            self.live_bytes += place.bytes();
            self.live_in[ring.shape.number(place.at())] += 1;
            self.index.put(place, same)
        };
        if let Some(before) = before {
            self.forgotten_at(before);
        }
    }

    /// What lay at `place` does not count any more.
    pub(crate) fn forgotten_at(&mut self, place: Place) {
        self.live_bytes -= place.bytes();
        self.live_in[self.ring.shape.number(place.at())] -= 1;
    }

    /// All that the last committed batch says has been said, and all before.
    pub fn sent(&mut self) {
        self.sent_up_to(self.committed);
    }

    /// The last batch that counts.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// All that batches up to `batch` say has been said. What later ones say a successor says again.
    pub fn sent_up_to(&mut self, batch: u64) {
        let batch = batch.min(self.committed);
        if self.said < batch {
            self.said = batch;
            self.ring.note(SENT, self.said, 0);
            // A checkpoint takes all before it for said.
            if !self.open && self.said == self.committed {
                self.checkpoints.look(&mut self.ring, &self.index, self.said);
            }
        }
    }

    /// The newest state kept of one thing, also of the open batch.
    pub fn latest(&self, tag: Tag, key: Key) -> Option<&[u8]> {
        self.newest(tag, key).map(|entry| entry.body)
    }

    /// The same, with the shard that it belongs to.
    pub fn newest(&self, tag: Tag, key: Key) -> Option<Entry<'_>> {
        let place = match self.newest_pending(tag, key) {
            Some(pending) => self.pending[pending].place,
            None => self.index.find(hash(tag, key), |place| self.is(place, tag, key))?,
        };
        self.whole(place).filter(|entry| !entry.body.is_empty())
    }

    /// How the journal is doing.
    pub fn stats(&self) -> Stats {
        Stats {
            live_bytes: self.live_bytes,
            live_records: self.index.len(),
            capacity: self.capacity(),
            ..self.stats
        }
    }

    /// What tells this ring from all others.
    pub fn life(&self) -> u64 {
        self.ring.life
    }

    /// The region, and with it everything kept.
    pub fn into_region(self) -> R {
        self.ring.region
    }

    /// The region, to look at.
    pub fn region(&self) -> &R {
        &self.ring.region
    }

    /// The keys that the ring still knows to be no more. Reads the whole ring.
    pub fn forgotten(&self) -> Vec<(Tag, Key)> {
        let mut gone = Vec::new();
        let oldest = (self.ring.head + 1).saturating_sub(self.ring.shape.count);
        for sequence in oldest..=self.ring.head {
            scan(self.ring.segment(sequence), seed(self.ring.life, sequence), PREFIX, |found| {
                if let Found::Record { head, .. } = found
                    && (head.kind, head.len) == (kind::STATE, 0)
                    && self.latest(head.tag, head.key).is_none()
                {
                    gone.push((head.tag, head.key));
                }
            });
        }
        gone
    }

    pub(crate) fn is(&self, place: Place, tag: Tag, key: Key) -> bool {
        is(&self.ring, place, tag, key)
    }

    pub(crate) fn unprotected(&mut self) -> Kept {
        self.stats.unprotected += 1;
        Kept::Unprotected
    }

    pub(crate) fn put(&mut self, head: Head, parts: [&[u8]; 2]) -> Option<usize> {
        let size = size_of(parts[0].len() + parts[1].len());
        if !self.make_room(size) {
            let _ = self.unprotected();
            return None;
        }
        self.written = true;
        Some(self.ring.put(head, parts))
    }
}

pub(crate) fn is<R: Region>(ring: &Ring<R>, place: Place, tag: Tag, key: Key) -> bool {
    let raw = &ring.region.as_ref()[place.at()..place.at() + HEADER];
    place.tag == tag && raw[32..48] == key.0.to_le_bytes()
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kept::Safe => "safe",
            Kept::Unprotected => "unprotected",
        })
    }
}
