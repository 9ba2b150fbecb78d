//! What exchanges ask.

use bus::Server;
use contract::account::{Found, ListTenants, LookUp, Tenants};
use contract::record::Keep;
use store::StoreError;

use crate::api::{Inner, Shared};
use crate::names;

pub(crate) fn answer(shared: &Shared, server: Server) -> Server {
    let (listing, looking, keeping) = (shared.clone(), shared.clone(), shared.clone());
    server
        .on(move |_: ListTenants| {
            let shared = listing.clone();
            async move { shared.store.tenants().all().await.map(|tenants| Tenants { tenants }) }
        })
        .on(move |ask: LookUp| {
            let shared = looking.clone();
            async move { look_up(&shared, ask).await }
        })
        .on(move |keep: Keep| {
            let shared = keeping.clone();
            async move { shared.keeper.keep(keep).await }
        })
}

/// A user's name goes before a number of the same digits.
async fn look_up(shared: &Inner, ask: LookUp) -> Result<Found, StoreError> {
    if let Some(account) = shared.store.users().find(ask.tenant, &ask.name).await? {
        return Ok(Found::User(account.user));
    }
    let number = shared.store.numbers().find(ask.tenant, names::plain(&ask.name)).await?;
    Ok(number.map_or(Found::Nobody, Found::Number))
}
