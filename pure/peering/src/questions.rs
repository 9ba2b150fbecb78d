//! What a thread asks of the brokers, again and again until they answer; and the newest view that they told.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::cluster::{Agreed, Beyond, Changed, Followed, HandOn, View};
use contract::{Conversation, Envelope, Kind, NodeId, Notice};
use machine::{Epoch, Moment, Shard};

/// The shell's own questions have numbers from here on; those of the exchange never get that far.
const FIRST: u64 = 1 << 63;
/// So many shards are told of at once.
const AT_ONCE: usize = 512;

/// What was asked of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Followed(Followed),
    HandOn(HandOn),
    /// What they have agreed on by now.
    Standing(Followed),
}

impl Asked {
    fn envelope(&self, id: u64) -> Envelope {
        match self {
            Asked::Followed(followed) => Envelope::request(id, None, followed),
            Asked::HandOn(hand_on) => Envelope::request(id, None, hand_on),
            Asked::Standing(nothing) => Envelope::request(id, None, nothing),
        }
    }
}

/// What a thread itself asks the broker of its host, beside its machine: asked again until it is answered.
#[derive(Debug, Default)]
pub struct Questions {
    next: u64,
    open: BTreeMap<u64, (Moment, Asked)>,
    view: Option<View>,
    beyond: Vec<Beyond>,
    handed_on: Option<Agreed>,
    standing: Option<u64>,
}

impl Questions {
    /// The brokers should know that `by` knows all of `shards`.
    pub fn followed(&mut self, by: NodeId, shards: &[(Shard, Epoch)]) {
        for some in shards.chunks(AT_ONCE) {
            self.ask(Asked::Followed(Followed { shards: some.to_vec(), by, whole: true }));
        }
    }

    /// The brokers should say that `to` owns `shards`.
    pub fn hand_on(&mut self, to: NodeId, shards: Vec<(Shard, Epoch)>) {
        // What they answer to an earlier one says nothing of these.
        self.forget_hand_on();
        self.ask(Asked::HandOn(HandOn { shards, to }));
    }

    /// Who woke up wants to know what the brokers have agreed on by now: as they are asked to agree on nothing new, they
    /// say up to where they have come.
    pub fn who_is_there(&mut self, me: NodeId) {
        self.open.retain(|_, (_, asked)| !matches!(asked, Asked::Standing(_)));
        self.standing = None;
        self.ask(Asked::Standing(Followed { shards: Vec::new(), by: me, whole: true }));
    }

    /// Nobody should own them instead of us after all.
    pub fn forget_hand_on(&mut self) {
        self.open.retain(|_, (_, asked)| !matches!(asked, Asked::HandOn(_)));
        self.handed_on = None;
    }

    fn ask(&mut self, asked: Asked) {
        self.next += 1;
        self.open.insert(FIRST + self.next, (Moment::START, asked));
    }

    /// What is to be asked now, for the first time or again.
    pub fn due(&mut self, now: Moment) -> Vec<Envelope> {
        let due = self.open.iter_mut().filter(|(_, (at, _))| *at <= now);
        let again = |asked: &Asked| match asked {
            Asked::Followed(_) => Followed::WITHIN,
            Asked::HandOn(_) => HandOn::WITHIN / 4,
            Asked::Standing(_) => Followed::WITHIN / 4,
        };
        let asked = due.map(|(&id, (at, asked))| {
            *at = now.after(again(asked).max(Duration::from_millis(100)));
            asked.envelope(id)
        });
        asked.collect()
    }

    /// What came, if it is not for the thread itself.
    pub fn hear(&mut self, envelope: Envelope) -> Option<Envelope> {
        match envelope.kind {
            Kind::Notice if envelope.subject == Changed::SUBJECT.to_string() => {
                if let Ok(Changed(view)) = contract::decode(&envelope.body) {
                    self.is_told(view);
                }
                None
            }
            Kind::Notice if envelope.subject == Beyond::SUBJECT.to_string() => {
                self.beyond.extend(contract::decode::<Beyond>(&envelope.body));
                None
            }
            Kind::Answer if self.open.contains_key(&envelope.id) => {
                self.answered(&envelope);
                None
            }
            Kind::Notice | Kind::Answer | Kind::Request => Some(envelope),
        }
    }

    /// The brokers' word. Of several the newest counts, in whatever order they come.
    pub fn is_told(&mut self, view: View) {
        if self.view.as_ref().is_none_or(|known| known.version < view.version) {
            self.view = Some(view);
        }
    }

    fn answered(&mut self, envelope: &Envelope) {
        let agreed: Agreed = contract::decode(&envelope.body).unwrap_or_default();
        // Who could not agree is asked again.
        if agreed.version == 0 {
            return;
        }
        match self.open.remove(&envelope.id) {
            Some((_, Asked::HandOn(_))) => self.handed_on = Some(agreed),
            Some((_, Asked::Standing(_))) => self.standing = Some(agreed.version),
            Some((_, Asked::Followed(_))) | None => {}
        }
    }

    /// The newest view that was told.
    pub fn take_view(&mut self) -> Option<View> {
        self.view.take()
    }

    /// How other cells do, as far as that was told.
    pub(crate) fn take_beyond(&mut self) -> Vec<Beyond> {
        std::mem::take(&mut self.beyond)
    }

    /// What they had agreed on when we asked, if they have answered since.
    pub(crate) fn take_standing(&mut self) -> Option<u64> {
        self.standing.take()
    }

    /// What became of the last handing on, once the brokers have agreed.
    pub fn take_handed_on(&mut self) -> Option<Agreed> {
        self.handed_on.take()
    }
}
