//! The cells of the platform.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use store::What;

use super::lock;
use crate::Time;
use crate::access::Caller;
use crate::api::Shared;
use crate::problem::Problem;
use crate::tenants::name_of;
use crate::view::{CellView, ConflictView};

/// The cells of the platform; none if there are none.
#[utoipa::path(get, path = "/v1/cells", tag = "operation",
    responses((status = 200, body = Vec<CellView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<CellView>>, Problem> {
    caller.must_be_operator()?;
    let Some(beyond) = &shared.beyond else { return Ok(Json(Vec::new())) };
    let accounts = shared.store.homes().count().await?;
    let waiting = shared.store.post().waiting().await?;
    let waiting: BTreeMap<_, _> = waiting.into_iter().map(|it| (it.cell, it)).collect();
    let now = shared.now();
    let failing = lock(&beyond.failing).clone();
    let cells = lock(&beyond.cells).clone();
    let show = |cell: contract::cluster::Cell| CellView {
        cell: cell.number.0,
        own: cell.number == beyond.own,
        accounts: accounts.get(&cell.number).copied().unwrap_or(0),
        waiting: waiting.get(&cell.number).map_or(0, |it| it.count),
        oldest_seconds: waiting.get(&cell.number).map_or(0.0, |it| now.since(it.since).as_secs_f64()),
        failing: failing.get(&cell.number).cloned(),
        name: cell.name,
        offices: cell.offices,
    };
    Ok(Json(cells.into_values().map(show).collect()))
}

/// What waits for a person: names that two cells gave while they did not hear each other.
#[utoipa::path(get, path = "/v1/cells/conflicts", tag = "operation",
    responses((status = 200, body = Vec<ConflictView>), (status = "4XX", body = Problem)))]
pub(crate) async fn conflicts(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<ConflictView>>, Problem> {
    caller.must_be_operator()?;
    let names = crate::tenants::names(&shared).await?;
    let conflicts = shared.store.homes().conflicts().await?;
    let show = |it: store::Conflict| ConflictView {
        tenant: name_of(&names, it.tenant),
        what: if it.what == What::User { "user" } else { "number" }.to_owned(),
        name: it.name,
        cell: it.cell.0,
        since: Time(it.since),
    };
    Ok(Json(conflicts.into_iter().map(show).collect()))
}

/// Messages to other cells that wait, for how long the oldest has, and cells that can't be told.
pub(crate) async fn gauges(shared: &Shared) -> Vec<(&'static str, f64)> {
    let Some(beyond) = &shared.beyond else { return Vec::new() };
    let Ok(waiting) = shared.store.post().waiting().await else { return Vec::new() };
    let now = shared.now();
    let oldest = waiting.iter().map(|it| now.since(it.since)).max().unwrap_or_default();
    vec![
        ("cells_messages_waiting", waiting.iter().map(|it| it.count as f64).sum()),
        ("cells_oldest_message_seconds", oldest.as_secs_f64()),
        ("cells_failing", lock(&beyond.failing).len() as f64),
    ]
}
