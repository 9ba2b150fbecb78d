//! What calls there were.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use store::RecordFilter;
use utoipa::IntoParams;

use crate::Time;
use crate::access::Caller;
use crate::api::Shared;
use crate::calls::call_id;
use crate::extract::{Params, page};
use crate::problem::Problem;
use crate::tenants::name_of;
use crate::view::{PageView, RecordView};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordQuery {
    /// The tenant's name; all tenants if it is not said.
    tenant: Option<String>,
    /// Calls that began at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Calls that began before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// What the page before said as `next`.
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 if it is not said.
    limit: Option<u32>,
}

/// The records of calls that are over, the youngest first.
#[utoipa::path(get, path = "/v1/call-records", tag = "records", params(RecordQuery),
    responses((status = 200, body = PageView<RecordView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<RecordQuery>,
) -> Result<Json<PageView<RecordView>>, Problem> {
    let tenant = caller.scope(&shared, query.tenant.as_deref()).await?;
    let filter = RecordFilter { tenant, from: query.from.map(|it| it.0), to: query.to.map(|it| it.0) };
    let records = shared.store.records().page(&filter, &page(query.after, query.limit)).await?;
    let names = crate::tenants::names(&shared).await?;
    Ok(Json(PageView::of(records, |record| {
        let tenant = name_of(&names, record.tenant);
        RecordView::of(record, tenant)
    })))
}

/// The record of one call.
#[utoipa::path(get, path = "/v1/call-records/{id}", tag = "records", params(("id" = String, Path, description = "The call's number")),
    responses((status = 200, body = RecordView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<RecordView>, Problem> {
    let id = call_id(&id)?;
    let tenant = caller.scope(&shared, None).await?;
    let found = shared.store.records().find(tenant, id).await?;
    let record = found.ok_or_else(|| Problem::missing(format!("record of call {id}")))?;
    let names = crate::tenants::names(&shared).await?;
    let tenant = name_of(&names, record.tenant);
    Ok(Json(RecordView::of(record, tenant)))
}
