//! One turn of the loop: a batch in, one write to the journal, a batch out.
//!
//! Both `plumbing/host` and the simulation turn a machine with this; whoever wants to die between two steps
//! calls the steps one by one instead of [`Turn::run`].

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use machine::{Key, Machine, Moment, Outbox, Record, Shard, Tag};

use crate::recovery::DEATHS;
use crate::{Damage, Entry, Journal, Recovered, Region, Ticket};

/// How many deadlines one turn looks after at most; the rest is due in the next.
const MOST_DEADLINES: usize = 4096;
/// How many of the things that could wait are restored between two turns.
const CAUGHT_UP: usize = 256;
/// How many things are restored between two signs of life.
const RESTORED: usize = 1024;

/// A machine whose state lives in records, so that a successor can go on with it.
pub trait Durable: Machine {
    /// So many things of `tag` are about to be restored: room for them is made at once.
    fn expect(&mut self, _tag: Tag, _count: usize) {}

    /// When things of `tag` must be restored.
    fn when(&self, _tag: Tag) -> When {
        When::AtOnce
    }

    /// What must be restored before `input` is decided; if there is none, before what is due next is. Asked as long
    /// as things are missing that are restored [`When::Missed`].
    fn missing(&self, _now: Moment, _input: Option<&Self::In>) -> Missing {
        Missing::Nothing
    }

    /// Takes up one thing as its newest record says, maybe once more; if that has no body there is no such thing.
    /// Nothing is said yet: `resume` follows, or it was missing.
    fn restore(&mut self, now: Moment, entry: Entry<'_>);

    /// Nothing is missing any more: everything was restored.
    fn complete(&mut self) {}

    /// Everything is restored: asks again what was asked and not answered.
    fn resume(&mut self, now: Moment, out: &mut Outbox<Self::Out>);

    /// Which kept thing an input is about that is not journaled; `None` if about none, or if that can't be told.
    fn concerned(&self, _input: &Self::In) -> Option<(Tag, Key)> {
        None
    }

    /// Which kept thing is due next.
    fn due(&self) -> Option<(Tag, Key)> {
        None
    }

    /// This thing was in hand at two deaths: gets rid of it, as cleanly as can be, so that it is at no third.
    fn give_up(&mut self, _now: Moment, _tag: Tag, _key: Key, _out: &mut Outbox<Self::Out>) {}

    /// A decision panicked: takes up the one thing that was in hand as `latest` knows it (or lets it go, if
    /// that is unknown). All other things are as they were. After a panic in `expire` the thing must not come
    /// to the same deadline again.
    fn rebuild(
        &mut self,
        now: Moment,
        cause: Cause,
        latest: &dyn Fn(Tag, Key) -> Option<Record>,
        out: &mut Outbox<Self::Out>,
    );
}

/// When things of one kind must be restored. A crowd of them takes long, and the first message wants one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything is decided.
    AtOnce,
    /// Before what misses it is decided (see [`Durable::missing`]).
    Missed,
    /// Some time: until then it is not known, which costs questions to others and no more.
    Whenever,
}

/// What must be restored first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing.
    Nothing,
    /// This thing.
    Thing(Tag, Key),
    /// All there is.
    Everything,
}

/// In what a machine panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// In `handle`, or in `resume`.
    Input,
    /// In `expire`, or in `give_up`.
    Deadline,
    /// In `rebuild` itself: the thing must be let go.
    Rebuild,
}

/// Why an input is not decided (again).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// It was in hand at so many deaths.
    Deaths(u8),
    /// It made the machine panic, with this message.
    Panic(String),
    /// Not an input, but this thing was in hand at so many deaths: it was given up.
    Thing(Tag, Key, u8),
}

/// The inputs of one turn, in the arena in which they were received.
pub trait Inputs {
    /// How many there are.
    fn count(&self) -> usize;
    /// Where input `number` came from, in the shell's own form (at most 255 bytes), and its bytes.
    fn input(&self, number: usize) -> (&[u8], &[u8]);
}

