//! What survives a death: tagged, checksummed records in a ring of segments.
//!
//! The ring lives in a [`Region`] that outlives the process (a mapped file on tmpfs; in the simulation plain
//! memory). One thread writes it, a batch at a time:
//!
//! 1. [`Journal::begin`]: what came, before anything is decided about it;
//! 2. for each input [`Journal::in_hand`], the decision, and [`Journal::append`] for each state that changed;
//! 3. [`Journal::outgoing`] for all that will be said, and [`Journal::commit`];
//! 4. it is said; [`Journal::sent`].
//!
//! [`Turn`] does all that around a machine. Whoever opens the region after a death ([`Journal::open`]) gets the
//! newest committed record of each key, what may not have been said, and what was not decided. Nothing on the
//! way calls the kernel.
//!
//! The ring is bounded: the oldest segment is used again, after what still lives in it was carried on. What
//! does not fit goes unprotected, and is counted in [`Stats`].

mod batches;
mod checkpoint;
mod index;
mod journal;
mod layout;
mod live;
pub mod log;
mod recovery;
mod ring;
mod room;
mod scan;
mod tail;
mod turn;

pub use journal::{Entry, Journal, Kept, Stats, TooSmall};
pub use layout::SEGMENT;
pub use live::Ticket;
pub use recovery::{Damage, OpenError, Recovered, Undecided, What};
pub use ring::Region;
pub use tail::{Lapped, Position, Tail, Window};
pub use turn::{Blame, Cause, Durable, Inputs, Missing, Shell, Turn, TurnStats, When};
