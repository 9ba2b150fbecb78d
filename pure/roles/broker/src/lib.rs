//! What the broker decides: who owns each shard, and which node is lost.
//!
//! | question | file |
//! |---|---|
//! | in which order nodes come into question for a shard | `order.rs` |
//! | what the brokers agree on, and what a change makes of it | `cluster.rs` |
//! | who was silent for too long | `watch.rs` |
//!
//! [`Cluster`] is the state that the brokers' Raft replicates: each applies the same changes in the same order and
//! comes to the same owners. [`Watch`] is the leader's alone.

mod cluster;
mod order;
mod watch;

pub use cluster::{Change, Cluster, Member, Move, Owned};
pub use watch::Watch;
