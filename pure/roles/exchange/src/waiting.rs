use call::Wanted;
use contract::{CallId, Envelope};

use crate::keyed::KeyedMap;

/// What waits for an answer.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A request, which is decided again. Nothing else is kept of it: its sender repeats it.
    Request(Vec<u8>),
    /// A call that wants to know its way.
    Route(CallId, Wanted),
    /// Another cell that wants to know where something leads.
    Asked(Envelope),
}

/// Who waits for which question.
#[derive(Debug)]
pub(crate) struct Waiting {
    by_question: KeyedMap<u64, Vec<Waiter>>,
    requests: usize,
    room: usize,
}

impl Waiting {
    /// Holds `room` requests at most.
    pub(crate) fn new(room: usize) -> Self {
        Waiting { by_question: KeyedMap::default(), requests: 0, room }
    }

    /// Lets a request wait, or gives it back if there is no room.
    pub(crate) fn request(&mut self, question: u64, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.requests >= self.room {
            return Err(bytes);
        }
        let waiters = self.by_question.entry(question).or_default();
        let is_again = |waiter: &Waiter| matches!(waiter, Waiter::Request(before) if *before == bytes);
        if !waiters.iter().any(is_again) {
            waiters.push(Waiter::Request(bytes));
            self.requests += 1;
        }
        Ok(())
    }

    /// Lets a call wait, once.
    pub(crate) fn route(&mut self, question: u64, call: CallId, wanted: Wanted) {
        let waiters = self.by_question.entry(question).or_default();
        waiters.retain(|waiter| !matches!(waiter, Waiter::Route(other, _) if *other == call));
        waiters.push(Waiter::Route(call, wanted));
    }

    /// Lets another cell wait. It asks again, and no more than a few of them wait for one thing.
    pub(crate) fn asked(&mut self, question: u64, envelope: Envelope) {
        let waiters = self.by_question.entry(question).or_default();
        if waiters.len() < self.room {
            waiters.push(Waiter::Asked(envelope));
        }
    }

    /// Those who waited for `question`.
    pub(crate) fn take(&mut self, question: u64) -> Vec<Waiter> {
        let waiters = self.by_question.remove(&question).unwrap_or_default();
        self.requests -= waiters.iter().filter(|waiter| matches!(waiter, Waiter::Request(_))).count();
        waiters
    }

    /// How many requests wait.
    pub(crate) fn len(&self) -> usize {
        self.requests
    }
}
