//! Whoever was taken for lost and lives (it slept, or was cut off) has what it decided since its buddy heard of it last; if
//! the buddy was gone, too, nobody else has any of it. It gives all that to those who own its shards by now, and they
//! take what they don't know. What it knew of others' shards it gives as well: that may be old, so only who knows nothing
//! takes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use journal::{Journal, Region};
use machine::{Epoch, Key, Moment, Record, Shard, Tag};

use crate::neighbours::Neighbours;
use crate::{Changed, Frame, Peer};

/// So many things are given in one piece.
const PIECE: usize = 256;
/// So long after a shard came to us its former owner is expected.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long after somebody came (back) it may still be about to give what it has.
const GIVES: Duration = Duration::from_secs(2);
/// Who knew nothing of a shard takes it from so many owners before: one of those may never have heard that it was.
const GENERATIONS: u32 = 3;

/// What one peer is to be given, piece by piece: each is kept until it is acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Giving {
    pieces: VecDeque<(u64, bool, Vec<Changed>)>,
}

impl Giving {
    /// Everything up to `number` is taken.
    pub(crate) fn acked(&mut self, number: u64) {
        self.pieces.retain(|(given, ..)| *given > number);
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }
}

/// A shard that came to us.
#[derive(Debug)]
struct Came {
    at: Moment,
    /// What was said under an earlier epoch is old.
    from: Epoch,
    /// Nobody knew anything of it.
    is_unknown: bool,
    /// What came with it: it may have come to its end since.
    known: BTreeSet<Key>,
    /// So may what we were given since.
    given: BTreeSet<(Tag, Key)>,
}

/// What others give us.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    came: BTreeMap<Shard, Came>,
    given: Vec<Record>,
    /// When the last of them came.
    last: Option<Moment>,
    /// When a node came, or came back.
    joined: Option<Moment>,
}

impl Estate {
    /// A shard is ours now, under `epoch`, and `records` came with it: all that somebody kept who heard its owner last
    /// under epoch `heard`, if anybody did.
    pub(crate) fn came(
        &mut self,
        now: Moment,
        shard: Shard,
        epoch: Epoch,
        heard: Option<Epoch>,
        records: &[Record],
    ) {
        let known = records.iter().map(|record| record.key).collect();
        let from = heard.unwrap_or(Epoch(epoch.0.saturating_sub(GENERATIONS)));
        self.last = Some(now);
        self.came.insert(
            shard,
            Came { at: now, from, is_unknown: heard.is_none(), known, given: BTreeSet::new() },
        );
    }

    /// Somebody is there who was not there before.
    pub(crate) fn joined(&mut self, now: Moment) {
        self.joined = Some(now);
    }

    /// Whether somebody who came (back) just now may give us something of the shards that came to us.
    pub(crate) fn is_awaited(&self, now: Moment) -> bool {
        let is_within = |since: Option<Moment>, time| since.is_some_and(|since| now.since(since) < time);
        is_within(self.last, PATIENCE) && is_within(self.joined, GIVES)
    }

    /// Forgets what came too long ago.
    pub(crate) fn expire(&mut self, now: Moment) {
        if self.last.take_if(|last| now.since(*last) >= PATIENCE).is_some() {
            self.came.clear();
        }
    }

    /// Somebody who owned a shard of ours before, or had a copy of it, gives us something that lives there.
    fn take(&mut self, now: Moment, thing: Changed, is_copy: bool) {
        let (tag, key) = thing.thing();
        let Some(came) = self.came.get_mut(&thing.shard) else { return };
        let is_old = now.since(came.at) >= PATIENCE || thing.epoch < came.from || is_copy && !came.is_unknown;
        if !is_old && !came.known.contains(&key) && came.given.insert((tag, key)) {
            self.given.push(Record { tag, shard: thing.shard, key, body: thing.body });
        }
    }
}

impl Neighbours {
    /// Gives what lived in shards of ours, or copies of others' shards, to those who own them.
    pub(crate) fn give(&mut self, things: Vec<Changed>, are_copies: bool) {
        let mut by: BTreeMap<Peer, Vec<Changed>> = BTreeMap::new();
        for thing in things {
            if let Some(owner) = self.owner(thing.shard).filter(|owner| owner.node != self.me().node) {
                by.entry(owner).or_default().push(thing);
            }
        }
        for (peer, things) in by {
            things.chunks(PIECE).for_each(|piece| self.give_to(peer, piece.to_vec(), are_copies));
        }
    }

    fn give_to(&mut self, peer: Peer, piece: Vec<Changed>, are_copies: bool) {
        let view = self.view.version;
        let called = self.called.entry(peer).or_default();
        let number = called.outgoing.number();
        called.giving.pieces.push_back((number, are_copies, piece.clone()));
        if called.is_up {
            self.say(peer, Frame::Estate { number, view, are_copies, things: piece });
        }
    }

