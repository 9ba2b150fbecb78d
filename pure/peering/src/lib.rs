//! What the signalling threads of different hosts say to each other, on one connection for each direction.
//!
//! | question | file |
//! |---|---|
//! | what goes over the wire | `frame.rs` |
//! | what was said and not yet acknowledged, and goes to the next owner if this one is lost | `outgoing.rs` |
//! | who must know what changes in a shard, and who does | `following.rs` |
//! | what a buddy knows of others' shards, to go on with if they are lost | `replica.rs` |
//! | who is heard, and who is a ghost | `fence.rs` |
//!
//! All are values: whoever has the sockets drives them.

mod fence;
mod following;
mod frame;
mod outgoing;
mod replica;

pub use fence::{Heard, hears};
pub use following::{Following, Peer};
pub use frame::{Changed, Frame, Garbled, LONGEST, Reader, Wire, proof};
pub use outgoing::{Outgoing, Undelivered};
pub use replica::Replica;
