//! The brokers' Raft: `openraft` decides, what is here remembers and connects.
//!
//! | what | file |
//! |---|---|
//! | what a seat must not forget, and how it lies on disk | `disk.rs` |
//! | vote and log | `log.rs` |
//! | what was agreed on, and its snapshots | `state.rs` |
//! | how a seat asks another | `network.rs` |

mod disk;
mod log;
mod network;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use broker::Change;
use openraft::error::InitializeError;
use openraft::{EmptyNode, SnapshotPolicy};

use crate::StartError;
pub(crate) use network::{Network, converse};
pub(crate) use state::Shared;

openraft::declare_raft_types!(
    /// What the brokers' Raft is made of.
    pub(crate) Brokers: D = Change, R = u64, NodeId = u64, Node = EmptyNode, SnapshotData = Cursor<Vec<u8>>
);

pub(crate) type Raft = openraft::Raft<Brokers>;
pub(crate) type Entry = openraft::Entry<Brokers>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;

/// Opens what the seat knew, and takes part.
pub(crate) async fn open(
    folder: &Path,
    me: u64,
    seats: BTreeSet<u64>,
    network: Network,
) -> Result<(Raft, Shared), StartError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| StartError::Folder { path: folder.to_owned(), source })?;
    let at = |source| StartError::Folder { path: folder.to_owned(), source };
    let log = log::Log::open(folder).map_err(at)?;
    let state = state::State::open(folder).map_err(at)?;
    let shared = state.shared();
    let config = Arc::new(config().validate()?);
    let raft = Raft::new(me, config, network, log, state).await?;
    found(&raft, seats).await?;
    Ok((raft, shared))
}

/// Every seat founds the same Raft; who is part of one already stays so.
async fn found(raft: &Raft, seats: BTreeSet<u64>) -> Result<(), StartError> {
    let members: BTreeMap<u64, EmptyNode> = seats.iter().map(|&seat| (seat, EmptyNode {})).collect();
    match raft.initialize(members).await {
        Ok(()) => return Ok(()),
        Err(error) if matches!(error.api_error(), Some(InitializeError::NotAllowed(_))) => {}
        Err(error) => return Err(StartError::Raft(error.to_string())),
    }
    let agreed: BTreeSet<u64> = raft.metrics().borrow().membership_config.membership().voter_ids().collect();
    if agreed != seats && !agreed.is_empty() {
        tracing::warn!(?agreed, configured = ?seats, "the brokers were founded with other seats than are configured");
    }
    Ok(())
}

/// A killed leader is replaced after its lease (240 ms) and a wait of 120 to 240 ms, seen by a tick of 75 ms: within
/// 560 ms and the time of two writes to disk. Heartbeats come each 75 ms (openraft ticks at one and a half times the
/// interval), so four in a row must be missing before anybody stands for election. An election that was not needed
/// harms nobody: owners stay, and whoever leads next gives every node its whole patience again.
fn config() -> openraft::Config {
    openraft::Config {
        cluster_name: "brokers".to_owned(),
        heartbeat_interval: 50,
        election_timeout_min: 120,
        election_timeout_max: 240,
        install_snapshot_timeout: 1000,
        max_payload_entries: 64,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(200),
        replication_lag_threshold: 400,
        max_in_snapshot_log_to_keep: 100,
        ..openraft::Config::default()
    }
}
