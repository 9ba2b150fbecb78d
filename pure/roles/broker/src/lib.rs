//! What the broker decides: who owns each shard, and which node is lost.
//!
//! | question | file |
//! |---|---|
//! | who comes first for a shard | `order.rs` |
//! | what the brokers agree on | `change.rs` |
//! | what a change makes of it, and what a node is told | `cluster.rs` |
//! | who holds an address that several can hold | `floating.rs` |
//! | who was silent for too long | `watch.rs` |
//!
//! [`Cluster`] is the state that the brokers' Raft replicates: each applies the same changes in the same order and
//! comes to the same owners. [`Watch`] is the leader's alone.
//!
//! # Who goes on with a lost owner's shard
//! Whoever has a whole copy, if there is anybody. So the buddy is not reckoned from who is there, it is agreed:
//! - The owner tells its journal to the buddy, and says when that has it all ([`Change::Followed`]: `synced`).
//! - If somebody better is there (who joined a moment ago, say), it is the `next` buddy: the owner tells its journal to
//!   it, too. It becomes the buddy when it has it all, not before.
//! - A buddy that is gone is replaced at once; so is one that became the owner.
//! - Whoever is `wanted` as the owner gets a copy, too. Once it has it all it counts for more than a buddy that has not.
//! - A new owner begins with a buddy that has not got it all, by the new epoch: the old buddy, if there is one, as it has most of it.

mod change;
mod cluster;
mod floating;
mod order;
mod watch;

pub use change::{Change, Move};
pub use cluster::{Cluster, Owned};
pub use watch::Watch;
