//! What a successor finds: read every segment in the order of its writing, as far as its checksums hold.

use machine::{Key, Moment, Tag};

use crate::batches::{Batch, Batches};
use crate::checkpoint::Checkpoint;
use crate::index::{Index, Place, hash};
use crate::journal::{Journal, TooSmall, is};
use crate::layout::{
    A_THING, Front, Head, IN_HAND, Note, PAGE, PREFIX, RETAKEN, SEGMENT, SENT, SegmentFront, VERSION, kind,
    seed,
};
use crate::ring::{Region, Ring, Shape};
use crate::scan::{Found, scan};

/// An input that was in hand at so many deaths is never decided again, and a thing is given up.
pub(crate) const DEATHS: u8 = 2;

/// Why a journal was not opened. Its bytes are untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The region can't hold a ring.
    #[error(transparent)]
    TooSmall(#[from] TooSmall),
    /// Another release wrote it, in a format that this one can't read.
    #[error("the journal is of format {0}, and this release reads format 1")]
    Version(u32),
}

/// An input that a predecessor had begun to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Where it came from, in the caller's own form.
    pub source: Vec<u8>,
    /// What came.
    pub bytes: Vec<u8>,
    /// At how many deaths it was in hand.
    pub deaths: u8,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The first page's description of the ring.
    Front,
    /// A note on the first page: what was in hand, or what was sent.
    Note,
    /// The description of a segment.
    SegmentFront,
    /// Bytes between two records, or behind the last.
    Between,
    /// The newest records are not there.
    Newest,
    /// The body of a state; the one kept before it counts again.
    State(Tag, Key),
    /// The body of an input or of outgoing bytes.
    Other,
}

/// A place where the journal's checksums do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment, counted from 0; `None` for the first page.
    pub segment: Option<u64>,
    /// Where in the segment or the page.
    pub offset: usize,
    /// What.
    pub what: What,
}

/// What a predecessor left, beside the records that [`Journal::live`] shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// There was no journal, or nothing in it could be read.
    pub fresh: bool,
    /// What a committed batch says and may not have said: to be sent again as it is.
    pub unsent: Vec<Vec<u8>>,
    /// Inputs that are to be decided again. They are inputs `0..` of a batch that is open.
    pub undecided: Vec<Undecided>,
    /// Inputs that were in hand at two deaths, or panicked: never to be decided again.
    pub set_aside: Vec<Undecided>,
    /// What was in hand when the predecessor died, and at how many deaths it was, if that was no input.
    pub suspect: Option<(Tag, Key, u8)>,
    /// Every place that is broken. All the rest was used.
    pub damage: Vec<Damage>,
}

impl<R: Region> Journal<R> {
    /// Opens what a predecessor left in `region`, or makes an empty journal of a blank one.
    pub fn open(region: R, now: Moment) -> Result<(Self, Recovered), OpenError> {
        Self::open_with(region, now, SEGMENT)
    }

    /// The same; a blank region gets segments of another size than [`SEGMENT`].
    pub fn open_with(region: R, now: Moment, segment: usize) -> Result<(Self, Recovered), OpenError> {
        let raw = region.as_ref();
        if raw.len() < PAGE {
            return Err(TooSmall { bytes: raw.len(), segment }.into());
        }
        let own = Front::read(raw);
        let Some(front) = own.or_else(|| newest_front(raw, segment)) else {
            let blank = raw[..PAGE].iter().all(|&byte| byte == 0);
            let damage =
                if blank { vec![] } else { vec![Damage { segment: None, offset: 0, what: What::Front }] };
            let journal = Self::create_with(region, now, segment)?;
            return Ok((journal, Recovered { fresh: true, damage, ..Recovered::default() }));
        };
        if front.version != VERSION {
            return Err(OpenError::Version(front.version));
        }
        let (bytes, segment) = (raw.len(), front.segment as usize);
        let shape = Shape::of_front(bytes, &front).ok_or(TooSmall { bytes, segment })?;
        Ok(Reading::of(region, shape, front.life, own.is_none()).finish(now))
    }
}

/// The ring's description as a segment repeats it, for when the first page is broken.
fn newest_front(raw: &[u8], segment: usize) -> Option<Front> {
    let first = raw.get(PAGE..PAGE + PREFIX).and_then(SegmentFront::read);
    let segment = first.map_or(segment, |first| first.ring.segment as usize);
    let shape = Shape::of(raw.len(), segment)?;
    let fronts = (0..shape.count).filter_map(|number| SegmentFront::read(&raw[shape.start(number)..]));
    fronts.max_by_key(|front| front.sequence).map(|front| front.ring)
}

