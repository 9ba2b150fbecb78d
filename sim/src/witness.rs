use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::CallId;
use contract::query::CallView;
use contract::record::{CallRecord, Outcome};
use ledger::State;
use machine::{Kind, Mint, Moment, Secret};
use phone::CallNo;

use crate::handset::{Handset, Line, Noticed};
use crate::office::Office;
use crate::watch::Watch;

/// A gap that would be heard: longer than a death and a rebirth take.
const HEARD: Duration = Duration::from_millis(120);

/// What the loss of a host may cost: to find out, and to tell both phones.
const A_BREATH: Duration = Duration::from_secs(2);

/// What a phone did so short before a power loss may not have arrived, or not be on the disk.
const JUST_NOW: Duration = Duration::from_secs(1);

/// Sees what goes on, and says what does not hold: after each step what always must, and at the end the rest.
#[derive(Debug)]
pub(crate) struct Witness {
    mint: Mint,
    pub(crate) watch: Watch,
    /// Calls of which the world was told something.
    begun: BTreeSet<CallId>,
    /// Calls that a power loss has ended: nobody knows of them any more.
    lost: BTreeSet<CallId>,
    /// The same, by the Call-ID of the caller's leg.
    lost_attempts: BTreeSet<String>,
    /// The last power loss.
    power_failed: Option<Moment>,
    /// The wire is so good that nobody may hear a gap, whatever dies.
    pub(crate) is_wire_good: bool,
    /// The longest gap that may be heard then.
    heard: Duration,
    /// The platform's clock was always right.
    pub(crate) is_clock_right: bool,
    /// Decisions that are meant to panic.
    pub(crate) panics_allowed: u64,
}

/// One side of a call, as its user saw it.
pub(crate) type Side<'a> = (usize, CallNo, &'a Line);

impl Witness {
    pub(crate) fn new(secret: Secret) -> Self {
        Witness {
            mint: Mint::new(secret),
            watch: Watch::new(),
            begun: BTreeSet::new(),
            lost: BTreeSet::new(),
            lost_attempts: BTreeSet::new(),
            power_failed: None,
            is_wire_good: true,
            heard: HEARD,
            is_clock_right: true,
            panics_allowed: 0,
        }
    }

    /// A media host dies: that may be heard, but only for a breath.
    pub(crate) fn host_dies(&mut self) {
        self.heard = A_BREATH;
    }

    /// Something was said to a phone in a call.
    pub(crate) fn said(&mut self, call: Option<CallId>) {
        self.begun.extend(call);
    }

    /// Which of the platform's calls a phone was called in.
    pub(crate) fn call_of(&self, line: &Line) -> Option<CallId> {
        self.mint.read(Kind::CallId, line.call_id.as_bytes()).map(|token| CallId(token.call))
    }

    /// The power fails. What is recorded, in the store or (`on_disk`) on its way there, was a whole call.
    pub(crate) fn power_fails(
        &mut self,
        now: Moment,
        office: &Office,
        views: Vec<CallView>,
        on_disk: &BTreeSet<CallId>,
    ) {
        // A call that is over is lost, too, as long as it is not settled.
        let lost = views.into_iter().filter(|view| !on_disk.contains(&view.id));
        self.lost_attempts.extend(lost.map(|view| view.sip_call_id));
        let is_known = |call: &&CallId| office.records.contains_key(call) || on_disk.contains(call);
        let lost: Vec<CallId> = self.begun.iter().filter(|call| !is_known(call)).copied().collect();
        self.lost.extend(lost);
        self.power_failed = Some(now);
        self.watch.is_silent(|_| true);
        self.watch.is_haunted = true;
    }

    /// Whether this phone's call was going on, or was over with words still on their way, when the power failed.
    fn is_cut_short(&self, line: &Line) -> bool {
        let still = |at: Moment| line.over.as_ref().is_none_or(|over| over.at.after(JUST_NOW) >= at);
        self.lost_attempts.contains(&line.call_id)
            || self.power_failed.is_some_and(|at| line.begun <= at && still(at))
    }

