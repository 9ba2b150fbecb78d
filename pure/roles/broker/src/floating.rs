//! Who holds which of the addresses that several nodes can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use contract::NodeId;
use contract::cluster::Node;

/// Who holds what, after who held `before`. An address stays where it is as long as its holder is there and stays
/// (no flapping back). Else it goes to whom it is dearest, then to the lowest number; of those who stay if there are
/// any. `there` are all nodes, each with whether it stays.
pub(crate) fn held<'a, T>(
    before: &BTreeMap<IpAddr, NodeId>,
    there: impl Fn() -> T,
) -> BTreeMap<IpAddr, NodeId>
where
    T: Iterator<Item = (&'a Node, bool)>,
{
    let all: BTreeSet<IpAddr> = there().flat_map(|(node, _)| node.floating.iter().copied()).collect();
    let holder = |address: IpAddr| {
        let rank = |(node, stays): (&Node, bool)| {
            let place = node.floating.iter().position(|it| *it == address)?;
            let moves = before.get(&address) != Some(&node.node);
            Some((!stays, moves, place, node.node))
        };
        let (_, _, _, node) = there().filter_map(rank).min()?;
        Some((address, node))
    };
    all.into_iter().filter_map(holder).collect()
}