impl<A: AsRef<[u8]>, B: AsRef<[u8]>> Inputs for [(A, B)] {
    fn count(&self) -> usize {
        self.len()
    }

    fn input(&self, number: usize) -> (&[u8], &[u8]) {
        (self[number].0.as_ref(), self[number].1.as_ref())
    }
}

impl<A: AsRef<[u8]>, B: AsRef<[u8]>> Inputs for Vec<(A, B)> {
    fn count(&self) -> usize {
        self.len()
    }

    fn input(&self, number: usize) -> (&[u8], &[u8]) {
        self.as_slice().input(number)
    }
}

/// The world around a machine.
pub trait Shell<M: Machine> {
    /// What came, as the machine understands it; `None` if it is nothing to decide about.
    fn decode(&mut self, now: Moment, source: &[u8], bytes: &[u8]) -> Option<M::In>;

    /// Writes to `kept` what a successor must say again if this process dies before it has said `out`. What is
    /// asked again by [`Durable::resume`] writes nothing.
    fn encode(&mut self, out: &M::Out, kept: &mut Vec<u8>);

    /// Says `out`; the journal has it.
    fn perform(&mut self, now: Moment, out: M::Out);

    /// Says what a predecessor kept and may not have said.
    fn perform_again(&mut self, now: Moment, kept: &[u8]);

    /// Puts an input away for people to look at. It is empty if what came was not journaled.
    fn set_aside(&mut self, source: &[u8], bytes: &[u8], blame: Blame);

    /// Called now and then while much is restored or decided again, for whoever watches that it goes on.
    fn alive(&mut self) {}

    /// A record made `restore` panic; the thing is not there.
    fn lost(&mut self, tag: Tag, key: Key, message: String);

    /// A record is not as it was written; the thing is not there.
    fn damaged(&mut self, damage: Damage);
}

/// What happened in all turns so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnStats {
    /// Inputs that were decided.
    pub inputs: u64,
    /// Decisions that panicked.
    pub panics: u64,
    /// What was said.
    pub said: u64,
}

/// A machine and its journal.
#[derive(Debug)]
pub struct Turn<M: Machine, R> {
    /// Decides.
    pub machine: M,
    /// Remembers.
    pub journal: Journal<R>,
    out: Outbox<M::Out>,
    kept: Vec<u8>,
    /// What is to be restored between turns, from the last on.
    waiting: Vec<Ticket>,
    /// So many of these are restored when they are missed.
    missed: usize,
    /// What changed, for whoever follows; none if nobody does.
    changes: Option<Vec<Record>>,
    stats: TurnStats,
}

impl<M: Durable, R: Region> Turn<M, R> {
    /// A machine that starts with nothing, or is about to [`Turn::recover`].
    pub fn new(machine: M, journal: Journal<R>) -> Self {
        let (out, stats) = (Outbox::new(), TurnStats::default());
        let (kept, waiting) = (Vec::new(), Vec::new());
        Turn { machine, journal, out, kept, waiting, missed: 0, changes: None, stats }
    }

