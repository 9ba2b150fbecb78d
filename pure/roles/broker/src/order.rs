use contract::NodeId;
use contract::cluster::Node;
use machine::Shard;

/// No node counts for more than so many of weight one.
const HEAVIEST: u16 = 64;

/// Who of `nodes` comes first for `shard`: each draws as many lots as it has signalling threads, and its highest
/// counts (rendezvous hashing). Whoever comes or goes changes nobody else's lots, so only its own shards move.
pub(crate) fn first<'a>(shard: Shard, nodes: impl Iterator<Item = &'a Node>) -> Option<NodeId> {
    nodes.max_by_key(|node| (highest(shard, node), node.node)).map(|node| node.node)
}

/// The highest lot of `node` for `shard`.
fn highest(shard: Shard, node: &Node) -> u64 {
    let lots = 0..u64::from(node.threads().min(HEAVIEST));
    let of = |lot: u64| lot << 32 | u64::from(node.node.0) << 16 | u64::from(shard.number());
    lots.map(|lot| mix(of(lot))).max().unwrap_or_default()
}

/// Scatters numbers (the finalizer of SplitMix64). All releases must agree on it.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
