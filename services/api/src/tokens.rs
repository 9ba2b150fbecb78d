//! Tokens that open the API for one tenant.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use store::Token;

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::Body;
use crate::problem::Problem;
use crate::view::{NewToken, PageView, TokenView};
use crate::{names, token};

/// The tokens of a tenant, by name.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/tokens", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name")),
    responses((status = 200, body = PageView<TokenView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
) -> Result<Json<PageView<TokenView>>, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    let tokens = shared.store.tokens().of(Some(tenant.id)).await?;
    let items = tokens.into_iter().map(|it| TokenView { name: it.name, token: None }).collect();
    Ok(Json(PageView { items, next: None, missing: Vec::new() }))
}

/// Makes a token that opens the API for this tenant. It is shown this once.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/tokens", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name")), request_body = NewToken,
    responses((status = 201, body = TokenView), (status = "4XX", body = Problem)))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(tenant): Path<String>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenView>), Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    names::check_user(&new.name)?;
    let known = shared.store.tokens().of(Some(tenant.id)).await?;
    if known.iter().any(|token| token.name == new.name) {
        let detail = format!("token {:?} exists already", new.name);
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let secret = token::make().map_err(|error| {
        tracing::error!(%error, "a token could not be made");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the token could not be made; the log says why")
    })?;
    let kept = Token { name: new.name, tenant: Some(tenant.id) };
    shared.store.tokens().add(shared.now(), &token::hash(&secret), &kept).await?;
    Ok((StatusCode::CREATED, Json(TokenView { name: kept.name, token: Some(secret) })))
}

/// Removes a token: it opens nothing any more.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/tokens/{token}", tag = "accounts",
    params(("tenant" = String, Path, description = "The tenant's name"), ("token" = String, Path, description = "What it is called")),
    responses((status = 204, description = "It is no more"), (status = "4XX", body = Problem)))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant(&shared, &tenant).await?;
    shared.store.tokens().remove(Some(tenant.id), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
