use std::collections::BTreeMap;

use contract::NodeId;
use machine::{Epoch, SHARDS, Shard};
use serde::{Deserialize, Serialize};

use crate::order::{highest, order};

/// A node that can own shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Which one.
    pub node: NodeId,
    /// The host that it is on: what would be lost together. A buddy is never on the same one, if there is another.
    pub host: String,
    /// Its share beside others' (its signalling threads, say); 0 counts as 1.
    pub weight: u16,
    /// It shall own nothing any more.
    pub draining: bool,
}

/// Who owns a shard, and since which change of its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The owner; none as long as there was no member at all.
    pub node: Option<NodeId>,
    /// What is said under a lower one is not heard.
    pub epoch: Epoch,
}

/// Something that the brokers agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A node is there, or there with another weight; shards that nobody owns are its own from now on.
    Join(Member),
    /// A node shall own nothing any more, and goes on until all its shards have moved.
    Drain(NodeId),
    /// A node is no more: its shards go to their buddies at once.
    Lost(NodeId),
    /// The owner has handed a shard on, with all that lives in it.
    Moved {
        /// Which shard.
        shard: Shard,
        /// Under which epoch it was handed on: if it has another by now, this comes too late.
        epoch: Epoch,
        /// To whom.
        to: NodeId,
    },
}

/// A shard that should be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub shard: Shard,
    /// Whose it is,
    pub from: NodeId,
    /// since when,
    pub epoch: Epoch,
    /// and whose it should be.
    pub to: NodeId,
}

/// What the brokers agree on: who is there, and who owns what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Rises with each change that changed anything.
    pub version: u64,
    members: BTreeMap<NodeId, Member>,
    owned: Vec<Owned>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster { version: 0, members: BTreeMap::new(), owned: vec![Owned::default(); usize::from(SHARDS)] }
    }
}

impl Cluster {
    /// Applies a change. Says which shards have another owner now.
    pub fn apply(&mut self, change: &Change) -> Vec<Shard> {
        let before = (self.members.len(), self.version);
        let moved = match change {
            Change::Join(member) => self.join(member.clone()),
            Change::Drain(node) => {
                let known = self.members.get_mut(node).filter(|member| !member.draining);
                self.version += u64::from(known.map(|member| member.draining = true).is_some());
                Vec::new()
            }
            Change::Lost(node) => self.lose(*node),
            Change::Moved { shard, epoch, to } => self.hand_on(*shard, *epoch, *to),
        };
        if !moved.is_empty() || self.members.len() != before.0 {
            self.version = before.1 + 1;
        }
        moved
    }

    fn join(&mut self, member: Member) -> Vec<Shard> {
        if self.members.get(&member.node) == Some(&member) {
            return Vec::new();
        }
        self.version += 1;
        self.members.insert(member.node, member);
        self.give(|owned| owned.node.is_none())
    }

    fn lose(&mut self, node: NodeId) -> Vec<Shard> {
        if self.members.remove(&node).is_none() {
            return Vec::new();
        }
        self.give(|owned| owned.node == Some(node))
    }

    /// Gives all shards that are `free` to those who come first for them.
    fn give(&mut self, free: impl Fn(&Owned) -> bool) -> Vec<Shard> {
        let free: Vec<Shard> = shards().filter(|&shard| free(&self.owner(shard))).collect();
        for &shard in &free {
            let heir = self.wanted(shard).or_else(|| order(shard, self.members.values()).first().copied());
            let owned = &mut self.owned[usize::from(shard.number())];
            *owned = Owned { node: heir, epoch: Epoch(owned.epoch.0 + 1) };
        }
        free
    }

    fn hand_on(&mut self, shard: Shard, epoch: Epoch, to: NodeId) -> Vec<Shard> {
        let owned = self.owner(shard);
        if owned.epoch != epoch || owned.node == Some(to) || !self.members.contains_key(&to) {
            return Vec::new();
        }
        self.owned[usize::from(shard.number())] = Owned { node: Some(to), epoch: Epoch(epoch.0 + 1) };
        vec![shard]
    }

    /// Who owns `shard`.
    pub fn owner(&self, shard: Shard) -> Owned {
        self.owned[usize::from(shard.number())]
    }

    /// Whether what is said about `shard` under `epoch` counts: not what a ghost says, which was taken for lost.
    pub fn is_heard(&self, shard: Shard, epoch: Epoch) -> bool {
        epoch >= self.owner(shard).epoch
    }

    /// Who is there.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Who should own `shard`; none if everybody is leaving.
    pub fn wanted(&self, shard: Shard) -> Option<NodeId> {
        let stay = self.members.values().filter(|member| !member.draining);
        stay.max_by_key(|member| (highest(shard, member), member.node)).map(|member| member.node)
    }

    /// Who follows the owner's journal, to go on if the owner is lost: whoever comes next for the shard on another
    /// host, or on the same one if there is no other.
    pub fn buddy(&self, shard: Shard) -> Option<NodeId> {
        let owner = self.owner(shard).node?;
        let host = self.members.get(&owner).map(|member| &member.host);
        let stay = |member: &&Member| !member.draining && member.node != owner;
        let elsewhere = |member: &&Member| Some(&member.host) != host;
        let next = order(shard, self.members.values().filter(stay).filter(elsewhere)).first().copied();
        next.or_else(|| order(shard, self.members.values().filter(stay)).first().copied())
    }

    /// Shards that are not where they should be, `most` of them: each is to be handed on by its owner.
    pub fn due(&self, most: usize) -> Vec<Move> {
        let due = shards().filter_map(|shard| {
            let Owned { node, epoch } = self.owner(shard);
            let (from, to) = (node?, self.wanted(shard)?);
            (from != to).then_some(Move { shard, from, epoch, to })
        });
        due.take(most).collect()
    }

    /// Whether a node that is leaving owns nothing any more.
    pub fn is_empty(&self, node: NodeId) -> bool {
        shards().all(|shard| self.owner(shard).node != Some(node))
    }
}

fn shards() -> impl Iterator<Item = Shard> {
    (0..SHARDS).map(|number| Shard::of(u64::from(number)))
}