    /// From now on what changes is remembered until it is taken: somebody follows.
    pub fn follow(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// What changed since this was asked last, oldest first, in committed batches and the open one.
    pub fn take_changes(&mut self) -> Vec<Record> {
        self.changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What happened so far.
    pub fn stats(&self) -> TurnStats {
        self.stats
    }

    /// One whole turn: all `inputs`, then what came that needs no journal (answers to questions that would be
    /// asked again), then every deadline that is due.
    pub fn run<S: Shell<M>>(
        &mut self,
        now: Moment,
        inputs: &(impl Inputs + ?Sized),
        direct: &mut Vec<M::In>,
        shell: &mut S,
    ) {
        let first = self.receive(inputs);
        for number in 0..inputs.count() {
            let (source, bytes) = inputs.input(number);
            self.decide(now, first + number as u32, (source, bytes), shell);
        }
        for input in direct.drain(..) {
            self.decide_direct(now, input, shell);
        }
        self.expire(now, shell);
        self.commit(shell);
        self.perform(now, shell);
    }

    /// First step: journals `inputs`, and says which number the first one got.
    pub fn receive(&mut self, inputs: &(impl Inputs + ?Sized)) -> u32 {
        self.journal.begin((0..inputs.count()).map(|number| inputs.input(number)));
        self.journal.inputs() - inputs.count() as u32
    }

    /// Second step, for each input: decides, and journals what changed.
    pub fn decide<S: Shell<M>>(&mut self, now: Moment, number: u32, input: (&[u8], &[u8]), shell: &mut S) {
        let (source, bytes) = input;
        let Some(decoded) = shell.decode(now, source, bytes) else {
            return;
        };
        self.journal.in_hand(number);
        self.recall(now, Some(&decoded), shell);
        self.stats.inputs += 1;
        if let Err(message) =
            self.attempt(now, Cause::Input, |machine, out| machine.handle(now, decoded, out))
        {
            self.journal.set_aside(number);
            shell.set_aside(source, bytes, Blame::Panic(message));
        }
    }

    /// The same for what is not journaled.
    pub fn decide_direct<S: Shell<M>>(&mut self, now: Moment, input: M::In, shell: &mut S) {
        match self.machine.concerned(&input) {
            Some((tag, key)) => self.journal.thing_in_hand(tag, key),
            None => self.journal.put_down(),
        }
        self.recall(now, Some(&input), shell);
        self.stats.inputs += 1;
        if let Err(message) = self.attempt(now, Cause::Input, |machine, out| machine.handle(now, input, out))
        {
            shell.set_aside(&[], &[], Blame::Panic(message));
        }
    }

    /// Third step: every deadline that is due. A machine may take them one by one, so that a panic of one
    /// takes no other with it.
    pub fn expire<S: Shell<M>>(&mut self, now: Moment, shell: &mut S) {
        for _ in 0..MOST_DEADLINES {
            if self.machine.next_deadline().is_none_or(|deadline| deadline > now) {
                return;
            }
            match self.machine.due() {
                Some((tag, key)) => self.journal.thing_in_hand(tag, key),
                None => self.journal.put_down(),
            }
            self.recall(now, None, shell);
            if let Err(message) = self.attempt(now, Cause::Deadline, |machine, out| machine.expire(now, out))
            {
                shell.set_aside(&[], &[], Blame::Panic(message));
            }
        }
    }

    /// Fourth step: journals what will be said, and makes the batch count.
    pub fn commit<S: Shell<M>>(&mut self, shell: &mut S) {
        for out in &self.out.emit {
            self.kept.clear();
            shell.encode(out, &mut self.kept);
            if !self.kept.is_empty() {
                let _ = self.journal.outgoing(&self.kept);
            }
        }
        self.journal.commit();
    }

    /// Fifth and last step: says it, and notes that it was said; if somebody follows, whoever follows may have to
    /// know of it before it is said, so the shell notes it ([`Journal::sent_up_to`]).
    pub fn perform<S: Shell<M>>(&mut self, now: Moment, shell: &mut S) {
        self.stats.said += self.out.emit.len() as u64;
        for out in self.out.emit.drain(..) {
            shell.perform(now, out);
        }
        if self.changes.is_none() {
            self.journal.sent();
        }
    }

    /// Takes up every record that a predecessor left and that is wanted [`When::AtOnce`]; the others are left for
    /// [`Turn::catch_up`]. What turns out to be broken is added to `recovered`.
    pub fn restore<S: Shell<M>>(&mut self, now: Moment, recovered: &mut Recovered, shell: &mut S) {
        let hopeless = hopeless(recovered);
        let (machine, counts) = (&mut self.machine, self.journal.counts());
        counts.iter().for_each(|(&tag, &count)| machine.expect(tag, count));
        let when: BTreeMap<Tag, When> = counts.into_keys().map(|tag| (tag, machine.when(tag))).collect();
        let is = |tag, which| when.get(&tag) == Some(&which);
        // The last are restored first.
        self.waiting = self.journal.tickets(|tag| is(tag, When::Missed));
        self.missed = self.waiting.len();
        self.waiting.extend(self.journal.tickets(|tag| is(tag, When::Whenever)));
        let mut number = 0;
        let broken = self.journal.show(
            |tag| is(tag, When::AtOnce),
            |entry| {
                if number % RESTORED == 0 {
                    shell.alive();
                }
                number += 1;
                if Some((entry.tag, entry.key)) != hopeless {
                    restore(machine, now, entry, shell);
                }
            },
        );
        recovered.damage.extend(broken);
        if self.waiting.is_empty() {
            self.machine.complete();
        }
    }

    /// Goes on where a predecessor was, once its records are restored: takes those of `beside`, from a disk, where
    /// the journal knows none of that key, says again what may not have been said, and decides what was undecided.
    pub fn recover<'a, S: Shell<M>>(
        &mut self,
        now: Moment,
        recovered: &Recovered,
        beside: impl IntoIterator<Item = Entry<'a>>,
        shell: &mut S,
    ) {
        let suspect = recovered.suspect.filter(|&(_, _, deaths)| deaths >= DEATHS);
        self.adopt(now, beside, shell);
        for input in &recovered.set_aside {
            let blame = match input.deaths {
                0 | 1 => Blame::Panic("in a process that died before it could say so".to_owned()),
                deaths => Blame::Deaths(deaths),
            };
            shell.set_aside(&input.source, &input.bytes, blame);
        }
        for kept in &recovered.unsent {
            shell.perform_again(now, kept);
        }
        if self.changes.is_none() {
            self.journal.sent();
        }
        if let Some(suspect) = suspect {
            self.give_up(now, suspect, shell);
        }
        // What was in hand at a death must come to the same end again now, so that it is to blame for it: it must
        // not wait for an answer that a predecessor had.
        if recovered.undecided.iter().any(|input| input.deaths > 0) {
            while self.waiting.len() > self.missed {
                self.catch_up(now, shell);
            }
        }
        if let Err(message) = self.attempt(now, Cause::Input, |machine, out| machine.resume(now, out)) {
            shell.set_aside(&[], &[], Blame::Panic(message));
        }
        for (number, input) in (0..).zip(&recovered.undecided) {
            shell.alive();
            self.decide(now, number, (&input.source, &input.bytes), shell);
        }
        self.expire(now, shell);
        self.commit(shell);
        self.perform(now, shell);
    }

    /// Restores some more of what could wait. True if there is more.
    pub fn catch_up<S: Shell<M>>(&mut self, now: Moment, shell: &mut S) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let rest = self.waiting.len().saturating_sub(CAUGHT_UP);
        let (machine, some) = (&mut self.machine, self.waiting.drain(rest..));
        let broken = self.journal.redeem(some, |entry| {
            restore(machine, now, entry, shell);
        });
        broken.into_iter().for_each(|damage| shell.damaged(damage));
        if rest == 0 {
            self.waiting = Vec::new();
            self.machine.complete();
        }
        rest > 0
    }

