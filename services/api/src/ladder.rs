//! What was said in a call, as JSON and as a picture.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use contract::query::{Rung, ShowLadder};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::Caller;
use crate::api::Shared;
use crate::calls::{call_id, owner};
use crate::extract::Params;
use crate::gather::{gather, silent};
use crate::ladder_svg;
use crate::problem::Problem;
use crate::view::LadderView;

const SVG: &str = "image/svg+xml";

/// How to show a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The messages with their times.
    Json,
    /// A picture.
    Svg,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LadderQuery {
    /// `json` or `svg`; if it is not said, as the Accept header wants it, and JSON otherwise.
    #[param(inline)]
    format: Option<Format>,
}

/// The SIP messages of a call, also of one that is over, as long as they are remembered.
#[utoipa::path(get, path = "/v1/calls/{id}/ladder", tag = "calls",
    params(("id" = String, Path, description = "The call's number"), LadderQuery),
    responses(
        (status = 200, content((LadderView = "application/json"), (String = "image/svg+xml"))),
        (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Params(query): Params<LadderQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = call_id(&id)?;
    let unknown =
        || Problem::new(StatusCode::NOT_FOUND, format!("no messages are remembered of call {call}"));
    if !caller.is_operator() {
        owner(&shared, call).await?.filter(|&tenant| caller.sees(tenant)).ok_or_else(unknown)?;
    }
    let gathered = gather(&shared.bus, &ShowLadder { call }).await?;
    let mut rungs: Vec<Rung> = gathered.answers.into_iter().flat_map(|ladder| ladder.rungs).collect();
    if rungs.is_empty() {
        let all_know = gathered.missing.is_empty();
        return Err(if all_know { unknown() } else { silent(&gathered.missing) });
    }
    rungs.sort_by_key(|rung| rung.at);
    let view = LadderView::of(call.to_string(), rungs, gathered.missing);
    Ok(match query.format.unwrap_or_else(|| wanted(&headers)) {
        Format::Json => Json(view).into_response(),
        Format::Svg => ([(header::CONTENT_TYPE, SVG)], ladder_svg::draw(&view)).into_response(),
    })
}

fn wanted(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let names =
        |kind: &str| accept.split(',').any(|part| part.split(';').next().unwrap_or("").trim() == kind);
    if names(SVG) && !names("application/json") { Format::Svg } else { Format::Json }
}
