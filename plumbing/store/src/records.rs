use std::collections::BTreeSet;

use contract::record::{CallRecord, Outcome};
use contract::{CallId, Money, TenantId};
use machine::Moment;

use crate::dispatch::{self, Dispatch};
use crate::homes::{self, What};
use crate::link::Link;
use crate::sql::{Row, Sql, Value};
use crate::{Listed, Lock, Page, Paged, Store, StoreError, rows};

/// What calls there were.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a>(pub(crate) &'a Store);

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Of this tenant; none: of all.
    pub tenant: Option<TenantId>,
    /// That began at this moment or later.
    pub from: Option<Moment>,
    /// That began before this moment.
    pub to: Option<Moment>,
}

const SELECT: &str = "SELECT id, tenant, sip_call_id, caller, dialed, callee, started, rang, answered, ended, outcome, status, cause, quality, currency, price, reserved, released, carrier FROM call_records";
const INSERT: &str = "INSERT INTO call_records (id, tenant, sip_call_id, caller, dialed, callee, started, rang, answered, ended, outcome, status, cause, quality, currency, price, reserved, released, carrier)";

impl Records<'_> {
    /// Keeps `records`, all or none; one that is kept already stays as it is. Those of callers who moved to another cell
    /// are on their way there. They are safe when this comes back.
    pub async fn keep(&self, records: &[CallRecord]) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::None).await?;
        let here = send_on(self.0, &mut writing, records).await?;
        insert(&mut writing, &here).await?;
        writing.commit().await?;
        Ok(())
    }

    /// The record of one call; of this tenant only, if one is named.
    pub async fn find(&self, tenant: Option<TenantId>, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let mut query = Sql::new(SELECT).and(" WHERE id = ").with(rows::call(id));
        if let Some(tenant) = tenant {
            query = query.and(" AND tenant = ").with(i64::from(tenant.0));
        }
        query.fetch_optional(&mut self.0.read().await?).await?.as_ref().map(of_row).transpose()
    }

    /// A page of records, the youngest first.
    pub async fn page(&self, filter: &RecordFilter, page: &Page) -> Result<Paged<CallRecord>, StoreError> {
        let mut query = Sql::new(SELECT).and(" WHERE 1 = 1");
        if let Some(tenant) = filter.tenant {
            query = query.and(" AND tenant = ").with(i64::from(tenant.0));
        }
        if let Some(from) = filter.from {
            query = query.and(" AND started >= ").with(rows::time(from));
        }
        if let Some(to) = filter.to {
            query = query.and(" AND started < ").with(rows::time(to));
        }
        if let Some(cursor) = &page.after {
            let (started, id) = read_cursor(cursor)?;
            query = query.and(" AND (started, id) < (").with(started).and(", ").with(id).and(")");
        }
        let query = query.and(" ORDER BY started DESC, id DESC LIMIT ").with(page.rows());
        let found = query.fetch_all(&mut self.0.list(Listed::Records).await?).await?;
        let records = found.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Paged::cut(records, page, cursor))
    }
}

/// Sends the records of callers who moved to another cell after them; what is left stays here.
async fn send_on<'r>(
    store: &Store,
    writing: &mut Link,
    records: &'r [CallRecord],
) -> Result<Vec<&'r CallRecord>, StoreError> {
    let Some(own) = store.cell() else { return Ok(records.iter().collect()) };
    let callers: BTreeSet<_> = records.iter().map(|it| (it.tenant, it.caller.clone())).collect();
    let callers: Vec<_> = callers.into_iter().collect();
    let gone = homes::elsewhere_among(writing, own, What::User, &callers).await?;
    let mut here = Vec::with_capacity(records.len());
    for record in records {
        match gone.get(&(record.tenant, record.caller.clone())) {
            Some(&cell) => {
                let dispatch = Dispatch::Record { record: Box::new(record.clone()) };
                dispatch::post(writing, record.ended, cell, &dispatch).await?;
            }
            None => here.push(record),
        }
    }
    Ok(here)
}

