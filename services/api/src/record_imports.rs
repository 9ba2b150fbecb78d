//! Records that a carrier delivers in a file: calls that it took while phones did not reach us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use contract::account::{Destination, Tenant};
use contract::record::{CallRecord, Outcome};
use contract::{CallId, CellId, Money, TenantId};
use ledger::Rate;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::{Imported, What};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::api::Shared;
use crate::carrier_file::{self, Bad, Line};
use crate::extract::Params;
use crate::problem::Problem;
use crate::view::{ImportView, MoneyView, RefusedLine};
use crate::{cells, names};

/// No part of a file is longer; `strowger records import` sends longer ones in parts.
pub(crate) const LONGEST_PART: usize = 16 << 20;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Who delivers: two records of one carrier with the same id are one.
    carrier: String,
    /// Millionths of the platform's currency a minute, whatever was dialed.
    micros_per_minute: i64,
    /// What is begun of so many seconds is charged whole: 1 or 60, say; 1 if it is not said.
    #[serde(default = "second")]
    step_seconds: u32,
    /// Callers whose name says no domain are this tenant's; without it, the tenant's that takes unknown domains.
    tenant: Option<String>,
    /// Which line of the file the body begins with; 1 if it is not said.
    #[serde(default = "one")]
    first_line: u64,
}

fn second() -> u32 {
    1
}

fn one() -> u64 {
    1
}

/// Keeps and charges the records of a carrier's file (text/csv: `id,caller,dialed,start,seconds`), each once however often
/// it is delivered: the good lines in one transaction, and the bad ones are told.
#[utoipa::path(post, path = "/v1/record-imports", tag = "records", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportView), (status = "4XX", body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn import(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<ImportQuery>,
    body: Bytes,
) -> Result<Json<ImportView>, Problem> {
    caller.must_be_operator()?;
    let rate = rate(&shared, &query)?;
    let now = shared.now();
    let (lines, mut bad) = carrier_file::read(&body, query.first_line.max(1), now);
    let payers = Payers::find(&shared, &lines, query.tenant.as_deref()).await?;
    let (mut batch, mut beyond) = (Vec::with_capacity(lines.len()), Vec::new());
    for line in lines {
        match payers.of(&line.caller) {
            Ok((payer, Some(cell))) => beyond.push((cell, imported(&query.carrier, line, payer, &rate))),
            Ok((payer, None)) => batch.push(imported(&query.carrier, line, payer, &rate)),
            Err(reason) => bad.push(Bad { number: line.number, reason }),
        }
    }
    let new = shared.store.imports().post(now, &batch).await?;
    let sent = beyond.len() as u64;
    shared.store.imports().send(now, beyond).await?;
    cells::wake(&shared);
    // Those that were kept before are told again: if we died in between, nobody has heard of them.
    let told = shared.outlet.keep(batch.iter().map(|it| &it.record)).await;
    told.map_err(|error| {
        tracing::error!(%error, "imported records are in the store, but in no stream");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the records can't be told to others; import them again",
        )
    })?;
    bad.sort_by_key(|bad| bad.number);
    let micros = new.iter().map(|&place| batch[place].record.price.as_ref().map_or(0, |it| it.micros)).sum();
    tracing::info!(
        carrier = query.carrier,
        imported = new.len(),
        lines = batch.len(),
        refused = bad.len(),
        "a carrier's records were imported"
    );
    Ok(Json(ImportView {
        carrier: query.carrier,
        imported: new.len() as u64,
        sent,
        repeated: (batch.len() - new.len()) as u64,
        refused: bad.into_iter().map(|it| RefusedLine { line: it.number, reason: it.reason }).collect(),
        price: MoneyView { micros, currency: rate.currency },
    }))
}

fn rate(shared: &Shared, query: &ImportQuery) -> Result<Rate, Problem> {
    names::check_carrier(&query.carrier)?;
    if query.micros_per_minute < 0 {
        return Err(Problem::unprocessable("micros_per_minute: expected 0 or more"));
    }
    if !(1..=3600).contains(&query.step_seconds) {
        return Err(Problem::unprocessable("step_seconds: expected 1 to 3600"));
    }
    Ok(Rate {
        micros_per_minute: query.micros_per_minute,
        step_seconds: query.step_seconds,
        currency: shared.currency.clone(),
    })
}

