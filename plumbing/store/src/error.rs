/// Why the store did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was to be added is there already.
    #[error("{0} exists already")]
    Taken(String),
    /// What was to be found is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// What was asked for contradicts what is kept.
    #[error("{0}")]
    Contradiction(String),
    /// A page was asked for behind something that no page ended with.
    #[error("{0:?} is no cursor of this list")]
    BadCursor(String),
    /// A row holds what no release wrote.
    #[error("{what} in the store cannot be read: {source}")]
    Damaged {
        /// Which row.
        what: String,
        /// What broke.
        source: serde_json::Error,
    },
    /// A later release has worked on this store.
    #[error(
        "the store was written by a later release (it has migration {found}, this release knows {known}): \
         start that release, or restore a copy from before the upgrade"
    )]
    Later {
        /// The migration that nobody knows here.
        found: i64,
        /// The last one known here.
        known: i64,
    },
    /// The migrations failed.
    #[error("the store cannot be brought up to date: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// The database failed.
    #[error("the store fails: {0}")]
    Database(#[from] sqlx::Error),
}
