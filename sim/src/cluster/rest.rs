//! Everything is over: what must hold now?

use std::collections::BTreeSet;

use contract::CallId;
use contract::record::Outcome;
use ledger::State;

use super::host::Host;
use super::world::World;

impl World {
    /// Whether nothing goes on any more.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        let now = self.now;
        let is_quiet = self.is_whole() && self.office.is_there && self.to_begin == 0;
        is_quiet
            && self.phones.iter().all(|phone| !phone.is_busy())
            && self.office.reservations().all(|it| it.state != State::Open)
            && self.hosts.iter_mut().all(|host| host.calls(now).is_empty())
            && self.hosts.iter().all(|host| host.left().is_empty())
            && self.hosts.iter().all(|host| self.is_haunted(host.place) || media_calls(host) == 0)
    }

    /// What still goes on.
    pub(crate) fn unrest(&mut self) -> String {
        let now = self.now;
        let calls: Vec<_> = self.hosts.iter_mut().map(|host| host.calls(now)).collect();
        let left: Vec<_> = self.hosts.iter().map(Host::left).collect();
        let media: Vec<usize> = self.hosts.iter().map(media_calls).collect();
        let busy: Vec<_> = self.phones.iter().filter(|phone| phone.is_busy()).collect();
        let open = self.office.reservations().filter(|it| it.state == State::Open).count();
        let up: Vec<_> = self.hosts.iter().map(|host| (host.state, host.is_alive)).collect();
        format!("{up:?}, calls {calls:?}, left {left:?}, media {media:?}, {open} reservations, {busy:?}")
    }

    /// Each call that the world heard of has its one record, and nothing else has any; money adds up; both sides saw
    /// the same.
    pub(crate) fn check_at_rest(&self) {
        let recorded: BTreeSet<CallId> = self.office.records.keys().copied().collect();
        let begun: BTreeSet<CallId> = self.known.begun().collect();
        for call in &begun {
            assert!(
                recorded.contains(call) || self.known.may_be_lost(*call),
                "{call:?} has begun and left no record"
            );
        }
        let attempts: BTreeSet<&str> = self
            .phones
            .iter()
            .flat_map(|phone| phone.lines.values())
            .filter(|line| !line.is_incoming)
            .map(|line| line.call_id.as_str())
            .collect();
        for record in self.office.records.values() {
            let is_known = attempts.contains(record.sip_call_id.as_str());
            assert!(is_known, "a record of a call that nobody made: {record:?}");
        }
        for line in self.phones.iter().flat_map(|phone| phone.lines.values()) {
            let is_caller = !line.is_incoming && line.answered.is_some();
            let Some(id) = self.office.attempts.get(&line.call_id) else {
                assert!(!is_caller || self.known.has_lost(), "a caller talked, unrecorded: {line:?}");
                continue;
            };
            let record = &self.office.records[id];
            if is_caller && !self.known.may_be_behind(*id) {
                assert_eq!(record.outcome, Outcome::Answered, "the caller talked: {record:?}, {line:?}");
            }
        }
        for it in self.office.reservations() {
            assert_eq!(it.reserved, it.charged + it.released, "the sums are wrong: {it:?}");
            let is_lost = self.known.may_be_lost(it.call) || !begun.contains(&it.call);
            assert!(it.state == State::Settled || is_lost, "money is not settled: {it:?}");
        }
    }
}

fn media_calls(host: &Host) -> usize {
    host.media.as_ref().map_or(0, |media| media.calls())
}
