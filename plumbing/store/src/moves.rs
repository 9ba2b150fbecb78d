//! Accounts that move from one cell to another, step by step: whoever dies in between goes on where it was, and each step
//! may be taken again.
//!
//! 1. [`Moves::begin`], in the old home: from here on nobody changes the account.
//! 2. [`Moves::arrive`], in the new home: the account is there, with what it had to spend, and is served there, too.
//! 3. [`Moves::flip`], in the old home: the directory says that it lives there, and the money is gone from here.
//! 4. [`Moves::depart`], once its bindings were given away for good.
//! 5. [`Moves::sweep`], as long as calls that were begun here go on: what they leave is sent after it.

use contract::account::{Destination, Number, User};
use contract::{CellId, TenantId};
use ledger::Account as Purse;
use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::dispatch::{self, Dispatch, of_number};
use crate::homes::{self, Home, What};
use crate::link::Link;
use crate::post::transfer;
use crate::sql::{Row, Sql};
use crate::{Account, Lock, Store, StoreError, ledger_book, numbers, rows, tenants, users};

/// Accounts on their way.
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a>(pub(crate) &'a Store);

/// An account on its way to another cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Whose.
    pub tenant: TenantId,
    /// The user's name.
    pub name: String,
    /// Where to.
    pub to: CellId,
    /// What was done last.
    pub step: Step,
    /// When.
    pub since: Moment,
}

/// What was done last for an account that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is to move; the old home serves it.
    Begun,
    /// The new home serves it; the old one has yet to give its bindings away.
    Flipped,
    /// All is there but what calls leave that were begun in the old home.
    Departed,
}

/// What an account takes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Luggage {
    /// The user.
    pub user: User,
    /// It pays in advance.
    pub prepaid: bool,
    /// The numbers that lead to it.
    pub numbers: Vec<Number>,
    /// Its entries in the directory, as they will be: the user's is the first.
    pub homes: Vec<Home>,
    /// What lies on its account, millionths; less than nothing: it owes that.
    pub micros: i64,
}

/// An account from which everybody has gone is forgotten so long after it moved: until then the books of its last call
/// may yet be written, microseconds.
const LINGERS: u64 = 60_000_000;

