//! What ends a retransmission of somebody in the world is said once a buddy knows what it says: at the latest after
//! 20 ms, unprotected.

use std::collections::VecDeque;
use std::time::Duration;

use machine::Moment;
use peering::Peer;

use super::loops::Thread;
use super::neighbours::Neighbours;
use super::voice::Outgoing;

/// A buddy is waited for so long.
const PATIENCE: Duration = Duration::from_millis(20);

/// What one turn said.
#[derive(Debug)]
struct Held {
    until: Moment,
    waits: Vec<(Peer, u64)>,
    said: Vec<Outgoing>,
}

/// What waits for buddies, oldest first.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    held: VecDeque<Held>,
    /// Messages that went out before a buddy knew of them.
    pub(crate) unprotected: u64,
    /// Messages that went out once a buddy knew.
    pub(crate) protected: u64,
}

impl HeldBack {
    /// When the next must go out, come what may.
    pub(crate) fn until(&self) -> Option<Moment> {
        self.held.front().map(|held| held.until)
    }

    fn hold(&mut self, now: Moment, waits: Vec<(Peer, u64)>, said: Vec<Outgoing>) {
        self.held.push_back(Held { until: now.after(PATIENCE), waits, said });
    }

    /// Takes what may go out, in order.
    fn released(&mut self, now: Moment, neighbours: &Neighbours) -> Vec<Outgoing> {
        let mut released = Vec::new();
        while let Some(first) = self.held.front() {
            let is_safe = neighbours.is_safe(&first.waits);
            if !is_safe && now < first.until {
                break;
            }
            let count = first.said.len() as u64;
            *(if is_safe { &mut self.protected } else { &mut self.unprotected }) += count;
            released.extend(self.held.pop_front().into_iter().flat_map(|held| held.said));
        }
        released
    }
}

impl Thread {
    /// The journal has what the turn decided. Tells it to whoever follows, and says it to the world: at once if nobody
    /// follows, else when they know.
    pub(super) fn say_when_safe(&mut self, now: Moment) {
        let Some(neighbours) = &mut self.voice.neighbours else { return };
        let waits = neighbours.tell(&self.turn.take_changes());
        let said = std::mem::take(&mut self.voice.unsaid);
        if waits.is_empty() {
            said.into_iter().for_each(|it| self.voice.send_out(now, it));
        } else if !said.is_empty() {
            self.held.hold(now, waits, said);
        }
        self.release(now);
    }

    /// Says what was held back and need not be any more.
    pub(super) fn release(&mut self, now: Moment) {
        let Some(neighbours) = &self.voice.neighbours else { return };
        for it in self.held.released(now, neighbours) {
            self.voice.send_out(now, it);
        }
    }
}
