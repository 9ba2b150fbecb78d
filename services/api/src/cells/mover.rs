//! Takes accounts to their new homes, one after another. What was done last is in the store: whoever comes after us goes
//! on there.

use std::time::Duration;

use bus::Unanswered;
use contract::registration::{Give, Given, Take};
use contract::{Aor, CellId};
use store::{Move, Step, StoreError};

use super::wire::{self, Arrival, Unsaid, Welcome};
use super::{Beyond, lock};
use crate::api::Shared;
use crate::notify;

/// Accounts that could not move on are looked at again.
const AGAIN: Duration = Duration::from_millis(500);
/// What calls left behind is sent after their accounts so often.
const SWEEP: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bindings: {0}")]
    Bindings(#[from] Unanswered),
    #[error(transparent)]
    Unsaid(#[from] Unsaid),
}

/// Moves accounts for ever.
pub(super) async fn work(shared: Shared) {
    let Some(beyond) = &shared.beyond else { return };
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let wanted = beyond.moving.notified();
        let moves = shared.store.moves().all().await.unwrap_or_default();
        for moving in moves.iter().filter(|moving| moving.step != Step::Departed) {
            if let Err(error) = go_on(&shared, beyond, moving).await {
                tracing::debug!(%error, tenant = %moving.tenant, to = %moving.to, "an account can't move on yet");
            }
        }
        tokio::select! {
            () = wanted => {}
            () = tokio::time::sleep(AGAIN) => {}
            _ = sweep.tick() => {
                if let Err(error) = shared.store.moves().sweep(shared.now()).await {
                    tracing::warn!(%error, "what calls left of accounts that moved can't be sent yet");
                }
                super::wake(&shared);
            }
        }
    }
}

async fn go_on(shared: &Shared, beyond: &Beyond, moving: &Move) -> Result<(), Stuck> {
    if moving.step == Step::Begun {
        match hand_over(shared, beyond, moving).await {
            Err(Stuck::Unsaid(error)) if error.is_final() => {
                tracing::warn!(%error, tenant = %moving.tenant, to = %moving.to, "an account is not taken");
                let key = (moving.tenant, moving.name.clone());
                lock(&beyond.refused).insert(key, error.to_string());
                return Ok(shared.store.moves().cancel(moving.tenant, &moving.name).await?);
            }
            handed => handed?,
        }
    }
    // Something may have been heard of its phones since they were told of: the new home hears it, too.
    let bindings = give(shared, beyond, moving, Some(moving.to)).await?;
    if !bindings.bindings.is_empty() {
        wire::say::<()>(shared, moving.to, wire::BINDINGS, &bindings).await?;
    }
    shared.store.moves().depart(shared.now(), moving).await?;
    tracing::info!(tenant = %moving.tenant, to = %moving.to, "an account has moved");
    Ok(())
}

/// The new home serves it, then the old one doesn't any more.
async fn hand_over(shared: &Shared, beyond: &Beyond, moving: &Move) -> Result<(), Stuck> {
    let bindings = give(shared, beyond, moving, None).await?;
    let luggage = shared.store.moves().pack(moving).await?;
    let homes = luggage.homes.clone();
    let arrival = Arrival { from: beyond.own, luggage, bindings };
    let Welcome { micros } = wire::say(shared, moving.to, wire::ARRIVALS, &arrival).await?;
    shared.store.moves().flip(shared.now(), moving, micros).await?;
    for home in homes {
        notify::changed(shared, home.tenant, Some(&home.name));
    }
    super::wake(shared);
    Ok(())
}

async fn give(shared: &Shared, beyond: &Beyond, moving: &Move, away: Option<CellId>) -> Result<Take, Stuck> {
    let aor = Aor { tenant: moving.tenant, user: moving.name.clone() };
    let shard = beyond.shard(moving.tenant, &moving.name);
    let Given { bindings } = shared.bus.ask(Some(shard), &Give { aor: aor.clone(), away }).await?;
    Ok(Take { aor, bindings })
}
