//! The store in a file of this host.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::link::Link;
use crate::{StoreError, migrations};

/// How many connections read beside the one that writes.
const READERS: u32 = 3;
/// What each connection remembers of the file, KiB: records are looked up by numbers that are spread all over it.
const CACHE: &str = "-8192";
/// After so many pages what was written goes from the log into the file: what is written again and again until
/// then goes there once.
const CHECKPOINT: &str = "8000";

/// One connection writes, a few read.
#[derive(Debug)]
pub(crate) struct File {
    write: SqlitePool,
    read: SqlitePool,
}

impl File {
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", CACHE)
            .pragma("wal_autocheckpoint", CHECKPOINT)
            // What undoes a statement is not written to a file.
            .pragma("temp_store", "memory")
            .busy_timeout(Duration::from_secs(5));
        let writers = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let write = writers.connect_with(options.clone()).await?;
        migrations::run(&migrations::FOR_ALL, &mut *write.acquire().await?).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).max_lifetime(None);
        let read = readers.connect_lazy_with(options.read_only(true));
        Ok(File { write, read })
    }

    pub(crate) async fn read(&self) -> Result<Link, StoreError> {
        Link::sqlite(&self.read).await
    }

    pub(crate) async fn begin(&self) -> Result<Link, StoreError> {
        Link::sqlite(&self.write).await?.begin("BEGIN IMMEDIATE").await
    }

    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
