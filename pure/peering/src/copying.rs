//! Copies of all that lives in a shard, for whoever follows it, some at a time.

use std::collections::BTreeMap;

use journal::{Entry, Journal, Region, Ticket};
use machine::{Epoch, Key, Record, Shard, Tag};

use crate::neighbours::Neighbours;
use crate::{Changed, Frame, Line, Peer};

/// So many records are copied between two turns.
const AT_ONCE: usize = 256;

/// In which shard a thing lives that whoever goes on with the shard must know; none if that need not be known. What a
/// record says of its shard is the second argument.
pub type Followed = fn(Tag, Shard, Key) -> Option<Shard>;

/// A walk through the journal for some who need copies.
#[derive(Debug)]
pub(crate) struct Copying {
    rest: Vec<Ticket>,
    whom: BTreeMap<Peer, Vec<(Shard, Epoch)>>,
    by_shard: BTreeMap<Shard, Vec<(Peer, Epoch)>>,
}

impl Copying {
    fn new(rest: Vec<Ticket>, whom: BTreeMap<Peer, Vec<(Shard, Epoch)>>) -> Self {
        let mut by_shard: BTreeMap<Shard, Vec<(Peer, Epoch)>> = BTreeMap::new();
        for (&peer, shards) in &whom {
            shards.iter().for_each(|&(shard, epoch)| by_shard.entry(shard).or_default().push((peer, epoch)));
        }
        Copying { rest, whom, by_shard }
    }

    /// No more of it is for `peer`.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.whom.remove(&peer);
        self.by_shard.values_mut().for_each(|whom| whom.retain(|&(other, _)| other != peer));
    }
}

/// What lives in a shard of those that `followed` knows.
fn record(entry: &Entry<'_>, shard: Shard) -> Record {
    Record { tag: entry.tag, shard, key: entry.key, body: entry.body.to_vec() }
}

impl Neighbours {
    /// Goes on with copies, or begins some; not for those whose line `is_busy`.
    pub(crate) fn copy<R: Region>(&mut self, journal: &mut Journal<R>, is_busy: impl Fn(Line) -> bool) {
        let Some(mut copying) = self.copying.take() else { return self.begin_copies(journal) };
        if copying.whom.keys().any(|&peer| self.line(peer).is_some_and(&is_busy)) {
            self.copying = Some(copying);
            return;
        }
        let (from, followed) = (copying.rest.len().saturating_sub(AT_ONCE), self.followed);
        let mut changes: BTreeMap<Peer, Vec<Changed>> = BTreeMap::new();
        let _broken = journal.redeem(copying.rest.drain(from..), |entry| {
            let Some(shard) = followed(entry.tag, entry.shard, entry.key) else { return };
            for &(peer, epoch) in copying.by_shard.get(&shard).into_iter().flatten() {
                changes.entry(peer).or_default().push(Changed::of(&record(&entry, shard), epoch));
            }
        });
        for (peer, changes) in changes {
            self.say_numbered(peer, |number, view| Frame::Changes { number, view, changes });
        }
        if !copying.rest.is_empty() {
            self.copying = Some(copying);
            return;
        }
        for (peer, shards) in copying.whom {
            let whole = shards.clone();
            let number = self.say_numbered(peer, |number, view| Frame::Whole { number, view, shards: whole });
            self.following.told_all(peer, &shards, number.unwrap_or(u64::MAX));
        }
    }

    fn begin_copies<R: Region>(&mut self, journal: &Journal<R>) {
        let called = &self.called;
        let whom = self.following.begin_copies(|peer| called.get(&peer).is_some_and(|it| it.is_up));
        if whom.is_empty() {
            return;
        }
        let view = self.view.version;
        for (&peer, shards) in &whom {
            self.say(peer, Frame::Begin { view, shards: shards.clone() });
        }
        let followed = self.followed;
        let tickets = journal.tickets(|tag| followed(tag, Shard::default(), Key(0)).is_some());
        self.copying = Some(Copying::new(tickets, whom));
    }

    /// Remembers what lives in `shards` of our own, as if we followed them.
    pub(crate) fn keep_own<R: Region>(&mut self, journal: &mut Journal<R>, shards: &[(Shard, Epoch)]) {
        let of: BTreeMap<Shard, Epoch> = shards.iter().copied().collect();
        let mut changes = Vec::new();
        self.walk(journal, |entry, shard| {
            if let Some(&epoch) = of.get(&shard) {
                changes.push(Changed::of(&record(entry, shard), epoch));
            }
        });
        self.replica.begin(self.view.version, shards);
        self.replica.change(changes);
        self.replica.whole(shards);
    }

    /// Shows all in the journal that somebody follows, and in which shard it lives.
    pub(crate) fn walk<R: Region>(&self, journal: &mut Journal<R>, mut show: impl FnMut(&Entry<'_>, Shard)) {
        let followed = self.followed;
        let _broken = journal.show(
            |tag| followed(tag, Shard::default(), Key(0)).is_some(),
            |entry| {
                if let Some(shard) = followed(entry.tag, entry.shard, entry.key) {
                    show(&entry, shard);
                }
            },
        );
    }

    /// Whether copies are being made.
    pub fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    fn say_numbered(&mut self, peer: Peer, frame: impl FnOnce(u64, u64) -> Frame) -> Option<u64> {
        let view = self.view.version;
        let number = self.called.get_mut(&peer).map(|called| called.outgoing.number())?;
        self.say(peer, frame(number, view)).then_some(number)
    }
}
