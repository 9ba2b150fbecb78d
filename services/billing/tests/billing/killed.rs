//! The process that bills is killed again and again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bus::{Member, Server, Topology};
use contract::CallId;
use ledger::Account;
use store::{Address, Store, Totals};
use strowger_billing_service::Billing;

use crate::desk::{BRAND, Desk, clock, config};

const DIR: &str = "BILLING_TEST_DIR";
const ADDRESS: &str = "BILLING_TEST_ADDRESS";
const CALLS: u64 = 400;

fn spawn(desk: &Desk, address: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::billing_process", "--nocapture"]).stdout(Stdio::null());
    command.env(DIR, &desk.dir).env(ADDRESS, address).spawn().unwrap()
}

/// As an exchange does: asks until it is answered, and again if it takes too long.
async fn call(desk: &Desk, call: u64) -> (i64, i64, i64) {
    for serial in 1..=2 {
        while desk.try_reserve(call, "rich", serial).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(call % 7 * 10)).await;
    }
    loop {
        if let Some(settled) = desk.try_settle(call, "rich", 1_000 * (call % 90)).await {
            return settled;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn survive(address: &str) {
    let desk = std::sync::Arc::new(Desk::without_billing(address).await);
    let mut child = spawn(&desk, address);
    let calling = tokio::spawn({
        let desk = desk.clone();
        async move {
            let mut calls = tokio::task::JoinSet::new();
            for number in 1..=CALLS {
                let desk = desk.clone();
                calls.spawn(async move { (number, call(&desk, number).await) });
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            calls.join_all().await
        }
    });
    let (begun, mut kills, mut seed) = (Instant::now(), 0, 4_711_u64);
    while !calling.is_finished() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(60 + (seed >> 33) % 300)).await;
        if kills < 12 {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            child = spawn(&desk, address);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{kills} kills");
    }
    let told = calling.await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{kills} kills, {} calls in {:?}", told.len(), begun.elapsed());
    check(&desk, &told).await;
}

/// Each call is in the books as it was told, once.
async fn check(desk: &Desk, told: &[(u64, (i64, i64, i64))]) {
    let ledger = desk.store.ledger();
    let mut sums = Totals::default();
    for &(number, (reserved, charged, released)) in told {
        assert_eq!(reserved, charged + released);
        let seconds = i64::try_from(number % 90).unwrap();
        assert_eq!(charged, seconds * 1_000, "call {number}");
        let kept = ledger.reservation(CallId(number)).await.unwrap().unwrap();
        assert_eq!((kept.reserved, kept.charged, kept.released), (reserved, charged, released));
        sums = Totals {
            open: 0,
            reserved: sums.reserved + reserved,
            charged: sums.charged + charged,
            released: sums.released + released,
        };
    }
    assert_eq!(ledger.totals().await.unwrap(), sums);
    assert_eq!(ledger.balance(&Account::Revenue).await.unwrap(), sums.charged);
    let purse = Account::User { tenant: BRAND, name: "rich".into() };
    assert_eq!(ledger.balance(&purse).await.unwrap(), 600_000_000 - sums.charged);
    assert_eq!(desk.balance("rich").await, Some(600_000_000 - sums.charged));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_what_was_reserved_is_charged_and_released_once() {
    survive("").await;
}

#[cfg(postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_the_books_on_a_server() {
    survive(&crate::server::Server::shared().database()).await;
}

/// Not a test: the process that the tests above kill.
#[tokio::test]
async fn billing_process() {
    let (Some(dir), Ok(address)) = (std::env::var_os(DIR), std::env::var(ADDRESS)) else { return };
    let dir = std::path::PathBuf::from(dir);
    let store = Store::at(&Address::read(&address, &dir).unwrap()).await.unwrap();
    let billing = Billing::start(config(&dir, 60_000), store, clock()).await.unwrap();
    let listener = Topology::new(&dir, 1).bind(Member::Office).unwrap();
    billing.answer(Server::new()).serve(listener).await.unwrap();
}