impl Moves<'_> {
    /// An account is to move; that it does already is no error.
    pub async fn begin(
        &self,
        now: Moment,
        (tenant, name): (TenantId, &str),
        to: CellId,
    ) -> Result<Move, StoreError> {
        let own = self.own()?;
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let says = |what: String| Err(StoreError::Contradiction(format!("user {name:?} {what}")));
        if let Some(home) = homes::find(&mut writing, tenant, What::User, name).await?
            && home.cell != own
            && !home.cell.is_home()
        {
            return says(format!("is at home in cell {}: move it from there", home.cell));
        }
        let account = users::named(&mut writing, tenant, name).await?;
        account.ok_or_else(|| StoreError::Missing(format!("user {name:?}")))?;
        if to == own {
            return says(format!("is at home in cell {to}"));
        }
        match find(&mut writing, tenant, name).await? {
            Some(begun) if begun.to == to => return Ok(begun),
            Some(begun) => return says(format!("is moving to cell {} already", begun.to)),
            None => {}
        }
        let known = Sql::new("SELECT 1 FROM peers WHERE cell = $1").bind(dispatch::number(to));
        if known.fetch_optional(&mut writing).await?.is_none() {
            return Err(StoreError::Missing(format!("cell {to}")));
        }
        let query = "INSERT INTO moves (tenant, name, cell, state, since) VALUES ($1, $2, $3, 'begun', $4)";
        let query = Sql::new(query).bind(i64::from(tenant.0)).bind(name).bind(dispatch::number(to));
        query.bind(rows::time(now)).execute(&mut writing).await?;
        self.0.commit(writing).await?;
        Ok(Move { tenant, name: name.to_owned(), to, step: Step::Begun, since: now })
    }

    /// It does not move: the other cell would not have it.
    pub async fn cancel(&self, tenant: TenantId, name: &str) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let query = "DELETE FROM moves WHERE tenant = $1 AND name = $2 AND state = 'begun'";
        Sql::new(query).bind(i64::from(tenant.0)).bind(name).execute(&mut writing).await?;
        self.0.commit(writing).await
    }

    /// All that are on their way, the longest first.
    pub async fn all(&self) -> Result<Vec<Move>, StoreError> {
        let found = Sql::new(SELECT).and(" ORDER BY since").fetch_all(&mut self.0.read().await?).await?;
        found.iter().map(of_row).collect()
    }

    /// The one of that name, if it is on its way.
    pub async fn find(&self, tenant: TenantId, name: &str) -> Result<Option<Move>, StoreError> {
        find(&mut self.0.read().await?, tenant, name).await
    }

    /// What an account takes along that has yet to move.
    pub async fn pack(&self, moving: &Move) -> Result<Luggage, StoreError> {
        // Nobody else goes on with it while we look.
        let mut reading = self.0.begin(Lock::All).await?;
        let (tenant, name) = (moving.tenant, moving.name.as_str());
        if !matches!(find(&mut reading, tenant, name).await?, Some(begun) if begun.step == Step::Begun) {
            return Err(StoreError::Contradiction(format!("user {name:?} has moved already")));
        }
        let account = users::named(&mut reading, tenant, name).await?;
        let account = account.ok_or_else(|| StoreError::Missing(format!("user {name:?}")))?;
        let numbers = numbers::leading_to(&mut reading, tenant, name).await?;
        let homes = entries(&mut reading, moving, &numbers).await?;
        let purse = Purse::User { tenant, name: name.to_owned() };
        let micros = ledger_book::balance(&mut reading, &purse).await?;
        Ok(Luggage { user: account.user, prepaid: account.balance.is_some(), numbers, homes, micros })
    }

    /// An account of `from` is at home here from now on. If it came before, nothing happens. How much it brought: that
    /// is to be taken from it there.
    pub async fn arrive(&self, now: Moment, from: CellId, luggage: &Luggage) -> Result<i64, StoreError> {
        let own = self.own()?;
        let mut writing = self.0.begin(Lock::All).await?;
        let Luggage { user, numbers, homes, micros, .. } = luggage;
        let (tenant, name) = (user.tenant, user.name.as_str());
        let version = homes.first().map_or(0, |home| home.version);
        if let Some(micros) = arrived(&mut writing, (tenant, name), version).await? {
            return Ok(micros);
        }
        check_place(&mut writing, own, luggage).await?;
        let purse = Purse::User { tenant, name: name.to_owned() };
        transfer(&mut writing, now, Purse::Cell { cell: from }, purse.clone(), *micros).await?;
        let balance = match luggage.prepaid {
            true => Some(ledger_book::balance(&mut writing, &purse).await?),
            false => None,
        };
        // It may have lived here before.
        forget(&mut writing, tenant, name).await?;
        users::write(&mut writing, now, &Account { user: user.clone(), balance }).await?;
        for number in numbers {
            numbers::insert(&mut writing, now, tenant, &number.number, &number.to).await?;
        }
        for home in homes {
            homes::write(&mut writing, &Home { cell: own, ..home.clone() }).await?;
        }
        Sql::new("INSERT INTO arrivals (tenant, name, version, micros) VALUES ($1, $2, $3, $4)")
            .bind(i64::from(tenant.0))
            .bind(name)
            .bind(version.cast_signed())
            .bind(*micros)
            .execute(&mut writing)
            .await?;
        self.0.commit(writing).await?;
        Ok(*micros)
    }

    /// The account is at home there from now on, where it brought `micros`; all cells are told.
    pub async fn flip(&self, now: Moment, moving: &Move, micros: i64) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::All).await?;
        let (tenant, name) = (moving.tenant, moving.name.as_str());
        match find(&mut writing, tenant, name).await? {
            Some(now) if now.step == Step::Begun => {}
            _ => return Ok(()),
        }
        let numbers = numbers::leading_to(&mut writing, tenant, name).await?;
        for home in entries(&mut writing, moving, &numbers).await? {
            homes::enter(&mut writing, now, home).await?;
        }
        let purse = Purse::User { tenant, name: name.to_owned() };
        transfer(&mut writing, now, purse, Purse::Cell { cell: moving.to }, micros).await?;
        let to = Destination::User { name: name.to_owned() };
        numbers::remove_leading_to(&mut writing, tenant, &to).await?;
        // Calls that go on are not ended: what they cost is sent after it.
        Sql::new("UPDATE users SET balance = NULL WHERE tenant = $1 AND name = $2")
            .bind(i64::from(tenant.0))
            .bind(name)
            .execute(&mut writing)
            .await?;
        set_step(&mut writing, now, moving, "flipped").await?;
        self.0.commit(writing).await
    }

    /// Its bindings were given away.
    pub async fn depart(&self, now: Moment, moving: &Move) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        set_step(&mut writing, now, moving, "departed").await?;
        self.0.commit(writing).await
    }

    /// Sends after those who have moved what their calls left here, and forgets those who left no call.
    pub async fn sweep(&self, now: Moment) -> Result<(), StoreError> {
        let gone = self.all().await?.into_iter().filter(|moving| moving.step != Step::Begun);
        for moving in gone {
            let mut writing = self.0.begin(Lock::All).await?;
            let (tenant, name) = (moving.tenant, moving.name.clone());
            let purse = Purse::User { tenant, name: name.clone() };
            let left = ledger_book::balance(&mut writing, &purse).await?;
            if left != 0 {
                transfer(&mut writing, now, purse, Purse::Cell { cell: moving.to }, left).await?;
                let money = Dispatch::Money { tenant, name, micros: left };
                dispatch::post(&mut writing, now, moving.to, &money).await?;
            } else if moving.step == Step::Departed
                && now.as_micros().saturating_sub(moving.since.as_micros()) > LINGERS
                && !has_calls(&mut writing, &moving).await?
            {
                forget(&mut writing, tenant, &name).await?;
            } else {
                continue;
            }
            self.0.commit(writing).await?;
        }
        Ok(())
    }

    fn own(&self) -> Result<CellId, StoreError> {
        self.0.cell().ok_or_else(|| StoreError::Contradiction("this platform is no cell of several".into()))
    }
}

