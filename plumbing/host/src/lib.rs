//! The loop, the supervisor, configuration, telemetry.
//!
//! - [`supervisor`] holds the sockets, starts workers, and starts them again when they die or hang;
//! - [`worker`] is the other end: what a worker was dealt, its heartbeat, the notice to stop;
//! - [`succession`], [`estate`], [`standby`], [`orphan`]: how a supervisor is followed by another one while workers
//!   go on; [`upgrade`]: how all of them are replaced by another program;
//! - [`Turn`] turns a machine around its journal, [`follower`] brings what must outlive the machine's power to
//!   a disk;
//! - [`config`] and [`telemetry`] are what every process of a platform starts with.

mod child;
pub mod config;
mod control;
pub mod estate;
pub mod follower;
mod life;
pub mod orphan;
mod progress;
mod protocol;
mod replacement;
pub mod standby;
mod status;
pub mod succession;
pub mod supervisor;
pub mod telemetry;
pub mod upgrade;
pub mod worker;

pub use journal::{Blame, Cause, Damage, Durable, Inputs, Shell, Turn, TurnStats};
pub use progress::{Beat, Progress};
