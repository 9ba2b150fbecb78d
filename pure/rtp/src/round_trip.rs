//! RFC 3550 6.4.1: the round trip, from a sender report and the block that answers it.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::Ntp;
use crate::rtcp::Block;

/// How many sender reports are remembered: answers come within a few.
const REMEMBERED: usize = 4;

/// Remembers the sender reports that went to one side, written by us or passed on, and measures the way
/// there and back when that side's blocks refer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoundTrip {
    sent: [(u32, Moment); REMEMBERED],
    next: u8,
    last: Option<Duration>,
}

impl RoundTrip {
    /// A sender report with this time in it goes out.
    pub fn sent(&mut self, now: Moment, ntp: Ntp) {
        self.sent[usize::from(self.next) % REMEMBERED] = (ntp.middle(), now);
        self.next = (self.next + 1) % REMEMBERED as u8;
    }

    /// A block comes back; the round trip, if it refers to a report that is remembered.
    pub fn heard(&mut self, now: Moment, block: &Block) -> Option<Duration> {
        if block.last_report == 0 {
            return None;
        }
        let &(_, at) = self.sent.iter().rev().find(|sent| sent.0 == block.last_report)?;
        let held = Duration::from_micros(u64::from(block.since_last_report) * 1_000_000 / 65_536);
        self.last = Some(now.since(at).checked_sub(held)?);
        self.last
    }

    /// The one measured last.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_3550_figure_2() {
        // The report leaves at 0xb705.2000, is held for 5.25 s, and its answer is back at 0xb710.8000.
        let mut trip = RoundTrip::default();
        let sent = Moment::from_micros(1_000_000_000);
        trip.sent(sent, Ntp(0xb44d_b705_2000_0000));
        let block = Block { last_report: 0xb705_2000, since_last_report: 0x0005_4000, ..Block::default() };
        let back = Moment::from_micros(1_000_000_000 + 11_375_000);
        assert_eq!(trip.heard(back, &block), Some(Duration::from_micros(6_125_000)));
        assert_eq!(trip.heard(back, &Block { last_report: 7, ..block }), None);
        assert_eq!(trip.heard(sent, &block), None, "held longer than it was away");
        assert_eq!(trip.last(), Some(Duration::from_micros(6_125_000)));
    }
}
