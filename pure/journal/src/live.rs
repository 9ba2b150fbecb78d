//! What lives: the newest committed record of every key.

use std::collections::BTreeMap;

use machine::{Key, Tag};

use crate::index::{Place, hash};
use crate::journal::{Entry, Journal};
use crate::layout::{Head, seed, size_of};
use crate::recovery::{Damage, What};
use crate::ring::Region;

/// So many records are brought near at once.
const WARMED: usize = 16;
/// What memory brings at once.
const LINE: usize = 64;

/// Stands for one live record, wherever it lies by the time it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    tag: Tag,
    hash: u32,
}

impl<R: Region> Journal<R> {
    /// The newest committed record of every key whose bytes are as they were written, in the order of memory.
    pub fn live(&self) -> impl Iterator<Item = Entry<'_>> {
        self.places(|_| true).into_iter().filter_map(|place| self.checked(place))
    }

    /// How many things of each kind there are.
    pub fn counts(&self) -> BTreeMap<Tag, usize> {
        let mut counts = BTreeMap::new();
        self.index.all().for_each(|place| *counts.entry(place.tag).or_default() += 1);
        counts
    }

    /// Shows all live records of the kinds that `wants` says, in the order of memory. Those that are not as they were
    /// written are forgotten, and returned.
    pub fn show(&mut self, wants: impl Fn(Tag) -> bool, each: impl FnMut(Entry<'_>)) -> Vec<Damage> {
        let places = self.places(wants);
        self.show_those(&places, each)
    }

    /// Tickets for all live records of the kinds that `wants` says, to have them shown some at a time later.
    pub fn tickets(&self, wants: impl Fn(Tag) -> bool) -> Vec<Ticket> {
        let wanted = self.index.all().filter(|place| wants(place.tag));
        wanted.map(|place| Ticket { tag: place.tag, hash: place.hash }).collect()
    }

    /// The same as [`Journal::show`] for those of `tickets` that still live, as they are now. One may be shown that
    /// none of these tickets is for, if it can't be told from one that is.
    pub fn redeem(
        &mut self,
        tickets: impl Iterator<Item = Ticket>,
        each: impl FnMut(Entry<'_>),
    ) -> Vec<Damage> {
        let of = |ticket: Ticket| self.index.alike(ticket.hash).filter(move |place| place.tag == ticket.tag);
        let mut places: Vec<Place> = tickets.flat_map(of).collect();
        places.sort_unstable_by_key(|place| place.eighth);
        places.dedup();
        self.show_those(&places, each)
    }

    /// The newest record of one thing, also of the open batch; `None` if there is none. One that is not as it was
    /// written is forgotten.
    pub fn recall(&mut self, tag: Tag, key: Key) -> Result<Option<Entry<'_>>, Damage> {
        if self.newest_pending(tag, key).is_none()
            && let Some(place) = self.index.find(hash(tag, key), |place| self.is(place, tag, key))
            && self.checked(place).is_none()
        {
            return Err(self.give_up(place));
        }
        Ok(self.newest(tag, key))
    }

    fn show_those(&mut self, places: &[Place], mut each: impl FnMut(Entry<'_>)) -> Vec<Damage> {
        let mut broken = Vec::new();
        for group in places.chunks(WARMED) {
            self.warm(group);
            for &place in group {
                match self.checked(place) {
                    // Who changed it in the open batch knows it better.
                    Some(entry) if self.newest_pending(entry.tag, entry.key).is_some() => {}
                    Some(entry) => each(entry),
                    None => broken.push(place),
                }
            }
        }
        broken.into_iter().map(|place| self.give_up(place)).collect()
    }

    /// The record at `place` without a look at its checksums; `None` if it is something else.
    pub(crate) fn whole(&self, place: Place) -> Option<Entry<'_>> {
        let raw = &self.ring.region.as_ref()[place.at()..];
        let head = Head::likely(raw).filter(|head| size_of(head.len as usize) == place.bytes())?;
        Some(head.entry(raw))
    }

    /// The record at `place`, if it is as it was written.
    fn checked(&self, place: Place) -> Option<Entry<'_>> {
        let sequence = self.sequence_of(place);
        let raw =
            &self.ring.region.as_ref()[place.at()..self.ring.shape.start(sequence) + self.ring.shape.segment];
        let head = Head::read(raw, seed(self.ring.life, sequence))?;
        (head.tag == place.tag && head.body_holds(raw)).then(|| head.entry(raw))
    }

    /// Reads a byte of each line of these records: memory brings many lines at once if nobody waits for one of them,
    /// and a processor that looks at record after record waits for each.
    fn warm(&self, places: &[Place]) {
        let raw = self.ring.region.as_ref();
        let lines = places.iter().flat_map(|place| (place.at()..place.at() + place.bytes()).step_by(LINE));
        std::hint::black_box(lines.fold(0_u8, |sum, at| sum.wrapping_add(raw[at])));
    }

    /// Which segment stands where `place` lies.
    fn sequence_of(&self, place: Place) -> u64 {
        let (count, number) = (self.ring.shape.count, self.ring.shape.number(place.at()) as u64);
        self.ring.head - (self.ring.head % count + count - number) % count
    }

    /// Places of the kinds that `wants` says, in the order of memory, which memory is fast at. They are dealt to their
    /// segments and sorted there: that is much faster than to sort all.
    fn places(&self, wants: impl Fn(Tag) -> bool) -> Vec<Place> {
        let shape = self.ring.shape;
        let mut starts = vec![0_usize; shape.count as usize + 1];
        for place in self.index.all().filter(|place| wants(place.tag)) {
            starts[shape.number(place.at()) + 1] += 1;
        }
        for number in 0..shape.count as usize {
            starts[number + 1] += starts[number];
        }
        let nowhere = Place { eighth: 0, hash: 0, tag: Tag(0), size: 0 };
        let mut sorted = vec![nowhere; starts[shape.count as usize]];
        for place in self.index.all().filter(|place| wants(place.tag)) {
            let next = &mut starts[shape.number(place.at())];
            sorted[*next] = place;
            *next += 1;
        }
        let mut from = 0;
        for to in starts {
            sorted[from..to.max(from)].sort_unstable_by_key(|place| place.eighth);
            from = to.max(from);
        }
        sorted
    }

    /// Forgets a record that is broken.
    fn give_up(&mut self, place: Place) -> Damage {
        let number = self.ring.shape.number(place.at()) as u64;
        let what = match Head::likely(&self.ring.region.as_ref()[place.at()..]) {
            Some(head) => What::State(place.tag, head.key),
            None => What::Between,
        };
        self.forget(place);
        Damage { segment: Some(number), offset: place.at() - self.ring.shape.start(number), what }
    }

    /// The record at `place` counts no more.
    pub(crate) fn forget(&mut self, place: Place) {
        if let Some(place) = self.index.remove(place.hash, |other| other == place) {
            self.forgotten_at(place);
        }
    }
}
