//! What is said between the measurement and the generator: JSON, a line each.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The generator's first line: where its legs are; legs `2n` and `2n + 1` are a call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Locals {
    pub(crate) legs: Vec<SocketAddr>,
}

/// What it is told then: where each leg sends to, and for how long.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remotes {
    pub(crate) legs: Vec<SocketAddr>,
    pub(crate) millis: u64,
}

/// What it says at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// The sending itself could not keep pace.
    pub(crate) behind: bool,
    /// From phone to phone, microseconds, as far as they were watched.
    pub(crate) delays: Vec<u32>,
    /// Silences where none should be, as far as they were watched.
    pub(crate) gaps: Vec<Gap>,
}

/// A silence.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// When it ended, since the begin.
    pub(crate) end_millis: u64,
    /// How long it was.
    pub(crate) micros: u64,
}
