//! The loop, the supervisor, configuration, telemetry.
//!
//! - [`supervisor`] holds the sockets, starts workers, and starts them again when they die or hang;
//! - [`worker`] is the other end: what a worker was dealt, its heartbeat, the notice to stop;
//! - [`Turn`] turns a machine around its journal, [`follower`] brings what must outlive the machine's power to
//!   a disk;
//! - [`config`] and [`telemetry`] are what every process of a platform starts with.

mod child;
pub mod config;
pub mod follower;
mod progress;
mod protocol;
mod status;
pub mod supervisor;
pub mod telemetry;
pub mod worker;

pub use journal::{Blame, Cause, Damage, Durable, Inputs, Shell, Turn, TurnStats};
pub use progress::{Beat, Progress};
