//! What the supervisor tells whoever asks: a JSON file that is always whole.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Started, and not ready yet.
    Starting,
    /// Ready.
    Running,
    /// Dead; the supervisor waits before it starts it again.
    Waiting,
    /// Told to stop.
    Stopping,
    /// Ended for good.
    Ended,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u64,
    /// How it ended last, and when (microseconds since 1970).
    pub last_death: Option<(String, u64)>,
    /// From when its last end was seen until the successor was ready, in microseconds.
    #[serde(default)]
    pub last_gap: Option<u64>,
    /// From when its last end was seen until the successor was started, in microseconds.
    #[serde(default)]
    pub last_start: Option<u64>,
}

/// The supervisor and its workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The supervisor's process.
    pub pid: u32,
    /// When this was written (microseconds since 1970).
    pub at: u64,
    /// In the order in which they were given.
    pub workers: Vec<WorkerStatus>,
    /// Who keeps the supervisor's descriptors for its successor.
    #[serde(default)]
    pub standby: Option<WorkerStatus>,
}

impl Status {
    /// Reads what a supervisor wrote to `path`.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read(path)?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// Writes it beside `path` first, so that readers never see half of it.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&beside, path)
    }
}
