//! Whoever stood still (a machine that slept, a process that was stopped) may have been taken for lost, and others went
//! on in its place. Until the brokers have spoken it decides and says nothing.

use std::time::Duration;

use machine::Moment;

/// Who stood still for so long may have been taken for lost.
const ASLEEP: Duration = Duration::from_millis(500);
/// Without a word of the brokers (there may be too few of them) it goes on after so long: calls don't wait for brokers.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Moment,
    /// What the brokers had agreed on when they were asked, after it woke.
    agreed: Option<u64>,
}

/// Whether this thread knows that it was not taken for lost.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    awake: Option<Moment>,
    open: Option<Open>,
}

impl Doubt {
    /// Time passes. True if we woke up just now: the brokers are to be asked.
    pub(crate) fn wakes(&mut self, now: Moment) -> bool {
        let has_slept = self.awake.is_some_and(|awake| now.since(awake) > ASLEEP);
        self.awake = Some(now);
        if has_slept {
            self.open = Some(Open { since: now, agreed: None });
        } else if self.open.is_some_and(|open| now.since(open.since) >= PATIENCE) {
            self.open = None;
        }
        has_slept
    }

    /// The brokers have answered; we go by a view of version `ours`.
    pub(crate) fn is_told(&mut self, agreed: u64, ours: u64) {
        if let Some(open) = &mut self.open {
            open.agreed = Some(agreed);
        }
        self.goes_by(ours);
    }

    /// We go by a view of that version: if it is as new as the brokers' answer, we know who we are.
    pub(crate) fn goes_by(&mut self, ours: u64) {
        self.open = self.open.filter(|open| open.agreed.is_none_or(|agreed| agreed > ours));
    }

    /// Whether nothing may be said.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When it ends, come what may.
    pub(crate) fn until(&self) -> Option<Moment> {
        self.open.map(|open| open.since.after(PATIENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000 + millis * 1000)
    }

    fn slept() -> Doubt {
        let mut doubt = Doubt::default();
        assert!(!doubt.wakes(at(0)) && !doubt.wakes(at(400)) && !doubt.is_open());
        assert!(doubt.wakes(at(1000)) && doubt.is_open());
        doubt
    }

    #[test]
    fn who_slept_is_in_doubt_until_he_knows_as_much_as_the_brokers() {
        let mut doubt = slept();
        // One that came while we slept says nothing of what was agreed on since.
        doubt.goes_by(8);
        assert!(doubt.is_open());
        doubt.is_told(9, 8);
        assert!(doubt.is_open());
        doubt.goes_by(9);
        assert!(!doubt.is_open() && !doubt.wakes(at(1010)));
    }

    #[test]
    fn who_was_not_missed_goes_on_at_once() {
        let mut doubt = slept();
        doubt.is_told(8, 8);
        assert!(!doubt.is_open());
    }

    #[test]
    fn without_brokers_he_goes_on_after_two_seconds() {
        let mut doubt = slept();
        assert_eq!(doubt.until(), Some(at(3000)));
        assert!((1100..3000).step_by(100).all(|millis| !doubt.wakes(at(millis)) && doubt.is_open()));
        assert!(!doubt.wakes(at(3000)) && !doubt.is_open());
    }
}
