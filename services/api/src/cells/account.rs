//! Where an account is at home, and its move to another cell.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::{CellId, TenantId};
use store::{Step, What};
use tokio::time::Instant;

use super::lock;
use crate::access::Caller;
use crate::api::Shared;
use crate::extract::Body;
use crate::problem::Problem;
use crate::view::{HomeView, NewHome};

/// An account that has not moved by then goes on moving, and who asked is told so.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Where an account is at home.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/users/{user}/home", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("user" = String, Path, description = "The user's name")),
    responses((status = 200, body = HomeView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Json<HomeView>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    Ok(Json(view(&shared, tenant.id, &name).await?))
}

/// Moves an account with its numbers, its money and its registrations to another cell, while calls go on. 202: it is on its
/// way, and moves on whatever dies.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/users/{user}/move", tag = "accounts", request_body = NewHome,
    params(("tenant" = String, Path, description = "The tenant's name"), ("user" = String, Path, description = "The user's name")),
    responses((status = 200, body = HomeView), (status = 202, body = HomeView), (status = "4XX", body = Problem)))]
pub(crate) async fn relocate(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
    Body(wanted): Body<NewHome>,
) -> Result<(StatusCode, Json<HomeView>), Problem> {
    caller.must_be_operator()?;
    let tenant = caller.tenant(&shared, &tenant).await?.id;
    let Some(beyond) = &shared.beyond else {
        return Err(Problem::unprocessable("this platform is no cell of several"));
    };
    let to = CellId(wanted.to);
    let home = shared.store.homes().find(tenant, What::User, &name).await?;
    if to != beyond.own && home.is_some_and(|home| home.cell == to) {
        return Ok((StatusCode::OK, Json(view(&shared, tenant, &name).await?)));
    }
    let key = (tenant, name.clone());
    lock(&beyond.refused).remove(&key);
    shared.store.moves().begin(shared.now(), (tenant, &name), to).await?;
    beyond.moving.notify_waiters();
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(reason) = lock(&beyond.refused).remove(&key) {
            return Err(Problem::new(StatusCode::CONFLICT, format!("cell {to} does not take it: {reason}")));
        }
        match shared.store.moves().find(tenant, &name).await? {
            Some(moving) if moving.step != Step::Departed => tokio::time::sleep(LOOK).await,
            _ => return Ok((StatusCode::OK, Json(view(&shared, tenant, &name).await?))),
        }
    }
    Ok((StatusCode::ACCEPTED, Json(view(&shared, tenant, &name).await?)))
}

async fn view(shared: &Shared, tenant: TenantId, name: &str) -> Result<HomeView, Problem> {
    let home = shared.store.homes().find(tenant, What::User, name).await?;
    let cell = match home.filter(|home| !home.cell.is_home()) {
        Some(home) => home.cell,
        // There are no cells.
        None => {
            shared.store.users().named(tenant, name).await?;
            CellId::HOME
        }
    };
    let moving = shared.store.moves().find(tenant, name).await?;
    let moving = moving.filter(|moving| moving.step != Step::Departed);
    Ok(HomeView { name: name.to_owned(), cell: cell.0, moving_to: moving.map(|moving| moving.to.0) })
}

/// Who asks for a user that is at home in another cell is told where that is.
pub(crate) async fn check_here(shared: &Shared, tenant: TenantId, name: &str) -> Result<(), Problem> {
    let elsewhere = shared.store.homes().elsewhere(tenant, (name, "")).await?;
    match elsewhere.get(&What::User) {
        // One that lost its name to another cell's is here all the same, for its owner to rename or remove.
        Some(cell) if !is_in_conflict(shared, tenant, name).await? => Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("user {name:?} is at home in cell {cell}: ask there"),
        )),
        _ => Ok(()),
    }
}

async fn is_in_conflict(shared: &Shared, tenant: TenantId, name: &str) -> Result<bool, Problem> {
    let conflicts = shared.store.homes().conflicts().await?;
    Ok(conflicts.iter().any(|it| (it.tenant, it.what, it.name.as_str()) == (tenant, What::User, name)))
}
