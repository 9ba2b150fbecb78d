use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use contract::cluster::{Node, View};
use contract::{CellId, NodeId, Role};
use machine::Shard;

use crate::Peer;

/// The other cells of the platform, as one thread knows them: good for finding who is spoken to, and for nothing else.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    cells: BTreeMap<CellId, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    reachable: bool,
    view: Arc<View>,
}

impl Beyond {
    /// How `cell` does; its view, if it is another than before. Says whether anything changed.
    pub fn learn(&mut self, cell: CellId, reachable: bool, view: Option<View>) -> bool {
        match self.cells.get_mut(&cell) {
            Some(known) => {
                let view = view.filter(|view| view != &*known.view);
                let changed = known.reachable != reachable || view.is_some();
                known.reachable = reachable;
                if let Some(view) = view {
                    known.view = Arc::new(view);
                }
                changed
            }
            None => {
                let Some(view) = view else { return false };
                self.cells.insert(cell, Known { reachable, view: Arc::new(view) });
                true
            }
        }
    }

    /// Which cells answer.
    pub fn reachable(&self) -> impl Iterator<Item = CellId> {
        self.cells.iter().filter(|(_, known)| known.reachable).map(|(&cell, _)| cell)
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// Which thread owns a shard of another cell; none if nobody does, or that cell is out of reach.
    pub fn owner(&self, shard: Shard) -> Option<Peer> {
        let known = self.cells.get(&shard.cell()).filter(|known| known.reachable)?;
        Peer::of_owner(&known.view, shard)
    }

    /// Whose edge in `cell` sends something out: always the same for one `flow`, so that the order is kept.
    pub fn edge(&self, cell: CellId, flow: SocketAddr) -> Option<Peer> {
        let known = self.cells.get(&cell).filter(|known| known.reachable)?;
        let is_edge = |node: &&Node| node.roles.contains(&Role::Edge) && !node.inside.is_empty();
        let edges = known.view.nodes.iter().filter(is_edge);
        let threads =
            edges.flat_map(|node| (0..node.threads()).map(|thread| Peer { node: node.node, thread }));
        let threads: Vec<Peer> = threads.collect();
        threads.get(usize::from(flow.port()) % threads.len().max(1)).copied()
    }

    /// Everybody there who can be spoken to: connections are made before they are needed.
    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        self.cells.values().filter(|known| known.reachable).flat_map(|known| {
            let nodes = known.view.nodes.iter().filter(|node| !node.inside.is_empty());
            nodes.flat_map(|node| (0..node.threads()).map(|thread| Peer { node: node.node, thread }))
        })
    }

    /// The cell that a node is of, if it is of another than ours.
    pub fn cell_of(&self, node: NodeId) -> Option<CellId> {
        self.cells.iter().find(|(_, known)| known.view.node(node).is_some()).map(|(&cell, _)| cell)
    }

    /// Where a thread is heard.
    pub fn address(&self, peer: Peer) -> Option<SocketAddr> {
        let node = self.cells.values().find_map(|known| known.view.node(peer.node))?;
        node.inside.get(usize::from(peer.thread)).copied()
    }

    /// Whether what `node` says by its cell's view of version `theirs` was said before it was lost there: then others
    /// have gone on in its place. Whether it has just come, we hear a moment later than those of its own cell.
    pub fn is_ghost(&self, node: NodeId, theirs: u64) -> bool {
        let known = self.cells.values().find_map(|known| known.view.node(node));
        known.is_some_and(|known| theirs < known.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::cluster::Owner;
    use machine::SHARDS;

    const SOUTH: CellId = CellId(2);

    fn south(owner: u16) -> View {
        let node = |number: u16| Node {
            node: NodeId(number),
            roles: vec![Role::Edge, Role::Exchange],
            inside: (0..2).map(|thread| ([10, 0, 0, number as u8], 7100 + thread).into()).collect(),
            addresses: vec![[192, 0, 2, number as u8].into()],
            since: u64::from(number),
            ..Node::default()
        };
        let owner = Owner { node: Some(NodeId(owner)), ..Owner::default() };
        View {
            cell: SOUTH,
            nodes: vec![node(20), node(21)],
            owners: vec![owner; usize::from(SHARDS)],
            ..View::default()
        }
    }

    #[test]
    fn the_owner_of_another_cell_s_shard_is_found_as_long_as_that_answers() {
        let mut beyond = Beyond::default();
        let shard = Shard::of(17).of_cell(SOUTH);
        assert!(!beyond.learn(SOUTH, true, None) && beyond.owner(shard).is_none());
        assert!(beyond.learn(SOUTH, true, Some(south(20))));
        assert_eq!(beyond.owner(shard), Some(Peer { node: NodeId(20), thread: 1 }));
        assert_eq!(beyond.owner(Shard::of(17).of_cell(CellId(3))), None);
        assert!(!beyond.learn(SOUTH, true, Some(south(20))), "nothing new");
        assert!(beyond.learn(SOUTH, true, Some(south(21))));
        assert_eq!(beyond.owner(shard).map(|peer| peer.node), Some(NodeId(21)));
        assert!(beyond.learn(SOUTH, false, None));
        assert_eq!((beyond.owner(shard), beyond.reachable().count()), (None, 0));
        assert!(beyond.learn(SOUTH, true, None));
        assert_eq!(beyond.owner(shard).map(|peer| peer.node), Some(NodeId(21)));
    }

    #[test]
    fn what_goes_to_one_phone_goes_by_one_edge_and_others_by_others() {
        let mut beyond = Beyond::default();
        beyond.learn(SOUTH, true, Some(south(20)));
        let edge = |port: u16| beyond.edge(SOUTH, ([198, 51, 100, 7], port).into()).unwrap();
        assert_eq!(edge(5060), edge(5060));
        let all: std::collections::BTreeSet<Peer> = (5060..5064).map(edge).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(beyond.peers().count(), 4);
        assert_eq!(beyond.address(edge(5061)).map(|address| address.port()), Some(7101));
    }

    #[test]
    fn a_ghost_of_another_cell_is_not_heard_and_who_has_just_come_is() {
        let mut beyond = Beyond::default();
        beyond.learn(SOUTH, true, Some(south(20)));
        assert_eq!(beyond.cell_of(NodeId(21)), Some(SOUTH));
        assert!(beyond.is_ghost(NodeId(21), 20) && !beyond.is_ghost(NodeId(21), 21));
        assert!(!beyond.is_ghost(NodeId(99), 1));
    }
}
