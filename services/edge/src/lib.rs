//! The edge's shell: its sockets on one signalling thread.
//!
//! Datagrams come and go in batches; streams are cut into messages; a connection that is idle, too slow or
//! too greedy is closed. What the messages mean is decided in `pure/roles/edge`.

mod arrivals;
mod connection;
mod front;

pub use arrivals::{Arrivals, Source};
pub use front::{Ear, Front, Limits, NotSent, Tally};
