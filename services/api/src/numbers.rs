//! Numbers, and where they lead.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::account::{Destination, Number};

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::{Body, PageQuery, Params};
use crate::problem::Problem;
use crate::view::{NewNumber, NumberView, PageView, To};
use crate::{names, notify};

/// A tenant's numbers, in order of their digits.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/numbers", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), PageQuery),
    responses((status = 200, body = PageView<NumberView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
    Params(query): Params<PageQuery>,
) -> Result<Json<PageView<NumberView>>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let numbers = shared.store.numbers().page(tenant.id, &query.page()).await?;
    Ok(Json(PageView::of(numbers, NumberView::from)))
}

/// Adds a number.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/numbers", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name")), request_body = NewNumber,
    responses((status = 201, body = NumberView), (status = "4XX", body = Problem)))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
    Body(new): Body<NewNumber>,
) -> Result<(StatusCode, Json<NumberView>), Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let to = destination(new.to)?;
    let number = Number { tenant: tenant.id, number: names::number(&new.number)?, to };
    shared.store.numbers().add(shared.now(), &number).await?;
    notify::changed(&shared, tenant.id, Some(&number.number));
    Ok((StatusCode::CREATED, Json(number.into())))
}

/// One number.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/numbers/{number}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("number" = String, Path, description = "The number")),
    responses((status = 200, body = NumberView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, number)): Path<(String, String)>,
) -> Result<Json<NumberView>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let number = names::plain(&number);
    let found = shared.store.numbers().find(tenant.id, number).await?;
    Ok(Json(found.ok_or_else(|| Problem::missing(format!("number {number:?}")))?.into()))
}

/// Removes a number.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/numbers/{number}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("number" = String, Path, description = "The number")),
    responses((status = 204, description = "It is no more"), (status = "4XX", body = Problem)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, number)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let removed = shared.store.numbers().remove(shared.now(), tenant.id, names::plain(&number)).await?;
    notify::changed(&shared, tenant.id, Some(&removed.number));
    if let Destination::User { name } = &removed.to {
        notify::changed(&shared, tenant.id, Some(name));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn destination(to: To) -> Result<Destination, Problem> {
    match to {
        To::User(name) => Ok(Destination::User { name }),
        To::App(name) if !name.is_empty() && name.len() <= 64 => Ok(Destination::App { name }),
        To::App(_) | To::Unknown => {
            Err(Problem::unprocessable(r#"to: expected {"user": NAME} or {"app": NAME}"#))
        }
    }
}
