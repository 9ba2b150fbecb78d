use std::collections::{BTreeMap, BTreeSet};

use contract::NodeId;
use contract::cluster::View;
use machine::{Epoch, SHARDS, Shard};

/// A signalling thread of some node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Whose.
    pub node: NodeId,
    /// Which one.
    pub thread: u16,
}

impl Peer {
    /// The thread that looks after `shard` at `node`, or would; none if that node is not there.
    pub fn at(view: &View, node: NodeId, shard: Shard) -> Option<Peer> {
        let threads = view.node(node)?.threads();
        Some(Peer { node, thread: shard.thread(threads) })
    }

    /// The thread that owns `shard`.
    pub fn of_owner(view: &View, shard: Shard) -> Option<Peer> {
        Peer::at(view, view.owner(shard).node?, shard)
    }
}

/// How far somebody has come in following a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knows {
    /// Nothing: a copy must be made.
    Nothing,
    /// A copy is on its way, and what changes meanwhile.
    Some,
    /// All, once it has acknowledged this number.
    AllFrom(u64),
    /// All.
    All,
}

#[derive(Clone, Copy, Debug)]
struct Follower {
    peer: Peer,
    epoch: Epoch,
    knows: Knows,
}

/// Who must know what changes in the shards that a thread owns (each shard's buddy, and whoever shall be its buddy or own it next),
/// and who does.
#[derive(Debug)]
pub struct Following {
    shards: Vec<Vec<Follower>>,
    buddies: Vec<Option<NodeId>>,
    /// Everybody who must follow something, and those of them who need a copy of something.
    wants: BTreeSet<Peer>,
    needy: BTreeSet<Peer>,
    /// Who has been told all of something and has not acknowledged it.
    awaited: BTreeSet<Peer>,
}

impl Default for Following {
    fn default() -> Self {
        let count = usize::from(SHARDS);
        Following {
            shards: vec![Vec::new(); count],
            buddies: vec![None; count],
            wants: BTreeSet::new(),
            needy: BTreeSet::new(),
            awaited: BTreeSet::new(),
        }
    }
}

impl Following {
    /// From now on whoever `view` says must follow those shards that are `mine`.
    pub fn go_by(&mut self, view: &View, mine: impl Fn(Shard) -> bool) {
        for shard in Shard::all() {
            let at = usize::from(shard.number());
            if !mine(shard) {
                self.shards[at].clear();
                self.buddies[at] = None;
                continue;
            }
            let owner = view.owner(shard);
            self.buddies[at] = owner.buddy;
            let mut nodes = vec![owner.buddy, owner.next, owner.wanted];
            nodes.retain(|&node| node.is_some() && node != owner.node);
            nodes.sort_unstable();
            nodes.dedup();
            let before = std::mem::take(&mut self.shards[at]);
            let peers = nodes.into_iter().flatten().filter_map(|node| Peer::at(view, node, shard));
            self.shards[at] = peers.map(|peer| follower(&before, peer, owner.epoch)).collect();
        }
        self.wants = self.shards.iter().flatten().map(|it| it.peer).collect();
        let needy = self.shards.iter().flatten().filter(|it| it.knows == Knows::Nothing);
        self.needy = needy.map(|it| it.peer).collect();
    }

    /// The connection to `peer` is gone: it may have missed something, or forgotten everything.
    pub fn lost(&mut self, peer: Peer) {
        let all = self.shards.iter_mut().flatten().filter(|follower| follower.peer == peer);
        all.for_each(|follower| follower.knows = Knows::Nothing);
        self.awaited.remove(&peer);
        if self.wants.contains(&peer) {
            self.needy.insert(peer);
        }
    }

    /// Who needs a copy of which shards, of those who can be `reached`. From now on they are told what changes.
    pub fn begin_copies(&mut self, reached: impl Fn(Peer) -> bool) -> BTreeMap<Peer, Vec<(Shard, Epoch)>> {
        let mut needed: BTreeMap<Peer, Vec<(Shard, Epoch)>> = BTreeMap::new();
        let there: BTreeSet<Peer> = self.needy.iter().copied().filter(|&peer| reached(peer)).collect();
        if there.is_empty() {
            return needed;
        }
        self.needy.retain(|peer| !there.contains(peer));
        for (number, followers) in (0..).zip(&mut self.shards) {
            for it in followers.iter_mut().filter(|it| it.knows == Knows::Nothing && there.contains(&it.peer))
            {
                it.knows = Knows::Some;
                needed.entry(it.peer).or_default().push((Shard::of(number), it.epoch));
            }
        }
        needed
    }

    /// The copies of `shards` for `peer` are whole as soon as it acknowledges `number`.
    pub fn told_all(&mut self, peer: Peer, shards: &[(Shard, Epoch)], number: u64) {
        self.awaited.insert(peer);
        for &(shard, epoch) in shards {
            let followers = &mut self.shards[usize::from(shard.number())];
            let copying = followers
                .iter_mut()
                .find(|it| it.peer == peer && it.epoch == epoch && it.knows == Knows::Some);
            if let Some(it) = copying {
                it.knows = Knows::AllFrom(number);
            }
        }
    }

