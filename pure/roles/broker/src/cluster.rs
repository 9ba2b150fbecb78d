use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use contract::cluster::{Cell, Node, Owner, View};
use contract::{CellId, NodeId, Role};
use machine::{Epoch, SHARDS, Shard};
use serde::{Deserialize, Serialize};

use crate::change::{Change, Move};
use crate::floating;
use crate::order::first;

/// Who owns a shard, and who goes on if the owner is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owned {
    /// The owner; none as long as nobody could.
    #[serde(rename = "n")]
    pub node: Option<NodeId>,
    /// What is said under a lower one is not heard.
    #[serde(rename = "e")]
    pub epoch: Epoch,
    /// Who follows the owner's journal.
    #[serde(rename = "b")]
    pub buddy: Option<NodeId>,
    /// The buddy has a whole copy.
    #[serde(rename = "s")]
    pub synced: bool,
}

/// What the brokers agree on: who is there, and who owns what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Rises with each change that changed anything.
    pub version: u64,
    members: BTreeMap<NodeId, Node>,
    /// With which version each came.
    since: BTreeMap<NodeId, u64>,
    drained: BTreeSet<NodeId>,
    owned: Vec<Owned>,
    held: BTreeMap<IpAddr, NodeId>,
    /// The cells of the platform, this one among them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cells: BTreeMap<CellId, Cell>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            version: 0,
            members: BTreeMap::new(),
            since: BTreeMap::new(),
            drained: BTreeSet::new(),
            owned: vec![Owned::default(); usize::from(SHARDS)],
            held: BTreeMap::new(),
            cells: BTreeMap::new(),
        }
    }
}

impl Cluster {
    /// Applies a change. Says which shards have another owner now.
    pub fn apply(&mut self, change: &Change) -> Vec<Shard> {
        let before = self.clone();
        self.owned.resize(usize::from(SHARDS), Owned::default());
        match change {
            Change::Join(node) if node.node == NodeId(0) => {}
            Change::Join(node) => {
                self.members.insert(node.node, node.clone());
                self.since.entry(node.node).or_insert(self.version + 1);
            }
            Change::Lost { node } => {
                self.members.remove(node);
                self.since.remove(node);
            }
            Change::Drain { node, back: true } => {
                self.drained.remove(node);
            }
            Change::Drain { node, back: false } => {
                if self.members.contains_key(node) {
                    self.drained.insert(*node);
                }
            }
            Change::Moved { shards, to } => {
                shards.iter().for_each(|&(shard, epoch)| self.hand_on(shard, epoch, *to))
            }
            Change::Followed { shards, by, whole } => {
                shards.iter().for_each(|&(shard, epoch)| self.followed(shard, epoch, *by, *whole));
            }
            Change::Cell(cell) => self.learn(cell),
            Change::Unknown => {}
        }
        Shard::all().for_each(|shard| self.tend(shard));
        let there = || self.members.values().map(|node| (node, self.stays(node)));
        self.held = floating::held(&self.held, there);
        self.version += u64::from(*self != before);
        Shard::all().filter(|&shard| self.owner(shard).epoch != before.owner(shard).epoch).collect()
    }

    /// Sees to it that a shard has an owner and a buddy, if anybody can be one.
    fn tend(&mut self, shard: Shard) {
        let mut owned = self.owner(shard);
        if !owned.node.is_some_and(|node| self.members.contains_key(&node)) {
            let node = self.heir(shard, owned);
            if node == owned.node {
                return;
            }
            owned = Owned { node, epoch: Epoch(owned.epoch.0 + 1), synced: false, ..owned };
            self.owned[usize::from(shard.number())] = owned;
        }
        if self.usable_buddy(owned).is_none() {
            owned = Owned { buddy: self.best_buddy(shard), synced: false, ..owned };
        }
        self.owned[usize::from(shard.number())] = owned;
    }

    /// Who goes on with a shard whose owner is no more: the buddy, who has a copy or a part of it; without one,
    /// whoever should own it; rather one who is leaving than nobody.
    fn heir(&self, shard: Shard, lost: Owned) -> Option<NodeId> {
        let buddy = self.usable_buddy(lost);
        buddy.or_else(|| self.wanted(shard)).or_else(|| first(shard, self.exchanges()))
    }

    /// The buddy, unless it is gone, or became the owner, or is leaving and has no whole copy anyway.
    fn usable_buddy(&self, owned: Owned) -> Option<NodeId> {
        let buddy = self.members.get(&owned.buddy.filter(|_| owned.buddy != owned.node)?)?;
        (owns(buddy) && (owned.synced || self.stays(buddy))).then_some(buddy.node)
    }

    fn hand_on(&mut self, shard: Shard, epoch: Epoch, to: NodeId) {
        let owned = self.owner(shard);
        if owned.epoch == epoch && owned.node.is_some_and(|node| node != to) && self.can_own(to) {
            let moved = Owned { node: Some(to), epoch: Epoch(epoch.0 + 1), synced: false, ..owned };
            self.owned[usize::from(shard.number())] = moved;
        }
    }

