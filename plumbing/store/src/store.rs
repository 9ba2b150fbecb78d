use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::CellId;

use crate::address::Address;
use crate::cluster::Cluster;
use crate::link::Link;
use crate::sqlite::File;
use crate::{Homes, Imports, LedgerBook, Moves, Numbers, Post, Records, StoreError, Tenants, Tokens, Users};

/// The store. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Store(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    place: Where,
    cell: OnceLock<CellId>,
}

#[derive(Debug)]
enum Where {
    File(File),
    Servers(Cluster),
}

/// What nobody else may write meanwhile. In a file one writes at a time, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// What is written collides with nothing.
    None,
    /// Tenants, users, numbers, tokens.
    Accounts,
    /// Reservations and postings.
    Books,
    /// Both.
    All,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Never older than what this store wrote last.
    Accounts,
    /// As old as a replica may be.
    Records,
}

/// How the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct State {
    /// For how long nobody has taken writes; none: somebody does.
    pub away: Option<Duration>,
    /// How often another server became the one that writes.
    pub failovers: u64,
    /// How far the best replica is behind; none: there is none.
    pub lag: Option<Duration>,
}

impl Store {
    /// Opens the store in the file `path`, makes it if there is none, and brings it up to date.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        Ok(Store::of(Where::File(File::open(path).await?)))
    }

    /// Opens the store at `address`. Servers need not be there yet: who asks meanwhile is told that the store is
    /// away, and they are looked for as long as the store is open.
    pub async fn at(address: &Address) -> Result<Store, StoreError> {
        match address {
            Address::File(path) => Store::open(path).await,
            Address::Servers(servers) => Ok(Store::of(Where::Servers(Cluster::open(servers.clone()).await?))),
        }
    }

    fn of(place: Where) -> Store {
        Store(Arc::new(Kept { place, cell: OnceLock::new() }))
    }

    /// This is the store of `cell`, one of several: from now on other cells are told of what they must know. Once.
    pub fn become_cell(&self, cell: CellId) {
        if !cell.is_home() {
            let _is_one_already = self.0.cell.set(cell);
        }
    }

    /// Which cell's it is; none: there are no cells.
    pub fn cell(&self) -> Option<CellId> {
        self.0.cell.get().copied()
    }

    /// Waits until everything is written, and closes it.
    pub async fn close(&self) {
        match &self.0.place {
            Where::File(file) => file.close().await,
            Where::Servers(cluster) => cluster.close().await,
        }
    }

    /// How it does.
    pub fn state(&self) -> State {
        match &self.0.place {
            Where::File(_) => State::default(),
            Where::Servers(cluster) => cluster.state(),
        }
    }

    /// Who has users, numbers and records of its own.
    pub fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }

    /// Who may register and call.
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// Which numbers lead where.
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
    }

    /// Who may use the API.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// What calls there were.
    pub fn records(&self) -> Records<'_> {
        Records(self)
    }

    /// What carriers deliver in files.
    pub fn imports(&self) -> Imports<'_> {
        Imports(self)
    }

    /// In which cell everything is at home.
    pub fn homes(&self) -> Homes<'_> {
        Homes(self)
    }

    /// What cells tell each other.
    pub fn post(&self) -> Post<'_> {
        Post(self)
    }

    /// Accounts on their way from cell to cell.
    pub fn moves(&self) -> Moves<'_> {
        Moves(self)
    }

    /// Reservations and postings.
    pub fn ledger(&self) -> LedgerBook<'_> {
        LedgerBook(self)
    }

    /// To read what is true now.
    pub(crate) async fn read(&self) -> Result<Link, StoreError> {
        match &self.0.place {
            Where::File(file) => file.read().await,
            Where::Servers(cluster) => cluster.read().await,
        }
    }

    /// To read a list, which may be a little older.
    pub(crate) async fn list(&self, listed: Listed) -> Result<Link, StoreError> {
        match &self.0.place {
            Where::File(file) => file.read().await,
            Where::Servers(cluster) => cluster.list(listed).await,
        }
    }

    /// Nobody else writes what is locked until it is committed or dropped, which undoes it.
    pub(crate) async fn begin(&self, lock: Lock) -> Result<Link, StoreError> {
        match &self.0.place {
            Where::File(file) => file.begin().await,
            Where::Servers(cluster) => cluster.begin(lock).await,
        }
    }

    /// Commits a change of accounts, which lists show from here on.
    pub(crate) async fn commit(&self, writing: Link) -> Result<(), StoreError> {
        let committed = writing.commit().await;
        if let Where::Servers(cluster) = &self.0.place {
            cluster.account_changed();
        }
        committed
    }
}