/// Reads a segment once in the order of its bytes, which memory is fast at; from header to header it is slow.
fn warm(segment: &[u8]) {
    const LINE: usize = 64;
    let lines = segment.iter().step_by(LINE);
    std::hint::black_box(lines.fold(0_u8, |sum, &byte| sum.wrapping_add(byte)));
}

struct Reading<R> {
    ring: Ring<R>,
    batches: Batches<Place>,
    /// Committed states in the order of their writing.
    applied: Vec<Place>,
    damage: Vec<Damage>,
    readable: bool,
    sent: Option<Note>,
    in_hand: Option<Note>,
}

impl<R: Region> Reading<R> {
    fn of(region: R, shape: Shape, life: u64, front_broken: bool) -> Self {
        let ring = Ring::at(region, shape, life, 0, PREFIX);
        let mut reading = Reading {
            ring,
            batches: Batches::default(),
            applied: Vec::new(),
            damage: Vec::new(),
            readable: true,
            sent: None,
            in_hand: None,
        };
        if front_broken {
            reading.broken(None, 0, What::Front);
        }
        reading.read();
        reading
    }

    fn broken(&mut self, sequence: Option<u64>, offset: usize, what: What) {
        let segment = sequence.map(|sequence| sequence % self.ring.shape.count);
        self.damage.push(Damage { segment, offset, what });
    }

    fn front(&self, sequence: u64) -> Option<u64> {
        let front = SegmentFront::read(self.ring.segment(sequence))?;
        let ours =
            front.ring.life == self.ring.life && front.ring.segment as usize == self.ring.shape.segment;
        (ours && front.sequence % self.ring.shape.count == sequence % self.ring.shape.count)
            .then_some(front.sequence)
    }

    fn read(&mut self) {
        let shape = self.ring.shape;
        let fronts = (0..shape.count).filter_map(|number| self.front(number)).max();
        // A young ring has only one, and that may be the one that is broken.
        let young = || self.has_records(shape.count).then_some(shape.count);
        let Some(newest) = fronts.or_else(young) else {
            self.readable = false;
            return self.broken(Some(0), 0, What::SegmentFront);
        };
        let oldest = (newest + 1).saturating_sub(shape.count).max(shape.count);
        let said = match self.ring.noted(SENT) {
            (Some(note), _) => note.batch,
            (None, broken) if broken.is_empty() => 0,
            // It is not known what was said.
            (None, _) => u64::MAX,
        };
        self.batches.said = said;
        let mut end = match self.read_from_checkpoint(oldest, newest, said) {
            Some(end) => end,
            None => self.read_segments(oldest, newest, PREFIX),
        };
        self.ring.head = newest;
        // The description of the newest segment itself may be the one that is broken.
        if self.front(newest + 1).is_none() && self.has_records(newest + 1) {
            self.broken(Some(newest + 1), 0, What::SegmentFront);
            end = self.read_segment(newest + 1, PREFIX);
            self.ring.head = newest + 1;
        }
        self.ring.offset = end;
        self.read_notes();
    }

    /// Reads segments `first` to `last`, the first one from `offset` on; returns where the last one ends.
    fn read_segments(&mut self, first: u64, last: u64, offset: usize) -> usize {
        let mut end = offset;
        for sequence in first..=last {
            // The writer may have died while it was about to use the oldest one again.
            let about_to_go =
                sequence + self.ring.shape.count == last + 1 && self.ring.segment(sequence)[..8] == [0; 8];
            if self.front(sequence) != Some(sequence) && !about_to_go {
                self.broken(Some(sequence), 0, What::SegmentFront);
            }
            end = self.read_segment(sequence, if sequence == first { offset } else { PREFIX });
        }
        end
    }

    /// Takes what lived at the last checkpoint, and reads only what was written since. `None` if there is no
    /// checkpoint, or anything on that way is not as it should be: then all must be read.
    fn read_from_checkpoint(&mut self, oldest: u64, newest: u64, said: u64) -> Option<usize> {
        let (checkpoint, lived) = Checkpoint::newest(&self.ring)?;
        // Of the oldest segment the records may have gone on already.
        if !(oldest + 1..=newest).contains(&checkpoint.sequence) || !self.damage.is_empty() {
            return None;
        }
        let applied = self.still_there(lived, checkpoint.sequence)?;
        (self.applied, self.batches) = (applied, Batches::after(checkpoint.batch).with_said(said));
        let end = self.read_segments(checkpoint.sequence, newest, checkpoint.offset);
        if self.damage.is_empty() {
            return Some(end);
        }
        (self.applied, self.batches, self.damage) =
            (Vec::new(), Batches::default().with_said(said), Vec::new());
        None
    }

