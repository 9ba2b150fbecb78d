//! What cells tell each other for good: kept until the other one has it, in order, each once.

use contract::account::Tenant;
use contract::record::CallRecord;
use contract::{CellId, TenantId};
use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::homes::Home;
use crate::link::Link;
use crate::sql::Sql;
use crate::{StoreError, rows};

/// A message from one cell to another. Changes only by adding kinds and defaulted fields: a cell that does not know a
/// kind takes neither it nor what is behind it until it is upgraded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Dispatch {
    /// A tenant was added or changed.
    Tenant {
        /// As it is now.
        tenant: Tenant,
    },
    /// A tenant was removed.
    TenantGone {
        /// Which.
        tenant: TenantId,
        /// Its name.
        name: String,
    },
    /// An entry of the directory.
    Home {
        /// As it is now.
        home: Home,
    },
    /// All tenants, and all entries of which the sender is the writer, were told just before this.
    Everything {},
    /// A call of an account that had moved away while it was up.
    Record {
        /// Its record.
        record: Box<CallRecord>,
    },
    /// A carrier told of a call of an account of that cell.
    Imported {
        /// What the carrier calls it.
        id: String,
        /// Its record, priced.
        record: Box<CallRecord>,
    },
    /// Money of an account that had moved away; less than nothing: it owes more.
    Money {
        /// Whose user.
        tenant: TenantId,
        /// The user's name.
        name: String,
        /// Millionths.
        micros: i64,
    },
}

/// A message that waits for another cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Due {
    /// Which one of those to that cell, from 1 on, without a gap.
    pub serial: u64,
    /// What it says.
    pub dispatch: Dispatch,
}

/// What waits for another cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which cell.
    pub cell: CellId,
    /// So many messages.
    pub count: u64,
    /// Since when the oldest of them waits.
    pub since: Moment,
}

/// Puts a message for `cell` behind all others for it; before the first one, that it is to be told everything.
pub(crate) async fn post(
    writing: &mut Link,
    now: Moment,
    cell: CellId,
    dispatch: &Dispatch,
) -> Result<(), StoreError> {
    let mut serial = next(writing, cell).await?;
    if serial == 1 {
        insert(writing, now, (cell, serial), &Dispatch::Everything {}).await?;
        serial = next(writing, cell).await?;
    }
    insert(writing, now, (cell, serial), dispatch).await
}

/// A cell that was not known before is to be told everything.
pub(crate) async fn introduce(writing: &mut Link, now: Moment, cell: CellId) -> Result<bool, StoreError> {
    let known = Sql::new("SELECT 1 FROM peers WHERE cell = $1").bind(number(cell));
    if known.fetch_optional(writing).await?.is_some() {
        return Ok(false);
    }
    let serial = next(writing, cell).await?;
    insert(writing, now, (cell, serial), &Dispatch::Everything {}).await?;
    Ok(true)
}

async fn next(writing: &mut Link, cell: CellId) -> Result<i64, StoreError> {
    let next = Sql::new(
        "INSERT INTO peers (cell, next) VALUES ($1, 2) \
         ON CONFLICT (cell) DO UPDATE SET next = peers.next + 1 RETURNING next - 1",
    );
    next.bind(number(cell)).fetch_one(writing).await?.get(0)
}

async fn insert(
    writing: &mut Link,
    now: Moment,
    (cell, serial): (CellId, i64),
    dispatch: &Dispatch,
) -> Result<(), StoreError> {
    Sql::new("INSERT INTO outbox (cell, serial, posted, body) VALUES ($1, $2, $3, $4)")
        .bind(number(cell))
        .bind(serial)
        .bind(rows::time(now))
        .bind(rows::json("a message to another cell", dispatch)?)
        .execute(writing)
        .await?;
    Ok(())
}

/// Puts a message for all other cells behind all others.
pub(crate) async fn post_to_all(
    writing: &mut Link,
    now: Moment,
    dispatch: &Dispatch,
) -> Result<(), StoreError> {
    for row in Sql::new("SELECT cell FROM peers ORDER BY cell").fetch_all(writing).await? {
        post(writing, now, of_number(row.get(0)?), dispatch).await?;
    }
    Ok(())
}

pub(crate) fn number(cell: CellId) -> i64 {
    i64::from(cell.0)
}

pub(crate) fn of_number(column: i64) -> CellId {
    CellId(column as u8)
}
