//! `billing.*`: a million reservations, renewals and settlements through the till and into the books, on SQLite and on
//! PostgreSQL; at the end the books must balance, and each call must be there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use billing_service::{Billing, Config, Unanswerable};
use contract::account::{Tenant, User};
use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::{CallId, TenantId};
use ledger::{Account, Rate};
use machine::Moment;
use store::{Address, Store};
use strowger_io::Clock;

use crate::Trouble;
use crate::child::Folder;
use crate::cpu::{Whose, tree_time};
use crate::postgres::Postgres;
use crate::row::{Row, Rows};

/// How much.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Reservations, renewals and settlements in all.
    #[arg(long, default_value_t = 1_000_000)]
    transactions: u64,
    /// Calls at one time.
    #[arg(long, default_value_t = 3_000)]
    at_once: u64,
    /// Told to other measurements; without meaning here.
    #[arg(long, hide = true)]
    rounds: Option<usize>,
    /// See `rounds`.
    #[arg(long, hide = true)]
    seconds: Option<u64>,
}

/// A call reserves, renews twice, and settles.
const OF_A_CALL: u64 = 4;
const RENEWALS: u32 = 2;
/// Each question of one call of so many is asked twice, since its answer was lost: it must count once.
const ASKED_AGAIN: u64 = 10;
/// Who pays.
const USERS: u64 = 1_000;
/// What each has to spend.
const BALANCE: i64 = 1_000_000_000_000;
const MICROS_PER_MINUTE: i64 = 10_000;
/// So many seconds are reserved at a time.
const SECONDS: u32 = 60;
const BRAND: TenantId = TenantId(1);
/// What is known to be written comes after what was decided.
const SETTLING: Duration = Duration::from_secs(60);

/// Measures on both, and writes the rows.
pub(crate) fn measure(options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
    let folder = Folder::new("billing")?;
    let file = folder.path().join("books.db").display().to_string();
    let sqlite = run(&file, &Whose::default(), options)?;
    let postgres = Postgres::start("billing")?;
    let beside = Whose::from(postgres.pid());
    let on_server = run(&postgres.address(), &beside, options)?;
    for (name, told) in [("sqlite", sqlite), ("postgres", on_server)] {
        told.put(name, options, rows)?;
    }
    Ok(())
}

/// What came of it.
struct Told {
    transactions: u64,
    took: Duration,
    /// Of this process: the till, the books, and those who ask.
    own: Duration,
    /// Of the database's.
    beside: Duration,
    memory: f64,
    charged: i64,
}

impl Told {
    fn put(&self, name: &str, options: &Options, rows: &mut Rows) -> Result<(), Trouble> {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / self.transactions as f64;
        let what = format!(
            "{} reservations, renewals and settlements of calls that reserve once, renew twice and settle, {} calls at one \
             time of {USERS} prepaid users, and of one call of {ASKED_AGAIN} each question twice; the till with its journal, the \
             books in {}; the books balance, each call is there once ({:.2} charged)",
            self.transactions,
            options.at_once,
            if name == "sqlite" { "SQLite" } else { "PostgreSQL, each commit on its disk" },
            self.charged as f64 / 1e6
        );
        rows.put(Row {
            ours: Some(each(self.own)),
            note: format!(
                "processor time a transaction, with those who ask; {:.2} µs of the database's processes beside it; {what}",
                each(self.beside)
            ),
            ..Row::new(&format!("billing.transaction.{name}"), "µs")
        })?;
        rows.put(Row {
            ours: Some(self.transactions as f64 / self.took.as_secs_f64()),
            note: format!(
                "transactions a second by the clock, more is better: {:.1} s for all; {what}",
                self.took.as_secs_f64()
            ),
            ..Row::new(&format!("billing.rate.{name}"), "1/s")
        })?;
        rows.put(Row {
            ours: Some(self.memory),
            note: format!(
                "memory that the process holds more at the end than at the begin, the database's not; {what}"
            ),
            ..Row::new(&format!("billing.memory.{name}"), "MB")
        })
    }
}

fn run(address: &str, beside: &Whose, options: &Options) -> Result<Told, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(transact(address, beside, options))
}

async fn transact(address: &str, beside: &Whose, options: &Options) -> Result<Told, Trouble> {
    let journal = Folder::in_memory("billing")?;
    let store = Store::at(&Address::read(address, journal.path())?).await?;
    furnish(&store).await?;
    let rate = Rate { micros_per_minute: MICROS_PER_MINUTE, ..Rate::default() };
    let config = Config {
        rate: rate.clone(),
        journal: journal.path().join("journal-billing"),
        journal_bytes: 64 << 20,
        ..Config::default()
    };
    let desk = Billing::start(config, store.clone(), Clock::start(Moment::START)).await?;
    let calls = options.transactions / OF_A_CALL;
    let taken = Arc::new(Taken { rate, ..Taken::default() });
    let before = (tree_time(&beside.server), strowger_io::process_cpu_time(), resident(), Instant::now());
    let asking: Vec<_> = (0..options.at_once.clamp(1, calls))
        .map(|_| tokio::spawn(ask(desk.clone(), Arc::clone(&taken), calls)))
        .collect();
    for asked in asking {
        asked.await?.map_err(|error| format!("billing: {error}"))?;
    }
    let told = Told {
        transactions: calls * OF_A_CALL,
        took: before.3.elapsed(),
        own: strowger_io::process_cpu_time().saturating_sub(before.1),
        beside: tree_time(&beside.server).saturating_sub(before.0),
        memory: (resident() - before.2).max(0.0),
        charged: taken.charged.load(Ordering::Relaxed),
    };
    audit(&store, calls, told.charged).await?;
    store.close().await;
    Ok(told)
}

