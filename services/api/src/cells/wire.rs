//! What offices say to each other over HTTP.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use contract::CellId;
use contract::registration::Take;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Dispatch, Due, Luggage};

use crate::api::Shared;
use crate::client::http;
use crate::problem::Problem;

pub(super) const INBOX: &str = "/v1/cells/inbox";
pub(super) const ARRIVALS: &str = "/v1/cells/arrivals";
pub(super) const BINDINGS: &str = "/v1/cells/bindings";

/// How long an office waits for another one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages for another cell, in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Delivery {
    pub(super) from: CellId,
    /// A part of everything: what tenants there are, and what the sender is the writer of.
    pub(super) told: Vec<Dispatch>,
    pub(super) messages: Vec<Due>,
}

/// The last message that the other cell has.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Receipt {
    pub(super) serial: u64,
}

/// An account that moves, with its bindings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(super) from: CellId,
    pub(super) luggage: Luggage,
    pub(super) bindings: Take,
}

/// How much an account has brought.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Welcome {
    pub(super) micros: i64,
}

/// Why another cell did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsaid {
    #[error("cell {0} has told no office")]
    NoOffice(CellId),
    #[error("{0}")]
    Away(String),
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl Unsaid {
    /// Whether it will not be otherwise when it is said again.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Unsaid::NoOffice(_) | Unsaid::Away(_) => false,
            Unsaid::Refused(problem) => (400..500).contains(&problem.status) && problem.status != 401,
        }
    }
}

/// Says `what` to the first office of `cell` that answers.
pub(super) async fn say<T: DeserializeOwned + Send + 'static>(
    shared: &Shared,
    cell: CellId,
    path: &'static str,
    what: &impl Serialize,
) -> Result<T, Unsaid> {
    let Some(beyond) = &shared.beyond else { return Err(Unsaid::NoOffice(cell)) };
    let body = serde_json::to_vec(what).map_err(|error| Unsaid::Away(error.to_string()))?;
    let mut last = Unsaid::NoOffice(cell);
    for office in beyond.offices(cell) {
        let (key, body) = (beyond.key.clone(), body.clone());
        let saying = tokio::task::spawn_blocking(move || say_to(&office, &key, path, &body));
        match saying.await.map_err(|error| Unsaid::Away(error.to_string()))? {
            Ok(answer) => {
                return serde_json::from_slice(&answer)
                    .map_err(|error| Unsaid::Away(format!("an answer that can't be read: {error}")));
            }
            Err(error) if error.is_final() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn say_to(office: &str, key: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Unsaid> {
    let away = |why: &dyn std::fmt::Display| Unsaid::Away(format!("{office}: {why}"));
    let address = address(office).ok_or_else(|| away(&"expected http://ADDRESS:PORT"))?;
    let body = Some(("application/json", body));
    let response =
        http::exchange((address, PATIENCE), key, ("POST", path), body).map_err(|error| match error {
            http::Error::Connect(error) | http::Error::Io(error) => away(&error),
            http::Error::NotHttp(error) => away(&error),
        })?;
    if (200..300).contains(&response.status) {
        return Ok(response.body);
    }
    match serde_json::from_slice(&response.body) {
        Ok(problem) => Err(Unsaid::Refused(problem)),
        Err(_) => Err(away(&format!("status {}", response.status))),
    }
}

fn address(office: &str) -> Option<SocketAddr> {
    office.strip_prefix("http://")?.trim_end_matches('/').to_socket_addrs().ok()?.next()
}
