//! A connection on loan, with or without a transaction, and how long to wait for what is said on it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Database, Executor, Postgres, Sqlite};
use tokio::sync::{Notify, watch};

use crate::StoreError;

/// Who does not answer a statement so soon is taken to be away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection. If it is dropped within a transaction, that never was.
#[derive(Debug)]
pub(crate) struct Link {
    held: Held,
    guard: Guard,
    open: bool,
}

#[derive(Debug)]
enum Held {
    Sqlite(Option<PoolConnection<Sqlite>>),
    Postgres(Option<PoolConnection<Postgres>>),
}

/// What statements are said on.
pub(crate) enum Wire<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// Waits for answers, but not for ever, nor for who is known to be gone.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    server: Option<Server>,
    broken: bool,
}

/// The server at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// True once it is known to be gone.
    pub(crate) gone: watch::Receiver<bool>,
    /// Whoever looks after servers looks at once when told.
    pub(crate) look: Arc<Notify>,
}

impl Link {
    pub(crate) async fn sqlite(pool: &SqlitePool) -> Result<Self, StoreError> {
        let mut guard = Guard::default();
        let wire = guard.keep(pool.acquire()).await?;
        Ok(Link { held: Held::Sqlite(Some(wire)), guard, open: false })
    }

    pub(crate) async fn postgres(pool: &PgPool, server: Server) -> Result<Self, StoreError> {
        let mut guard = Guard { server: Some(server), broken: false };
        let wire = guard.keep(pool.acquire()).await?;
        Ok(Link { held: Held::Postgres(Some(wire)), guard, open: false })
    }

    /// Begins a transaction with `statement`.
    pub(crate) async fn begin(mut self, statement: &'static str) -> Result<Self, StoreError> {
        self.open = true;
        self.say(statement).await?;
        Ok(self)
    }

    /// Keeps all that was done since it began.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.say("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let (wire, guard) = self.wire()?;
        match wire {
            Wire::Sqlite(wire) => guard.keep(sqlx::raw_sql(statement).execute(wire)).await.map(drop),
            Wire::Postgres(wire) => guard.keep(sqlx::raw_sql(statement).execute(wire)).await.map(drop),
        }
    }

    pub(crate) fn wire(&mut self) -> Result<(Wire<'_>, &mut Guard), StoreError> {
        let closed = || StoreError::Away("the connection is closed".into());
        let wire = match &mut self.held {
            Held::Sqlite(wire) => Wire::Sqlite(wire.as_mut().ok_or_else(closed)?),
            Held::Postgres(wire) => Wire::Postgres(wire.as_mut().ok_or_else(closed)?),
        };
        Ok((wire, &mut self.guard))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        match &mut self.held {
            Held::Sqlite(wire) => give_back(wire.take(), self.guard.broken, self.open),
            Held::Postgres(wire) => give_back(wire.take(), self.guard.broken, self.open),
        }
    }
}

/// Nobody waits for what a broken connection may still have to say: it is closed, which undoes what is open.
fn give_back<DB: Database>(wire: Option<PoolConnection<DB>>, broken: bool, open: bool)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let Some(mut wire) = wire else { return };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) if open && !broken => {
            runtime.spawn(async move {
                let undone = tokio::time::timeout(PATIENCE, (&mut *wire).execute("ROLLBACK")).await;
                if !matches!(undone, Ok(Ok(_))) {
                    drop(wire.detach());
                }
            });
        }
        _ if open || broken => drop(wire.detach()),
        _ => {}
    }
}

impl Guard {
    /// Waits for `answer`.
    pub(crate) async fn keep<T>(
        &mut self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        // Until an answer is here, whoever stops waiting leaves the connection in the middle of something.
        self.broken = true;
        let answer = async {
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(result) => result.map_err(StoreError::from),
                Err(_) => Err(StoreError::late(PATIENCE)),
            }
        };
        let result = match &mut self.server {
            None => answer.await,
            Some(server) => {
                tokio::select! {
                    biased;
                    result = answer => result,
                    _ = server.gone.wait_for(|gone| *gone) => Err(StoreError::Away("its server is gone".into())),
                }
            }
        };
        self.broken = matches!(result, Err(StoreError::Away(_)));
        if self.broken
            && let Some(server) = &self.server
        {
            server.look.notify_waiters();
        }
        result
    }
}
