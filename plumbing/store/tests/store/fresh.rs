//! A store that goes with its test.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use contract::TenantId;
use contract::account::{Tenant, User};
use machine::Moment;
use strowger_store::{Account, Address, Store};

pub(crate) const NOW: Moment = Moment::from_secs(1_800_000_000);

pub(crate) struct Fresh {
    store: Store,
    address: String,
    dir: PathBuf,
}

impl Fresh {
    pub(crate) async fn in_a_file() -> Self {
        let dir = new_folder();
        let address = dir.join("store.db").to_str().unwrap().to_owned();
        Fresh { store: open(&address).await, address, dir }
    }

    #[cfg(postgres)]
    pub(crate) async fn on_a_server() -> Self {
        let address = crate::server::Server::shared().database();
        Fresh { store: open(&address).await, address, dir: new_folder() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
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

pub(crate) async fn open(address: &str) -> Store {
    Store::at(&Address::read(address, Path::new("")).unwrap()).await.unwrap()
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
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