    /// Those records that lie in segments not used again after segment `since`: what lived in others was carried
    /// on, and stands behind the checkpoint. They are not looked at yet. `None` if that can't be told of one.
    fn still_there(&self, mut lived: Vec<Place>, since: u64) -> Option<Vec<Place>> {
        let shape = self.ring.shape;
        let fronts: Vec<_> = (0..shape.count).map(|number| self.front(number)).collect();
        let mut doubtful = false;
        lived.retain(|place| {
            let number = place.at().checked_sub(PAGE).map_or(usize::MAX, |at| at / shape.segment);
            let sequence = fronts.get(number).copied().flatten();
            let end = place.at() + place.bytes();
            doubtful |= sequence.is_none() || end > PAGE + (number + 1) * shape.segment;
            sequence.is_some_and(|sequence| sequence <= since)
        });
        (!doubtful).then_some(lived)
    }

    /// Notes about batches of which nothing is left say that the newest records are missing.
    fn read_notes(&mut self) {
        let (sent, in_hand) = (self.ring.noted(SENT), self.ring.noted(IN_HAND));
        for at in sent.1.into_iter().chain(in_hand.1) {
            self.broken(None, at, What::Note);
        }
        let about_inputs = in_hand.0.filter(|note| note.input < A_THING);
        let noted = sent.0.into_iter().chain(about_inputs).map(|note| note.batch).max().unwrap_or(0);
        if noted > self.batches.highest {
            self.broken(Some(self.ring.head), self.ring.offset, What::Newest);
            self.batches.highest = noted;
        }
        (self.sent, self.in_hand) = (sent.0, in_hand.0);
        // What was sent was committed, even if the mark of it is broken.
        if self.sent.is_some_and(|sent| sent.batch >= self.batches.current.number) {
            self.batches.commit(&mut |record| self.applied.push(record));
        }
    }

    fn has_records(&self, sequence: u64) -> bool {
        let mut any = false;
        scan(self.ring.segment(sequence), seed(self.ring.life, sequence), PREFIX, |found| {
            any |= matches!(found, Found::Record { .. });
        });
        any
    }

    fn read_segment(&mut self, sequence: u64, from: usize) -> usize {
        let start = self.ring.shape.start(sequence);
        let segment = self.ring.segment(sequence);
        warm(&segment[from.min(segment.len())..]);
        let (batches, applied) = (&mut self.batches, &mut self.applied);
        let mut broken = Vec::new();
        let end = scan(segment, seed(self.ring.life, sequence), from, |found| match found {
            // Whether inputs and outgoing bytes are whole matters only for the last of them.
            Found::Record { offset, head }
                if head.kind != kind::STATE || head.body_holds(&segment[offset..]) =>
            {
                let record =
                    Place::new(start + offset, hash(head.tag, head.key), head.tag, head.len as usize);
                batches.feed(&head, record, &mut |record| applied.push(record));
            }
            Found::Record { offset, head } => broken.push((offset, What::State(head.tag, head.key))),
            Found::Broken { offset } => broken.push((offset, What::Between)),
        });
        for (offset, what) in broken {
            self.broken(Some(sequence), offset, what);
        }
        end
    }

    /// Leaves out those inputs and outgoing bytes of the last batches that are broken.
    fn check_bodies(&mut self) {
        let mut broken = Vec::new();
        let raw = self.ring.region.as_ref();
        let mut whole = |record: &Place| {
            let at = record.at();
            let holds = Head::trusted(&raw[at..]).body_holds(&raw[at..]);
            if !holds {
                broken.push(at);
            }
            holds
        };
        let Batches { current, before, earlier, .. } = &mut self.batches;
        current.inputs.retain(&mut whole);
        current.outgoing.retain(&mut whole);
        before.outgoing.retain(&mut whole);
        earlier.retain(&mut whole);
        for at in broken {
            let number = self.ring.shape.number(at) as u64;
            self.broken(Some(number), at - self.ring.shape.start(number), What::Other);
        }
    }

