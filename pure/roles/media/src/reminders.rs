//! A notice may be lost with the process that should hear it, so it is repeated a few times. It carries a
//! serial, or does no harm twice.

use std::time::Duration;

use contract::media::Happening;
use machine::Moment;
use serde::{Deserialize, Serialize};

/// How long after the first time a notice is said again.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(1_300), Duration::from_millis(5_300)];

#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Reminder {
    leg: u8,
    what: Happening,
    since: Moment,
    said: u8,
}

impl Reminder {
    fn next(&self) -> Option<Moment> {
        AGAIN.get(usize::from(self.said)).map(|&wait| self.since.after(wait))
    }
}

/// What will be said again of one call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Reminders {
    open: Vec<Reminder>,
}

impl Reminders {
    /// Something was said for the first time.
    pub(crate) fn add(&mut self, now: Moment, leg: u8, what: Happening) {
        self.open.push(Reminder { leg, what, since: now, said: 0 });
    }

    /// What is to be said again now.
    pub(crate) fn due(&mut self, now: Moment) -> Vec<(u8, Happening)> {
        let mut due = Vec::new();
        for reminder in &mut self.open {
            if reminder.next().is_some_and(|next| next <= now) {
                reminder.said += 1;
                due.push((reminder.leg, reminder.what.clone()));
            }
        }
        self.open.retain(|reminder| reminder.next().is_some());
        due
    }

    /// All that is open, because whoever should hear it may have been born just now.
    pub(crate) fn open(&self) -> impl Iterator<Item = (u8, Happening)> + '_ {
        self.open.iter().map(|reminder| (reminder.leg, reminder.what.clone()))
    }

    /// When something is to be said again.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.open.iter().filter_map(Reminder::next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_said_again_three_times_and_then_let_go() {
        let start = Moment::from_secs(5);
        let mut reminders = Reminders::default();
        reminders.add(start, 0, Happening::Said { serial: 1 });
        assert_eq!(reminders.due(start), []);
        let mut times = Vec::new();
        while let Some(next) = reminders.next() {
            assert_eq!(reminders.due(next), [(0, Happening::Said { serial: 1 })]);
            times.push(next.since(start).as_millis());
        }
        assert_eq!(times, [300, 1_300, 5_300]);
    }
}
