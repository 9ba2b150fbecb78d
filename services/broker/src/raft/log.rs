use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader, StorageIOError};
use tokio::sync::oneshot;

use super::disk::{Disk, Held, Record, framed};
use super::{Brokers, Entry, LogId, StorageError, Vote};

/// The file is written anew when so much was appended to it, bytes.
const LONG: usize = 1 << 20;

/// The seat's vote and log: in memory, and on disk before anybody is told.
#[derive(Clone, Debug)]
pub(super) struct Log {
    held: Arc<Mutex<Held>>,
    disk: Disk,
    appended: usize,
}

impl Log {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let (disk, held) = Disk::open(folder.join("log"))?;
        Ok(Log { held: Arc::new(Mutex::new(held)), disk, appended: 0 })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it up, and waits until it is on the disk.
    async fn keep(&mut self, record: Record) -> io::Result<()> {
        let bytes = framed(&record);
        self.appended += bytes.len();
        self.held().take(record);
        let (tell, told) = oneshot::channel();
        let done = Box::new(move |result| drop(tell.send(result)));
        if self.appended > LONG {
            self.appended = 0;
            self.disk.rewrite(self.held().rewritten(), done);
        } else {
            self.disk.append(bytes, done);
        }
        told.await.unwrap_or_else(|_| Err(io::Error::other("the disk's thread is gone")))
    }
}

impl RaftLogReader<Brokers> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.held().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<Brokers> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Result<LogState<Brokers>, StorageError> {
        let held = self.held();
        let last = held.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id: held.purged, last_log_id: last.or(held.purged) })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.keep(Record::Vote(*vote)).await.map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.held().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Brokers>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut bytes = Vec::new();
        for entry in entries {
            let record = Record::Entry(entry);
            bytes.extend(framed(&record));
            self.held().take(record);
        }
        self.appended += bytes.len();
        self.disk.append(bytes, Box::new(move |result| callback.log_io_completed(result)));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        let kept = self.keep(Record::Truncated(from.index)).await;
        kept.map_err(|error| StorageIOError::write_logs(&error).into())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let kept = self.keep(Record::Purged(upto)).await;
        kept.map_err(|error| StorageIOError::write_logs(&error).into())
    }
}
