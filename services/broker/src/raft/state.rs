use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::Cluster;
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{
    EmptyNode, EntryPayload, OptionalSend, RaftSnapshotBuilder, SnapshotMeta, StorageIOError,
    StoredMembership,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use super::disk::{framed, read, replace, unframed};
use super::{Brokers, Entry, LogId, StorageError};

type Meta = SnapshotMeta<u64, EmptyNode>;

/// What was agreed on, and up to where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    last: Option<LogId>,
    membership: StoredMembership<u64, EmptyNode>,
    /// What was agreed on.
    pub(crate) cluster: Arc<Cluster>,
}

/// Whoever looks on.
pub(crate) type Shared = watch::Receiver<Applied>;

/// A snapshot as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    meta: Meta,
    cluster: Cluster,
}

/// The state that the brokers' Raft replicates.
#[derive(Clone, Debug)]
pub(super) struct State {
    applied: Arc<watch::Sender<Applied>>,
    path: PathBuf,
    /// Up to where the snapshot on disk goes. One may be built while a newer one comes from another seat.
    written: Arc<Mutex<Option<LogId>>>,
}

impl State {
    /// Opens the last snapshot; what came after it is in the log.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("snapshot");
        let bytes = read(&path)?;
        let applied = match unframed::<Kept>(&bytes) {
            Some((kept, _)) => kept.into(),
            None if bytes.is_empty() => Applied::default(),
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the brokers' snapshot is damaged"));
            }
        };
        let written = Arc::new(Mutex::new(applied.last));
        Ok(State { applied: Arc::new(watch::Sender::new(applied)), path, written })
    }

    pub(super) fn shared(&self) -> Shared {
        self.applied.subscribe()
    }

    fn kept(&self) -> Kept {
        let applied = self.applied.borrow();
        let snapshot_id = applied.last.map_or_else(|| "none".to_owned(), |last| last.to_string());
        let meta =
            Meta { last_log_id: applied.last, last_membership: applied.membership.clone(), snapshot_id };
        Kept { meta, cluster: (*applied.cluster).clone() }
    }

    async fn write(&self, kept: Kept) -> Result<(), StorageError> {
        let mut written = self.written.lock().await;
        if kept.meta.last_log_id < *written {
            return Ok(());
        }
        *written = kept.meta.last_log_id;
        let path = self.path.clone();
        let write = tokio::task::spawn_blocking(move || replace(&path, &framed(&kept)).map(drop));
        let done = write.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| StorageIOError::write_snapshot(None, &error).into())
    }
}

impl From<Kept> for Applied {
    fn from(Kept { meta, cluster }: Kept) -> Self {
        Applied { last: meta.last_log_id, membership: meta.last_membership, cluster: Arc::new(cluster) }
    }
}

impl From<Kept> for Snapshot<Brokers> {
    fn from(Kept { meta, cluster }: Kept) -> Self {
        Snapshot { meta, snapshot: Box::new(Cursor::new(contract::encode(&cluster))) }
    }
}

impl RaftSnapshotBuilder<Brokers> for State {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Brokers>, StorageError> {
        let kept = self.kept();
        self.write(kept.clone()).await?;
        Ok(kept.into())
    }
}

impl RaftStateMachine<Brokers> for State {
    type SnapshotBuilder = State;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId>, StoredMembership<u64, EmptyNode>), StorageError> {
        let applied = self.applied.borrow();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<u64>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut applied = self.applied.borrow().clone();
        let mut versions = Vec::new();
        for Entry { log_id, payload } in entries {
            applied.last = Some(log_id);
            match payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(seats) => {
                    applied.membership = StoredMembership::new(Some(log_id), seats)
                }
                EntryPayload::Normal(change) => drop(Arc::make_mut(&mut applied.cluster).apply(&change)),
            }
            versions.push(applied.cluster.version);
        }
        self.applied.send_replace(applied);
        Ok(versions)
    }

    async fn get_snapshot_builder(&mut self) -> State {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let cluster = contract::decode(snapshot.get_ref())
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        let kept = Kept { meta: meta.clone(), cluster };
        self.write(kept.clone()).await?;
        self.applied.send_replace(kept.into());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Brokers>>, StorageError> {
        let bytes = read(&self.path).map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        Ok(unframed::<Kept>(&bytes).map(|(kept, _)| kept.into()))
    }
}
