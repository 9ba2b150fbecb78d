//! What others want to know of a call, as it happens.

use contract::event::{CallEvent, What};
use contract::moving::Move;
use machine::Moment;

use crate::Call;

/// How much of a call was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    began: bool,
    rang: bool,
    answered: bool,
    held: bool,
    ended: bool,
}

impl Call {
    /// All that has happened so far is taken as told.
    pub fn all_told(&self) -> Told {
        let (story, held) = (&self.chronicle, self.is_held());
        let (rang, answered) = (story.rang.is_some(), story.answered.is_some());
        Told { began: true, rang, answered, held, ended: story.end.is_some() }
    }

    /// Gives what has happened and was not told to `tell`, the oldest first. It is told from then on.
    pub fn news(&self, told: &mut Told, now: Moment, mut tell: impl FnMut(CallEvent)) {
        let (before, story) = (*told, &self.chronicle);
        *told = self.all_told();
        if *told == before {
            return;
        }
        let mut say = |is_new: bool, what: What, at: Option<Moment>| {
            if is_new {
                tell(self.event(what, at.unwrap_or(now)));
            }
        };
        say(!before.began, What::Began, Some(story.started));
        say(told.rang && !before.rang, What::Rang, story.rang);
        say(told.answered && !before.answered, What::Answered, story.answered);
        say(told.held && !before.held, What::Held, None);
        say(before.held && !told.held && !told.ended, What::Resumed, None);
        say(told.ended && !before.ended, What::Ended, Some(story.ended));
    }

    fn is_held(&self) -> bool {
        self.chronicle.answered.is_some() && self.chronicle.end.is_none() && self.audio.is_held()
    }

    fn event(&self, what: What, at: Moment) -> CallEvent {
        CallEvent {
            call: self.id,
            tenant: self.tenant.id,
            serial: serial(what, at.since(self.chronicle.started).as_millis()),
            at,
            caller: self.caller.user.clone(),
            dialed: self.chronicle.dialed.clone(),
            callee: self.chronicle.callee.clone(),
            what,
            moved: None,
        }
    }

    /// What is told of a move.
    pub fn moves_news(&self, moved: Move, now: Moment) -> CallEvent {
        CallEvent { moved: Some(moved), ..self.event(What::Moved, now) }
    }
}

/// The milliseconds since the call began (49 hours of them), and which event it is of those of that millisecond.
fn serial(what: What, millis: u128) -> u32 {
    let within = match what {
        What::Began => 0,
        What::Rang => 1,
        What::Answered => 2,
        What::Held => 3,
        What::Resumed => 4,
        What::Ended => 5,
        What::Moved => 6,
        What::Unknown => 7,
    };
    u32::try_from(millis).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3) << 3 | within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_later_has_a_higher_serial_and_the_same_each_time() {
        let serials = [
            serial(What::Began, 0),
            serial(What::Rang, 0),
            serial(What::Answered, 0),
            serial(What::Held, 7),
            serial(What::Resumed, 8),
            serial(What::Held, 9),
            serial(What::Ended, u128::MAX),
        ];
        assert!(serials.is_sorted_by(|one, next| one < next), "{serials:?}");
    }
}
