//! The post between cells: what waits for others, and what comes from them.

use contract::{CellId, TenantId};
use ledger::{Account, Posting};
use machine::Moment;

use crate::dispatch::{self, Dispatch, Due, Waiting, of_number};
use crate::homes::{self, What};
use crate::imports::{self, Imported};
use crate::link::Link;
use crate::sql::Sql;
use crate::{Lock, Store, StoreError, ledger_book, records, rows, tenants};

/// The post between cells.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a>(pub(crate) &'a Store);

/// What came of messages from another cell.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Taken {
    /// The last message that was taken of that cell, now or before.
    pub serial: u64,
    /// Accounts, numbers, and tenants (no name) that are not what they were.
    pub changed: Vec<(TenantId, Option<String>)>,
}

impl Post<'_> {
    /// Notes that there is a cell; one that was not known is told everything. Whether it was not.
    pub async fn introduce(&self, now: Moment, cell: CellId) -> Result<bool, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let is_new = dispatch::introduce(&mut writing, now, cell).await?;
        writing.commit().await?;
        Ok(is_new)
    }

    /// The first messages that wait for `cell`, at most `limit`.
    pub async fn due(&self, cell: CellId, limit: u32) -> Result<Vec<Due>, StoreError> {
        let query = Sql::new("SELECT serial, body FROM outbox WHERE cell = $1 ORDER BY serial LIMIT $2");
        let query = query.bind(dispatch::number(cell)).bind(i64::from(limit));
        let found = query.fetch_all(&mut self.0.read().await?).await?;
        found
            .iter()
            .map(|row| {
                let dispatch = rows::of_json("a message to another cell", row.get(1)?)?;
                Ok(Due { serial: row.get::<i64, _>(0)?.cast_unsigned(), dispatch })
            })
            .collect()
    }

    /// `cell` has all messages up to this one.
    pub async fn delivered(&self, cell: CellId, serial: u64) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::None).await?;
        Sql::new("DELETE FROM outbox WHERE cell = $1 AND serial <= $2")
            .bind(dispatch::number(cell))
            .bind(serial.cast_signed())
            .execute(&mut writing)
            .await?;
        writing.commit().await
    }

    /// What waits for whom.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let query = "SELECT cell, COUNT(*), MIN(posted) FROM outbox GROUP BY cell ORDER BY cell";
        let found = Sql::new(query).fetch_all(&mut self.0.read().await?).await?;
        found
            .iter()
            .map(|row| {
                Ok(Waiting {
                    cell: of_number(row.get(0)?),
                    count: row.get::<i64, _>(1)?.cast_unsigned(),
                    since: rows::moment(row.get(2)?),
                })
            })
            .collect()
    }

    /// Takes messages of `from`, in their order, each once: those that were taken before change nothing, and what is
    /// behind a gap is not taken. All in one transaction.
    pub async fn take(&self, now: Moment, from: CellId, messages: &[Due]) -> Result<Taken, StoreError> {
        let own = self.0.cell().unwrap_or_default();
        let mut writing = self.0.begin(Lock::All).await?;
        let last = Sql::new("SELECT serial FROM inbox WHERE cell = $1").bind(dispatch::number(from));
        let last = last.fetch_optional(&mut writing).await?.map_or(Ok(0), |row| row.get::<i64, _>(0))?;
        let mut taken = Taken { serial: last.cast_unsigned(), changed: Vec::new() };
        let before = taken.serial;
        for message in messages.iter().skip_while(|message| message.serial <= before) {
            if message.serial != taken.serial + 1 {
                break;
            }
            let changed = carry_out(&mut writing, now, (own, from), &message.dispatch).await?;
            taken.changed.extend(changed);
            taken.serial = message.serial;
        }
        note(&mut writing, from, taken.serial).await?;
        self.0.commit(writing).await?;
        Ok(taken)
    }

    /// Takes what `from` tells of everything: it may be told at any time, as often as one likes.
    pub async fn hear(&self, now: Moment, from: CellId, told: &[Dispatch]) -> Result<Taken, StoreError> {
        let own = self.0.cell().unwrap_or_default();
        let mut writing = self.0.begin(Lock::All).await?;
        let mut taken = Taken::default();
        for dispatch in told {
            if let Dispatch::Tenant { .. } | Dispatch::Home { .. } = dispatch {
                taken.changed.extend(carry_out(&mut writing, now, (own, from), dispatch).await?);
            }
        }
        self.0.commit(writing).await?;
        Ok(taken)
    }
}

