//! A primary dies, hangs or comes back; a replica is promoted.

use std::path::Path;
use std::time::{Duration, Instant};

use contract::TenantId;
use contract::account::{Tenant, User};
use strowger_store::{Account, Address, Page, RecordFilter, Store, StoreError};

use crate::fresh::{NOW, open};
use crate::server::Server;
use crate::servers::records::record;

struct Pair {
    primary: Server,
    replica: Server,
    database: String,
}

impl Pair {
    fn start() -> Pair {
        let primary = Server::own();
        let database = primary.database().rsplit('/').next().unwrap().to_owned();
        let replica = primary.replica();
        Pair { primary, replica, database }
    }

    fn address(&self, parameters: &str) -> String {
        format!(
            "postgres://strowger@{},{}/{}{parameters}",
            self.primary.host(),
            self.replica.host(),
            self.database
        )
    }
}

/// Writes records 1, 2, 3 ... each as often as it takes, until told to stop; says the longest time one took.
struct Writer {
    stop: tokio::sync::oneshot::Sender<()>,
    done: tokio::task::JoinHandle<(u64, Duration, u32)>,
}

impl Writer {
    fn start(store: &Store) -> Writer {
        let store = store.clone();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let done = tokio::spawn(async move {
            let (mut id, mut longest, mut failures) = (0, Duration::ZERO, 0);
            while stopped.try_recv().is_err() {
                id += 1;
                let begun = Instant::now();
                while let Err(error) = store.records().keep(&[record(id, 1, id)]).await {
                    assert!(error.is_away(), "{error}");
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                longest = longest.max(begun.elapsed());
            }
            (id, longest, failures)
        });
        Writer { stop, done }
    }

    async fn stop(self) -> (u64, Duration, u32) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap()
    }
}

