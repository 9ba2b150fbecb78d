//! What ends a retransmission of somebody in the world is said once a buddy knows what it says: at the latest after
//! 20 ms, unprotected.

use std::collections::VecDeque;
use std::time::Duration;

use machine::Moment;

use crate::Peer;

/// A buddy is waited for so long.
const PATIENCE: Duration = Duration::from_millis(20);

/// What must be acknowledged before something is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// By whom, and up to which number.
    pub(crate) acks: Vec<(Peer, u64)>,
    /// Something changed in a shard whose buddy does not know all of it yet: waiting for others does not help.
    pub(crate) is_exposed: bool,
}

/// What one turn said.
#[derive(Debug)]
struct Held<S> {
    until: Moment,
    waits: Waits,
    /// In which batch the journal has it.
    batch: u64,
    said: Vec<S>,
}

/// What waits for buddies, oldest first: nothing overtakes.
#[derive(Debug)]
pub struct HeldBack<S> {
    held: VecDeque<Held<S>>,
    unprotected: u64,
    protected: u64,
}

impl<S> Default for HeldBack<S> {
    fn default() -> Self {
        HeldBack { held: VecDeque::new(), unprotected: 0, protected: 0 }
    }
}

impl<S> HeldBack<S> {
    /// When the next must go out, come what may.
    pub fn until(&self) -> Option<Moment> {
        self.held.front().map(|held| held.until)
    }

    /// What a turn said is to wait. `batch` is the journal's that has it.
    pub fn hold(&mut self, now: Moment, waits: Waits, batch: u64, said: Vec<S>) {
        if !said.is_empty() {
            self.held.push_back(Held { until: now.after(PATIENCE), waits, batch, said });
        }
    }

    /// Takes what may go out, in order: what `is_safe`, and what has waited for too long.
    pub fn released(&mut self, now: Moment, is_safe: impl Fn(&[(Peer, u64)]) -> bool) -> Vec<S> {
        let mut released = Vec::new();
        while let Some(first) = self.held.front() {
            let is_known = is_safe(&first.waits.acks);
            if !is_known && now < first.until {
                break;
            }
            let (count, is_protected) = (first.said.len() as u64, is_known && !first.waits.is_exposed);
            *(if is_protected { &mut self.protected } else { &mut self.unprotected }) += count;
            released.extend(self.held.pop_front().into_iter().flat_map(|held| held.said));
        }
        released
    }

    /// Forgets what is not to be said any more.
    pub fn retain(&mut self, mut keep: impl FnMut(&S) -> bool) {
        self.held.iter_mut().for_each(|held| held.said.retain(&mut keep));
    }

    /// Up to which batch of the journal all has been said, of `committed`: what a successor need not say again.
    pub fn said_up_to(&self, committed: u64) -> u64 {
        self.held.front().map_or(committed, |held| held.batch.saturating_sub(1))
    }

    /// Messages that went out before a buddy knew of them.
    pub fn unprotected(&self) -> u64 {
        self.unprotected
    }

    /// Messages that went out once a buddy knew.
    pub fn protected(&self) -> u64 {
        self.protected
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::NodeId;

    const BUDDY: Peer = Peer { node: NodeId(2), thread: 0 };

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000 + millis * 1000)
    }

    fn waits(number: u64) -> Waits {
        Waits { acks: vec![(BUDDY, number)], is_exposed: false }
    }

    fn acked(number: u64) -> impl Fn(&[(Peer, u64)]) -> bool {
        move |acks| acks.iter().all(|&(_, wanted)| wanted <= number)
    }

    #[test]
    fn what_a_buddy_knows_goes_out_in_the_order_in_which_it_was_said() {
        let mut held = HeldBack::default();
        held.hold(at(0), waits(1), 7, vec!["180"]);
        held.hold(at(1), Waits::default(), 8, vec!["of another call"]);
        held.hold(at(2), waits(3), 9, vec!["200"]);
        assert_eq!(held.until(), Some(at(20)));
        assert!(held.released(at(3), acked(0)).is_empty());
        assert_eq!(held.said_up_to(9), 6);
        assert_eq!(held.released(at(4), acked(2)), ["180", "of another call"]);
        assert_eq!(held.said_up_to(9), 8);
        assert_eq!(held.released(at(5), acked(3)), ["200"]);
        assert_eq!((held.said_up_to(9), held.protected(), held.unprotected()), (9, 3, 0));
    }

    #[test]
    fn after_twenty_milliseconds_it_goes_out_unprotected_and_is_counted() {
        let mut held = HeldBack::default();
        held.hold(at(0), waits(1), 1, vec!["180"]);
        held.hold(at(10), waits(2), 2, vec!["200"]);
        assert_eq!(held.released(at(20), acked(0)), ["180"]);
        assert_eq!(held.released(at(29), acked(0)), [""; 0]);
        assert_eq!(held.released(at(30), acked(0)), ["200"]);
        assert_eq!((held.protected(), held.unprotected()), (0, 2));
    }

    #[test]
    fn what_no_buddy_can_protect_does_not_wait_and_is_counted() {
        let mut held = HeldBack::default();
        held.hold(at(0), Waits { acks: Vec::new(), is_exposed: true }, 1, vec!["200"]);
        assert_eq!(held.released(at(0), acked(0)), ["200"]);
        assert_eq!((held.protected(), held.unprotected()), (0, 1));
    }
}