    /// A phone has noticed something.
    pub(crate) fn noticed(&mut self, now: Moment, phone: usize, what: Noticed, office: &Office, line: &Line) {
        match what {
            Noticed::Answered(call) if !self.is_cut_short(line) => {
                let callee_of = self.call_of(line);
                let is_recorded = match callee_of {
                    Some(id) => office.records.contains_key(&id),
                    None => office.attempts.contains_key(&line.call_id),
                };
                self.watch.talks(now, (phone, call), callee_of, is_recorded);
            }
            Noticed::Over(call) => self.watch.is_silent(|who| who == (phone, call)),
            Noticed::Answered(_) | Noticed::Incoming(_) => {}
        }
    }

    /// The store took a record: nothing goes on in that call, and nobody believes otherwise for long.
    pub(crate) fn recorded(
        &mut self,
        now: Moment,
        record: &CallRecord,
        views: &[CallView],
        phones: &[Handset],
    ) {
        self.does_not_live(record, views);
        for (number, phone) in phones.iter().enumerate().filter(|(_, phone)| phone.is_alive) {
            for (call, line) in phone.open_lines().filter(|(_, line)| line.answered.is_some()) {
                let is_caller = line.call_id == record.sip_call_id;
                if self.is_cut_short(line) || !is_caller && self.call_of(line) != Some(record.id) {
                    continue;
                }
                assert!(
                    !is_caller || record.outcome == Outcome::Answered,
                    "not answered, and the caller talks: {record:?}, {line:?}"
                );
                self.watch.is_deceived(now, (number, call));
            }
        }
    }

    fn does_not_live(&self, record: &CallRecord, views: &[CallView]) {
        let view = views.iter().find(|view| view.id == record.id);
        let lives = view.is_some_and(|view| view.state != "ending");
        assert!(!lives, "recorded, and it goes on: {record:?}, {view:?}");
    }

    /// The signalling process has begun (again): what it knows is what it must know.
    pub(crate) fn begins(&self, office: &Office, views: &[CallView]) {
        for view in views {
            if let Some(record) = office.records.get(&view.id) {
                self.does_not_live(record, views);
            }
            assert!(!self.lost.contains(&view.id), "a call that the power took is there: {view:?}");
        }
    }

