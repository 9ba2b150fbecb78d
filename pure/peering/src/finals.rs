//! What is taken for final by whoever hears it: the record of a call, and its settlement. Whoever goes on with the call
//! without knowing of its end comes to another end and says that, too. So it waits until all know who may go on.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use contract::billing::Settle;
use contract::record::Keep;
use contract::{Conversation as _, Envelope, Role, Subject};
use machine::Moment;

use crate::Peer;

/// Then it is said, come what may: whoever may go on can't be reached for longer than brokers need to see it, and what
/// would be said twice is taken once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether whoever hears this takes it for final.
pub fn is_final(envelope: &Envelope) -> bool {
    let is = |subject: Subject| {
        Role::of(&envelope.subject) == Some(subject.role) && envelope.subject.ends_with(subject.verb)
    };
    is(Keep::SUBJECT) || is(Settle::SUBJECT)
}

#[derive(Debug)]
struct Final {
    until: Moment,
    waits: Vec<(Peer, u64)>,
    envelope: Envelope,
}

/// All that waits, oldest first: who knows of one knows of those before it.
#[derive(Debug, Default)]
pub(crate) struct Finals {
    waiting: VecDeque<Final>,
    ids: BTreeSet<u64>,
}

impl Finals {
    /// This waits until all that was told so far is known: `waits`. What waits already is only asked again.
    pub(crate) fn hold(&mut self, now: Moment, envelope: Envelope, waits: Vec<(Peer, u64)>) {
        if self.ids.insert(envelope.id) {
            self.waiting.push_back(Final { until: now.after(PATIENCE), waits, envelope });
        }
    }

    /// Takes what may be said.
    pub(crate) fn released(
        &mut self,
        now: Moment,
        is_known: impl Fn(&[(Peer, u64)]) -> bool,
    ) -> Vec<Envelope> {
        let mut released = Vec::new();
        while let Some(it) = self.waiting.pop_front_if(|it| it.until <= now || is_known(&it.waits)) {
            self.ids.remove(&it.envelope.id);
            released.push(it.envelope);
        }
        released
    }

    /// Something is another's from now on: what is ours is asked again.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.ids.clear();
    }

    /// When the first is said, come what may.
    pub(crate) fn until(&self) -> Option<Moment> {
        self.waiting.front().map(|it| it.until)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::NodeId;

    const BUDDY: Peer = Peer { node: NodeId(2), thread: 0 };

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000 + millis * 1000)
    }

    fn keep(id: u64) -> Envelope {
        Envelope::request(id, None, &Keep { records: Vec::new() })
    }

    fn ids(released: Vec<Envelope>) -> Vec<u64> {
        released.into_iter().map(|it| it.id).collect()
    }

    #[test]
    fn an_end_is_said_once_who_may_go_on_knows_it() {
        let mut finals = Finals::default();
        finals.hold(at(0), keep(1), vec![(BUDDY, 7)]);
        finals.hold(at(1), keep(2), vec![(BUDDY, 8)]);
        let up_to = |known: u64| move |waits: &[(Peer, u64)]| waits.iter().all(|it| it.1 <= known);
        assert!(finals.released(at(2), up_to(6)).is_empty());
        assert_eq!(ids(finals.released(at(3), up_to(7))), [1]);
        // It is asked again meanwhile, and is no two questions for that.
        finals.hold(at(2000), keep(2), vec![(BUDDY, 9)]);
        assert!(finals.released(at(2001), up_to(7)).is_empty());
        assert_eq!(finals.until(), Some(at(10_001)));
        assert_eq!(ids(finals.released(at(10_001), up_to(7))), [2]);
        assert!(finals.is_empty());
    }

    #[test]
    fn records_and_settlements_are_final_and_nothing_else() {
        assert!(is_final(&keep(1)) && is_final(&Envelope::request(1, None, &Settle::default())));
        assert!(!is_final(&Envelope::request(1, None, &contract::billing::Reserve::default())));
    }
}
