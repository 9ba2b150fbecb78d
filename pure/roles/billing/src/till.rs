//! The role with its books elsewhere: it decides from what it knows, the journal keeps what it decided, and the
//! books are written afterwards, many calls at a time.
//!
//! ```text
//!             Asked                Read, Written, Away
//!               |                          |
//!   decide -> kept in the journal -> told; dirty -> Write -> the books (in the store)
//!               |                                     at the latest after WRITE_AFTER
//!               +- not known -> Read -> decide
//! ```
//!
//! - The journal holds the newest state of each call that the books may not have, or that goes on.
//! - Books are written from states, not from steps ([`Reservation::since`]): writing one again changes nothing.
//! - What a payer has is what the books say, less what is decided and not written (`owed`). While it is not known
//!   whether a write was done (`unsure`), nothing is read but written again.
//! - While the books are away, a payer whose purse is known can spend what is in it, and one who is not known has
//!   credit for a while (`offline`).
//! - The end of a call is told once the books have it, or, while they are away, once the journal has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use contract::CallId;
use contract::billing::Reserved;
use ledger::{Purse, Rate, Reservation, State};
use machine::{Machine, Moment, Outbox};

use crate::kept;
use crate::{Answer, Asked, Decided, Payer, Question, Told, decide};

/// What was decided is written after this.
const WRITE_AFTER: Duration = Duration::from_millis(100);
/// How soon to try again when the books are away.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How soon to try again what the books refused.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// So many calls are written together at most.
const TOGETHER: usize = 1024;
/// A purse that was read so long ago is read again.
const STALE: Duration = Duration::from_secs(5);
/// Nobody is refused for what a purse was so long ago: it may have been filled.
const DOUBTFUL: Duration = Duration::from_millis(500);
/// Purses are remembered up to so many.
const PURSES: usize = 200_000;

/// What happens to the till.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum In {
    /// A question.
    Asked(Asked),
    /// What the books say; the answer to [`Out::Read`]. Whoever is missing is not there.
    Read {
        /// Of these calls it was asked.
        calls: Vec<CallId>,
        /// Those that the books know.
        found: Vec<Reservation>,
        /// What the payers have.
        purses: Vec<(Payer, Purse)>,
    },
    /// The answer to [`Out::Write`].
    Written(Written),
    /// The books can't be reached: the answer to [`Out::Read`] and [`Out::Write`]. It may have been written.
    Away,
    /// Calls of which the books have heard nothing for long.
    Silent(Vec<Reservation>),
}

/// What became of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The books know something later of these calls, from another till: that counts.
    pub overtaken: Vec<Reservation>,
    /// These the books do not take.
    pub refused: Vec<CallId>,
    /// What the payers have now.
    pub purses: Vec<(Payer, Purse)>,
}

/// What the till wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// An answer.
    Tell(Told),
    /// No answer is possible; whoever asked asks again.
    Leave(u64),
    /// Read the books.
    Read {
        /// Of these calls.
        calls: Vec<CallId>,
        /// Of these payers.
        payers: Vec<Payer>,
    },
    /// Write these into the books.
    Write(Vec<Reservation>),
}

/// The billing role with its books in a store.
#[derive(Debug)]
pub struct Till {
    rate: Rate,
    abandon_after: Duration,
    /// Seconds of a call that are granted to a payer of whom nothing is known, while the books are away.
    offline: u64,
    calls: BTreeMap<CallId, Entry>,
    /// How many of them go on.
    open: usize,
    purses: BTreeMap<Payer, Seen>,
    /// What was taken from payers that the books do not know of.
    owed: BTreeMap<Payer, i64>,
    /// Calls that the books may not have as they are.
    dirty: BTreeSet<CallId>,
    /// The last that was written or tried: those behind it are next, so that nobody waits for ever behind others.
    last: CallId,
    /// What is being written: how often each had changed, and what was taken then.
    writing: Option<BTreeMap<CallId, (u32, i64)>>,
    /// What the books refused is tried again then.
    put_off: BTreeMap<CallId, Moment>,
    write_at: Option<Moment>,
    /// Questions that wait for what is being read, or is to be read.
    waiting: Vec<Asked>,
    reading: bool,
    /// Ends that are told when they are written.
    settling: BTreeMap<CallId, Vec<Asked>>,
    unsure: bool,
    away: bool,
}

#[derive(Debug)]
struct Entry {
    now: Reservation,
    /// What the books know to be taken.
    written: i64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    purse: Purse,
    at: Moment,
}