async fn kept(store: &Store) -> Vec<u64> {
    let (mut page, mut ids) = (Page { after: None, limit: 1_000 }, Vec::new());
    loop {
        let part = store.records().page(&RecordFilter::default(), &page).await.unwrap();
        ids.extend(part.items.iter().map(|record| record.id.0));
        page.after = part.next;
        if page.after.is_none() {
            ids.sort_unstable();
            return ids;
        }
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        pause(10).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn writes_go_on_when_the_primary_is_killed_and_its_replica_promoted() {
    let pair = Pair::start();
    // Nothing that was said to be kept may be lost with the primary.
    pair.primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    pair.primary.sql("postgres", "SELECT pg_reload_conf()");
    let store = open(&pair.address("?lag_ms=0")).await;
    let writer = Writer::start(&store);
    pause(500).await;
    pair.primary.kill();
    let killed = Instant::now();
    pair.replica.promote();
    let promoted = killed.elapsed();
    pause(1_000).await;
    let (last, longest, failures) = writer.stop().await;
    assert_eq!(kept(&store).await, (1..=last).collect::<Vec<_>>(), "each once, none lost");
    assert_eq!(store.state().failovers, 1);
    println!("promoted after {promoted:?}, the longest write took {longest:?}, {failures} were tried again");
    assert!(longest < promoted + Duration::from_millis(500), "{longest:?} after {promoted:?}");

    // The old one comes back and believes to be the primary: it is not heard.
    pair.primary.start_again();
    let writer = Writer::start(&store);
    pause(700).await;
    let (more, ..) = writer.stop().await;
    let all = (1..=last.max(more)).collect::<Vec<_>>();
    assert_eq!(kept(&store).await, all);
    let fresh = open(&pair.address("?lag_ms=0")).await;
    assert_eq!(kept(&fresh).await, all, "nor by who has never seen the other");
}

#[tokio::test]
async fn a_primary_that_hangs_is_noticed_and_what_it_was_told_is_told_again() {
    let pair = Pair::start();
    let store = open(&pair.address("?lag_ms=0")).await;
    let writer = Writer::start(&store);
    pause(300).await;
    pair.primary.pause();
    let noticed = until("the pause is noticed", async || store.state().away.is_some()).await;
    let begun = Instant::now();
    until("who asks need not wait", async || {
        let asked = Instant::now();
        let error = store.users().find(TenantId(1), "anna").await.unwrap_err();
        assert!(error.is_away(), "{error}");
        asked.elapsed() < Duration::from_millis(50)
    })
    .await;
    println!("noticed after {noticed:?}, nobody waits after {:?} more", begun.elapsed());
    assert!(noticed < Duration::from_secs(3), "{noticed:?}");
    pair.primary.resume();
    let back = until("it is back", async || store.state().away.is_none()).await;
    println!("back after {back:?}");
    pause(200).await;
    let (last, ..) = writer.stop().await;
    assert_eq!(kept(&store).await, (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_waited_for() {
    let server = Server::own();
    let address = server.database();
    server.kill();
    let store = open(&address).await;
    let error = store.tenants().all().await.unwrap_err();
    assert!(error.is_away(), "{error}");
    server.start_again();
    until("it is there", async || store.tenants().all().await.is_ok()).await;
    server.kill();
    until("it is away again", async || store.tenants().all().await.is_err()).await;
    server.start_again();
    until("it is there again", async || store.tenants().all().await.is_ok()).await;
    assert_eq!(store.state().failovers, 0);
}

#[tokio::test]
async fn lists_come_from_the_replica_but_never_older_than_ones_own_write() {
    let pair = Pair::start();
    let store = open(&pair.address("?lag_ms=2000")).await;
    let tenant = Tenant { name: "red".into(), ..Tenant::default() };
    let red = store.tenants().add(NOW, tenant).await.unwrap().id;
    let names = async |store: &Store| -> Vec<String> {
        let page = store.users().page(red, &Page { after: None, limit: 1_000 }).await.unwrap();
        page.items.into_iter().map(|account| account.user.name).collect()
    };
    // Replay stands still: whatever comes from the replica is old.
    for number in 0..40 {
        if number == 10 {
            pair.replica.sql(&pair.database, "SELECT pg_wal_replay_pause()");
        }
        let name = format!("{number:03}");
        let user = User { tenant: red, name: name.clone(), ..User::default() };
        store.users().add(NOW, &Account { user, balance: None }).await.unwrap();
        assert_eq!(names(&store).await.last(), Some(&name), "the last one is listed at once");
        pause(20).await;
    }
    pair.replica.sql(&pair.database, "SELECT pg_wal_replay_resume()");
    // Nothing was written for a while: now the replica answers, which is seen by what only the replica would.
    until("the replica is asked", async || {
        let before = scans(&pair.replica, &pair.database);
        assert_eq!(names(&store).await.len(), 40);
        pause(1_100).await;
        scans(&pair.replica, &pair.database) > before
    })
    .await;
    assert!(store.state().lag.is_some());
}

/// How often rows of users were read there.
fn scans(server: &Server, database: &str) -> u64 {
    let query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'users'";
    server.sql(database, query).parse().unwrap()
}

#[tokio::test]
async fn with_the_primary_away_lists_are_still_read() {
    let pair = Pair::start();
    let store = open(&pair.address("")).await;
    store.records().keep(&[record(1, 1, 1)]).await.unwrap();
    let written = pair.primary.sql("postgres", "SELECT pg_current_wal_lsn()");
    until("the replica has it", async || {
        pair.replica.sql("postgres", &format!("SELECT pg_last_wal_replay_lsn() >= '{written}'")) == "t"
            && store.state().lag.is_some_and(|lag| lag < Duration::from_millis(400))
    })
    .await;
    pair.primary.kill();
    until("it is missed", async || store.state().away.is_some()).await;
    pause(1_500).await;
    assert_eq!(kept(&store).await, [1]);
    let Err(StoreError::Away(why)) = store.records().keep(&[record(2, 1, 2)]).await else { panic!() };
    assert!(why.contains("is a replica"), "{why}");
}

#[test]
fn an_address_of_nothing_is_refused() {
    let error = Address::read("postgres://anna@/x?lag_ms=-1", Path::new("")).unwrap_err();
    assert_eq!(error.to_string(), r#"store: lag_ms: expected milliseconds, read "-1""#);
}
