//! The brokers: who leads them, what they agree on, and who is told when. What they decide is the product's own
//! (`pure/roles/broker`); that they come to one opinion is taken for granted, as Raft sees to it: a leader needs most of
//! the seats, and what a leader that has lost them says counts no more.

use std::sync::Arc;
use std::time::Duration;

use broker::{Change, Cluster, Watch};
use contract::cluster::{Agreed, Followed, HandOn, Node, View};
use contract::{Conversation, Envelope, NodeId};
use machine::Moment;

use crate::chance::Chance;

/// Whoever was silent for so long is lost, as `cluster.patience_ms` has it.
pub(crate) const PATIENCE: Duration = Duration::from_millis(700);
/// How long it takes until there is a leader again, as measured (ADR 13).
const ELECTION: (u64, u64) = (360, 900);

/// All seats together.
#[derive(Debug)]
pub(crate) struct Brokers {
    pub(crate) cluster: Cluster,
    pub(crate) view: Arc<View>,
    watch: Watch,
    /// On which hosts there are seats.
    seats: Vec<usize>,
    leader: Option<usize>,
    /// When the next leader is elected, if there is none.
    election: Option<Moment>,
    /// How often somebody else has led.
    pub(crate) elections: u64,
}

impl Brokers {
    pub(crate) fn new(seats: Vec<usize>) -> Self {
        Brokers {
            cluster: Cluster::default(),
            view: Arc::default(),
            watch: Watch::new(PATIENCE),
            seats,
            leader: None,
            election: Some(Moment::START),
            elections: 0,
        }
    }

    /// Who leads, if anybody does who reaches most of the seats. `reaches` says whether two hosts reach each other (a
    /// host itself: whether it runs).
    pub(crate) fn leader(&self, reaches: &impl Fn(usize, usize) -> bool) -> Option<usize> {
        self.leader.filter(|&leader| self.has_most(leader, reaches))
    }

    fn has_most(&self, seat: usize, reaches: &impl Fn(usize, usize) -> bool) -> bool {
        let reached = self.seats.iter().filter(|&&other| reaches(seat, other)).count();
        reaches(seat, seat) && 2 * reached > self.seats.len()
    }

    /// Each seat looks around. True if something new was agreed on.
    pub(crate) fn look(
        &mut self,
        now: Moment,
        chance: &mut Chance,
        nodes: &[(usize, Node)],
        reaches: &impl Fn(usize, usize) -> bool,
    ) -> bool {
        let Some(leader) = self.leader(reaches) else {
            self.elect(now, chance, reaches);
            return false;
        };
        self.election = None;
        let before = self.cluster.version;
        for (_, node) in nodes.iter().filter(|&&(place, _)| reaches(leader, place)) {
            self.watch.heard(now, node.node);
            if self.cluster.member(node.node) != Some(node) {
                self.cluster.apply(&Change::Join(node.clone()));
            }
        }
        let members: Vec<NodeId> = self.cluster.members().map(|node| node.node).collect();
        for node in self.watch.lost(now, members) {
            self.cluster.apply(&Change::Lost { node });
        }
        self.agreed(before)
    }

    fn elect(&mut self, now: Moment, chance: &mut Chance, reaches: &impl Fn(usize, usize) -> bool) {
        self.leader = None;
        let able: Vec<usize> =
            self.seats.iter().copied().filter(|&seat| self.has_most(seat, reaches)).collect();
        if able.is_empty() {
            self.election = None;
            return;
        }
        let wait = Duration::from_millis(chance.between(ELECTION.0, ELECTION.1));
        if *self.election.get_or_insert(now.after(wait)) <= now {
            self.leader = Some(*chance.pick(&able));
            self.elections += 1;
            self.watch = Watch::new(PATIENCE);
        }
    }

    /// The operator wants something.
    pub(crate) fn drain(&mut self, node: NodeId, back: bool) -> bool {
        let before = self.cluster.version;
        self.cluster.apply(&Change::Drain { node, back });
        self.agreed(before)
    }

    /// A thread proposes something; the answer, and whether something new was agreed on.
    pub(crate) fn propose(&mut self, envelope: &Envelope) -> Option<(Envelope, bool)> {
        let before = self.cluster.version;
        let answer = match envelope.subject.as_str() {
            subject if subject == HandOn::SUBJECT.to_string() => {
                let HandOn { shards, to } = contract::decode(&envelope.body).ok()?;
                self.cluster.apply(&Change::Moved { shards, to });
                Envelope::answer::<HandOn>(envelope.id, &Agreed { version: self.cluster.version })
            }
            subject if subject == Followed::SUBJECT.to_string() => {
                let Followed { shards, by, whole } = contract::decode(&envelope.body).ok()?;
                self.cluster.apply(&Change::Followed { shards, by, whole });
                Envelope::answer::<Followed>(envelope.id, &Agreed { version: self.cluster.version })
            }
            subject => panic!("nobody asks brokers this: {subject}"),
        };
        Some((answer, self.agreed(before)))
    }

    fn agreed(&mut self, before: u64) -> bool {
        if self.cluster.version == before {
            return false;
        }
        self.view = Arc::new(self.cluster.view(NodeId(0)));
        true
    }
}
