//! A shard is handed on while calls go on in it: whoever shall own it knows all of it already; we decide nothing about
//! it any more, wait until the last change has arrived there, and let the brokers say whose it is.

use std::time::Duration;

use contract::NodeId;
use contract::cluster::{Agreed, View};
use machine::{Epoch, Moment, Owned, Shard};

use crate::{Following, Peer};

/// So many shards go at once: messages for them wait meanwhile.
const AT_ONCE: usize = 512;

/// If the brokers have not agreed by then (there may be too few of them), the shards stay: calls don't wait for brokers.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing is handed on for so long after that.
const REST: Duration = Duration::from_secs(30);

/// Shards on their way to another owner.
#[derive(Debug)]
struct Batch {
    to: NodeId,
    shards: Vec<(Shard, Epoch)>,
    waits: Vec<(Peer, u64)>,
    since: Moment,
    is_asked: bool,
}

/// What is to be done about shards that are, or should be, on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Wait,
    /// The brokers should say that they are another's.
    Ask(NodeId, Vec<(Shard, Epoch)>),
    /// These should begin to go.
    LetGo(NodeId, Vec<(Shard, Epoch)>),
    /// Nobody agreed: they stay.
    TakeBack,
}

/// The shards of one thread that others should own.
#[derive(Debug, Default)]
pub(crate) struct Handing {
    batch: Option<Batch>,
    /// When shards that were to be handed on stayed after all.
    stayed: Option<Moment>,
    /// Those that others should own by the last view.
    wanted: Vec<(Shard, Epoch, NodeId)>,
}

impl Handing {
    /// Those that are on their way, and under which epochs.
    pub(crate) fn shards(&self) -> &[(Shard, Epoch)] {
        self.batch.as_ref().map_or(&[], |batch| &batch.shards)
    }

    /// From now on this thread owns `owned` by `view`.
    pub(crate) fn go_by(&mut self, view: &View, owned: &Owned) {
        let wanted = |shard| {
            let owner = view.owner(shard);
            owner.wanted.map(|to| (shard, owner.epoch, to))
        };
        self.wanted = owned.all().filter_map(wanted).collect();
    }

    /// What to do next, as far as `following` knows it all.
    pub(crate) fn step(
        &mut self,
        now: Moment,
        following: &Following,
        is_safe: impl Fn(&[(Peer, u64)]) -> bool,
    ) -> Step {
        if let Some(batch) = &mut self.batch {
            if now.since(batch.since) > PATIENCE {
                (self.batch, self.stayed) = (None, Some(now));
                return Step::TakeBack;
            }
            if batch.is_asked || !is_safe(&batch.waits) {
                return Step::Wait;
            }
            batch.is_asked = true;
            return Step::Ask(batch.to, batch.shards.clone());
        }
        let is_to_rest = self.stayed.is_some_and(|stayed| now.since(stayed) < REST);
        match self.due(following).filter(|_| !is_to_rest) {
            Some((to, some)) => Step::LetGo(to, some),
            None => Step::Wait,
        }
    }

    /// Some that one node should own and knows all of.
    fn due(&self, following: &Following) -> Option<(NodeId, Vec<(Shard, Epoch)>)> {
        let mut due = self.wanted.iter().filter(|&&(shard, _, to)| following.knows_all(to, shard));
        let &(shard, epoch, to) = due.next()?;
        let rest = due.filter(|&&(.., other)| other == to).map(|&(shard, epoch, _)| (shard, epoch));
        Some((to, std::iter::once((shard, epoch)).chain(rest).take(AT_ONCE).collect()))
    }

    /// These go from now on, once what was told last has arrived.
    pub(crate) fn begin(
        &mut self,
        now: Moment,
        to: NodeId,
        shards: Vec<(Shard, Epoch)>,
        waits: Vec<(Peer, u64)>,
    ) {
        self.batch = Some(Batch { to, shards, waits, since: now, is_asked: false });
    }

