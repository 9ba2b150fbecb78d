//! The hosts of one platform, as the brokers agreed on them: who is there, and who shall own nothing any more.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::NodeId;
use contract::cluster::{Drain, Look, View};
use contract::moving::{MoveCall, Moved};
use contract::paths::{KnownConditions, ShowConditions};

use crate::access::Caller;
use crate::api::Shared;
use crate::calls::call_id;
use crate::extract::Body;
use crate::gather::{gather, silent};
use crate::problem::Problem;
use crate::view::{Destination, Draining, NodeView};

/// The hosts of the platform; none if it is alone on its host.
#[utoipa::path(get, path = "/v1/nodes", tag = "operation",
    responses((status = 200, body = Vec<NodeView>), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<NodeView>>, Problem> {
    caller.must_be_operator()?;
    let view = look(&shared).await?;
    // What is not known is left away.
    let known = match view.nodes.is_empty() {
        true => KnownConditions::default(),
        false => shared.bus.ask(None, &ShowConditions {}).await.unwrap_or_default(),
    };
    Ok(Json(view.nodes.iter().map(|node| NodeView::of(node, &view, &known.nodes)).collect()))
}

/// Has a host hand on all that it owns, or (`back`) own again.
#[utoipa::path(post, path = "/v1/nodes/{node}/drain", tag = "operation", request_body = Draining,
    params(("node" = u16, Path, description = "The host's number")),
    responses((status = 202, description = "The brokers have agreed: it begins"), (status = "4XX", body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn drain(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(node): Path<u16>,
    Body(draining): Body<Draining>,
) -> Result<StatusCode, Problem> {
    caller.must_be_operator()?;
    let node = NodeId(node);
    if look(&shared).await?.node(node).is_none() {
        return Err(Problem::missing(format!("node {}", node.0)));
    }
    let agreed = shared.bus.ask(None, &Drain { node, back: draining.back }).await;
    match agreed {
        Ok(agreed) if agreed.version > 0 => Ok(StatusCode::ACCEPTED),
        Ok(_) | Err(_) => Err(unavailable("the brokers could not agree; try again")),
    }
}

/// Moves the audio of a call to another host: both phones are told, and the call goes on.
#[utoipa::path(post, path = "/v1/calls/{id}/move", tag = "calls", request_body = Destination,
    params(("id" = String, Path, description = "The call's number")),
    responses((status = 202, description = "It moves, or is there already"), (status = "4XX", body = Problem),
        (status = 503, body = Problem)))]
pub(crate) async fn move_call(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(destination): Body<Destination>,
) -> Result<StatusCode, Problem> {
    caller.must_be_operator()?;
    let call = call_id(&id)?;
    let gathered = gather(&shared.bus, &MoveCall { call, to: NodeId(destination.to) }).await?;
    let told = gathered.answers.into_iter().find(|answer| *answer != Moved::NotFound);
    match told {
        Some(Moved::Accepted) => Ok(StatusCode::ACCEPTED),
        Some(Moved::NoSuchNode) => {
            Err(Problem::unprocessable(format!("no media runs on node {}", destination.to)))
        }
        Some(Moved::Direct) => Err(Problem::unprocessable("its phones talk past us".to_owned())),
        Some(Moved::NotFound | Moved::Unknown) | None if gathered.missing.is_empty() => {
            Err(Problem::missing(format!("call {call} in progress")))
        }
        Some(Moved::NotFound | Moved::Unknown) | None => Err(silent(&gathered.missing)),
    }
}

async fn look(shared: &Shared) -> Result<View, Problem> {
    if !shared.host.topology().workers().broker {
        return Ok(View::default());
    }
    let view = shared.bus.ask(None, &Look {}).await;
    view.map_err(|_| unavailable("the broker of this host does not answer; try again"))
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}
