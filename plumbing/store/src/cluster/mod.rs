//! The store on several servers: one primary writes, its replicas may answer lists.
//!
//! - `seats.rs`: from what was seen of the servers, which one writes and how far each replica is.
//! - `watch.rs`: looks at one server again and again, for ever.
//! - here: connections to whoever has a seat, and what to do while nobody has.

mod seats;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::{Notify, watch as told};
use tokio::task::JoinSet;

use crate::address::{self, Servers};
use crate::link::{Link, Server};
use crate::{Listed, Lock, State, StoreError};
use seats::{Seats, Sighting};

/// Connections to the primary, and to each replica.
const CONNECTIONS: u32 = 8;
/// How long whoever asks waits for somebody who writes; once they were away for longer, nobody waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the first look at the servers may take until we go on without.
const FIRST: Duration = Duration::from_secs(3);

/// The servers, looked after until this is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    _watching: JoinSet<()>,
}

/// What those who look and those who ask have in common.
#[derive(Debug)]
struct Shared {
    hosts: Vec<PgConnectOptions>,
    lag: Duration,
    now: Mutex<Now>,
    /// Whoever looks, looks at once.
    look: Arc<Notify>,
    /// Whoever waits for a writer, looks whether there is one.
    changed: told::Sender<()>,
}

#[derive(Debug)]
struct Now {
    seats: Seats,
    /// Connections to each server that has a seat.
    pools: Vec<Option<Pool>>,
    /// Since when nobody writes; none: somebody does.
    away: Option<Instant>,
    failovers: u64,
    /// What is wrong with each server; none: it was not looked at yet.
    wrong: Vec<Option<String>>,
    /// The tables are as this release wants them.
    migrated: bool,
    /// What waiting will not cure.
    hopeless: Option<StoreError>,
    /// When we last changed an account.
    changed_account: Option<Instant>,
}

#[derive(Debug)]
struct Pool {
    pool: PgPool,
    gone: told::Sender<bool>,
}

impl Cluster {
    /// Begins to look after the servers. That none is there is no error; that there is one which will never do, is.
    pub(crate) async fn open(servers: Servers) -> Result<Self, StoreError> {
        let Servers { hosts, lag } = servers;
        let count = hosts.len();
        let now = Now {
            seats: Seats::new(count),
            pools: (0..count).map(|_| None).collect(),
            away: Some(Instant::now()),
            failovers: 0,
            wrong: vec![None; count],
            migrated: false,
            hopeless: None,
            changed_account: None,
        };
        let (look, changed) = (Arc::default(), told::Sender::new(()));
        let shared = Arc::new(Shared { hosts, lag, now: Mutex::new(now), look, changed });
        let mut watching = JoinSet::new();
        for host in 0..count {
            watching.spawn(watch::look_for_ever(host, shared.clone()));
        }
        let cluster = Cluster { shared, _watching: watching };
        cluster.first_look().await?;
        Ok(cluster)
    }

    async fn first_look(&self) -> Result<(), StoreError> {
        let until = Instant::now() + FIRST;
        let mut changed = self.shared.changed.subscribe();
        loop {
            {
                let mut now = self.shared.now();
                // An old primary may be there as well: all are looked at before one is believed.
                let looked = now.wrong.iter().all(Option::is_some);
                if looked && now.away.is_none() {
                    return Ok(());
                }
                if let Some(error) = now.hopeless.take_if(|_| looked) {
                    return Err(error);
                }
                // Nobody waits for one to come: those who ask do.
                if looked || Instant::now() >= until {
                    tracing::warn!(why = now.why(&self.shared.hosts), "going on without the store");
                    return Ok(());
                }
            }
            let _ = tokio::time::timeout_at(until.into(), changed.changed()).await;
        }
    }

    /// A connection to the primary.
    pub(crate) async fn read(&self) -> Result<Link, StoreError> {
        self.writer(PATIENCE).await
    }

    /// A transaction on the primary.
    pub(crate) async fn begin(&self, lock: Lock) -> Result<Link, StoreError> {
        let begun = match lock {
            Lock::None => "BEGIN",
            Lock::Accounts => "BEGIN; SELECT pg_advisory_xact_lock(20110717, 1)",
            Lock::Books => "BEGIN; SELECT pg_advisory_xact_lock(20110717, 2)",
            Lock::All => {
                "BEGIN; SELECT pg_advisory_xact_lock(20110717, 1); SELECT pg_advisory_xact_lock(20110717, 2)"
            }
        };
        self.writer(PATIENCE).await?.begin(begun).await
    }

    /// An account was changed, or may have been.
    pub(crate) fn account_changed(&self) {
        self.shared.now().changed_account = Some(Instant::now());
    }

    /// A connection for a list: to a replica that is not too far behind, or to the primary.
    pub(crate) async fn list(&self, listed: Listed) -> Result<Link, StoreError> {
        if let Some((pool, server)) = self.shared.replica(listed)
            && let Ok(link) = Link::postgres(&pool, server).await
        {
            return Ok(link);
        }
        self.writer(PATIENCE).await
    }

    pub(crate) fn state(&self) -> State {
        let now = self.shared.now();
        State { away: now.away.map(|since| since.elapsed()), failovers: now.failovers, lag: now.seats.lag() }
    }

