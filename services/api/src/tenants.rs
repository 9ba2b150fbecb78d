//! Tenants: brands and companies, each with its own users and numbers.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::TenantId;
use contract::account::Tenant;

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::{Body, PageQuery, Params};
use crate::problem::Problem;
use crate::view::{NewTenant, PageView, TenantChange, TenantView};
use crate::{names as rules, notify};

/// All tenants, by name.
#[utoipa::path(get, path = "/v1/tenants", tag = "accounts", params(PageQuery),
    responses((status = 200, body = PageView<TenantView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<PageQuery>,
) -> Result<Json<PageView<TenantView>>, Problem> {
    caller.must_be_operator()?;
    let tenants = shared.store.tenants().page(&query.page()).await?;
    Ok(Json(PageView::of(tenants, TenantView::from)))
}

/// Adds a tenant.
#[utoipa::path(post, path = "/v1/tenants", tag = "accounts", request_body = NewTenant,
    responses((status = 201, body = TenantView), (status = "4XX", body = Problem)))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewTenant>,
) -> Result<(StatusCode, Json<TenantView>), Problem> {
    caller.must_be_operator()?;
    rules::check_tenant(&new.name)?;
    let domains = rules::domains(&new.domains)?;
    let tenant = Tenant { id: TenantId::default(), name: new.name, domains, fallback: new.fallback };
    let tenant = shared.store.tenants().add(shared.now(), tenant).await?;
    notify::changed(&shared, tenant.id, None);
    Ok((StatusCode::CREATED, Json(tenant.into())))
}

/// One tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "accounts", params(("tenant" = String, Path, description = "Its name")),
    responses((status = 200, body = TenantView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    Ok(Json(caller.tenant(&shared, &name).await?.into()))
}

/// Changes a tenant.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", tag = "accounts", params(("tenant" = String, Path, description = "Its name")),
    request_body = TenantChange, responses((status = 200, body = TenantView), (status = "4XX", body = Problem)))]
pub(crate) async fn change(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(change): Body<TenantChange>,
) -> Result<Json<TenantView>, Problem> {
    caller.must_be_operator()?;
    let mut tenant = caller.tenant(&shared, &name).await?;
    if let Some(domains) = change.domains {
        tenant.domains = rules::domains(&domains)?;
    }
    tenant.fallback = change.fallback.unwrap_or(tenant.fallback);
    shared.store.tenants().change(shared.now(), tenant.clone()).await?;
    notify::changed(&shared, tenant.id, None);
    Ok(Json(tenant.into()))
}

/// Removes a tenant with its users, numbers and tokens; its records stay.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}", tag = "accounts", params(("tenant" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is no more"), (status = "4XX", body = Problem)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.must_be_operator()?;
    let tenant = shared.store.tenants().remove(shared.now(), &name).await?;
    notify::changed(&shared, tenant.id, None);
    Ok(StatusCode::NO_CONTENT)
}

/// The names of all tenants.
pub(crate) async fn names(shared: &Shared) -> Result<BTreeMap<TenantId, String>, Problem> {
    Ok(shared.recall.names(&shared.store).await?)
}

/// The name of a tenant; its number if it is no more.
pub(crate) fn name_of(names: &BTreeMap<TenantId, String>, tenant: TenantId) -> String {
    names.get(&tenant).cloned().unwrap_or_else(|| format!("#{tenant}"))
}
