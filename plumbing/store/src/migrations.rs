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

/// Migrations come in series of so many numbers. Those of one series only add to what is there (expand), so a release
/// works with tables that a later one has brought further in the same series: two releases run side by side, and an
/// upgrade can be taken back. What nobody uses any more is removed (contracted) by the first of the next series, in a
/// release after the one that no longer used it.
const SERIES: i64 = 100;
/// Where sqlx notes what was done.
const TABLE: &str = "_sqlx_migrations";

/// Brings the tables up to date.
pub(crate) async fn run<C: Migrate>(migrations: &Migrator, connection: &mut C) -> Result<(), StoreError> {
    // One at a time: others may be about to make the tables, too.
    connection.lock().await.map_err(failed)?;
    let done = run_alone(migrations, connection).await;
    let unlocked = connection.unlock().await.map_err(failed);
    done.and(unlocked)
}

async fn run_alone<C: Migrate>(migrations: &Migrator, connection: &mut C) -> Result<(), StoreError> {
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    connection.ensure_migrations_table(TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(failed)?;
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found / SERIES > known / SERIES {
        return Err(StoreError::Later { found, known });
    }
    let mut migrations = Migrator::with_migrations(migrations.iter().cloned().collect());
    migrations.set_ignore_missing(true).set_locking(false);
    migrations.run_direct(None, connection, false).await.map_err(failed)
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => StoreError::from(error),
        other => StoreError::Migration(other),
    }
}
