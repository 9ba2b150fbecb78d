//! Under load a thread looks only so often: what came meanwhile is taken, journaled and sent together, which spares
//! wakings and system calls. When little comes, each message is looked at as it comes.

use std::time::Duration;

use machine::Moment;

/// From the begin of one turn to the begin of the next at least, under load. A call is set up in five or six turns,
/// so it rings by so many milliseconds later.
const APART: Duration = Duration::from_millis(1);
/// From so many inputs on in that time it pays: a pause costs about as much as being woken once.
const WORTH: u128 = 2;
/// For so long inputs are counted before it is decided anew.
const WINDOW: Duration = Duration::from_millis(10);

/// Whether to wait for more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    /// When the last turn began.
    turned: Moment,
    since: Moment,
    inputs: u128,
    is_worth_it: bool,
}

impl Gather {
    pub(crate) fn new(now: Moment) -> Self {
        Gather { turned: now, since: now, inputs: 0, is_worth_it: false }
    }

    /// How long to let messages come before they are looked at.
    pub(crate) fn pause(&self, now: Moment) -> Option<Duration> {
        let rest = APART.checked_sub(now.since(self.turned))?;
        (self.is_worth_it && !rest.is_zero()).then_some(rest)
    }

    /// A turn begins with so many inputs.
    pub(crate) fn turn(&mut self, now: Moment, inputs: usize) {
        self.turned = now;
        self.inputs += inputs as u128;
        let span = now.since(self.since);
        if span >= WINDOW {
            self.is_worth_it = self.inputs * APART.as_micros() >= WORTH * span.as_micros();
            (self.since, self.inputs) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn only_under_load_messages_are_let_come() {
        let mut gather = Gather::new(at(0));
        (1..=100).for_each(|turn| gather.turn(at(turn * 1_000), turn as usize % 2));
        assert_eq!(gather.pause(at(100_010)), None);
        (1..=100).for_each(|turn| gather.turn(at(100_000 + turn * 200), 5));
        assert_eq!(gather.pause(at(120_100)), Some(Duration::from_micros(900)));
        assert_eq!(gather.pause(at(121_000)), None);
        gather.turn(at(150_000), 1);
        assert_eq!(gather.pause(at(150_000)), None);
    }
}
