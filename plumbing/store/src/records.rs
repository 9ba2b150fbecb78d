use contract::record::{CallRecord, Outcome};
use contract::{CallId, Money, TenantId};
use machine::Moment;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{Page, Paged, Store, StoreError, rows};

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

const COLUMNS: &str = "id, tenant, sip_call_id, caller, dialed, callee, started, rang, answered, ended, outcome, status, cause, quality, currency, price, reserved, released";

impl Records<'_> {
    /// Keeps `records`, all or none; one that is kept already stays as it is. They are safe when this comes
    /// back.
    pub async fn keep(&self, records: &[CallRecord]) -> Result<(), StoreError> {
        let mut writing = self.0.begin().await?;
        for piece in rows::pieces(records) {
            let mut query =
                QueryBuilder::<Sqlite>::new(["INSERT INTO call_records (", COLUMNS, ") "].concat());
            let mut qualities = Vec::with_capacity(piece.len());
            for record in piece {
                qualities.push(rows::json("a record", &record.quality)?);
            }
            query.push_values(piece.iter().zip(qualities), |mut row, (record, quality)| {
                row.push_bind(rows::call(record.id))
                    .push_bind(i64::from(record.tenant.0))
                    .push_bind(record.sip_call_id.clone())
                    .push_bind(record.caller.clone())
                    .push_bind(record.dialed.clone())
                    .push_bind(record.callee.clone())
                    .push_bind(rows::time(record.started))
                    .push_bind(record.rang.map(rows::time))
                    .push_bind(record.answered.map(rows::time))
                    .push_bind(rows::time(record.ended))
                    .push_bind(name(record.outcome))
                    .push_bind(i64::from(record.status))
                    .push_bind(record.cause.clone())
                    .push_bind(quality)
                    .push_bind(currency(record))
                    .push_bind(record.price.as_ref().map(|money| money.micros))
                    .push_bind(record.reserved.as_ref().map(|money| money.micros))
                    .push_bind(record.released.as_ref().map(|money| money.micros));
            });
            query.push(" ON CONFLICT (id) DO NOTHING");
            query.build().execute(&mut *writing).await?;
        }
        writing.commit().await?;
        Ok(())
    }

    /// The record of one call; of this tenant only, if one is named.
    pub async fn find(&self, tenant: Option<TenantId>, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(["SELECT ", COLUMNS, " FROM call_records"].concat());
        query.push(" WHERE id = ").push_bind(rows::call(id));
        if let Some(tenant) = tenant {
            query.push(" AND tenant = ").push_bind(i64::from(tenant.0));
        }
        query.build().fetch_optional(self.0.reader()).await?.as_ref().map(of_row).transpose()
    }

    /// A page of records, the youngest first.
    pub async fn page(&self, filter: &RecordFilter, page: &Page) -> Result<Paged<CallRecord>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(["SELECT ", COLUMNS, " FROM call_records"].concat());
        query.push(" WHERE 1 = 1");
        if let Some(tenant) = filter.tenant {
            query.push(" AND tenant = ").push_bind(i64::from(tenant.0));
        }
        if let Some(from) = filter.from {
            query.push(" AND started >= ").push_bind(rows::time(from));
        }
        if let Some(to) = filter.to {
            query.push(" AND started < ").push_bind(rows::time(to));
        }
        if let Some(cursor) = &page.after {
            let (started, id) = read_cursor(cursor)?;
            query.push(" AND (started, id) < (").push_bind(started).push(", ").push_bind(id).push(")");
        }
        query.push(" ORDER BY started DESC, id DESC LIMIT ").push_bind(page.rows());
        let found = query.build().fetch_all(self.0.reader()).await?;
        let records = found.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Paged::cut(records, page, cursor))
    }
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

fn of_row(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let id = rows::call_id(row.try_get("id")?);
    let currency: Option<String> = row.try_get("currency")?;
    let money = |column: &str| -> Result<Option<Money>, sqlx::Error> {
        let micros: Option<i64> = row.try_get(column)?;
        Ok(micros.map(|micros| Money { micros, currency: currency.clone().unwrap_or_default() }))
    };
    let maybe = |column: &str| -> Result<Option<Moment>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(rows::moment))
    };
    Ok(CallRecord {
        id,
        tenant: TenantId(row.try_get::<i64, _>("tenant")? as u32),
        sip_call_id: row.try_get("sip_call_id")?,
        caller: row.try_get("caller")?,
        dialed: row.try_get("dialed")?,
        callee: row.try_get("callee")?,
        started: rows::moment(row.try_get("started")?),
        rang: maybe("rang")?,
        answered: maybe("answered")?,
        ended: rows::moment(row.try_get("ended")?),
        outcome: outcome(row.try_get("outcome")?),
        status: row.try_get::<i64, _>("status")? as u16,
        cause: row.try_get("cause")?,
        quality: rows::of_json(&format!("the record of {id}"), row.try_get("quality")?)?,
        price: money("price")?,
        reserved: money("reserved")?,
        released: money("released")?,
    })
}
