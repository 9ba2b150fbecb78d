use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::{LedgerBook, Numbers, Records, StoreError, Tenants, Tokens, Users};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How many connections read beside the one that writes.
const READERS: u32 = 3;
/// What each connection remembers of the file, KiB: records are looked up by numbers that are spread all over it.
const CACHE: &str = "-8192";
/// After so many pages what was written goes from the log into the file: what is written again and again until
/// then goes there once.
const CHECKPOINT: &str = "8000";

/// The store. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    write: SqlitePool,
    read: SqlitePool,
}

impl Store {
    /// Opens the store in the file `path`, makes it if there is none, and brings it up to date.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
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
        migrate(&write).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).max_lifetime(None);
        let read = readers.connect_lazy_with(options.read_only(true));
        Ok(Store { write, read })
    }

    /// Waits until everything is written, and closes the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Who has users, numbers and records of its own.
    pub fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }

    /// Who may register and call.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Which numbers lead where.
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
    }

    /// Who may use the API.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// What calls there were.
    pub fn records(&self) -> Records<'_> {
        Records(self)
    }

    /// Reservations and postings.
    pub fn ledger(&self) -> LedgerBook<'_> {
        LedgerBook(self)
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.read
    }

    /// Nobody else writes until it is committed or dropped, which undoes it.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }
}

async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    MIGRATIONS.run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Later { found, known },
        other => StoreError::Migration(other),
    })
}