const SELECT: &str = "SELECT tenant, name, cell, state, since FROM moves";

pub(crate) async fn find(
    reading: &mut Link,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Move>, StoreError> {
    let query = Sql::new(SELECT).and(" WHERE tenant = $1 AND name = $2").bind(i64::from(tenant.0)).bind(name);
    query.fetch_optional(reading).await?.as_ref().map(of_row).transpose()
}

/// Who moves is not changed meanwhile.
pub(crate) async fn check_still(reading: &mut Link, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    match find(reading, tenant, name).await? {
        Some(moving) => Err(StoreError::Contradiction(match moving.step {
            Step::Begun => {
                format!("user {name:?} is moving to cell {}: change it there in a moment", moving.to)
            }
            Step::Flipped | Step::Departed => {
                format!("user {name:?} is at home in cell {}: change it there", moving.to)
            }
        })),
        None => Ok(()),
    }
}

fn of_row(row: &Row) -> Result<Move, StoreError> {
    let step = match row.get(3)? {
        "begun" => Step::Begun,
        "flipped" => Step::Flipped,
        _ => Step::Departed,
    };
    Ok(Move {
        tenant: TenantId(row.get::<i64, _>(0)? as u32),
        name: row.get(1)?,
        to: of_number(row.get(2)?),
        step,
        since: rows::moment(row.get(4)?),
    })
}

async fn set_step(writing: &mut Link, now: Moment, moving: &Move, state: &str) -> Result<(), StoreError> {
    Sql::new("UPDATE moves SET state = $3, since = $4 WHERE tenant = $1 AND name = $2")
        .bind(i64::from(moving.tenant.0))
        .bind(moving.name.as_str())
        .bind(state)
        .bind(rows::time(now))
        .execute(writing)
        .await?;
    Ok(())
}

/// The directory's entries of an account that moves, as they will be.
async fn entries(reading: &mut Link, moving: &Move, numbers: &[Number]) -> Result<Vec<Home>, StoreError> {
    let numbers = numbers.iter().map(|it| (What::Number, it.number.clone()));
    let mut entries = Vec::new();
    for (what, name) in std::iter::once((What::User, moving.name.clone())).chain(numbers) {
        let before = homes::find(reading, moving.tenant, what, &name).await?;
        let version = before.map_or(0, |home| home.version) + 1;
        entries.push(Home { tenant: moving.tenant, what, name, cell: moving.to, version });
    }
    Ok(entries)
}

async fn arrived(
    reading: &mut Link,
    (tenant, name): (TenantId, &str),
    version: u64,
) -> Result<Option<i64>, StoreError> {
    let query = "SELECT micros FROM arrivals WHERE tenant = $1 AND name = $2 AND version = $3";
    let query = Sql::new(query).bind(i64::from(tenant.0)).bind(name).bind(version.cast_signed());
    query.fetch_optional(reading).await?.map(|row| row.get(0)).transpose()
}

/// Whether an account can come here.
async fn check_place(reading: &mut Link, own: CellId, luggage: &Luggage) -> Result<(), StoreError> {
    let user = &luggage.user;
    if !tenants::is_there(reading, user.tenant).await? {
        // It is on its way here, as everything is that all cells are told.
        return Err(StoreError::Away(format!("tenant {} is not known in cell {own} yet", user.tenant)));
    }
    for home in &luggage.homes {
        let here = homes::find(reading, home.tenant, home.what, &home.name).await?;
        if let Some(here) = here.filter(|here| here.version >= home.version) {
            let what = homes::kind_name(home.what);
            let detail =
                format!("{what} {:?} is at home in cell {}, as cell {own} heard", home.name, here.cell);
            return Err(StoreError::Contradiction(detail));
        }
        let lost = "SELECT 1 FROM conflicts WHERE tenant = $1 AND kind = $2 AND name = $3";
        let lost = Sql::new(lost).bind(i64::from(home.tenant.0)).bind(homes::kind_name(home.what));
        if lost.bind(home.name.as_str()).fetch_optional(reading).await?.is_some() {
            let detail = format!("another {:?} waits in cell {own} to be renamed", home.name);
            return Err(StoreError::Contradiction(detail));
        }
    }
    Ok(())
}

async fn has_calls(reading: &mut Link, moving: &Move) -> Result<bool, StoreError> {
    let query = "SELECT 1 FROM reservations WHERE state = 'open' AND tenant = $1 AND account = $2 LIMIT 1";
    let query = Sql::new(query).bind(i64::from(moving.tenant.0)).bind(moving.name.as_str());
    Ok(query.fetch_optional(reading).await?.is_some())
}

/// Nothing of the account is here any more but its records and postings.
async fn forget(writing: &mut Link, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    for query in [
        "DELETE FROM users WHERE tenant = $1 AND name = $2",
        "DELETE FROM moves WHERE tenant = $1 AND name = $2",
    ] {
        Sql::new(query).bind(i64::from(tenant.0)).bind(name).execute(writing).await?;
    }
    Ok(())
}