    /// Restores what `input` misses, or what is due next.
    fn recall<S: Shell<M>>(&mut self, now: Moment, input: Option<&M::In>, shell: &mut S) {
        if self.waiting.is_empty() {
            return;
        }
        match self.machine.missing(now, input) {
            Missing::Nothing => {}
            Missing::Thing(tag, key) => {
                let nothing = Entry { tag, shard: Shard::default(), key, body: &[] };
                let found = self.journal.recall(tag, key).unwrap_or_else(|damage| {
                    shell.damaged(damage);
                    None
                });
                if !restore(&mut self.machine, now, found.unwrap_or(nothing), shell) {
                    restore(&mut self.machine, now, nothing, shell);
                }
            }
            Missing::Everything => while self.catch_up(now, shell) {},
        }
    }

    /// Gets rid of what was in hand at two deaths.
    fn give_up<S: Shell<M>>(&mut self, now: Moment, (tag, key, deaths): (Tag, Key, u8), shell: &mut S) {
        let kept = self.journal.newest(tag, key).map(Entry::to_record);
        let kept = kept.unwrap_or(Record { tag, shard: Shard::default(), key, body: Vec::new() });
        shell.set_aside(&[], &kept.body, Blame::Thing(tag, key, deaths));
        if deaths > DEATHS {
            self.out.keep(Record { body: Vec::new(), ..kept });
            return self.keep();
        }
        self.journal.thing_in_hand(tag, key);
        // If it panics, `rebuild` lets it go.
        let _ = self.attempt(now, Cause::Deadline, |machine, out| machine.give_up(now, tag, key, out));
    }

