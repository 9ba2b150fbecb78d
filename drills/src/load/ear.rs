//! What one side of a call hears: the longest silence while it should hear something.

use std::time::Duration;

use machine::Moment;

/// Between two packets of a voice.
pub(crate) const PACKET: Duration = Duration::from_millis(20);

/// A silence, and when it was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Silence {
    /// How long it was, less the time of a packet.
    pub(crate) long: Duration,
    /// When it was over.
    pub(crate) until: Moment,
}

/// An ear.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ear {
    /// When it heard something last, or began to listen; none: nothing is to be heard.
    last: Option<Moment>,
    /// The longest silence there was.
    longest: Silence,
    /// The longest since the window was opened, if it listened by then.
    window: Option<Silence>,
}

impl Ear {
    /// From now on something is to be heard.
    pub(crate) fn listen(&mut self, now: Moment) {
        self.last.get_or_insert(now);
    }

    /// From now on nothing is.
    pub(crate) fn rest(&mut self, now: Moment) {
        self.note(now);
        self.last = None;
    }

    /// A packet came.
    pub(crate) fn heard(&mut self, now: Moment) {
        self.note(now);
        if let Some(last) = &mut self.last {
            *last = now.max(*last);
        }
    }

    fn note(&mut self, now: Moment) {
        let Some(last) = self.last else { return };
        let silence = Silence { long: now.since(last).saturating_sub(PACKET), until: now };
        self.longest = self.longest.max(silence);
        self.window = self.window.map(|before| before.max(silence));
    }

    /// A window is opened.
    pub(crate) fn open(&mut self, now: Moment) {
        self.window = self.last.map(|_| Silence { long: Duration::ZERO, until: now });
    }

    /// The window is closed: the longest silence in it, what lasts still included.
    pub(crate) fn close(&mut self, now: Moment) -> Option<Silence> {
        self.note(now);
        self.window.take()
    }

    /// The longest silence up to now.
    pub(crate) fn longest(&mut self, now: Moment) -> Silence {
        self.note(now);
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1000)
    }

    #[test]
    fn silence_counts_while_something_is_to_be_heard_less_the_time_of_a_packet() {
        let mut ear = Ear::default();
        ear.heard(at(0));
        ear.listen(at(1000));
        ear.open(at(1000));
        for millis in [1020, 1040, 1340, 1360] {
            ear.heard(at(millis));
        }
        let silence = Silence { long: Duration::from_millis(280), until: at(1340) };
        assert_eq!(ear.close(at(1370)), Some(silence));
        ear.rest(at(1380));
        assert_eq!(ear.longest(at(9000)), silence);
    }

    #[test]
    fn a_silence_that_lasts_counts_when_the_window_closes() {
        let mut ear = Ear::default();
        ear.open(at(0));
        assert_eq!(ear.close(at(10)), None);
        ear.listen(at(100));
        ear.open(at(100));
        assert_eq!(ear.close(at(620)), Some(Silence { long: Duration::from_millis(500), until: at(620) }));
    }
}