    /// `peer` has everything up to `number`. Says of which shards it knows all from now on.
    pub fn acked(&mut self, peer: Peer, number: u64) -> Vec<(Shard, Epoch)> {
        let (mut now, mut awaits) = (Vec::new(), false);
        if !self.awaited.contains(&peer) {
            return now;
        }
        for (shard, followers) in (0..).zip(&mut self.shards) {
            for it in followers.iter_mut().filter(|it| it.peer == peer) {
                match it.knows {
                    Knows::AllFrom(told) if told <= number => {
                        it.knows = Knows::All;
                        now.push((Shard::of(shard), it.epoch));
                    }
                    Knows::AllFrom(_) => awaits = true,
                    Knows::Nothing | Knows::Some | Knows::All => {}
                }
            }
        }
        if !awaits {
            self.awaited.remove(&peer);
        }
        now
    }

    /// Who is told what changes in `shard`, and under which epoch.
    pub fn told(&self, shard: Shard) -> impl Iterator<Item = (Peer, Epoch)> {
        let followers = self.shards[usize::from(shard.number())].iter();
        followers.filter(|it| it.knows != Knows::Nothing).map(|it| (it.peer, it.epoch))
    }

    /// Who goes on with `shard` if we are lost, and knows all of it.
    pub fn buddy(&self, shard: Shard) -> Option<Peer> {
        let buddy = self.buddies[usize::from(shard.number())]?;
        let followers = self.shards[usize::from(shard.number())].iter();
        followers.filter(|it| it.knows == Knows::All).map(|it| it.peer).find(|peer| peer.node == buddy)
    }

    /// Whether somebody at `node` knows all of `shard`.
    pub fn knows_all(&self, node: NodeId, shard: Shard) -> bool {
        let followers = self.shards[usize::from(shard.number())].iter();
        followers.into_iter().any(|it| it.peer.node == node && it.knows == Knows::All)
    }

    /// Whether everybody who must follow something knows all of it, or is being told it.
    pub fn is_told(&self) -> bool {
        self.needy.is_empty() && self.awaited.is_empty()
    }

    /// Everybody who must follow something.
    pub fn wants(&self) -> &BTreeSet<Peer> {
        &self.wants
    }

    /// Whether `shard` has a buddy, whatever it knows.
    pub fn has_buddy(&self, shard: Shard) -> bool {
        self.buddies[usize::from(shard.number())].is_some()
    }

    /// How many shards have a buddy that knows all.
    pub fn protected(&self) -> usize {
        Shard::all().filter(|&shard| self.buddy(shard).is_some()).count()
    }
}

/// As it was, if it follows the same thing.
fn follower(before: &[Follower], peer: Peer, epoch: Epoch) -> Follower {
    let same = before.iter().find(|it| it.peer == peer && it.epoch == epoch);
    same.copied().unwrap_or(Follower { peer, epoch, knows: Knows::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::cluster::{Node, Owner};

    const ME: NodeId = NodeId(1);
    const BUDDY: Peer = Peer { node: NodeId(2), thread: 0 };

    fn view(buddy: u16, wanted: Option<u16>, epoch: u32) -> View {
        let node = |number| Node { node: NodeId(number), ..Node::default() };
        let owner = Owner {
            node: Some(ME),
            epoch: Epoch(epoch),
            buddy: Some(NodeId(buddy)),
            wanted: wanted.map(NodeId),
            ..Owner::default()
        };
        View { nodes: vec![node(1), node(2), node(3)], owners: vec![owner; 3], ..View::default() }
    }

    fn mine(shard: Shard) -> bool {
        shard.number() < 3
    }

    #[test]
    fn a_buddy_protects_once_it_has_acknowledged_a_whole_copy() {
        let (mut following, shard) = (Following::default(), Shard::of(1));
        following.go_by(&view(2, None, 1), mine);
        assert_eq!(following.told(shard).count(), 0);
        assert!(following.begin_copies(|_| false).is_empty());
        let copies = following.begin_copies(|_| true);
        let all: Vec<_> = (0..3).map(|number| (Shard::of(number), Epoch(1))).collect();
        assert_eq!(copies.get(&BUDDY), Some(&all));
        assert_eq!(following.told(shard).collect::<Vec<_>>(), [(BUDDY, Epoch(1))]);
        assert_eq!(following.buddy(shard), None);
        following.told_all(BUDDY, &all, 9);
        assert_eq!(following.acked(BUDDY, 8), []);
        assert_eq!(following.acked(BUDDY, 9), all);
        assert_eq!((following.buddy(shard), following.protected()), (Some(BUDDY), 3));
        following.lost(BUDDY);
        assert_eq!((following.buddy(shard), following.protected()), (None, 0));
    }

    #[test]
    fn whoever_shall_own_it_next_follows_as_well_and_nobody_follows_what_is_not_ours() {
        let (mut following, shard) = (Following::default(), Shard::of(1));
        following.go_by(&view(2, Some(3), 1), mine);
        let copies = following.begin_copies(|_| true);
        assert_eq!(copies.len(), 2);
        let next = Peer { node: NodeId(3), thread: 0 };
        following.told_all(next, &copies[&next], 1);
        following.acked(next, 1);
        assert!(following.knows_all(NodeId(3), shard) && !following.knows_all(NodeId(2), shard));
        assert_eq!(following.buddy(shard), None);
        // It stays as it was under the same epoch, and begins anew under another.
        following.go_by(&view(3, None, 1), mine);
        assert_eq!(following.buddy(shard), Some(next));
        following.go_by(&view(3, None, 2), mine);
        assert_eq!(following.buddy(shard), None);
        following.go_by(&view(3, None, 2), |_| false);
        assert!(following.begin_copies(|_| true).is_empty());
    }
}
