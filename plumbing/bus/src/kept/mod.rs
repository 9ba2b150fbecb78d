//! Durable streams and keys of one host: files in a directory, shared by its processes.

mod keys;
mod log;
mod streams;

pub use keys::{KeptKeys, KeptWatch};
pub use streams::{KeptConsumer, KeptStreams};

use std::time::Duration;

/// How often a file is looked at whether another process has added to it.
const LOOK: Duration = Duration::from_millis(20);