async fn note(writing: &mut Link, from: CellId, serial: u64) -> Result<(), StoreError> {
    Sql::new(
        "INSERT INTO inbox (cell, serial) VALUES ($1, $2) \
         ON CONFLICT (cell) DO UPDATE SET serial = excluded.serial",
    )
    .bind(dispatch::number(from))
    .bind(serial.cast_signed())
    .execute(writing)
    .await?;
    Ok(())
}

/// What changed by a message.
async fn carry_out(
    writing: &mut Link,
    now: Moment,
    (own, from): (CellId, CellId),
    dispatch: &Dispatch,
) -> Result<Option<(TenantId, Option<String>)>, StoreError> {
    match dispatch {
        Dispatch::Tenant { tenant } => {
            tenants::hear(writing, now, tenant).await?;
            Ok(Some((tenant.id, None)))
        }
        Dispatch::TenantGone { tenant, .. } => {
            tenants::forget(writing, *tenant).await?;
            Ok(Some((*tenant, None)))
        }
        Dispatch::Home { home } => {
            let changed = homes::hear(writing, now, own, home).await?;
            Ok(changed.then(|| (home.tenant, Some(home.name.clone()))))
        }
        Dispatch::Everything {} => Ok(None),
        Dispatch::Record { record } => {
            let payer = (record.tenant, record.caller.as_str());
            match elsewhere(writing, own, payer).await? {
                Some(home) => dispatch::post(writing, now, home, dispatch).await?,
                None => drop(records::insert(writing, &[record]).await?),
            }
            Ok(None)
        }
        Dispatch::Imported { id, record } => {
            let payer = (record.tenant, record.caller.as_str());
            match elsewhere(writing, own, payer).await? {
                Some(home) => dispatch::post(writing, now, home, dispatch).await?,
                None => {
                    let imported = Imported { id: id.clone(), record: (**record).clone() };
                    imports::keep(writing, now, &[imported]).await?;
                }
            }
            Ok(None)
        }
        Dispatch::Money { tenant, name, micros } => {
            receive(writing, now, (own, from), (*tenant, name), *micros).await?;
            Ok(None)
        }
    }
}

/// Where a user is at home, if not here.
async fn elsewhere(
    reading: &mut Link,
    own: CellId,
    (tenant, user): (TenantId, &str),
) -> Result<Option<CellId>, StoreError> {
    let home = homes::find(reading, tenant, What::User, user).await?;
    Ok(home.map(|home| home.cell).filter(|&cell| cell != own && !cell.is_home()))
}

/// Money that `from` owes us for a user of ours, or for one who has moved on.
async fn receive(
    writing: &mut Link,
    now: Moment,
    (own, from): (CellId, CellId),
    (tenant, name): (TenantId, &str),
    micros: i64,
) -> Result<(), StoreError> {
    let onwards = elsewhere(writing, own, (tenant, name)).await?;
    let to = match onwards {
        Some(cell) => Account::Cell { cell },
        None => Account::User { tenant, name: name.to_owned() },
    };
    transfer(writing, now, Account::Cell { cell: from }, to, micros).await?;
    match onwards {
        Some(home) => {
            let dispatch = Dispatch::Money { tenant, name: name.to_owned(), micros };
            dispatch::post(writing, now, home, &dispatch).await
        }
        None => {
            let changed = ((tenant, name.to_owned()), micros);
            ledger_book::add_to_balances(writing, &[changed]).await
        }
    }
}

/// Money moves between two accounts; less than nothing: the other way.
pub(crate) async fn transfer(
    writing: &mut Link,
    now: Moment,
    from: Account,
    to: Account,
    micros: i64,
) -> Result<(), StoreError> {
    let posting = match micros {
        0 => return Ok(()),
        1.. => Posting { from, to, micros },
        _ => Posting { from: to, to: from, micros: micros.saturating_neg() },
    };
    ledger_book::post(writing, now, &posting).await
}
