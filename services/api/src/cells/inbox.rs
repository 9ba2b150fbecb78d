//! What comes from the offices of other cells.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use contract::registration::Take;

use super::wire::{Arrival, Delivery, Receipt, Welcome};
use crate::api::Shared;
use crate::notify;
use crate::problem::Problem;

/// No delivery is longer.
pub(crate) const LONGEST: usize = 16 << 20;

/// Lets nobody through but offices of the same platform.
pub(crate) async fn guard(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match &shared.beyond {
        Some(beyond) if beyond.is_known(key) => Ok(next.run(request).await),
        _ => Err(Problem::new(StatusCode::UNAUTHORIZED, "this is for the offices of other cells")),
    }
}

/// Takes messages in their order, each once.
pub(crate) async fn take(
    State(shared): State<Shared>,
    Json(delivery): Json<Delivery>,
) -> Result<Json<Receipt>, Problem> {
    let Delivery { from, told, messages } = delivery;
    let post = shared.store.post();
    let mut taken = post.take(shared.now(), from, &messages).await?;
    taken.changed.extend(post.hear(shared.now(), from, &told).await?.changed);
    for (tenant, name) in &taken.changed {
        notify::changed(&shared, *tenant, name.as_deref());
    }
    // Some of it may have to go on.
    super::wake(&shared);
    Ok(Json(Receipt { serial: taken.serial }))
}

/// An account is at home here from now on.
pub(crate) async fn arrive(
    State(shared): State<Shared>,
    Json(arrival): Json<Arrival>,
) -> Result<Json<Welcome>, Problem> {
    let Arrival { from, luggage, bindings } = arrival;
    // Whoever is called here the moment that the account is here is found.
    adopt(&shared, bindings).await?;
    let micros = shared.store.moves().arrive(shared.now(), from, &luggage).await?;
    for home in &luggage.homes {
        notify::changed(&shared, home.tenant, Some(&home.name));
    }
    Ok(Json(Welcome { micros }))
}

/// What its old home heard of its phones meanwhile.
pub(crate) async fn bind(
    State(shared): State<Shared>,
    Json(bindings): Json<Take>,
) -> Result<Json<()>, Problem> {
    adopt(&shared, bindings).await?;
    Ok(Json(()))
}

async fn adopt(shared: &Shared, bindings: Take) -> Result<(), Problem> {
    let Some(beyond) = &shared.beyond else { return Ok(()) };
    if bindings.bindings.is_empty() {
        return Ok(());
    }
    let shard = beyond.shard(bindings.aor.tenant, &bindings.aor.user);
    let taken = shared.bus.ask(Some(shard), &bindings).await?;
    match taken.understood {
        true => Ok(()),
        false => Err(Problem::unprocessable("the bindings can't be read here: upgrade this cell first")),
    }
}