/// Keeps `records`, but for those that are kept already; how many that were not.
pub(crate) async fn insert(writing: &mut Link, records: &[&CallRecord]) -> Result<u64, StoreError> {
    let mut kept = 0;
    for piece in rows::pieces(records) {
        let values = piece.iter().map(|record| values(record)).collect::<Result<Vec<_>, _>>()?;
        kept += Sql::new(INSERT).rows(values).and(" ON CONFLICT (id) DO NOTHING").execute(writing).await?;
    }
    Ok(kept)
}

fn values(record: &CallRecord) -> Result<[Value; 19], StoreError> {
    let micros = |money: &Option<Money>| money.as_ref().map(|money| money.micros);
    Ok([
        rows::call(record.id).into(),
        i64::from(record.tenant.0).into(),
        record.sip_call_id.as_str().into(),
        record.caller.as_str().into(),
        record.dialed.as_str().into(),
        record.callee.as_str().into(),
        rows::time(record.started).into(),
        record.rang.map(rows::time).into(),
        record.answered.map(rows::time).into(),
        rows::time(record.ended).into(),
        name(record.outcome).into(),
        i64::from(record.status).into(),
        record.cause.as_str().into(),
        rows::json("a record", &record.quality)?.into(),
        currency(record).into(),
        micros(&record.price).into(),
        micros(&record.reserved).into(),
        micros(&record.released).into(),
        record.carrier.clone().into(),
    ])
}

fn cursor(record: &CallRecord) -> String {
    format!("{:x}-{}", record.started.as_micros(), record.id)
}

fn read_cursor(text: &str) -> Result<(i64, i64), StoreError> {
    let read = || {
        let (started, id) = text.split_once('-')?;
        let started = u64::from_str_radix(started, 16).ok()?;
        Some((started.cast_signed(), rows::call(id.parse().ok()?)))
    };
    read().ok_or_else(|| StoreError::BadCursor(text.to_owned()))
}

fn currency(record: &CallRecord) -> Option<String> {
    let money = [&record.price, &record.reserved, &record.released];
    money.into_iter().flatten().next().map(|money| money.currency.clone())
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answered",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no_answer",
        Outcome::Cancelled => "cancelled",
        Outcome::Unreachable => "unreachable",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

fn outcome(name: &str) -> Outcome {
    use Outcome::{Answered, Busy, Cancelled, Failed, NoAnswer, Refused, Unreachable};
    let all = [Answered, Busy, NoAnswer, Cancelled, Unreachable, Refused];
    all.into_iter().find(|&outcome| self::name(outcome) == name).unwrap_or(Failed)
}

fn of_row(row: &Row) -> Result<CallRecord, StoreError> {
    let id = rows::call_id(row.get("id")?);
    let currency: Option<String> = row.get("currency")?;
    let money = |column: &str| -> Result<Option<Money>, StoreError> {
        let micros: Option<i64> = row.get(column)?;
        Ok(micros.map(|micros| Money { micros, currency: currency.clone().unwrap_or_default() }))
    };
    let maybe = |column: &str| -> Result<Option<Moment>, StoreError> {
        Ok(row.get::<Option<i64>, _>(column)?.map(rows::moment))
    };
    Ok(CallRecord {
        id,
        tenant: TenantId(row.get::<i64, _>("tenant")? as u32),
        sip_call_id: row.get("sip_call_id")?,
        caller: row.get("caller")?,
        dialed: row.get("dialed")?,
        callee: row.get("callee")?,
        started: rows::moment(row.get("started")?),
        rang: maybe("rang")?,
        answered: maybe("answered")?,
        ended: rows::moment(row.get("ended")?),
        outcome: outcome(row.get("outcome")?),
        status: row.get::<i64, _>("status")? as u16,
        cause: row.get("cause")?,
        quality: rows::of_json(&format!("the record of {id}"), row.get("quality")?)?,
        price: money("price")?,
        reserved: money("reserved")?,
        released: money("released")?,
        carrier: row.get("carrier")?,
    })
}
