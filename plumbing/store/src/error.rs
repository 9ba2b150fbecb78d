use std::time::Duration;

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
    /// The address in the configuration says nothing that can be opened.
    #[error("store: {0}")]
    BadAddress(String),
    /// Nobody who may write can be reached, or did not answer in time. What was asked may have been done or not:
    /// whoever asks again must be able to.
    #[error("the store is away: {0}")]
    Away(String),
    /// The database failed.
    #[error("the store fails: {0}")]
    Database(sqlx::Error),
}

impl StoreError {
    /// Whether it may work when tried again later, with nothing changed.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Away(_))
    }

    pub(crate) fn late(after: Duration) -> Self {
        StoreError::Away(format!("no answer within {} ms", after.as_millis()))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let away = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| passes(&code)),
            _ => false,
        };
        if away { StoreError::Away(error.to_string()) } else { StoreError::Database(error) }
    }
}

/// Whether the error of this code says something about the database's state, not about the question.
fn passes(code: &str) -> bool {
    if code.len() < 5 {
        // SQLite: busy, locked, the disk fails or is full.
        return code.parse().is_ok_and(|code: u32| [5, 6, 10, 13].contains(&(code & 0xff)));
    }
    // Connections (08), resources (53), the operator stepped in (57), deadlock and serialization (40),
    // a server that was the writer and is not any more (25006), a lock that was not had in time (55P03).
    ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)) || ["25006", "55P03"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for code in ["57P01", "08006", "53300", "25006", "55P03", "40P01", "5", "517", "778", "13"] {
            assert!(passes(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "28000", "3D000", "1555", "2067", "1", "787"] {
            assert!(!passes(code), "{code}");
        }
    }
}
