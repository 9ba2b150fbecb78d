//! A store in a folder that goes with its test.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use contract::TenantId;
use contract::account::{Tenant, User};
use machine::Moment;
use strowger_store::{Account, Store};

pub(crate) const NOW: Moment = Moment::from_secs(1_800_000_000);

pub(crate) struct Fresh {
    store: Store,
    dir: PathBuf,
}

impl Fresh {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("store.db")).await.unwrap();
        Fresh { store, dir }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join("store.db")
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let domains = vec![format!("{name}.example")];
        let tenant = Tenant { name: name.into(), domains, ..Tenant::default() };
        self.store.tenants().add(NOW, tenant).await.unwrap().id
    }

    pub(crate) async fn user(&self, tenant: TenantId, name: &str, balance: Option<i64>) {
        let user = User { tenant, name: name.into(), ..User::default() };
        self.store.users().add(NOW, &Account { user, balance }).await.unwrap();
    }
}

impl Deref for Fresh {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}
