use machine::Moment;

use super::{Env, LegEvent, LegOut};
use crate::transaction::Timing;

/// One input's worth of deciding: the time, what the owner lends, and what comes of it.
pub(super) struct Turn<'t, 'e> {
    pub(super) now: Moment,
    pub(super) env: &'t mut Env<'e>,
    pub(super) out: &'t mut LegOut,
}

impl Turn<'_, '_> {
    pub(super) fn tell(&mut self, event: LegEvent) {
        self.out.events.push(event);
    }

    pub(super) fn send(&mut self, bytes: Vec<u8>) {
        self.out.send.push(bytes);
    }

    pub(super) fn timing(&self) -> Timing {
        self.env.timing.transaction
    }

    /// A whole new branch.
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", (self.env.branch)())
    }
}