    fn adopt<'a, S: Shell<M>>(
        &mut self,
        now: Moment,
        beside: impl IntoIterator<Item = Entry<'a>>,
        shell: &mut S,
    ) {
        for entry in beside {
            if self.journal.latest(entry.tag, entry.key).is_some() {
                continue;
            }
            restore(&mut self.machine, now, entry, shell);
            let _ = self.journal.append(&entry.to_record());
        }
    }

    /// Lets the machine decide, and journals what changed. After a panic nothing of the decision is left, and
    /// the thing in hand is as it was.
    fn attempt(
        &mut self,
        now: Moment,
        cause: Cause,
        decision: impl FnOnce(&mut M, &mut Outbox<M::Out>),
    ) -> Result<(), String> {
        let mark = self.out.mark();
        let (machine, out) = (&mut self.machine, &mut self.out);
        let result = catch_unwind(AssertUnwindSafe(|| decision(machine, out)));
        if let Err(panic) = &result {
            self.stats.panics += 1;
            self.out.cut_back(mark);
            if self.rebuild(now, cause).is_err() {
                self.out.cut_back(mark);
                // What can't even be let go is more than one thing's fault: this process is no good.
                self.rebuild(now, Cause::Rebuild).unwrap_or_else(|panic| resume_unwind(panic));
            }
            self.keep();
            return Err(message(panic.as_ref()));
        }
        self.keep();
        Ok(())
    }

    fn rebuild(&mut self, now: Moment, cause: Cause) -> std::thread::Result<()> {
        let (machine, out, journal) = (&mut self.machine, &mut self.out, &self.journal);
        let latest = |tag, key| journal.newest(tag, key).map(Entry::to_record);
        catch_unwind(AssertUnwindSafe(|| machine.rebuild(now, cause, &latest, out)))
    }

    fn keep(&mut self) {
        for record in self.out.keep.drain(..) {
            let _ = self.journal.append(&record);
            if let Some(changes) = &mut self.changes {
                changes.push(record);
            }
        }
    }
}

/// A thing of which giving it up was deadly, too: it is let go without a word.
fn hopeless(recovered: &Recovered) -> Option<(Tag, Key)> {
    recovered.suspect.filter(|&(_, _, deaths)| deaths > DEATHS).map(|(tag, key, _)| (tag, key))
}

/// False if it could not be.
fn restore<M: Durable, S: Shell<M>>(machine: &mut M, now: Moment, entry: Entry<'_>, shell: &mut S) -> bool {
    let restored = catch_unwind(AssertUnwindSafe(|| machine.restore(now, entry)));
    if let Err(panic) = &restored {
        shell.lost(entry.tag, entry.key, message(panic.as_ref()));
    }
    restored.is_ok()
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
