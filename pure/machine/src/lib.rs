//! The pattern all cores share.
//!
//! A core is a plain value: an input and the time go in, outputs come out. It never waits, owns no
//! socket, no clock and no randomness; whoever drives it (the loop in `plumbing/host`, or the simulation)
//! keeps what the core wants kept, and only then says what the core wants said.

pub mod base32;
mod failpoint;
mod hash;
mod moment;
mod outbox;
mod owned;
pub mod pack;
mod shard;
pub mod terse;
mod timers;
mod token;

pub use failpoint::{Failpoint, Fault};
pub use hash::{FixedState, KeyedHash, Secret};
pub use moment::Moment;
pub use outbox::{Key, Outbox, Record, Tag};
pub use owned::Owned;
pub use shard::{CellId, Epoch, SHARDS, Shard};
pub use timers::Timers;
pub use token::{Kind, Mint, Token};

/// A protocol or a policy as a value.
///
/// `Out` is what the core says to the world once the records it emitted beside it are safe.
pub trait Machine {
    /// Everything that can happen to this core.
    type In;
    /// Everything this core can ask for.
    type Out;
    /// Decides about one input at `now`.
    fn handle(&mut self, now: Moment, input: Self::In, out: &mut Outbox<Self::Out>);
    /// Lets every deadline that is due at `now` take effect.
    fn expire(&mut self, now: Moment, out: &mut Outbox<Self::Out>);
    /// When `expire` wants to be called next.
    fn next_deadline(&self) -> Option<Moment>;
}
