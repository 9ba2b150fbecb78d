use contract::NodeId;
use machine::Shard;

use crate::cluster::Member;

/// No member counts for more than so many of weight one.
const HEAVIEST: u16 = 64;

/// Those of `members` that may own `shard`, the first choice first: each member draws as many lots as it has weight,
/// and its highest counts (rendezvous hashing). Whoever comes or goes changes nobody else's lots, so only its own
/// shards move.
pub(crate) fn order<'a>(shard: Shard, members: impl Iterator<Item = &'a Member>) -> Vec<NodeId> {
    let mut drawn: Vec<(u64, NodeId)> = members.map(|member| (highest(shard, member), member.node)).collect();
    drawn.sort_unstable_by(|a, b| b.cmp(a));
    drawn.into_iter().map(|(_, node)| node).collect()
}

/// The highest lot of `member` for `shard`.
pub(crate) fn highest(shard: Shard, member: &Member) -> u64 {
    let lots = 0..u64::from(member.weight.clamp(1, HEAVIEST));
    let of = |lot: u64| lot << 32 | u64::from(member.node.0) << 16 | u64::from(shard.number());
    lots.map(|lot| mix(of(lot))).max().unwrap_or_default()
}

/// Scatters numbers (the finalizer of SplitMix64). All releases must agree on it.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
