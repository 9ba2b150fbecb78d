//! What was said of each call, by whom, and who would know it if he died now.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use contract::CallId;
use exchange::kept;
use machine::{Epoch, Key, Owned, Record, Shard};

use super::host::{At, Host, State};

/// What is known of a call from outside of all hosts.
#[derive(Debug, Default)]
struct Known {
    shard: Shard,
    /// Who decided last.
    owner: usize,
    /// Stands for the state after each change, oldest first; 0: it is no more.
    states: Vec<u64>,
    /// After how many changes the world heard of it last.
    heard: usize,
    /// The world heard something that nobody but its owner knew.
    is_exposed: bool,
    /// Nobody knows it any more, and that could not be helped.
    is_lost: bool,
}

/// Bytes that were said: in which call, under which epoch, after how many of its changes, by whom.
#[derive(Clone, Copy, Debug)]
struct Saying {
    call: CallId,
    epoch: Epoch,
    changes: usize,
    by: At,
}

/// Sees what owners decide, and what the world hears of it.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    calls: BTreeMap<CallId, Known>,
    sayings: HashMap<u64, Saying, machine::FixedState>,
    /// What this turn says, until it is known what it changed.
    pending: Vec<(u64, CallId)>,
    /// The highest epoch under which each phone heard something of each shard.
    highest: HashMap<(SocketAddr, Shard), Epoch, machine::FixedState>,
    /// Messages that were heard before anybody but their owner knew.
    pub(crate) exposed: u64,
    /// Messages in calls that were heard at all.
    pub(crate) heard: u64,
}

/// Stands for some bytes (FNV, eight at a time).
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    let mut mix = |word: u64| sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    rest.iter().for_each(|&byte| mix(u64::from(byte)));
    sum | 1
}

impl Knowledge {
    pub(crate) fn new() -> Self {
        Knowledge::default()
    }

    /// A turn wants to say something in a call.
    pub(crate) fn says(&mut self, call: CallId, bytes: &[u8]) {
        self.pending.push((sum(bytes), call));
    }

    /// A turn that was committed changed this.
    pub(crate) fn changed(&mut self, by: At, owned: &Owned, changes: &[Record]) {
        for record in changes.iter().filter(|record| record.tag == kept::CALL) {
            let known = self.calls.entry(CallId(record.key.0 as u64)).or_default();
            known.shard = record.shard;
            if !record.body.is_empty() {
                known.owner = by.host;
            }
            known.states.push(if record.body.is_empty() { 0 } else { sum(&record.body) });
        }
        for (saying, call) in std::mem::take(&mut self.pending) {
            let Some(known) = self.calls.get(&call) else { continue };
            let (epoch, changes) = (owned.epoch(known.shard), known.states.len());
            let new = Saying { call, epoch, changes, by };
            let old = self.sayings.entry(saying).or_insert(new);
            if old.epoch <= epoch {
                *old = new;
            }
        }
    }

    /// A turn died before it was committed: nothing of it counts.
    pub(crate) fn died(&mut self) {
        self.pending.clear();
    }

    /// A phone is sent this now. What is said comes from one owner of its shard, and never from an earlier one; and
    /// somebody else knows it, or it is counted; unless not all is calm: somebody died who knew it.
    pub(crate) fn is_heard(&mut self, phone: SocketAddr, bytes: &[u8], is_calm: bool, hosts: &[Host]) {
        let Some(&Saying { call, epoch, changes, by }) = self.sayings.get(&sum(bytes)) else { return };
        let Some(known) = self.calls.get_mut(&call) else { return };
        self.heard += 1;
        let highest = self.highest.entry((phone, known.shard)).or_default();
        let line = || String::from_utf8_lossy(bytes.split(|&byte| byte == b'\r').next().unwrap_or_default());
        assert!(
            epoch >= *highest,
            "two owners are heard: {:?} under {epoch:?} of {by:?} after {highest:?}, in {call:?}: {}",
            known.shard,
            line()
        );
        *highest = epoch;
        known.heard = known.heard.max(changes);
        if !known.is_known(call, changes, &[by.host], hosts) {
            known.is_exposed = true;
            self.exposed += u64::from(is_calm);
        }
    }

    /// These hosts are gone with all that they had, or are about to be, or the brokers have given away what they had. Says
    /// how many calls nobody knows any more.
    pub(crate) fn is_lost(&mut self, gone: &[usize], may_lose: bool, hosts: &[Host]) -> usize {
        let mut lost = 0;
        for (&call, known) in self.calls.iter_mut().filter(|(_, known)| known.heard > 0 && !known.is_lost) {
            let is_over = known.states.last() == Some(&0);
            if is_over || known.is_known(call, known.heard, gone, hosts) {
                continue;
            }
            assert!(
                known.is_exposed || may_lose,
                "what was said in {call:?} of {:?} is known to nobody after hosts {gone:?} are gone",
                known.shard
            );
            known.is_lost = true;
            lost += 1;
        }
        lost
    }

    /// A process is dead, and with it what it knew of others' shards: who of those is gone has left nothing then.
    pub(crate) fn copies_are_lost(&mut self, hosts: &[Host]) {
        for (&call, known) in self.calls.iter_mut().filter(|(_, known)| known.heard > 0 && !known.is_lost) {
            let is_over = known.states.last() == Some(&0);
            let is_gone = hosts[known.owner].state == State::Gone;
            known.is_lost = is_gone && !is_over && !known.is_known(call, known.heard, &[], hosts);
        }
    }

    /// Calls of which the world heard something and that are not lost.
    pub(crate) fn begun(&self) -> impl Iterator<Item = CallId> {
        self.calls.iter().filter(|(_, known)| known.heard > 0 && !known.is_lost).map(|(&call, _)| call)
    }

    /// Whether the call was lost, and that could not be helped.
    pub(crate) fn may_be_lost(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|known| known.is_lost)
    }

    /// Whether who goes on with the call may know less of it than the world heard.
    pub(crate) fn may_be_behind(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|known| known.is_lost || known.is_exposed)
    }

    /// Whether any call was lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.calls.values().any(|known| known.is_lost)
    }

    /// How many calls are lost.
    pub(crate) fn lost(&self) -> usize {
        self.calls.values().filter(|known| known.is_lost).count()
    }
}

impl Known {
    /// Whether somebody on another host than `these` knows the call as it was after so many changes, or later.
    fn is_known(&self, call: CallId, changes: usize, these: &[usize], hosts: &[Host]) -> bool {
        let key: Key = kept::call_key(call);
        let is_new_enough = |body: Option<&[u8]>| match body {
            Some(body) => self.states[changes.saturating_sub(1)..].contains(&sum(body)),
            None => self.states[changes.saturating_sub(1)..].contains(&0),
        };
        let others = hosts.iter().filter(|host| !these.contains(&host.place) && host.has_process());
        let mut others = others.filter(|host| host.follows(self.shard) || host.owns(self.shard));
        others.any(|host| {
            is_new_enough(match host.owns(self.shard) {
                true => host.own_of(kept::CALL, key),
                false => host.copy_of(self.shard, kept::CALL, key),
            })
        })
    }
}
