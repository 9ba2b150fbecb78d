//! Users: who may register and call.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::account::{Tenant, User};
use store::Account;

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::{Body, PageQuery, Params};
use crate::password::digests;
use crate::problem::Problem;
use crate::view::{NewUser, PageView, UserChange, UserView};
use crate::{cells, names, notify};

/// A tenant's users, by name.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/users", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), PageQuery),
    responses((status = 200, body = PageView<UserView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
    Params(query): Params<PageQuery>,
) -> Result<Json<PageView<UserView>>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let users = shared.store.users().page(tenant.id, &query.page()).await?;
    Ok(Json(PageView::of(users, UserView::from)))
}

/// Adds a user, and its number.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/users", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name")), request_body = NewUser,
    responses((status = 201, body = UserView), (status = "4XX", body = Problem)))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    if new.balance_micros.is_some() {
        caller.must_be_operator()?;
    }
    let account = account(&tenant, new)?;
    shared.store.users().add(shared.now(), &account).await?;
    notify::changed(&shared, tenant.id, Some(&account.user.name));
    if let Some(number) = &account.user.number {
        notify::changed(&shared, tenant.id, Some(number));
    }
    Ok((StatusCode::CREATED, Json(account.into())))
}

/// One user.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/users/{user}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("user" = String, Path, description = "The user's name")),
    responses((status = 200, body = UserView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Json<UserView>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    cells::account::check_here(&shared, tenant.id, &name).await?;
    Ok(Json(shared.store.users().named(tenant.id, &name).await?.into()))
}

/// Changes a user.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}/users/{user}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("user" = String, Path, description = "The user's name")),
    request_body = UserChange, responses((status = 200, body = UserView), (status = "4XX", body = Problem)))]
pub(crate) async fn change(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
    Body(change): Body<UserChange>,
) -> Result<Json<UserView>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    cells::account::check_here(&shared, tenant.id, &name).await?;
    let mut account = shared.store.users().named(tenant.id, &name).await?;
    apply(change, &tenant, &mut account.user)?;
    shared.store.users().change(&account.user).await?;
    notify::changed(&shared, tenant.id, Some(&name));
    Ok(Json(account.into()))
}

/// Removes a user, and the numbers that lead to it.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/users/{user}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("user" = String, Path, description = "The user's name")),
    responses((status = 204, description = "It is no more"), (status = "4XX", body = Problem)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    cells::account::check_here(&shared, tenant.id, &name).await?;
    let numbers = shared.store.users().remove(shared.now(), tenant.id, &name).await?;
    for gone in numbers.iter().chain([&name]) {
        notify::changed(&shared, tenant.id, Some(gone));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn account(tenant: &Tenant, new: NewUser) -> Result<Account, Problem> {
    names::check_user(&new.name)?;
    names::check_password(&new.password)?;
    let display_name = new.display_name.unwrap_or_else(|| new.name.clone());
    names::check_display_name(&display_name)?;
    if new.balance_micros.is_some_and(|micros| micros < 0) {
        return Err(Problem::unprocessable("balance_micros: expected nothing below zero"));
    }
    let realm = realm(tenant);
    let (ha1_md5, ha1_sha256) = digests(&new.name, &realm, &new.password);
    let user = User {
        tenant: tenant.id,
        number: new.number.as_deref().map(names::number).transpose()?,
        name: new.name,
        realm,
        ha1_md5,
        ha1_sha256,
        display_name,
        blocked: new.blocked,
        direct_media: new.direct_media,
    };
    Ok(Account { user, balance: new.balance_micros })
}

fn apply(change: UserChange, tenant: &Tenant, user: &mut User) -> Result<(), Problem> {
    if let Some(password) = change.password {
        names::check_password(&password)?;
        user.realm = realm(tenant);
        (user.ha1_md5, user.ha1_sha256) = digests(&user.name, &user.realm, &password);
    }
    if let Some(display_name) = change.display_name {
        names::check_display_name(&display_name)?;
        user.display_name = display_name;
    }
    user.blocked = change.blocked.unwrap_or(user.blocked);
    user.direct_media = change.direct_media.unwrap_or(user.direct_media);
    Ok(())
}

fn realm(tenant: &Tenant) -> String {
    tenant.domains.first().cloned().unwrap_or_default()
}
