use std::collections::{BTreeMap, BTreeSet};

use contract::record::CallRecord;
use contract::{CellId, TenantId};
use ledger::{Account, Posting};
use machine::Moment;

use crate::dispatch::{self, Dispatch};
use crate::link::Link;
use crate::sql::Sql;
use crate::{Lock, Store, StoreError, ledger_book, records, rows};

/// Records that carriers deliver in files.
#[derive(Clone, Copy, Debug)]
pub struct Imports<'a>(pub(crate) &'a Store);

/// A carrier's record, as it is to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What the carrier calls it: two of one carrier with the same id are one.
    pub id: String,
    /// The record; `carrier` says whose it is, `price` what it costs the user who called.
    pub record: CallRecord,
}

impl Imports<'_> {
    /// Keeps those of `batch` that were not kept before, and charges the callers: all in one transaction, which stands
    /// wholly or not at all. The places of those that are new.
    pub async fn post(&self, now: Moment, batch: &[Imported]) -> Result<Vec<usize>, StoreError> {
        let mut writing = self.0.begin(Lock::Books).await?;
        let new = keep(&mut writing, now, batch).await?;
        writing.commit().await?;
        Ok(new)
    }

    /// Sends records to the cells where their callers are at home.
    pub async fn send(&self, now: Moment, batch: Vec<(CellId, Imported)>) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::None).await?;
        for (cell, Imported { id, record }) in batch {
            let dispatch = Dispatch::Imported { id, record: Box::new(record) };
            dispatch::post(&mut writing, now, cell, &dispatch).await?;
        }
        writing.commit().await
    }
}

/// As [`Imports::post`].
pub(crate) async fn keep(
    writing: &mut Link,
    now: Moment,
    batch: &[Imported],
) -> Result<Vec<usize>, StoreError> {
    let new = claim(writing, batch).await?;
    let records: Vec<&CallRecord> = new.iter().map(|&place| &batch[place].record).collect();
    let kept = records::insert(writing, &records).await?;
    if kept != records.len() as u64 {
        return Err(StoreError::Contradiction("a carrier's record has the number of another call".into()));
    }
    charge(writing, now, &records).await?;
    Ok(new)
}

/// Notes that these are kept; the places of those that were not before.
async fn claim(writing: &mut Link, batch: &[Imported]) -> Result<Vec<usize>, StoreError> {
    let mut places = BTreeMap::new();
    for (place, imported) in batch.iter().enumerate() {
        places.entry((carrier(&imported.record), imported.id.as_str())).or_insert(place);
    }
    let mut new = BTreeSet::new();
    for piece in rows::pieces(&places.values().copied().collect::<Vec<_>>()) {
        let values = piece.iter().map(|&place| {
            let Imported { id, record } = &batch[place];
            [carrier(record).into(), id.as_str().into(), rows::call(record.id).into()]
        });
        let claimed = Sql::new("INSERT INTO imported_records (carrier, id, call)")
            .rows(values)
            .and(" ON CONFLICT (carrier, id) DO NOTHING RETURNING carrier, id")
            .fetch_all(writing)
            .await?;
        for row in claimed {
            let (carrier, id): (String, String) = (row.get(0)?, row.get(1)?);
            new.extend(places.get(&(carrier.as_str(), id.as_str())));
        }
    }
    Ok(new.into_iter().collect())
}

fn carrier(record: &CallRecord) -> &str {
    record.carrier.as_deref().unwrap_or_default()
}

/// The callers pay; who pays in advance may come to owe something, as the call was talked already.
async fn charge(writing: &mut Link, now: Moment, records: &[&CallRecord]) -> Result<(), StoreError> {
    let mut postings = Vec::with_capacity(records.len());
    let mut owed = BTreeMap::<(TenantId, String), i64>::new();
    for record in records {
        let micros = record.price.as_ref().map_or(0, |price| price.micros);
        if micros > 0 {
            let (tenant, name) = (record.tenant, record.caller.clone());
            let from = Account::User { tenant, name: name.clone() };
            postings.push((record.id, Posting { from, to: Account::Revenue, micros }));
            *owed.entry((tenant, name)).or_default() -= micros;
        }
    }
    ledger_book::post_all(writing, now, &postings).await?;
    ledger_book::add_to_balances(writing, &owed.into_iter().collect::<Vec<_>>()).await
}