    fn finish(mut self, now: Moment) -> (Journal<R>, Recovered) {
        if !self.readable {
            let (shape, damage) = (self.ring.shape, self.damage);
            let ring = Ring::format(self.ring.region, shape, now.as_micros());
            let recovered = Recovered { fresh: true, damage, ..Recovered::default() };
            return (Journal::over(ring, Index::default(), 0), recovered);
        }
        self.check_bodies();
        let (unsent, undecided, set_aside) = (self.unsent(), self.undecided(), self.set_aside());
        let voided = if self.batches.current.committed { 0 } else { self.batches.current.number };
        let committed = self.last().number;
        let holds_thing = self.in_hand.is_some_and(|note| note.input == A_THING);
        let suspect = self.ring.noted_thing().filter(|_| holds_thing);
        let suspect = suspect.map(|thing| (thing.tag, thing.key, thing.deaths.saturating_add(1)));
        let ring =
            Ring::at(self.ring.region, self.ring.shape, self.ring.life, self.ring.head, self.ring.offset);
        let mut journal = Journal::over(ring, Index::with_room(self.applied.len()), self.batches.highest);
        for record in self.applied {
            // It is looked at again only if there is another of its hash: when there are many, their headers have
            // left the processor's caches by now.
            journal.settle(record, |ring, other| {
                let head = ring.head_at(record.at());
                is(ring, other, head.tag, head.key)
            });
        }
        journal.committed = committed;
        journal.suspect = suspect;
        journal.ring.write_front();
        journal.free_next();
        if holds_thing {
            journal.put_down();
        }
        if voided != 0 {
            journal.adopt(voided, &undecided);
        }
        let recovered =
            Recovered { fresh: false, unsent, undecided, set_aside, suspect, damage: self.damage };
        (journal, recovered)
    }

    /// The last committed batch.
    fn last(&self) -> &Batch<Place> {
        if self.batches.current.committed { &self.batches.current } else { &self.batches.before }
    }

    fn unsent(&self) -> Vec<Vec<u8>> {
        let Batches { current, before, earlier, .. } = &self.batches;
        let (last, said) = (self.last().number, self.batches.said);
        // Without a note only of the last batch it is believed that it was not said.
        let may_be_unsaid = |batch: &&Batch<Place>| {
            batch.committed && (batch.number > said || said == u64::MAX && batch.number == last)
        };
        let recent = [before, current].into_iter().filter(may_be_unsaid).flat_map(|batch| &batch.outgoing);
        let all = earlier.iter().chain(recent);
        all.map(|record| self.ring.body_at(record.at()).to_vec()).collect()
    }

    /// The inputs of the batch that was not committed, each with its number.
    fn begun(&self) -> impl Iterator<Item = (u32, Undecided)> {
        let current = Some(&self.batches.current).filter(|batch| !batch.committed);
        let hand = self.in_hand.filter(|note| note.batch == self.batches.current.number);
        current.into_iter().flat_map(|batch| &batch.inputs).map(move |record| {
            let at = record.at();
            let head = self.ring.head_at(at);
            let (source, bytes) = self.ring.body_at(at).split_at(usize::from(head.source_len));
            let to_blame = hand.is_some_and(|note| note.input == head.number);
            let deaths = head.deaths.saturating_add(u8::from(to_blame));
            (head.number, Undecided { source: source.to_vec(), bytes: bytes.to_vec(), deaths })
        })
    }

    fn is_poison(&self, number: u32, input: &Undecided) -> bool {
        input.deaths >= DEATHS || self.batches.current.aside.contains(&number)
    }

    fn undecided(&self) -> Vec<Undecided> {
        let sound = self.begun().filter(|(number, input)| !self.is_poison(*number, input));
        sound.map(|(_, input)| input).collect()
    }

    fn set_aside(&self) -> Vec<Undecided> {
        let poison = self.begun().filter(|(number, input)| self.is_poison(*number, input));
        poison.map(|(_, input)| input).collect()
    }
}

impl<R: Region> Journal<R> {
    /// Takes over the inputs of the batch `voided`, and says that nothing else of it counts; twice, since one
    /// broken record must not bring it back.
    fn adopt(&mut self, voided: u64, undecided: &[Undecided]) {
        self.open_batch();
        for (number, input) in (0..).zip(undecided) {
            let mut head = Head::new(kind::INPUT, self.batch);
            (head.number, head.flags, head.deaths) = (number, RETAKEN, input.deaths);
            let _ = self.input(head, &input.source, &input.bytes);
        }
        self.inputs = undecided.len() as u32;
        let mut head = Head::new(kind::ADOPT, self.batch);
        head.key = Key(u128::from(voided));
        for _ in 0..2 {
            self.put(head, [&[], &[]]);
        }
    }
}