fn imported(carrier: &str, line: Line, (tenant, user): (TenantId, String), rate: &Rate) -> Imported {
    let Line { id, dialed, start, seconds, .. } = line;
    let price = Some(Money { micros: rate.price(seconds), currency: rate.currency.clone() });
    let record = CallRecord {
        id: number(carrier, &id),
        tenant,
        sip_call_id: id.clone(),
        caller: user,
        callee: dialed.clone(),
        dialed,
        started: start,
        answered: Some(start),
        ended: start.after(Duration::from_secs(seconds)),
        outcome: Outcome::Answered,
        status: 200,
        cause: format!("told by {carrier}"),
        price,
        carrier: Some(carrier.to_owned()),
        ..CallRecord::default()
    };
    Imported { id, record }
}

/// Every cell gives a carrier's record the same number.
fn number(carrier: &str, id: &str) -> CallId {
    let hash = Sha256::new().chain_update(carrier).chain_update([0]).chain_update(id).finalize();
    CallId(hash.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Who pays for the calls of a file.
struct Payers {
    tenants: Vec<Tenant>,
    /// Whose those are that say no domain.
    otherwise: Option<TenantId>,
    users: BTreeSet<(TenantId, String)>,
    /// Numbers that lead to users.
    numbers: BTreeMap<(TenantId, String), String>,
    /// Users who are at home in other cells.
    elsewhere: BTreeMap<(TenantId, String), CellId>,
}

impl Payers {
    async fn find(shared: &Shared, lines: &[Line], tenant: Option<&str>) -> Result<Payers, Problem> {
        let tenants = shared.store.tenants().all().await?;
        let otherwise = match tenant {
            Some(name) => Some(shared.store.tenants().named(name).await?.id),
            None => tenants.iter().find(|tenant| tenant.fallback).map(|tenant| tenant.id),
        };
        let mut payers = Payers {
            tenants,
            otherwise,
            users: BTreeSet::new(),
            numbers: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        };
        let callers: BTreeSet<_> = lines.iter().filter_map(|line| payers.split(&line.caller)).collect();
        let callers: Vec<_> = callers.into_iter().collect();
        payers.elsewhere = shared.store.homes().elsewhere_among(What::User, &callers).await?;
        payers.users = shared.store.ledger().purses(&callers).await?.into_keys().collect();
        let rest = callers.into_iter().filter(|caller| !payers.users.contains(caller));
        let rest: Vec<_> = rest.map(|(tenant, name)| (tenant, names::plain(&name).to_owned())).collect();
        let leading = shared.store.numbers().among(&rest).await?;
        payers.numbers = leading
            .into_iter()
            .filter_map(|number| match number.to {
                Destination::User { name } => Some(((number.tenant, number.number), name)),
                Destination::App { .. } | Destination::Unknown => None,
            })
            .collect();
        Ok(payers)
    }

    /// The tenant and the name or number that a caller is written with.
    fn split(&self, caller: &str) -> Option<(TenantId, String)> {
        let bare = caller.trim_matches(['<', '>']);
        let bare = ["sips:", "sip:", "tel:"].iter().find_map(|it| bare.strip_prefix(it)).unwrap_or(bare);
        let bare = bare.split([';', '?']).next().unwrap_or_default();
        let Some((user, host)) = bare.split_once('@') else {
            return Some((self.otherwise?, bare.to_owned()));
        };
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        let owner = self.tenants.iter().find(|tenant| tenant.domains.contains(&host)).map(|tenant| tenant.id);
        Some((owner.or(self.otherwise)?, user.to_owned()))
    }

    /// The user who pays for what `caller` called, and its home if that is another cell.
    fn of(&self, caller: &str) -> Result<((TenantId, String), Option<CellId>), String> {
        let unknown = || format!("caller: {caller:?} is no user or number of any tenant");
        let (tenant, name) = self.split(caller).ok_or_else(unknown)?;
        let payer = (tenant, name);
        if let Some(&cell) = self.elsewhere.get(&payer) {
            return Ok((payer, Some(cell)));
        }
        if self.users.contains(&payer) {
            return Ok((payer, None));
        }
        let number = (tenant, names::plain(&payer.1).to_owned());
        self.numbers.get(&number).map(|user| ((tenant, user.clone()), None)).ok_or_else(unknown)
    }
}
