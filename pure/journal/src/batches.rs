//! Which records count: those of committed batches. The recovery and a follower both read the ring this way.

use crate::layout::{CARRIED, Head, RETAKEN, kind};

/// What was read of one batch, by where it lies.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    pub(crate) number: u64,
    pub(crate) states: Vec<T>,
    pub(crate) inputs: Vec<T>,
    pub(crate) outgoing: Vec<T>,
    pub(crate) aside: Vec<u32>,
    pub(crate) committed: bool,
}

impl<T> Batch<T> {
    fn new(number: u64, committed: bool) -> Self {
        let (states, inputs, outgoing) = (Vec::new(), Vec::new(), Vec::new());
        Batch { number, states, inputs, outgoing, aside: Vec::new(), committed }
    }
}

/// Follows a ring's records in the order in which they were written.
#[derive(Debug)]
pub(crate) struct Batches<T> {
    /// The one that was read last.
    pub(crate) current: Batch<T>,
    /// The last committed one, if `current` is not.
    pub(crate) before: Batch<T>,
    /// What committed batches before that say, as far as it may not have been said: those after `said`.
    pub(crate) earlier: Vec<T>,
    /// The last batch of which all was said.
    pub(crate) said: u64,
    retaken: Batch<T>,
    /// The highest number seen.
    pub(crate) highest: u64,
}

impl<T> Default for Batches<T> {
    fn default() -> Self {
        let none = || Batch::new(0, true);
        let earlier = Vec::new();
        Batches { current: none(), before: none(), earlier, said: u64::MAX, retaken: none(), highest: 0 }
    }
}

impl<T> Batches<T> {
    /// As if all up to batch `number` had been read, and sent.
    pub(crate) fn after(number: u64) -> Self {
        Batches { current: Batch::new(number, true), highest: number, ..Batches::default() }
    }

    /// Remembers what batches after `said` say, however many there are.
    pub(crate) fn with_said(self, said: u64) -> Self {
        Batches { said, ..self }
    }

    /// Takes in the next record; `apply` is told of each state that is known to be committed.
    pub(crate) fn feed(&mut self, head: &Head, item: T, apply: &mut impl FnMut(T)) {
        if head.flags & CARRIED != 0 {
            return apply(item);
        }
        self.highest = self.highest.max(head.batch);
        if head.kind == kind::INPUT && head.flags & RETAKEN != 0 {
            if self.retaken.number != head.batch {
                self.retaken = Batch::new(head.batch, false);
            }
            return self.retaken.inputs.push(item);
        }
        if head.kind == kind::ADOPT {
            return self.adopt(head, apply);
        }
        if head.batch > self.current.number {
            self.turn_over(Batch::new(head.batch, false), apply);
        }
        if head.batch == self.current.number {
            self.take(head, item, apply);
        }
    }

    fn take(&mut self, head: &Head, item: T, apply: &mut impl FnMut(T)) {
        match head.kind {
            kind::STATE => self.current.states.push(item),
            kind::INPUT => self.current.inputs.push(item),
            kind::OUTGOING => self.current.outgoing.push(item),
            kind::SET_ASIDE => self.current.aside.push(head.number),
            kind::COMMIT => self.commit(apply),
            _ => {}
        }
    }

    /// The current batch is committed.
    pub(crate) fn commit(&mut self, apply: &mut impl FnMut(T)) {
        self.current.states.drain(..).for_each(apply);
        self.current.committed = true;
    }

    /// A batch that another one follows was committed, even if its mark is broken: the writer never begins
    /// one before, and a successor says which one it found uncommitted.
    fn turn_over(&mut self, next: Batch<T>, apply: &mut impl FnMut(T)) {
        if !self.current.committed {
            self.commit(apply);
        }
        let earlier = std::mem::replace(&mut self.before, std::mem::replace(&mut self.current, next));
        if earlier.number > self.said {
            self.earlier.extend(earlier.outgoing);
        }
    }

    fn adopt(&mut self, head: &Head, apply: &mut impl FnMut(T)) {
        if head.batch <= self.current.number {
            return;
        }
        let none = Batch::new(head.batch, false);
        let mut next = std::mem::replace(&mut self.retaken, Batch::new(0, true));
        if next.number != head.batch {
            next = none;
        }
        if self.current.number == head.key.0 as u64 {
            self.current = next;
        } else {
            self.turn_over(next, apply);
        }
    }
}