    async fn writer(&self, patience: Duration) -> Result<Link, StoreError> {
        let until = Instant::now() + patience;
        let mut changed = self.shared.changed.subscribe();
        loop {
            if let Some((pool, server)) = self.shared.writer(until)? {
                return Link::postgres(&pool, server).await;
            }
            // Woken or not: the next look tells.
            let _ = tokio::time::timeout_at(until.into(), changed.changed()).await;
        }
    }

    pub(crate) async fn close(&self) {
        let pools: Vec<_> = {
            let now = self.shared.now();
            now.pools.iter().flatten().map(|pool| pool.pool.clone()).collect()
        };
        for pool in pools {
            // A server that hangs need not say good-bye.
            let _ = tokio::time::timeout(PATIENCE, pool.close()).await;
        }
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who writes, if anybody does; fails if nobody does and it is too late to wait.
    fn writer(&self, until: Instant) -> Result<Option<(PgPool, Server)>, StoreError> {
        let now = self.now();
        if let Some(seat) = now.seats.writer().and_then(|host| now.pools[host].as_ref()) {
            return Ok(Some((seat.pool.clone(), self.server(seat))));
        }
        let long_away = now.away.is_some_and(|since| since.elapsed() > PATIENCE);
        if long_away || Instant::now() >= until {
            return Err(StoreError::Away(now.why(&self.hosts)));
        }
        Ok(None)
    }

    /// A replica that may answer this list.
    fn replica(&self, listed: Listed) -> Option<(PgPool, Server)> {
        if self.lag.is_zero() {
            return None;
        }
        let now = self.now();
        let not_before = now.changed_account.filter(|_| listed == Listed::Accounts);
        // With nobody to be behind of, the lag is no reason to refuse.
        let oldest = now.away.is_none().then(|| Instant::now().checked_sub(self.lag)).flatten();
        let host = now.seats.replica(not_before, oldest)?;
        let seat = now.pools[host].as_ref()?;
        Some((seat.pool.clone(), self.server(seat)))
    }

    fn server(&self, seat: &Pool) -> Server {
        Server { gone: seat.gone.subscribe(), look: self.look.clone() }
    }

    /// Notes what was seen of a server, and who has which seat from now on.
    fn saw(&self, host: usize, sighting: Sighting) {
        let mut now = self.now();
        let before = now.seats.writer();
        now.seats.saw(host, sighting);
        now.wrong[host] = Some(now.seats.refusal(host).unwrap_or_default().to_owned());
        if now.pools[host].is_none() {
            now.pools[host] = Some(open(&self.hosts[host]));
        }
        self.settle(&mut now, before);
    }

    /// A server does not answer: whoever waits for it waits no more.
    fn lost(&self, host: usize, why: String) {
        let mut now = self.now();
        let before = now.seats.writer();
        now.seats.lost(host);
        if let Some(pool) = now.pools[host].take() {
            tracing::warn!(server = address::name(&self.hosts[host]), why, "a server of the store is lost");
            pool.close();
        }
        now.wrong[host] = Some(why);
        self.settle(&mut now, before);
        self.changed.send_replace(());
    }

    fn settle(&self, now: &mut Now, before: Option<usize>) {
        let writer = now.seats.writer();
        if writer == before {
            return;
        }
        if let Some(old) = before.and_then(|host| now.pools[host].as_mut()) {
            // It may be a replica from now on: what was begun there as a primary is over.
            old.gone.send_replace(true);
            let fresh = before.map(|host| open(&self.hosts[host]));
            if let (Some(host), Some(fresh)) = (before, fresh)
                && let Some(old) = now.pools[host].replace(fresh)
            {
                old.close();
            }
        }
        match writer {
            Some(host) => {
                let away = now.away.take().map_or(0, |since| since.elapsed().as_millis());
                now.failovers += u64::from(now.seats.was_another(host));
                tracing::info!(
                    server = address::name(&self.hosts[host]),
                    away_ms = away as u64,
                    "the store writes"
                );
            }
            None => {
                now.away.get_or_insert_with(Instant::now);
                tracing::warn!(why = now.why(&self.hosts), "nobody writes the store");
            }
        }
        self.changed.send_replace(());
    }

    fn is_away(&self) -> bool {
        self.now().away.is_some()
    }
}

impl Now {
    fn why(&self, hosts: &[PgConnectOptions]) -> String {
        let each = hosts.iter().zip(&self.wrong).map(|(host, wrong)| match wrong.as_deref() {
            Some("") => format!("{} is a replica", address::name(host)),
            wrong => format!("{}: {}", address::name(host), wrong.unwrap_or("not reached yet")),
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

impl Pool {
    fn close(self) {
        self.gone.send_replace(true);
        // Those who are idle say good-bye, whoever hangs is closed by its link.
        tokio::spawn(async move { tokio::time::timeout(PATIENCE, self.pool.close()).await });
    }
}

fn open(host: &PgConnectOptions) -> Pool {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .max_lifetime(None)
        .connect_lazy_with(host.clone());
    Pool { pool, gone: told::Sender::new(false) }
}
