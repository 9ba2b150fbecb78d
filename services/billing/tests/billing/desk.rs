//! The role, asked over the bus.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bus::{Client, Member, Server, Topology};
use contract::account::{Tenant, User};
use contract::billing::{Gauge, Reserve, Reserved, Settle};
use contract::{CallId, Money, TenantId};
use ledger::Rate;
use machine::Moment;
use store::{Address, Store};
use strowger_billing_service::{Billing, Config};
use strowger_io::Clock;

pub(crate) const BRAND: TenantId = TenantId(1);

pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) store: Store,
    pub(crate) dir: PathBuf,
}

impl Desk {
    pub(crate) async fn new(micros_per_minute: i64) -> Desk {
        let desk = Desk::without_billing("").await;
        let config = desk.config(micros_per_minute);
        desk.serve(config).await;
        desk
    }

    /// Its accounts and its folder, and nobody who answers.
    pub(crate) async fn without_billing(address: &str) -> Desk {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("billing-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::at(&Address::read(address, &dir).unwrap()).await.unwrap();
        let tenant = Tenant { name: "brand".into(), ..Tenant::default() };
        store.tenants().add(Moment::START, tenant).await.unwrap();
        for (name, balance) in [("anna", Some(600_000)), ("bert", None), ("rich", Some(600_000_000))] {
            let user = User { tenant: BRAND, name: name.into(), ..User::default() };
            store.users().add(Moment::START, &store::Account { user, balance }).await.unwrap();
        }
        let client = Client::local(Topology::new(&dir, 1));
        Desk { client, store, dir }
    }

    pub(crate) fn config(&self, micros_per_minute: i64) -> Config {
        config(&self.dir, micros_per_minute)
    }

    pub(crate) async fn serve(&self, config: Config) {
        let listener = Topology::new(&self.dir, 1).bind(Member::Office).unwrap();
        let billing = Billing::start(config, self.store.clone(), clock()).await.unwrap();
        tokio::spawn(billing.answer(Server::new()).serve(listener));
    }

    pub(crate) async fn try_reserve(&self, call: u64, account: &str, serial: u32) -> Option<Reserved> {
        let (call, account) = (CallId(call), account.to_owned());
        let ask = Reserve { call, tenant: BRAND, account, dialed: "1002".into(), serial, seconds: 60 };
        self.client.ask(None, &ask).await.ok()
    }

    pub(crate) async fn reserve(&self, call: u64, account: &str, serial: u32) -> Reserved {
        self.try_reserve(call, account, serial).await.unwrap()
    }

    /// What was reserved, charged, released.
    pub(crate) async fn try_settle(
        &self,
        call: u64,
        account: &str,
        talked_ms: u64,
    ) -> Option<(i64, i64, i64)> {
        let account = account.to_owned();
        let ask = Settle { call: CallId(call), tenant: BRAND, account, talked_ms, ..Settle::default() };
        let settled = self.client.ask(None, &ask).await.ok()?;
        Some((settled.reserved.micros, settled.charged.micros, settled.released.micros))
    }

    pub(crate) async fn settle(&self, call: u64, account: &str, talked_ms: u64) -> (i64, i64, i64) {
        self.try_settle(call, account, talked_ms).await.unwrap()
    }

    pub(crate) async fn balance(&self, account: &str) -> Option<i64> {
        self.store.users().named(BRAND, account).await.unwrap().balance
    }

    /// The books follow what was said, but not at once.
    pub(crate) async fn await_balance(&self, account: &str, micros: i64) {
        let begun = Instant::now();
        loop {
            // The store may be away yet.
            let found = self.store.users().named(BRAND, account).await.ok();
            let balance = found.and_then(|found| found.balance);
            if balance == Some(micros) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{balance:?}, and not {micros}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn gauge(&self, name: &str) -> f64 {
        let gauges = self.client.ask(None, &Gauge::default()).await.unwrap().values;
        gauges.into_iter().find(|(it, _)| it == name).unwrap().1
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

pub(crate) fn config(dir: &std::path::Path, micros_per_minute: i64) -> Config {
    let rate = Rate { micros_per_minute, ..Rate::default() };
    Config { rate, journal: dir.join("journal"), ..Config::default() }
}

pub(crate) fn clock() -> Clock {
    Clock::start(Moment::START)
}

pub(crate) fn granted(seconds: u32, micros: i64) -> Reserved {
    Reserved::Granted { seconds, amount: Money { micros, currency: "EUR".into() } }
}
