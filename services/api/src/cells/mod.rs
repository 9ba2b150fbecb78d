//! Several cells as one platform, as far as offices are concerned: each tells the others what they must know, and
//! accounts move between them.
//!
//! - `noun.rs`: what the API shows of cells; `account.rs`: where an account is at home, and its move.
//! - `courier.rs` delivers what waits for another cell; `inbox.rs` takes what comes from there.
//! - `mover.rs` takes accounts along, step by step; `wire.rs`: what offices say to each other over HTTP.

pub(crate) mod account;
mod courier;
pub(crate) mod inbox;
mod mover;
pub(crate) mod noun;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::cluster::{Cell, Look};
use contract::{CellId, TenantId};
use machine::{KeyedHash, Secret, Shard};
use tokio::sync::Notify;

use crate::api::Shared;
use crate::token;

/// How often the brokers are asked which cells there are.
const LOOK: Duration = Duration::from_secs(1);
/// The purpose of the platform's keyed hash that offices know each other by.
const OFFICES: u8 = 0xCE;

/// Which cell this is, and what it knows the others by.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its number.
    pub cell: CellId,
    /// The secret that all cells share.
    pub secret: Secret,
}

/// The other cells, as the office works with them.
#[derive(Debug)]
pub(crate) struct Beyond {
    own: CellId,
    hash: KeyedHash,
    /// What offices of one platform show each other.
    key: String,
    /// The cells that the brokers know of, this one among them.
    cells: Mutex<BTreeMap<CellId, Cell>>,
    /// Why the last delivery to a cell failed; none: it did not.
    failing: Mutex<BTreeMap<CellId, String>>,
    /// Why accounts did not move.
    refused: Mutex<BTreeMap<(TenantId, String), String>>,
    /// Something waits for other cells.
    post: Notify,
    /// An account is to move.
    moving: Notify,
}

impl Beyond {
    pub(crate) fn new(seat: Seat) -> Self {
        let hash = KeyedHash::new(seat.secret);
        let sum = hash.sum128(OFFICES, &[b"offices of cells"]);
        Beyond {
            own: seat.cell,
            key: token::hexadecimal(&sum.to_be_bytes()),
            hash,
            cells: Mutex::default(),
            failing: Mutex::default(),
            refused: Mutex::default(),
            post: Notify::new(),
            moving: Notify::new(),
        }
    }

    /// Whether `key` is what offices of this platform show. Which byte is wrong takes no time to tell.
    fn is_known(&self, key: &str) -> bool {
        token::hash(key) == token::hash(&self.key)
    }

    fn shard(&self, tenant: TenantId, user: &str) -> Shard {
        contract::sharding::binding_shard(&self.hash, tenant, user.as_bytes())
    }

    fn offices(&self, cell: CellId) -> Vec<String> {
        lock(&self.cells).get(&cell).map(|cell| cell.offices.clone()).unwrap_or_default()
    }
}

/// Looks which cells there are, and works with them for ever.
pub(crate) async fn work(shared: Shared) {
    let Some(beyond) = &shared.beyond else { return };
    while let Err(error) = shared.store.homes().enter_all().await {
        tracing::warn!(%error, "the directory of this cell can't be completed yet");
        tokio::time::sleep(LOOK).await;
    }
    tokio::spawn(mover::work(shared.clone()));
    let mut couriers = BTreeMap::new();
    loop {
        if let Ok(view) = shared.bus.ask(None, &Look {}).await {
            for cell in view.cells.iter().filter(|cell| cell.number != beyond.own) {
                if couriers.contains_key(&cell.number) {
                    continue;
                }
                match shared.store.post().introduce(shared.now(), cell.number).await {
                    Ok(is_new) => {
                        tracing::info!(cell = %cell.number, name = cell.name, is_new, "there is another cell");
                        let courier = tokio::spawn(courier::deliver(shared.clone(), cell.number));
                        couriers.insert(cell.number, courier);
                    }
                    Err(error) => tracing::warn!(%error, cell = %cell.number, "a cell is not introduced yet"),
                }
            }
            *lock(&beyond.cells) = view.cells.into_iter().map(|cell| (cell.number, cell)).collect();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Something may wait for other cells.
pub(crate) fn wake(shared: &Shared) {
    if let Some(beyond) = &shared.beyond {
        beyond.post.notify_waiters();
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