/// What a question has to wait for.
enum Needs {
    Call,
    Purse,
}

impl Till {
    /// Charges `rate`; a call of which nobody spoke for `abandon_after` gets its reservation released. While the
    /// books are away, a call of an unknown payer may go on for `offline`.
    pub fn new(rate: Rate, abandon_after: Duration, offline: Duration) -> Self {
        Till {
            rate,
            abandon_after,
            offline: offline.as_secs(),
            calls: BTreeMap::new(),
            open: 0,
            purses: BTreeMap::new(),
            owed: BTreeMap::new(),
            dirty: BTreeSet::new(),
            last: CallId::default(),
            writing: None,
            put_off: BTreeMap::new(),
            write_at: None,
            waiting: Vec::new(),
            reading: false,
            settling: BTreeMap::new(),
            unsure: false,
            away: false,
        }
    }

    /// Takes up what a predecessor kept in the journal; false if it is none of ours. It is written before anything
    /// is read, for the books may have it or not.
    pub fn restore(&mut self, now: Moment, body: &[u8]) -> bool {
        let Some(reservation) = kept::read(body) else { return false };
        let call = reservation.call;
        let written = reservation.taken();
        self.put(Entry { now: reservation, written });
        self.dirty.insert(call);
        self.unsure = true;
        self.write_at = Some(now);
        true
    }

    /// Calls under way that have money set aside.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Calls that the books may not have as they are.
    pub fn unwritten(&self) -> usize {
        self.dirty.len()
    }

    /// Whether the books can't be reached.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// Before which moment a call must have been silent to be lost.
    pub fn silent_before(&self, now: Moment) -> Moment {
        Moment::from_micros(now.as_micros().saturating_sub(self.abandon_after.as_micros() as u64))
    }

    fn put(&mut self, entry: Entry) {
        self.forget(entry.now.call);
        self.open += usize::from(entry.now.state == State::Open);
        self.calls.insert(entry.now.call, entry);
    }

    fn forget(&mut self, call: CallId) -> Option<Entry> {
        let entry = self.calls.remove(&call)?;
        self.open -= usize::from(entry.now.state == State::Open);
        Some(entry)
    }

    fn ask(&mut self, now: Moment, asked: Asked, absent: &[CallId], out: &mut Outbox<Out>) {
        match self.try_decide(now, &asked.question, absent) {
            Ok(decided) => self.apply(now, asked, decided, out),
            Err(_) if self.away => out.emit(Out::Leave(asked.id)),
            Err(_) => self.waiting.push(asked),
        }
    }

    fn try_decide(&self, now: Moment, question: &Question, absent: &[CallId]) -> Result<Decided, Needs> {
        let call = question.call();
        let found = self.calls.get(&call).map(|entry| &entry.now);
        let begins = matches!(question, Question::Reserve(ask) if ask.serial <= 1);
        if found.is_none() && !begins && !absent.contains(&call) {
            return Err(Needs::Call);
        }
        let Question::Reserve(ask) = question else {
            return Ok(decide(now, &self.rate, question, found.cloned(), Purse::Missing));
        };
        if found.is_some_and(|found| found.granted(ask.serial).is_some()) {
            return Ok(decide(now, &self.rate, question, found.cloned(), Purse::Missing));
        }
        let (tenant, name) = question.payer();
        let payer = (tenant, name.to_owned());
        let Some(seen) = self.purses.get(&payer) else {
            // Better a call on credit than none.
            let granted = found.map_or(0, |found| found.seconds) + u64::from(ask.seconds);
            let credit = if granted > self.offline { Purse::Prepaid(0) } else { Purse::Postpaid };
            let decided = self.away.then(|| decide(now, &self.rate, question, found.cloned(), credit));
            return decided.ok_or(Needs::Purse);
        };
        let old = |than: Duration| !self.away && seen.at.after(than) < now;
        if old(STALE) {
            return Err(Needs::Purse);
        }
        let purse = match seen.purse {
            Purse::Prepaid(micros) => {
                Purse::Prepaid(micros - self.owed.get(&payer).copied().unwrap_or_default())
            }
            other => other,
        };
        let decided = decide(now, &self.rate, question, found.cloned(), purse);
        let is_all = matches!(&decided.answer, Answer::Reserved(Reserved::Granted { seconds, .. }) if *seconds == ask.seconds);
        if !is_all && old(DOUBTFUL) { Err(Needs::Purse) } else { Ok(decided) }
    }

