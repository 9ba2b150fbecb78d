//! Whether every worker works.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bus::Member;
use contract::{cluster, media, query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::Shared;

/// Who does not answer so soon is not well.
const PATIENCE: Duration = Duration::from_millis(500);

/// How the platform does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `degraded` if one worker does not work.
    status: String,
    /// Each of them.
    workers: Vec<WorkerHealth>,
}

/// How one worker (or thread) does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct WorkerHealth {
    /// Its name.
    name: String,
    /// It answers.
    ok: bool,
    /// After so many milliseconds.
    answered_ms: Option<f64>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Whether every worker works: 200 if so, 503 otherwise.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn show(State(shared): State<Shared>) -> (StatusCode, Json<Health>) {
    let asked: Vec<_> =
        shared.host.topology().members().map(|member| tokio::spawn(check(shared.clone(), member))).collect();
    let mut workers = Vec::with_capacity(asked.len());
    for answer in asked {
        workers.extend(answer.await);
    }
    let well = workers.iter().all(|worker| worker.ok);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { status: if well { "ok" } else { "degraded" }.into(), workers }))
}

async fn check(shared: Shared, member: Member) -> WorkerHealth {
    let began = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, ask(&shared, member)).await;
    let problem = match answer {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem),
        Err(_) => Some(format!("no answer within {} ms", PATIENCE.as_millis())),
    };
    let answered_ms = problem.is_none().then(|| began.elapsed().as_secs_f64() * 1e3);
    WorkerHealth { name: member.to_string(), ok: problem.is_none(), answered_ms, problem }
}

async fn ask(shared: &Shared, member: Member) -> Result<(), String> {
    let answered = match member {
        Member::Signalling(_) => shared.host.ask_member(member, &query::Gauge::default()).await.map(drop),
        Member::Media => shared.host.ask_member(member, &media::Gauge::default()).await.map(drop),
        Member::Broker => shared.host.ask_member(member, &cluster::Gauge::default()).await.map(drop),
        Member::Office => {
            let asked = shared.store.tenants().named("").await;
            return match asked {
                Ok(_) | Err(store::StoreError::Missing(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
        }
    };
    answered.map_err(|error| error.to_string())
}
