use std::net::SocketAddr;
use std::time::Duration;

use contract::media::{Anchor, LegQuality, LegWish};
use machine::{Epoch, Moment};
use serde::{Deserialize, Serialize};

use crate::reminders::Reminders;

/// A pair that a leg borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    pub(crate) leg: u8,
    pub(crate) pair: u32,
}

/// One call, as its exchange wishes it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wish: Anchor,
    /// In the order of the wish.
    pub(crate) lent: Vec<Lent>,
    pub(crate) reminders: Reminders,
    /// When counts are kept next.
    pub(crate) count_at: Moment,
    /// Packets counted when they were kept last.
    pub(crate) counted: u64,
    /// When phones that hear only us are reported to next.
    pub(crate) report_at: Moment,
    /// When an exchange or a phone spoke last.
    pub(crate) alive_at: Moment,
    /// When it was asked last whether anybody wants it.
    pub(crate) asked_at: Moment,
}

impl Session {
    pub(crate) fn new(wish: Anchor, lent: Vec<Lent>, now: Moment, first: Duration) -> Self {
        Session {
            wish,
            lent,
            reminders: Reminders::default(),
            count_at: now.after(first),
            counted: 0,
            report_at: now.after(crate::reports::REPORT_EVERY),
            alive_at: now,
            asked_at: now,
        }
    }

    /// What the wish says about a leg.
    pub(crate) fn leg(&self, number: u8) -> Option<&LegWish> {
        self.wish.legs.iter().find(|leg| leg.leg == number)
    }

    pub(crate) fn pair_of(&self, number: u8) -> Option<u32> {
        self.lent.iter().find(|lent| lent.leg == number).map(|lent| lent.pair)
    }

    /// Whether `other` comes from an owner of before, or from one who has not heard of its successor.
    pub(crate) fn outranks(&self, epoch: Epoch) -> bool {
        epoch < self.wish.epoch
    }

    /// How long a leg may be silent; `None`: as long as it likes.
    pub(crate) fn patience(&self, number: u8) -> Option<Duration> {
        let held = self.leg(number).is_none_or(|leg| leg.held);
        let limit = Duration::from_millis(u64::from(self.wish.inactivity_ms));
        (!held && !limit.is_zero()).then_some(limit)
    }
}

/// A call that was released, for whoever asks again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gone {
    pub(crate) epoch: Epoch,
    pub(crate) version: u32,
    pub(crate) quality: Vec<LegQuality>,
    pub(crate) at: Moment,
    /// Its ports, which rest.
    pub(crate) ports: Vec<SocketAddr>,
}

impl Gone {
    /// Whether a wish is older than the release.
    pub(crate) fn outranks(&self, wish: &Anchor) -> bool {
        (wish.epoch, wish.version) <= (self.epoch, self.version)
    }
}
