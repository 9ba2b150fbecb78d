use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::CallId;
use contract::record::{CallRecord, Outcome};
use ledger::State;
use machine::{Kind, Mint, Secret};
use phone::CallNo;

use crate::handset::{Handset, Line};
use crate::office::Office;

/// A gap that would be heard: longer than a death and a rebirth take.
const HEARD: Duration = Duration::from_millis(120);

/// Sees what goes on, and says what does not hold.
#[derive(Debug)]
pub(crate) struct Witness {
    mint: Mint,
    /// Calls of which the world was told something.
    begun: BTreeSet<CallId>,
    /// The wire is so good that nobody may hear a gap, whatever dies.
    pub(crate) is_wire_good: bool,
    /// Decisions that are meant to panic.
    pub(crate) panics_allowed: u64,
}

/// One side of a call, as its user saw it.
pub(crate) type Side<'a> = (usize, CallNo, &'a Line);

impl Witness {
    pub(crate) fn new(secret: Secret) -> Self {
        Witness { mint: Mint::new(secret), begun: BTreeSet::new(), is_wire_good: true, panics_allowed: 0 }
    }

    /// Something was said to a phone in a call.
    pub(crate) fn said(&mut self, call: Option<CallId>) {
        self.begun.extend(call);
    }

    /// Which of the platform's calls a phone was called in.
    pub(crate) fn call_of(&self, line: &Line) -> Option<CallId> {
        self.mint.read(Kind::CallId, line.call_id.as_bytes()).map(|token| CallId(token.call))
    }

    /// Everything is over: what must hold now?
    pub(crate) fn at_rest(&self, office: &Office, phones: &[Handset]) {
        for call in &self.begun {
            assert!(office.records.contains_key(call), "{call:?} has begun and left no record");
        }
        self.money_is_accounted_for(office);
        let mut callers: BTreeMap<&str, Side<'_>> = BTreeMap::new();
        let mut callees: BTreeMap<CallId, Vec<Side<'_>>> = BTreeMap::new();
        for (number, phone) in phones.iter().enumerate() {
            for (call, line) in &phone.lines {
                let side = (number, *call, line);
                match self.call_of(line) {
                    Some(id) => callees.entry(id).or_default().push(side),
                    None => {
                        callers.insert(&line.call_id, side);
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        for record in office.records.values() {
            assert!(seen.insert(&record.sip_call_id), "two records of one attempt: {record:?}");
            let caller = callers.get(record.sip_call_id.as_str());
            let callees = callees.get(&record.id).map_or(&[][..], Vec::as_slice);
            let is_well = |side: &Side<'_>| phones[side.0].is_alive;
            if let Some(caller) = caller.filter(|side| is_well(side)) {
                agrees(record, caller.2);
            }
            if record.outcome == Outcome::Answered && !record.callee.starts_with("app:") {
                if self.is_wire_good {
                    caller.into_iter().chain(callees).for_each(|side| sounds_whole(record, side.2));
                }
                let all_well = callees.iter().all(is_well);
                let answered = callees.iter().filter(|side| side.2.answered.is_some()).count();
                assert!(answered >= 1 || !all_well, "{record:?}: nobody has answered: {callees:?}");
            }
        }
    }

    fn money_is_accounted_for(&self, office: &Office) {
        for it in office.reservations() {
            assert_eq!(it.state, State::Settled, "a call's money is not settled: {it:?}");
            assert_eq!(it.reserved, it.charged + it.released, "the sums are wrong: {it:?}");
            let record = office.records.get(&it.call);
            let said = record.and_then(|record| record.reserved.as_ref()).map(|money| money.micros);
            assert_eq!(said, Some(it.reserved), "the record says otherwise: {record:?}, {it:?}");
        }
    }
}

/// What a caller saw is what the record says.
fn agrees(record: &CallRecord, line: &Line) {
    let Some(over) = &line.over else { panic!("a call is recorded and not over: {record:?}, {line:?}") };
    if record.outcome == Outcome::Answered {
        // An answer that came when the caller had given up is acknowledged and hung up by its phone.
        let gave_up = over.by_us || over.refused.is_some();
        assert!(
            line.answered.is_some() || gave_up,
            "answered, and the caller never knew: {record:?}, {line:?}"
        );
    } else {
        assert!(line.answered.is_none(), "not answered, and the caller believes so: {record:?}, {line:?}");
        if let Some(refused) = over.refused.filter(|_| record.outcome != Outcome::Cancelled) {
            // A phone that hears nothing any more (its connection was cut) ends its attempt by itself: 408, or
            // 487 if its user gave up. And one that was told 503, since nobody could say who it is, may have
            // sent another copy of its INVITE before it heard that.
            let is_ours = refused.code() == record.status || [408, 487, 503].contains(&refused.code());
            assert!(is_ours, "the caller saw {refused}: {record:?}");
        }
    }
}

/// Nobody heard a gap: neither the death of a process nor anything that was asked in vain may be heard.
fn sounds_whole(record: &CallRecord, line: &Line) {
    let gap = line.over.as_ref().map(|over| over.longest_gap).unwrap_or_default();
    assert!(line.was_held || gap < HEARD, "a silence of {gap:?} in {record:?}: {line:?}");
}
