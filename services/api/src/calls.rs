//! Calls in progress.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::query::{self, HangUp, ListCalls};
use contract::{CallId, TenantId};

use crate::access::Caller;
use crate::api::Shared;
use crate::extract::{Params, TenantPageQuery};
use crate::gather::{gather, silent};
use crate::problem::Problem;
use crate::tenants::name_of;
use crate::view::{CallView, PageView};

/// The calls in progress, in order of their number.
#[utoipa::path(get, path = "/v1/calls", tag = "calls", params(TenantPageQuery),
    responses((status = 200, body = PageView<CallView>), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<TenantPageQuery>,
) -> Result<Json<PageView<CallView>>, Problem> {
    let page = query.page();
    let tenant = caller.scope(&shared, query.tenant.as_deref()).await?;
    let after = page.after.as_deref().map(call_id).transpose()?;
    let limit = page.limit as usize;
    let gathered = gather(&shared.bus, &ListCalls { tenant, after, limit: page.limit + 1 }).await?;
    let mut calls: BTreeMap<CallId, query::CallView> = BTreeMap::new();
    for call in gathered.answers.into_iter().flat_map(|answer| answer.calls) {
        // Whatever a thread says: what is another's is not shown.
        if tenant.is_none_or(|tenant| tenant == call.tenant) {
            calls.insert(call.id, call);
        }
    }
    let more = calls.len() > limit;
    let names = crate::tenants::names(&shared).await?;
    let items: Vec<CallView> = calls
        .into_values()
        .take(limit)
        .map(|call| {
            let tenant = name_of(&names, call.tenant);
            CallView::of(call, tenant)
        })
        .collect();
    let next = items.last().filter(|_| more).map(|call| call.id.clone());
    Ok(Json(PageView { items, next, missing: gathered.missing }))
}

/// One call in progress.
#[utoipa::path(get, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path, description = "The call's number")),
    responses((status = 200, body = CallView), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<CallView>, Problem> {
    let call = in_progress(&shared, &caller, call_id(&id)?).await?;
    let names = crate::tenants::names(&shared).await?;
    let tenant = name_of(&names, call.tenant);
    Ok(Json(CallView::of(call, tenant)))
}

/// Ends a call.
#[utoipa::path(delete, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path, description = "The call's number")),
    responses((status = 204, description = "It is being ended"), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn hang_up(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call = call_id(&id)?;
    if !caller.is_operator() {
        in_progress(&shared, &caller, call).await?;
    }
    let reason = if caller.is_operator() { "ended by the operator" } else { "ended by the tenant" };
    let gathered = gather(&shared.bus, &HangUp { call, reason: reason.into() }).await?;
    if gathered.answers.iter().any(|answer| answer.found) {
        tracing::info!(%call, reason, "a call is ended from outside");
        return Ok(StatusCode::NO_CONTENT);
    }
    if gathered.missing.is_empty() { Err(not_there(call)) } else { Err(silent(&gathered.missing)) }
}

/// The call of that number, if the caller may see it.
async fn in_progress(shared: &Shared, caller: &Caller, id: CallId) -> Result<query::CallView, Problem> {
    let after = id.0.checked_sub(1).map(CallId);
    let gathered = gather(&shared.bus, &ListCalls { tenant: None, after, limit: 1 }).await?;
    let found = gathered.answers.into_iter().flat_map(|answer| answer.calls).find(|call| call.id == id);
    match found {
        Some(call) if caller.sees(call.tenant) => Ok(call),
        None if !gathered.missing.is_empty() => Err(silent(&gathered.missing)),
        Some(_) | None => Err(not_there(id)),
    }
}

/// Whose call that is or was, as far as anybody knows.
pub(crate) async fn owner(shared: &Shared, id: CallId) -> Result<Option<TenantId>, Problem> {
    if let Some(record) = shared.store.records().find(None, id).await? {
        return Ok(Some(record.tenant));
    }
    let after = id.0.checked_sub(1).map(CallId);
    let gathered = gather(&shared.bus, &ListCalls { tenant: None, after, limit: 1 }).await?;
    let mut calls = gathered.answers.into_iter().flat_map(|answer| answer.calls);
    Ok(calls.find(|call| call.id == id).map(|call| call.tenant))
}

fn not_there(id: CallId) -> Problem {
    Problem::missing(format!("call {id} in progress"))
}

/// A call's number as it stands in a path.
pub(crate) fn call_id(text: &str) -> Result<CallId, Problem> {
    let sixteen = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = CallId::from_str(text).ok().filter(|_| sixteen);
    parsed.ok_or_else(|| {
        Problem::unprocessable(format!("expected a call's number, 16 hexadecimal digits, read {text:?}"))
    })
}
