//! Looks at one server again and again, for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::Shared;
use super::seats::Sighting;
use crate::{StoreError, migrations};

/// How often to look.
const EVERY: Duration = Duration::from_millis(250);
/// How often while nobody writes.
const SOON: Duration = Duration::from_millis(25);
/// Who does not answer so soon is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the tables may take to be brought up to date.
const MIGRATING: Duration = Duration::from_secs(600);

/// Whether it takes writes, and how far it is. The timeline is the beginning of the name of the log's file.
const LOOK: &str = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', \
    CASE WHEN pg_is_in_recovery() THEN 0 \
         ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END, \
    CAST(COALESCE(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
         '0/0'::pg_lsn) - '0/0'::pg_lsn AS bigint)";

/// Looks at server `host` until the task is ended.
pub(super) async fn look_for_ever(host: usize, shared: Arc<Shared>) {
    let mut connection = None;
    let options = shared.hosts[host].clone();
    loop {
        let was_there = connection.is_some();
        match look(&mut connection, &options).await {
            Ok(sighting) => {
                if let Err(error) = prepare(&shared, sighting, &options).await {
                    fail(&shared, host, error);
                } else {
                    shared.saw(host, sighting);
                }
            }
            Err(error) => {
                connection = None;
                fail(&shared, host, error);
                if was_there {
                    // Only the connection may be lost.
                    continue;
                }
            }
        }
        let pause = if shared.is_away() { SOON } else { EVERY };
        // Told to look, or tired of waiting: both are a reason to look.
        let _ = tokio::time::timeout(pause, shared.look.notified()).await;
    }
}

fn fail(shared: &Shared, host: usize, error: StoreError) {
    shared.lost(host, error.to_string());
    if matches!(error, StoreError::Later { .. } | StoreError::Migration(_) | StoreError::Database(_)) {
        shared.now().hopeless = Some(error);
    }
}

async fn look(
    connection: &mut Option<PgConnection>,
    options: &PgConnectOptions,
) -> Result<Sighting, StoreError> {
    let looking = async {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(PgConnection::connect_with(options).await?),
        };
        let asked = Instant::now();
        let row = sqlx::query(LOOK).fetch_one(connection).await?;
        let position = row.try_get(2)?;
        Ok(match row.try_get(0)? {
            true => Sighting::Replica { replayed: position },
            false => Sighting::Writer { timeline: row.try_get(1)?, written: position, asked },
        })
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| Err(StoreError::late(PATIENCE)))
}

/// Brings the tables up to date, once in our life: a release that runs beside a later one goes on.
async fn prepare(shared: &Shared, sighting: Sighting, options: &PgConnectOptions) -> Result<(), StoreError> {
    if shared.now().migrated || matches!(sighting, Sighting::Replica { .. }) {
        return Ok(());
    }
    let migrating = async {
        let mut connection = PgConnection::connect_with(options).await?;
        migrations::run(&migrations::for_postgres(), &mut connection).await
    };
    tokio::time::timeout(MIGRATING, migrating).await.unwrap_or_else(|_| Err(StoreError::late(MIGRATING)))?;
    let mut now = shared.now();
    (now.migrated, now.hopeless) = (true, None);
    Ok(())
}
