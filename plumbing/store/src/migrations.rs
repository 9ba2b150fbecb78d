//! What the tables look like: one set of migrations for both databases, and a second where they differ.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::StoreError;

/// For both.
pub(crate) static FOR_ALL: Migrator = sqlx::migrate!("./migrations");
static FOR_POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// Those for both and those for PostgreSQL, in their order.
pub(crate) fn for_postgres() -> Migrator {
    let mut all: Vec<_> = FOR_ALL.iter().chain(FOR_POSTGRES.iter()).cloned().collect();
    all.sort_by_key(|migration| migration.version);
    Migrator::with_migrations(all)
}

/// Brings the tables up to date.
pub(crate) async fn run<C: Migrate>(migrations: &Migrator, connection: &mut C) -> Result<(), StoreError> {
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    let done = migrations.run_direct(None, connection, false).await;
    done.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Later { found, known },
        MigrateError::Execute(error) => StoreError::from(error),
        other => StoreError::Migration(other),
    })
}
