//! What exchanges ask, and what an operator's own tools command.

use bus::Server;
use contract::account::{Found, ListTenants, LookUp, Tenants};
use contract::command::{CarryOut, Command, Done};
use contract::event::CallEvent;
use contract::query::{HangUp, HungUp};
use contract::record::Keep;
use store::{StoreError, What};

use crate::api::{Inner, Shared};
use crate::names;

pub(crate) fn answer(shared: &Shared, server: Server) -> Server {
    let (listing, looking, keeping) = (shared.clone(), shared.clone(), shared.clone());
    let (commanded, told) = (shared.clone(), shared.clone());
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
        .hear(move |event: CallEvent| {
            told.outlet.happened(event);
            async {}
        })
        .on(move |it: CarryOut| {
            let shared = commanded.clone();
            async move { carry_out(&shared, it.command).await }
        })
}

/// An error leaves the command unanswered: whoever commands asks again.
async fn carry_out(shared: &Shared, command: Command) -> Result<Done, String> {
    match command {
        Command::HangUp { call, reason } => {
            let answers = shared.bus.ask_all(&HangUp { call, reason }).await;
            let found = |(_, answer): &(_, Result<HungUp, _>)| answer.as_ref().is_ok_and(|it| it.found);
            if answers.iter().any(found) {
                tracing::info!(%call, "a call is ended by a command");
                return Ok(Done::Done);
            }
            match answers.iter().find(|(_, answer)| answer.is_err()) {
                Some((member, _)) => Err(format!("{member} does not answer")),
                None => Ok(Done::NotFound),
            }
        }
        Command::Forget { tenant, name } => {
            crate::notify::changed(shared, tenant, name.as_deref());
            Ok(Done::Done)
        }
        Command::Unknown => Ok(Done::Unknown),
    }
}

/// A user's name goes before a number of the same digits; where they are at home goes before what is here of them.
async fn look_up(shared: &Inner, ask: LookUp) -> Result<Found, StoreError> {
    let elsewhere = shared.store.homes().elsewhere(ask.tenant, (&ask.name, names::plain(&ask.name))).await?;
    if let Some(&cell) = elsewhere.get(&What::User) {
        return Ok(Found::Elsewhere { cell });
    }
    if let Some(account) = shared.store.users().find(ask.tenant, &ask.name).await? {
        return Ok(Found::User(account.user));
    }
    if let Some(&cell) = elsewhere.get(&What::Number) {
        return Ok(Found::Elsewhere { cell });
    }
    let number = shared.store.numbers().find(ask.tenant, names::plain(&ask.name)).await?;
    Ok(number.map_or(Found::Nobody, Found::Number))
}