    fn apply(&mut self, now: Moment, asked: Asked, decided: Decided, out: &mut Outbox<Out>) {
        let Decided { answer, reservation, changed, .. } = decided;
        let call = reservation.call;
        if changed {
            self.change(now, reservation, out);
        }
        // A repeated end of a call whose state the books have is told at once.
        let waits = matches!(answer, Answer::Settled(_)) && self.dirty.contains(&call) && !self.away;
        if waits {
            self.settling.entry(call).or_default().push(asked);
        } else {
            out.emit(Out::Tell(Told { id: asked.id, answer, changed }));
        }
    }

    fn change(&mut self, now: Moment, reservation: Reservation, out: &mut Outbox<Out>) {
        let call = reservation.call;
        let before = self.calls.get(&call);
        let (taken, written) = before.map_or((0, 0), |entry| (entry.now.taken(), entry.written));
        self.owe(&reservation, reservation.taken() - taken);
        out.keep(kept::record(&reservation));
        self.put(Entry { now: reservation, written });
        self.dirty.insert(call);
        self.write_at.get_or_insert(now.after(WRITE_AFTER));
    }

    fn owe(&mut self, reservation: &Reservation, more: i64) {
        let payer = (reservation.tenant, reservation.account.clone());
        let owed = self.owed.entry(payer.clone()).or_default();
        *owed += more;
        if *owed == 0 {
            self.owed.remove(&payer);
        }
    }

    fn read(&mut self, now: Moment, out: &mut Outbox<Out>) {
        if self.waiting.is_empty() || self.reading {
            return;
        }
        if self.unsure {
            // First it must be known what the books have.
            self.write_at = Some(self.write_at.map_or(now, |at| at.min(now)));
            return;
        }
        let calls: BTreeSet<_> = self.waiting.iter().map(|asked| asked.question.call()).collect();
        let payers: BTreeSet<_> = self.waiting.iter().map(|asked| asked.question.payer()).collect();
        let payers = payers.into_iter().map(|(tenant, name)| (tenant, name.to_owned()));
        self.reading = true;
        let calls = calls.into_iter().filter(|call| !self.calls.contains_key(call));
        out.emit(Out::Read { calls: calls.collect(), payers: payers.collect() });
    }

    fn see(&mut self, now: Moment, purses: Vec<(Payer, Purse)>) {
        if self.purses.len() > PURSES {
            self.purses.retain(|_, seen| seen.at.after(STALE) >= now);
        }
        self.purses.extend(purses.into_iter().map(|(payer, purse)| (payer, Seen { purse, at: now })));
    }

    fn written(&mut self, now: Moment, written: Written, out: &mut Outbox<Out>) {
        (self.away, self.unsure) = (false, false);
        let was_writing = self.writing.take().unwrap_or_default();
        for (call, (changes, taken)) in was_writing {
            if written.refused.contains(&call) || written.overtaken.iter().any(|it| it.call == call) {
                continue;
            }
            self.is_written(call, changes, taken, out);
        }
        for reservation in written.overtaken {
            self.overtake(now, reservation, out);
        }
        self.see(now, written.purses);
        for call in written.refused {
            self.put_off.insert(call, now.after(REFUSED_AGAIN_AFTER));
            self.tell_ends(now, call, out);
        }
        self.put_off.retain(|_, until| *until > now);
        self.write_at = match self.dirty.len() - self.put_off.len() {
            0 => self.put_off.values().min().copied(),
            // As many as are written together wait already: no more need come.
            TOGETHER.. => Some(now),
            _ => Some(now.after(WRITE_AFTER)),
        };
        self.read(now, out);
    }