    fn learn(&mut self, cell: &Cell) {
        if self.is_news(cell) {
            self.cells.insert(cell.number, cell.clone());
        }
    }

    /// Whether something is said of a cell that is not known yet.
    pub fn is_news(&self, cell: &Cell) -> bool {
        let is_later = |known: &Cell| known.stamp < cell.stamp && !known.is_like(cell);
        let is_number = !cell.number.is_home() && cell.number <= CellId::MOST;
        is_number && self.cells.get(&cell.number).is_none_or(is_later)
    }

    fn followed(&mut self, shard: Shard, epoch: Epoch, by: NodeId, whole: bool) {
        let owned = self.owner(shard);
        if owned.epoch != epoch || owned.node.is_none_or(|node| node == by) {
            return;
        }
        let is_better = Some(by) == self.next_buddy(shard) || !owned.synced && Some(by) == self.wanted(shard);
        let told = match (whole, owned.buddy == Some(by)) {
            (_, true) => Owned { synced: whole, ..owned },
            (true, false) if is_better => Owned { buddy: Some(by), synced: true, ..owned },
            _ => owned,
        };
        self.owned[usize::from(shard.number())] = told;
    }

    /// Who owns `shard`.
    pub fn owner(&self, shard: Shard) -> Owned {
        self.owned.get(usize::from(shard.number())).copied().unwrap_or_default()
    }

    /// Whether what is said about `shard` under `epoch` counts: not what a ghost says, which was taken for lost.
    pub fn is_heard(&self, shard: Shard, epoch: Epoch) -> bool {
        epoch >= self.owner(shard).epoch
    }

    /// Who is there, as each said it.
    pub fn members(&self) -> impl Iterator<Item = &Node> {
        self.members.values()
    }

    /// The node of that number, as it said it, if it is there.
    pub fn member(&self, node: NodeId) -> Option<&Node> {
        self.members.get(&node)
    }

    /// Who should own `shard`, a spare one only if there is no other; none if everybody is leaving.
    pub fn wanted(&self, shard: Shard) -> Option<NodeId> {
        let staying = || self.exchanges().filter(|node| self.stays(node));
        first(shard, staying().filter(|node| !node.spare)).or_else(|| first(shard, staying()))
    }

    /// Who should be the buddy of `shard` instead of who is.
    pub fn next_buddy(&self, shard: Shard) -> Option<NodeId> {
        self.best_buddy(shard).filter(|&best| Some(best) != self.owner(shard).buddy)
    }

    /// Who comes first for the shard on another host than the owner's, or on the same one if there is no other.
    fn best_buddy(&self, shard: Shard) -> Option<NodeId> {
        let owner = self.owner(shard).node?;
        let host = self.members.get(&owner).map(|node| &node.host);
        let others = || self.exchanges().filter(|node| node.node != owner && self.stays(node));
        first(shard, others().filter(|node| Some(&node.host) != host)).or_else(|| first(shard, others()))
    }

    /// Shards that are not where they should be, `most` of them: each is to be handed on by its owner.
    pub fn due(&self, most: usize) -> Vec<Move> {
        let due = Shard::all().filter_map(|shard| {
            let Owned { node, epoch, .. } = self.owner(shard);
            let (from, to) = (node?, self.wanted(shard)?);
            (from != to).then_some(Move { shard, from, epoch, to })
        });
        due.take(most).collect()
    }

    /// Whether a node that is leaving owns nothing any more.
    pub fn is_empty(&self, node: NodeId) -> bool {
        Shard::all().all(|shard| self.owner(shard).node != Some(node))
    }

    /// What `me` is told of it.
    pub fn view(&self, me: NodeId) -> View {
        let nodes = self.members.values();
        let nodes = nodes
            .map(|node| Node { draining: !self.stays(node), since: self.since(node.node), ..node.clone() })
            .collect::<Vec<_>>();
        let owner = |shard| {
            let Owned { node, epoch, buddy, synced } = self.owner(shard);
            let (next, wanted) = (self.next_buddy(shard), self.wanted(shard).filter(|_| node.is_some()));
            Owner { node, epoch, buddy, synced, next, wanted: wanted.filter(|&wanted| Some(wanted) != node) }
        };
        let fixed =
            self.members.values().flat_map(|it| it.addresses.iter().map(|&address| (address, it.node)));
        let held = self.held.iter().map(|(&address, &node)| (address, node));
        View {
            version: self.version,
            me,
            nodes,
            owners: Shard::all().map(owner).collect(),
            holders: fixed.chain(held).collect(),
            cells: self.cells.values().cloned().collect(),
            ..View::default()
        }
    }

    fn since(&self, node: NodeId) -> u64 {
        self.since.get(&node).copied().unwrap_or_default()
    }

    fn exchanges(&self) -> impl Iterator<Item = &Node> {
        self.members.values().filter(|node| owns(node))
    }

    fn can_own(&self, node: NodeId) -> bool {
        self.members.get(&node).is_some_and(owns)
    }

    fn stays(&self, node: &Node) -> bool {
        !node.draining && !self.drained.contains(&node.node)
    }
}

fn owns(node: &Node) -> bool {
    node.roles.contains(&Role::Exchange)
}
