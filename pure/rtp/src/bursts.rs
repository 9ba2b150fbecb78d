//! What was lost, and how it clustered: a window over the newest 64 sequence numbers.

use serde::{Deserialize, Serialize};

/// A packet may be this late and still not count as lost here.
const WIDTH: u32 = 64;

/// Knows which of the last 64 packets came, and counts losses and runs of losses among those before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bursts {
    /// Bit `n`: the packet `n` before the newest came.
    came: u64,
    /// How many of the bits mean something.
    known: u32,
    /// Whether the packet that left the window last was lost.
    in_run: bool,
    /// Packets lost, of those that left the window.
    lost: u32,
    /// Runs of losses among them.
    runs: u32,
}

impl Bursts {
    /// The first packet of a source.
    pub(crate) fn start(&mut self) {
        self.came = 1;
        self.known = 1;
    }

    /// The newest packet is `steps` after the one before.
    #[inline]
    pub(crate) fn advance(&mut self, steps: u32) {
        if steps == 1 {
            if self.known == WIDTH {
                self.leave(self.came >> (WIDTH - 1) & 1 == 0);
            }
            self.came = self.came << 1 | 1;
            self.known = (self.known + 1).min(WIDTH);
        } else {
            self.jump(steps);
        }
    }

    #[cold]
    fn jump(&mut self, steps: u32) {
        let shown = steps.min(WIDTH);
        for _ in 0..shown {
            if self.known == WIDTH {
                self.leave(self.came >> (WIDTH - 1) & 1 == 0);
            }
            self.came <<= 1;
            self.known = (self.known + 1).min(WIDTH);
        }
        // What is more than the window holds went through it without a trace.
        if steps > shown {
            self.leave(true);
            self.lost = self.lost.saturating_add(steps - shown - 1);
        }
        self.came |= 1;
    }

    /// A packet `steps` before the newest comes late: whether it is new. `None` if that is not known any
    /// more.
    pub(crate) fn late(&mut self, steps: u32) -> Option<bool> {
        if steps >= self.known {
            return None;
        }
        let bit = 1 << steps;
        let new = self.came & bit == 0;
        self.came |= bit;
        Some(new)
    }

    /// Packets lost, and in how many runs, those in the window counted.
    pub(crate) fn count(&self) -> (u32, u32) {
        let mut all = self.clone();
        for bit in (0..self.known).rev() {
            all.leave(self.came >> bit & 1 == 0);
        }
        (all.lost, all.runs)
    }

    #[inline]
    fn leave(&mut self, lost: bool) {
        self.lost = self.lost.saturating_add(u32::from(lost));
        self.runs = self.runs.saturating_add(u32::from(lost && !self.in_run));
        self.in_run = lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_by_runs_whether_they_left_the_window_or_not() {
        let mut bursts = Bursts::default();
        bursts.start();
        for steps in [1, 3, 1, 2, 1] {
            bursts.advance(steps);
        }
        assert_eq!(bursts.count(), (3, 2));
        for _ in 0..200 {
            bursts.advance(1);
        }
        assert_eq!(bursts.count(), (3, 2));
        assert_eq!(bursts.late(300), None);
        assert_eq!(bursts.count(), (3, 2));
    }

    #[test]
    fn a_jump_beyond_the_window_is_one_long_run() {
        let mut bursts = Bursts::default();
        bursts.start();
        for steps in [1, 1, 1000, 1, 2, 64, 65, 66] {
            bursts.advance(steps);
        }
        assert_eq!(bursts.count(), (999 + 1 + 63 + 64 + 65, 5));
        bursts.advance(2);
        (0..100).for_each(|_| bursts.advance(1));
        assert_eq!(bursts.count(), (999 + 1 + 63 + 64 + 65 + 1, 6));
    }

    #[test]
    fn a_late_packet_fills_its_hole_once() {
        let mut bursts = Bursts::default();
        bursts.start();
        bursts.advance(2);
        assert_eq!(bursts.late(1), Some(true));
        assert_eq!(bursts.late(1), Some(false));
        assert_eq!(bursts.late(0), Some(false));
        assert_eq!(bursts.count(), (0, 0));
    }
}