    /// The brokers have said something new: what was to be handed on is another's by now, or stays ours. `agreed` is
    /// their answer, if they have answered.
    pub(crate) fn settle(&mut self, me: NodeId, view: &View, agreed: Option<Agreed>) {
        let Some(batch) = &mut self.batch else { return };
        batch.shards.retain(|&(shard, epoch)| {
            let owner = view.owner(shard);
            owner.node == Some(me) && owner.epoch == epoch
        });
        // Those that are still ours after the brokers' word came too late, or the node is gone: we go on with them.
        let is_decided = agreed.is_some_and(|agreed| view.version >= agreed.version);
        if batch.shards.is_empty() || is_decided || view.node(batch.to).is_none() {
            self.batch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::cluster::{Node, Owner};

    const ME: NodeId = NodeId(1);
    const TO: NodeId = NodeId(2);
    const PEER: Peer = Peer { node: TO, thread: 0 };

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000 + millis * 1000)
    }

    /// Shards 0 to 2 are ours and should be another's; the first `gone` of them are already.
    fn view(version: u64, gone: u16) -> View {
        let node = |number| Node { node: NodeId(number), ..Node::default() };
        let owner = |shard: u16| match shard < gone {
            true => Owner { node: Some(TO), epoch: Epoch(2), ..Owner::default() },
            false => Owner { node: Some(ME), epoch: Epoch(1), wanted: Some(TO), ..Owner::default() },
        };
        let owners = (0..3).map(owner).collect();
        View { version, nodes: vec![node(1), node(2)], owners, ..View::default() }
    }

    fn owned(view: &View) -> Owned {
        Owned::of(|shard| Some(view.owner(shard)).filter(|it| it.node == Some(ME)).map(|it| it.epoch))
    }

    fn all() -> Vec<(Shard, Epoch)> {
        (0..3).map(|number| (Shard::of(number), Epoch(1))).collect()
    }

    /// Somebody who knows all of them.
    fn following(view: &View) -> Following {
        let mut following = Following::default();
        following.go_by(view, |shard| shard.number() < 3);
        let copies = following.begin_copies(|_| true);
        following.told_all(PEER, &copies[&PEER], 1);
        following.acked(PEER, 1);
        following
    }

    fn on_their_way() -> (Handing, Following) {
        let (mut handing, view) = (Handing::default(), view(1, 0));
        let following = following(&view);
        handing.go_by(&view, &owned(&view));
        assert_eq!(handing.step(at(0), &following, |_| true), Step::LetGo(TO, all()));
        handing.begin(at(0), TO, all(), vec![(PEER, 9)]);
        (handing, following)
    }

    #[test]
    fn nothing_goes_to_somebody_who_does_not_know_it_all() {
        let (mut handing, view) = (Handing::default(), view(1, 0));
        handing.go_by(&view, &owned(&view));
        assert_eq!(handing.step(at(0), &Following::default(), |_| true), Step::Wait);
    }

    #[test]
    fn brokers_are_asked_once_the_last_change_has_arrived() {
        let (mut handing, following) = on_their_way();
        assert_eq!(handing.step(at(1), &following, |waits| waits.is_empty()), Step::Wait);
        assert_eq!(handing.step(at(2), &following, |_| true), Step::Ask(TO, all()));
        assert_eq!(handing.step(at(3), &following, |_| true), Step::Wait);
        handing.settle(ME, &view(2, 3), None);
        assert!(handing.shards().is_empty());
    }

    #[test]
    fn what_came_too_late_stays_and_what_was_agreed_on_goes() {
        let (mut handing, _) = on_their_way();
        // A view of something else, before the brokers' word.
        handing.settle(ME, &view(2, 1), None);
        assert_eq!(handing.shards(), &all()[1..]);
        handing.settle(ME, &view(3, 2), Some(Agreed { version: 3 }));
        assert!(handing.shards().is_empty(), "the third one is ours again");
    }

    #[test]
    fn without_brokers_they_stay_and_nothing_goes_for_a_while() {
        let (mut handing, following) = on_their_way();
        handing.step(at(1), &following, |_| true);
        assert_eq!(handing.step(at(2001), &following, |_| true), Step::TakeBack);
        assert!(handing.shards().is_empty());
        assert_eq!(handing.step(at(31_000), &following, |_| true), Step::Wait);
        assert_eq!(handing.step(at(32_002), &following, |_| true), Step::LetGo(TO, all()));
    }

    #[test]
    fn a_receiver_that_is_gone_gets_nothing() {
        let (mut handing, _) = on_their_way();
        let nodes = vec![Node { node: ME, ..Node::default() }];
        handing.settle(ME, &View { nodes, ..view(2, 0) }, None);
        assert!(handing.shards().is_empty());
    }
}
