use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::{FixedState, Moment};

/// One deadline for each key; the children of a core return their next deadline, and the core keeps them
/// here.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    queue: BTreeSet<(Moment, K)>,
    of: HashMap<K, Moment, FixedState>,
}

impl<K: Ord + Hash + Copy> Default for Timers<K> {
    fn default() -> Self {
        Timers { queue: BTreeSet::new(), of: HashMap::default() }
    }
}

impl<K: Ord + Hash + Copy> Timers<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of `key`, or takes it away.
    pub fn set(&mut self, key: K, deadline: Option<Moment>) {
        let before = match deadline {
            Some(at) => self.of.insert(key, at),
            None => self.of.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(old) = before {
            self.queue.remove(&(old, key));
        }
        if let Some(at) = deadline {
            self.queue.insert((at, key));
        }
    }

    /// Takes out the earliest key whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Moment) -> Option<K> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.of.remove(&key);
        Some(key)
    }

    /// The key that [`Timers::pop_due`] takes out next, once it is due.
    pub fn first(&self) -> Option<K> {
        self.queue.first().map(|&(_, key)| key)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Moment> {
        self.queue.first().map(|&(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_by_deadline_and_a_new_deadline_replaces_the_old() {
        let at = Moment::from_micros;
        let mut timers = Timers::new();
        timers.set('b', Some(at(20)));
        timers.set('a', Some(at(10)));
        timers.set('a', Some(at(30)));
        timers.set('c', Some(at(5)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.pop_due(at(19)), None);
        assert_eq!(timers.pop_due(at(30)), Some('b'));
        assert_eq!(timers.pop_due(at(30)), Some('a'));
        assert_eq!(timers.next(), None);
    }
}
