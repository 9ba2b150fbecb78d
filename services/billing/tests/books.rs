//! Billing over the bus, with its books in a store.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bus::{Client, Member, Server, Topology};
use contract::account::{Tenant, User};
use contract::billing::{Gauge, Reserve, Reserved, Settle};
use contract::{CallId, Money, TenantId};
use ledger::{Account, Rate};
use machine::Moment;
use store::Store;
use strowger_billing_service::{Billing, Config};
use strowger_io::Clock;

const BRAND: TenantId = TenantId(1);

struct Desk {
    client: Client,
    store: Store,
    dir: PathBuf,
}

impl Desk {
    async fn new(micros_per_minute: i64) -> Desk {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("billing-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("store.db")).await.unwrap();
        let tenant = Tenant { name: "brand".into(), ..Tenant::default() };
        store.tenants().add(Moment::START, tenant).await.unwrap();
        for (name, balance) in [("anna", Some(600_000)), ("bert", None)] {
            let user = User { tenant: BRAND, name: name.into(), ..User::default() };
            store.users().add(Moment::START, &store::Account { user, balance }).await.unwrap();
        }
        let topology = Topology::new(&dir, 1);
        let listener = topology.bind(Member::Office).unwrap();
        let config = Config { rate: rate(micros_per_minute), ..Config::default() };
        let billing = Billing::start(config, store.clone(), clock()).await.unwrap();
        tokio::spawn(billing.answer(Server::new()).serve(listener));
        Desk { client: Client::local(topology), store, dir }
    }

    async fn reserve(&self, call: u64, account: &str, serial: u32) -> Reserved {
        let account = account.to_owned();
        let ask = Reserve {
            call: CallId(call),
            tenant: BRAND,
            account,
            dialed: "1002".into(),
            serial,
            seconds: 60,
        };
        self.client.ask(None, &ask).await.unwrap()
    }

    async fn settle(&self, call: u64, account: &str, talked_ms: u64) -> (i64, i64, i64) {
        let account = account.to_owned();
        let ask = Settle { call: CallId(call), tenant: BRAND, account, talked_ms, ..Settle::default() };
        let settled = self.client.ask(None, &ask).await.unwrap();
        (settled.reserved.micros, settled.charged.micros, settled.released.micros)
    }

    async fn balance(&self, account: &str) -> Option<i64> {
        self.store.users().named(BRAND, account).await.unwrap().balance
    }

    async fn gauge(&self, name: &str) -> f64 {
        let gauges = self.client.ask(None, &Gauge::default()).await.unwrap().values;
        gauges.into_iter().find(|(it, _)| it == name).unwrap().1
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn rate(micros_per_minute: i64) -> Rate {
    Rate { micros_per_minute, ..Rate::default() }
}

fn clock() -> Clock {
    Clock::start(Moment::START)
}

fn granted(seconds: u32, micros: i64) -> Reserved {
    Reserved::Granted { seconds, amount: Money { micros, currency: "EUR".into() } }
}

#[tokio::test]
async fn a_call_is_reserved_renewed_and_settled_once() {
    let desk = Desk::new(60_000).await;
    assert_eq!(desk.reserve(1, "anna", 1).await, granted(60, 60_000));
    assert_eq!(desk.reserve(1, "anna", 1).await, granted(60, 60_000), "a repeat");
    assert_eq!(desk.reserve(1, "anna", 2).await, granted(60, 60_000));
    assert_eq!(desk.balance("anna").await, Some(480_000));
    assert_eq!(desk.gauge("billing_reservations_open").await, 1.0);
    assert_eq!(desk.settle(1, "anna", 61_000).await, (120_000, 61_000, 59_000));
    assert_eq!(desk.settle(1, "anna", 61_000).await, (120_000, 61_000, 59_000), "a repeat");
    assert_eq!(desk.balance("anna").await, Some(539_000));
    let purse = Account::User { tenant: BRAND, name: "anna".into() };
    assert_eq!(desk.store.ledger().balance(&purse).await.unwrap(), 539_000, "the postings say the same");
    assert_eq!(desk.store.ledger().balance(&Account::Revenue).await.unwrap(), 61_000);
    assert_eq!(desk.gauge("billing_charged_micros_total").await, 61_000.0);
}

#[tokio::test]
async fn many_calls_at_once_never_spend_more_than_there_is() {
    let desk = Desk::new(60_000).await;
    let asking: Vec<_> = (1..=200)
        .map(|call| {
            let client = desk.client.clone();
            let ask = Reserve {
                call: CallId(call),
                tenant: BRAND,
                account: "anna".into(),
                serial: 1,
                seconds: 60,
                ..Reserve::default()
            };
            tokio::spawn(async move { client.ask(None, &ask).await.unwrap() })
        })
        .collect();
    let mut calls = 0;
    for asked in asking {
        calls += u32::from(matches!(asked.await.unwrap(), Reserved::Granted { .. }));
    }
    assert_eq!(calls, 10, "ten minutes were paid for");
    assert_eq!(desk.balance("anna").await, Some(0));
    assert!(desk.gauge("billing_transactions_total").await < 100.0, "many in one transaction");
}

#[tokio::test]
async fn who_is_not_there_is_refused() {
    let desk = Desk::new(60_000).await;
    let refused = Reserved::Refused { reason: "there is no such account".into() };
    assert_eq!(desk.reserve(1, "nobody", 1).await, refused);
    assert_eq!(desk.settle(1, "nobody", 0).await, (0, 0, 0));
}

#[tokio::test]
async fn a_call_that_costs_nothing_leaves_no_trace() {
    let desk = Desk::new(0).await;
    assert_eq!(desk.reserve(1, "bert", 1).await, granted(60, 0));
    assert_eq!(desk.settle(1, "bert", 5_000).await, (0, 0, 0));
    assert_eq!(desk.store.ledger().reservation(CallId(1)).await.unwrap(), None);
    assert_eq!(desk.gauge("billing_settled_total").await, 1.0);
}

#[tokio::test]
async fn a_lost_calls_money_comes_back_and_its_late_end_is_charged() {
    let desk = Desk::new(60_000).await;
    desk.reserve(1, "anna", 1).await;
    let impatient = Config { rate: rate(60_000), abandon_after: Duration::ZERO };
    let _successor = Billing::start(impatient, desk.store.clone(), clock()).await.unwrap();
    for _ in 0..100 {
        if desk.gauge("billing_reservations_open").await == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(desk.balance("anna").await, Some(600_000));
    assert_eq!(desk.settle(1, "anna", 10_000).await, (70_000, 10_000, 60_000));
    assert_eq!(desk.balance("anna").await, Some(590_000));
}
