//! Delivers what waits for another cell: in order, until it says that it has it.

use std::time::Duration;

use contract::CellId;
use store::{Dispatch, Due, Page, StoreError};

use super::wire::{self, Delivery, Receipt, Unsaid};
use super::{Beyond, lock};
use crate::api::Shared;

/// So many messages go together at most.
const TOGETHER: u32 = 500;
/// What other offices of this cell have put there is found so soon.
const LOOK: Duration = Duration::from_millis(500);
/// Between two tries to reach a cell that is away: first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unsaid(#[from] Unsaid),
    #[error("it has message {has} and not those behind it, and the first that is left is {first}")]
    Gap { has: u64, first: u64 },
}

/// Delivers to `cell` for ever.
pub(super) async fn deliver(shared: Shared, cell: CellId) {
    let Some(beyond) = &shared.beyond else { return };
    let (mut pause, mut together) = (BACK_OFF.0, TOGETHER);
    loop {
        let posted = beyond.post.notified();
        match round(&shared, beyond, cell, together).await {
            Ok(count) => {
                is_well(beyond, cell);
                (pause, together) = (BACK_OFF.0, TOGETHER);
                if count == 0 {
                    let _ = tokio::time::timeout(LOOK, posted).await;
                }
            }
            Err(error) => {
                if lock(&beyond.failing).insert(cell, error.to_string()).is_none() {
                    tracing::warn!(%error, %cell, "a cell can't be told what it must know; it waits");
                }
                // One that it does not understand must not stand in the way of those before it.
                together = 1;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
    }
}

fn is_well(beyond: &Beyond, cell: CellId) {
    if lock(&beyond.failing).remove(&cell).is_some() {
        tracing::info!(%cell, "a cell is told again what it must know");
    }
}

/// How many messages were delivered.
async fn round(shared: &Shared, beyond: &Beyond, cell: CellId, together: u32) -> Result<usize, Undelivered> {
    let mut due = shared.store.post().due(cell, together).await?;
    let is_everything = |due: &Due| due.dispatch == Dispatch::Everything {};
    match due.iter().position(is_everything) {
        Some(0) => {
            tell_everything(shared, beyond, cell).await?;
            due.truncate(1);
        }
        Some(place) => due.truncate(place),
        None => {}
    }
    let (Some(first), count) = (due.first().map(|due| due.serial), due.len()) else { return Ok(0) };
    let delivery = Delivery { from: beyond.own, told: Vec::new(), messages: due };
    let Receipt { serial } = wire::say(shared, cell, wire::INBOX, &delivery).await?;
    if serial + 1 < first {
        return Err(Undelivered::Gap { has: serial, first });
    }
    shared.store.post().delivered(cell, serial).await?;
    Ok(count)
}

/// Tells all that another cell must know of this one, as it is now: what changed since it came is behind it.
async fn tell_everything(shared: &Shared, beyond: &Beyond, cell: CellId) -> Result<(), Undelivered> {
    let tenants = shared.store.tenants().all().await?;
    let mut told: Vec<_> = tenants.into_iter().map(|tenant| Dispatch::Tenant { tenant }).collect();
    let mut page = Page { after: None, limit: store::MOST };
    loop {
        let homes = shared.store.homes().own(&page).await?;
        told.extend(homes.items.into_iter().map(|home| Dispatch::Home { home }));
        let delivery = Delivery { from: beyond.own, told: std::mem::take(&mut told), messages: Vec::new() };
        wire::say::<Receipt>(shared, cell, wire::INBOX, &delivery).await?;
        page.after = homes.next;
        if page.after.is_none() {
            return Ok(());
        }
    }
}