    /// What `peer` has not acknowledged is given again: it was not heard, or is another's by now.
    pub(crate) fn give_again(&mut self, peer: Peer) {
        let Some(called) = self.called.get_mut(&peer) else { return };
        let pieces = std::mem::take(&mut called.giving.pieces);
        pieces.into_iter().for_each(|(_, are_copies, things)| self.give(things, are_copies));
    }

    /// Somebody gives us something. What is another's by now goes on to him.
    pub(crate) fn take_estate(&mut self, now: Moment, things: Vec<Changed>, are_copies: bool) {
        let (ours, others): (Vec<_>, Vec<_>) =
            things.into_iter().partition(|thing| self.owned().owns(thing.shard));
        ours.into_iter().for_each(|thing| self.estate.take(now, thing, are_copies));
        self.give(others, are_copies);
    }

    /// What we were given, is ours, and is not known here.
    pub(crate) fn take_given<R: Region>(&mut self, journal: &Journal<R>) -> Vec<Record> {
        let mut given = std::mem::take(&mut self.estate.given);
        given.retain(|it| self.owned().owns(it.shard) && journal.latest(it.tag, it.key).is_none());
        given
    }

    /// What lives in `shards` of ours, and under which epoch it was ours.
    pub(crate) fn had<R: Region>(
        &self,
        journal: &mut Journal<R>,
        shards: &BTreeMap<Shard, Epoch>,
    ) -> Vec<Changed> {
        let mut things = Vec::new();
        self.walk(journal, |entry, shard| {
            if let Some(&epoch) = shards.get(&shard) {
                let record = Record { tag: entry.tag, shard, key: entry.key, body: entry.body.to_vec() };
                things.push(Changed::of(&record, epoch));
            }
        });
        things
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard::of(5);

    fn at(secs: u64) -> Moment {
        Moment::from_secs(1_000 + secs)
    }

    fn record(key: u128) -> Record {
        Record { tag: Tag(1), shard: SHARD, key: Key(key), body: vec![1] }
    }

    fn given(estate: &mut Estate) -> Vec<u128> {
        std::mem::take(&mut estate.given).into_iter().map(|record| record.key.0).collect()
    }

    #[test]
    fn what_came_with_the_shard_and_what_was_given_once_may_be_over_and_is_not_taken() {
        let mut estate = Estate::default();
        estate.came(at(0), SHARD, Epoch(7), Some(Epoch(6)), &[record(1)]);
        for key in [1, 2, 2, 3] {
            estate.take(at(1), Changed::of(&record(key), Epoch(6)), false);
        }
        assert_eq!(given(&mut estate), [2, 3]);
    }

    #[test]
    fn an_owner_before_the_one_who_was_heard_last_gives_nothing() {
        let mut estate = Estate::default();
        estate.came(at(0), SHARD, Epoch(7), Some(Epoch(6)), &[]);
        estate.take(at(1), Changed::of(&record(1), Epoch(5)), false);
        assert_eq!(given(&mut estate), []);
        // The buddy may have owned it for a moment and never have heard of that.
        estate.came(at(0), SHARD, Epoch(7), None, &[]);
        estate.take(at(1), Changed::of(&record(1), Epoch(5)), false);
        estate.take(at(1), Changed::of(&record(2), Epoch(3)), false);
        assert_eq!(given(&mut estate), [1]);
    }

    #[test]
    fn a_copy_is_taken_by_who_knows_nothing() {
        let mut estate = Estate::default();
        estate.came(at(0), SHARD, Epoch(7), Some(Epoch(6)), &[]);
        estate.take(at(1), Changed::of(&record(1), Epoch(6)), true);
        assert_eq!(given(&mut estate), []);
        estate.came(at(0), SHARD, Epoch(7), None, &[]);
        estate.take(at(1), Changed::of(&record(1), Epoch(6)), true);
        assert_eq!(given(&mut estate), [1]);
    }

    #[test]
    fn nothing_is_taken_after_a_minute_or_for_a_shard_that_never_came() {
        let mut estate = Estate::default();
        estate.take(at(0), Changed::of(&record(1), Epoch(6)), false);
        estate.came(at(0), SHARD, Epoch(7), None, &[]);
        estate.take(at(60), Changed::of(&record(1), Epoch(6)), false);
        assert_eq!(given(&mut estate), []);
    }

    #[test]
    fn shards_that_came_stay_while_somebody_who_came_back_may_give_what_he_has() {
        let mut estate = Estate::default();
        estate.joined(at(0));
        assert!(!estate.is_awaited(at(0)), "nothing came");
        estate.came(at(0), SHARD, Epoch(7), None, &[]);
        assert!(estate.is_awaited(at(1)) && !estate.is_awaited(at(2)));
        estate.joined(at(30));
        assert!(estate.is_awaited(at(31)) && !estate.is_awaited(at(61)));
    }
}