    fn is_written(&mut self, call: CallId, changes: u32, taken: i64, out: &mut Outbox<Out>) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let more = taken - std::mem::replace(&mut entry.written, taken);
        let (reservation, is_current) = (entry.now.clone(), entry.now.changes == changes);
        self.owe(&reservation, -more);
        if is_current {
            self.dirty.remove(&call);
            self.tell_ends(reservation.touched, call, out);
            if reservation.state != State::Open {
                self.forget(call);
                out.keep(kept::forgotten(call));
            }
        }
    }

    /// Another till has spoken of the call: its word counts, and what is asked is decided anew.
    fn overtake(&mut self, now: Moment, reservation: Reservation, out: &mut Outbox<Out>) {
        let call = reservation.call;
        if let Some(entry) = self.forget(call) {
            self.owe(&entry.now, entry.written - entry.now.taken());
        }
        self.dirty.remove(&call);
        self.put_off.remove(&call);
        self.adopt(reservation, out);
        for asked in self.settling.remove(&call).unwrap_or_default() {
            self.ask(now, asked, &[], out);
        }
        self.forget_if_over(call);
    }

    /// What is over and written need not be remembered: it can be read.
    fn forget_if_over(&mut self, call: CallId) {
        let over = self.calls.get(&call).is_some_and(|entry| entry.now.state != State::Open);
        if over && !self.dirty.contains(&call) {
            self.forget(call);
        }
    }

    /// Knows from now on what the books say of a call.
    fn adopt(&mut self, reservation: Reservation, out: &mut Outbox<Out>) {
        let written = reservation.taken();
        if reservation.state == State::Open {
            out.keep(kept::record(&reservation));
        } else {
            out.keep(kept::forgotten(reservation.call));
        }
        self.put(Entry { now: reservation, written });
    }

    fn tell_ends(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let askers = self.settling.remove(&call).unwrap_or_default();
        for (number, asked) in askers.into_iter().enumerate() {
            let found = self.calls.get(&call).map(|entry| entry.now.clone());
            let answer = decide(now, &self.rate, &asked.question, found, Purse::Missing).answer;
            out.emit(Out::Tell(Told { id: asked.id, answer, changed: number == 0 }));
        }
    }

    fn is_away_now(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.away = true;
        self.reading = false;
        self.unsure |= self.writing.take().is_some();
        self.write_at = Some(now.after(AGAIN_AFTER));
        for call in self.settling.keys().copied().collect::<Vec<_>>() {
            self.tell_ends(now, call, out);
        }
        for asked in std::mem::take(&mut self.waiting) {
            self.ask(now, asked, &[], out);
        }
    }

    fn was_read(
        &mut self,
        now: Moment,
        calls: &[CallId],
        found: Vec<Reservation>,
        purses: Vec<(Payer, Purse)>,
        out: &mut Outbox<Out>,
    ) {
        (self.away, self.reading) = (false, false);
        self.see(now, purses);
        for reservation in found {
            if !self.calls.contains_key(&reservation.call) {
                self.adopt(reservation, out);
            }
        }
        for asked in std::mem::take(&mut self.waiting) {
            self.ask(now, asked, calls, out);
        }
        calls.iter().for_each(|call| self.forget_if_over(*call));
    }

    fn give_up_silent(&mut self, now: Moment, silent: Vec<Reservation>, out: &mut Outbox<Out>) {
        let before = self.silent_before(now);
        for reservation in silent {
            if !self.calls.contains_key(&reservation.call) {
                self.adopt(reservation, out);
            }
        }
        let silent = |entry: &&Entry| entry.now.state == State::Open && entry.now.touched < before;
        let lost: Vec<_> = self.calls.values().filter(silent).map(|entry| entry.now.clone()).collect();
        for mut reservation in lost {
            reservation.abandon();
            self.change(now, reservation, out);
        }
    }
}

impl Machine for Till {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        match input {
            In::Asked(asked) => self.ask(now, asked, &[], out),
            In::Read { calls, found, purses } => self.was_read(now, &calls, found, purses, out),
            In::Written(written) => self.written(now, written, out),
            In::Away => self.is_away_now(now, out),
            In::Silent(silent) => self.give_up_silent(now, silent, out),
        }
        self.read(now, out);
    }

    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.write_at = None;
        if self.dirty.is_empty() {
            // Nothing to try the books with: the next question will.
            self.away = false;
            return;
        }
        self.put_off.retain(|_, until| *until > now);
        let behind = self.dirty.range((Excluded(self.last), Unbounded));
        let due = behind.chain(self.dirty.range(..=self.last));
        let due = due.filter(|call| !self.put_off.contains_key(call));
        let some = due.take(TOGETHER).filter_map(|call| self.calls.get(call));
        let states: Vec<_> = some.map(|entry| entry.now.clone()).collect();
        self.last = states.last().map_or(self.last, |it| it.call);
        let marks = states.iter().map(|it| (it.call, (it.changes, it.taken())));
        self.writing = Some(marks.collect());
        out.emit(Out::Write(states));
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.write_at.filter(|_| self.writing.is_none())
    }
}
