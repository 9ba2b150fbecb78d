use std::collections::BTreeMap;

use machine::Moment;

/// What will happen, and when; of several things at one moment the one first that was planned first.
#[derive(Debug)]
pub(crate) struct Agenda<Event> {
    planned: BTreeMap<(Moment, u64), Event>,
    last: u64,
}

impl<Event> Default for Agenda<Event> {
    fn default() -> Self {
        Agenda { planned: BTreeMap::new(), last: 0 }
    }
}

impl<Event> Agenda<Event> {
    /// That will happen then.
    pub(crate) fn plan(&mut self, at: Moment, event: Event) {
        let number = self.number();
        self.planned.insert((at, number), event);
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Takes what happens next, if that is not after `end`.
    pub(crate) fn next_until(&mut self, end: Moment) -> Option<(Moment, Event)> {
        let next = self.planned.first_entry().filter(|next| next.key().0 <= end)?;
        let ((at, _), event) = next.remove_entry();
        Some((at, event))
    }
}