    /// Everything is over: what must hold now?
    pub(crate) fn at_rest(&self, office: &Office, phones: &[Handset]) {
        for call in self.begun.difference(&self.lost) {
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
                        let is_known = line.answered.is_none() || office.attempts.contains_key(&line.call_id);
                        assert!(is_known || self.is_cut_short(line), "a caller talked, unrecorded: {line:?}");
                        callers.insert(&line.call_id, side);
                    }
                }
            }
        }
        for record in office.records.values().filter(|record| !self.lost.contains(&record.id)) {
            let caller = callers.get(record.sip_call_id.as_str()).copied();
            let callees = callees.get(&record.id).map_or(&[][..], Vec::as_slice);
            if !caller.iter().chain(callees).any(|side| self.is_cut_short(side.2)) {
                self.all_agree(record, caller, callees, phones);
            }
        }
    }

    /// What each phone saw is what the record says.
    fn all_agree(
        &self,
        record: &CallRecord,
        caller: Option<Side<'_>>,
        callees: &[Side<'_>],
        phones: &[Handset],
    ) {
        let is_well = |side: &&Side<'_>| phones[side.0].is_alive;
        let caller = caller.filter(|side| is_well(&side));
        if let Some(caller) = caller {
            agrees(record, caller.2);
        }
        let picked_up = || callees.iter().filter(is_well).filter(|side| side.2.answered.is_some());
        if record.outcome != Outcome::Answered {
            return picked_up().for_each(|side| self.was_too_late(record, side, &phones[side.0]));
        }
        if record.callee.starts_with("app:") {
            assert_eq!(
                picked_up().count(),
                0,
                "an app talked, and somebody else, too: {record:?}, {callees:?}"
            );
            return;
        }
        if self.is_wire_good && !self.watch.is_haunted {
            caller.iter().chain(callees).for_each(|side| sounds_whole(record, side.2, self.heard));
        }
        let all_well = callees.iter().all(|side| is_well(&side));
        assert!(picked_up().count() >= 1 || !all_well, "{record:?}: nobody has answered: {callees:?}");
        // Who was slower was told so at once, and has heard nobody.
        let has_talked = |side: &&Side<'_>| {
            let phone = &phones[side.0];
            side.2.over.as_ref().is_some_and(|over| {
                let answered = side.2.answered.unwrap_or(over.at);
                over.heard > 0 && self.watch.is_told_at_once(phone)
                    || !self.watch.is_short(phone, answered, over.at)
            })
        };
        let talked = picked_up().filter(has_talked).count();
        assert!(talked <= 1, "{talked} callees have talked: {record:?}, {callees:?}");
        // A caller that was told 503 has never been in it.
        let talked = caller.filter(|side| side.2.answered.is_some());
        if let (Some(caller), [callee]) = (talked, &picked_up().collect::<Vec<_>>()[..]) {
            self.end_together(record, &caller, callee, phones);
        }
    }

    /// Both sides of an answered call are through with it at the same time.
    fn end_together(&self, record: &CallRecord, one: &Side<'_>, other: &Side<'_>, phones: &[Handset]) {
        let (Some(first), Some(second)) = (&one.2.over, &other.2.over) else {
            panic!("it is recorded and not over: {record:?}, {one:?}, {other:?}")
        };
        let (first, second) = if first.at < second.at { (first, second) } else { (second, first) };
        let is_short = |side: &Side<'_>| self.watch.is_short(&phones[side.0], first.at, second.at);
        assert!(
            is_short(one) || is_short(other),
            "one side talked on for long: {record:?}, {one:?}, {other:?}"
        );
    }

    /// A callee took a call up that is recorded as not answered. That is right only if its 200 could not be
    /// there before the call was over; then it was told at once that it is, and has heard nobody.
    fn was_too_late(&self, record: &CallRecord, side: &Side<'_>, phone: &Handset) {
        let (_, _, line) = side;
        let answered = line.answered.unwrap_or(line.begun);
        let in_time = self.is_clock_right && !self.watch.may_be_unheard(phone, answered, record.ended);
        assert!(!in_time, "not answered, and a callee has answered in time: {record:?}, {line:?}");
        let heard = line.over.as_ref().map_or(0, |over| over.heard);
        let is_deaf = heard == 0 || !self.watch.is_told_at_once(phone);
        assert!(is_deaf, "not answered, and a callee has heard somebody: {record:?}, {line:?}");
    }

    fn money_is_accounted_for(&self, office: &Office) {
        for it in office.reservations() {
            let is_lost = self.lost.contains(&it.call) && !office.records.contains_key(&it.call);
            let state = if is_lost { State::Abandoned } else { State::Settled };
            assert!(
                it.state == state || is_lost && it.state == State::Settled,
                "money is not settled: {it:?}"
            );
            assert_eq!(it.reserved, it.charged + it.released, "the sums are wrong: {it:?}");
            let record = office.records.get(&it.call);
            let said = record.and_then(|record| record.reserved.as_ref()).map(|money| money.micros);
            assert!(is_lost || said == Some(it.reserved), "the record says otherwise: {record:?}, {it:?}");
        }
    }
}

/// What a caller saw is what the record says.
fn agrees(record: &CallRecord, line: &Line) {
    let Some(over) = &line.over else { panic!("a call is recorded and not over: {record:?}, {line:?}") };
    if record.outcome == Outcome::Answered {
        // An answer that came when the caller had given up is acknowledged and hung up by its phone.
        // One that was told 503, since nobody could say who it is, may have sent another copy of its INVITE
        // before it heard that; so may one whose connection was cut (408, or 487 if its user gave up).
        let is_excused = |status: sip::Status| [408, 487, 503].contains(&status.code());
        let gave_up = over.by_us || over.refused.is_some_and(is_excused);
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
fn sounds_whole(record: &CallRecord, line: &Line, heard: Duration) {
    let gap = line.over.as_ref().map(|over| over.longest_gap).unwrap_or_default();
    assert!(line.was_held || gap < heard, "a silence of {gap:?} in {record:?}: {line:?}");
}