async fn furnish(store: &Store) -> Result<(), Trouble> {
    store.tenants().add(Moment::START, Tenant { name: "bench".into(), ..Tenant::default() }).await?;
    for number in 0..USERS {
        let user = User { tenant: BRAND, name: name(number), ..User::default() };
        store.users().add(Moment::START, &store::Account { user, balance: Some(BALANCE) }).await?;
    }
    Ok(())
}

fn name(number: u64) -> String {
    format!("u{number}")
}

/// What those who asked were told.
#[derive(Default)]
struct Taken {
    next: AtomicU64,
    charged: AtomicI64,
    rate: Rate,
}

/// One call after another, as exchanges would.
async fn ask(desk: Billing, taken: Arc<Taken>, calls: u64) -> Result<(), String> {
    loop {
        let number = taken.next.fetch_add(1, Ordering::Relaxed);
        if number >= calls {
            return Ok(());
        }
        let (call, account) = (CallId(number + 1), name(number % USERS));
        for serial in 1..=1 + RENEWALS {
            let account = account.clone();
            let reserve =
                Reserve { call, tenant: BRAND, account, dialed: "1002".into(), serial, seconds: SECONDS };
            for _ in 0..1 + u64::from(number.is_multiple_of(ASKED_AGAIN)) {
                match again(|| desk.reserve(reserve.clone())).await? {
                    Reserved::Granted { seconds: SECONDS, .. } => {}
                    other => return Err(format!("call {number}: {other:?}")),
                }
            }
        }
        // From a second to all that was reserved.
        let talked_ms = 1_000 + number * 7_919 % (u64::from(SECONDS * (1 + RENEWALS)) * 1_000 - 1_000);
        let settle =
            Settle { call, tenant: BRAND, account, dialed: "1002".into(), talked_ms, serial: 1 + RENEWALS };
        let settled = again(|| desk.settle(settle.clone())).await?;
        if number.is_multiple_of(ASKED_AGAIN) && again(|| desk.settle(settle.clone())).await? != settled {
            return Err(format!("call {number} ended twice, each time in another way"));
        }
        let Settled { reserved, charged, released } = settled;
        let price = taken.rate.price_ms(talked_ms);
        if charged.micros != price || reserved.micros != charged.micros + released.micros {
            return Err(format!("call {number} of {talked_ms} ms: {reserved:?}, {charged:?}, {released:?}"));
        }
        taken.charged.fetch_add(price, Ordering::Relaxed);
    }
}

/// Whoever finds a full house asks again.
async fn again<T, F: Future<Output = Result<T, Unanswerable>>>(
    mut ask: impl FnMut() -> F,
) -> Result<T, String> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(Unanswerable::Busy) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Whether the books say what those who asked were told: each call once, nothing set aside any more, and what users
/// have less is what was earned.
async fn audit(store: &Store, calls: u64, charged: i64) -> Result<(), Trouble> {
    let until = Instant::now() + SETTLING;
    let totals = loop {
        let totals = store.ledger().totals().await?;
        if totals.open == 0 || Instant::now() > until {
            break totals;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let reserved = i64::try_from(calls)? * MICROS_PER_MINUTE * i64::from(1 + RENEWALS);
    let said = (totals.open, totals.reserved, totals.charged, totals.released);
    let expected = (0, reserved, charged, reserved - charged);
    if said != expected {
        return Err(
            format!("the books say {said:?} (open, reserved, charged, released), not {expected:?}").into()
        );
    }
    let earned = store.ledger().balance(&Account::Revenue).await?;
    let mut spent = 0;
    for number in 0..USERS {
        let balance = store.users().named(BRAND, &name(number)).await?.balance.unwrap_or_default();
        spent += BALANCE - balance;
    }
    if (earned, spent) != (charged, charged) {
        return Err(format!("{charged} was charged, {earned} earned by the postings, {spent} spent").into());
    }
    Ok(())
}

/// Megabytes that this process holds.
fn resident() -> f64 {
    crate::rtp::resident(&[std::process::id()]) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_balance_and_books_that_do_not_are_found_out() {
        let folder = Folder::new("billing-test").unwrap();
        let file = folder.path().join("books.db").display().to_string();
        let options = Options { transactions: 400, at_once: 30, rounds: None, seconds: None };
        let told = run(&file, &Whose::default(), &options).unwrap();
        assert_eq!(told.transactions, 400);
        assert!(told.charged > 0);
        let again = async {
            let store = Store::at(&Address::read(&file, folder.path()).unwrap()).await.unwrap();
            audit(&store, 100, told.charged).await.unwrap();
            assert!(audit(&store, 100, told.charged + 1).await.is_err());
            assert!(audit(&store, 99, told.charged).await.is_err());
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(again);
    }
}
