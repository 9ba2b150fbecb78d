//! Copies of all that lives in a shard, for whoever follows it, some at a time.

use std::collections::BTreeMap;

use contract::sharding;
use exchange::kept;
use journal::{Journal, Ticket};
use machine::{Epoch, Key, Record, Shard, Tag};
use peering::{Changed, Frame, Peer};
use strowger_io::MappedFile;

use super::Neighbours;

/// What whoever goes on with a shard must know.
pub(crate) const FOLLOWED: [Tag; 3] = [kept::BINDINGS, kept::CALL, kept::CALL_RECORD];
/// So many records are copied between two turns.
const AT_ONCE: usize = 256;

/// The shard that a record belongs to.
pub(crate) fn shard_of(tag: Tag, shard: Shard, key: Key) -> Shard {
    if tag == kept::BINDINGS { sharding::shard_of_key(key.0) } else { shard }
}

/// A walk through the journal for some who need copies.
#[derive(Debug)]
pub(super) struct Copying {
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
}

impl Neighbours {
    /// Goes on with copies, or begins some.
    pub(super) fn copy(&mut self, journal: &mut Journal<MappedFile>) {
        let Some(mut copying) = self.copying.take() else { return self.begin_copies(journal) };
        if copying.whom.keys().any(|&peer| self.is_busy(peer)) {
            self.copying = Some(copying);
            return;
        }
        let from = copying.rest.len().saturating_sub(AT_ONCE);
        let mut changes: BTreeMap<Peer, Vec<Changed>> = BTreeMap::new();
        let _broken = journal.redeem(copying.rest.drain(from..), |entry| {
            let shard = shard_of(entry.tag, entry.shard, entry.key);
            for &(peer, epoch) in copying.by_shard.get(&shard).into_iter().flatten() {
                let record = Record { tag: entry.tag, shard, key: entry.key, body: entry.body.to_vec() };
                changes.entry(peer).or_default().push(Changed::of(&record, epoch));
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
            let number = self.say_numbered(peer, |number, _| Frame::Whole { number, shards: whole });
            self.following.told_all(peer, &shards, number.unwrap_or(u64::MAX));
        }
    }

    fn begin_copies(&mut self, journal: &Journal<MappedFile>) {
        let called = &self.called;
        let whom = self.following.begin_copies(|peer| called.get(&peer).is_some_and(|it| it.is_up));
        if whom.is_empty() {
            return;
        }
        for (&peer, shards) in &whom {
            self.say(peer, &Frame::Begin { shards: shards.clone() });
        }
        let tickets = journal.tickets(|tag| FOLLOWED.contains(&tag));
        self.copying = Some(Copying::new(tickets, whom));
    }

    /// Remembers what lives in `shards` of our own, as if we followed them.
    pub(crate) fn keep_own(&mut self, journal: &mut Journal<MappedFile>, shards: &[(Shard, Epoch)]) {
        let mut changes = Vec::new();
        let _broken = journal.show(
            |tag| FOLLOWED.contains(&tag),
            |entry| {
                let shard = shard_of(entry.tag, entry.shard, entry.key);
                if let Some(&(_, epoch)) = shards.iter().find(|(it, _)| *it == shard) {
                    let record = Record { tag: entry.tag, shard, key: entry.key, body: entry.body.to_vec() };
                    changes.push(Changed::of(&record, epoch));
                }
            },
        );
        self.replica.begin(shards);
        self.replica.change(changes);
        self.replica.whole(shards);
    }

    /// Whether copies are being made.
    pub(crate) fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    fn is_busy(&self, peer: Peer) -> bool {
        let token = self.called.get(&peer).and_then(|called| called.token);
        token.and_then(|token| self.lines.get(&token)).is_some_and(|(_, line)| line.is_busy())
    }

    fn say_numbered(&mut self, peer: Peer, frame: impl FnOnce(u64, u64) -> Frame) -> Option<u64> {
        let view = self.view.version;
        let number = self.called.get_mut(&peer).map(|called| called.outgoing.number())?;
        self.say(peer, &frame(number, view)).then_some(number)
    }
}
