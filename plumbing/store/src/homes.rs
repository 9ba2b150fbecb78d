//! The directory: in which cell each account and each number is at home. The cell that is its home writes its entry, and
//! tells all others.

use std::collections::BTreeMap;

use contract::{CellId, TenantId};
use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::dispatch::{self, Dispatch, of_number};
use crate::link::Link;
use crate::sql::{Row, Sql};
use crate::{Lock, Page, Paged, Store, StoreError, rows};

/// The directory, as this cell has it.
#[derive(Clone, Copy, Debug)]
pub struct Homes<'a>(pub(crate) &'a Store);

/// What has a home. Within a tenant a user and a number may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A user.
    User,
    /// A number.
    Number,
}

/// An entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Whose.
    pub tenant: TenantId,
    /// A user or a number.
    pub what: What,
    /// Its name, or the number.
    pub name: String,
    /// Where it is at home; [`CellId::HOME`]: it is no more.
    pub cell: CellId,
    /// Each change has a higher one.
    pub version: u64,
}

/// An account or number here whose name another cell has given, too, while the two did not hear each other: the other
/// one counts, and this one waits for a person to rename or remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Whose.
    pub tenant: TenantId,
    /// A user or a number.
    pub what: What,
    /// Its name.
    pub name: String,
    /// The cell whose account counts.
    pub cell: CellId,
    /// Since when that is known.
    pub since: Moment,
}

/// So many are entered in one transaction.
const AT_ONCE: i64 = 1_000;
const SELECT: &str = "SELECT tenant, kind, name, cell, version FROM homes";

impl Homes<'_> {
    /// Enters all accounts and numbers that are in no directory yet, as those of a platform that becomes a cell are.
    /// Once; whoever is stopped in between begins anew.
    pub async fn enter_all(&self) -> Result<(), StoreError> {
        let Some(own) = self.0.cell() else { return Ok(()) };
        let done = Sql::new("SELECT 1 FROM sequences WHERE name = 'homes entered'");
        if done.fetch_optional(&mut self.0.read().await?).await?.is_some() {
            return Ok(());
        }
        for (what, select) in [
            (
                What::User,
                "SELECT tenant, name FROM users WHERE (tenant, name) > ($1, $2) ORDER BY tenant, name LIMIT $3",
            ),
            (
                What::Number,
                "SELECT tenant, number FROM numbers WHERE (tenant, number) > ($1, $2) ORDER BY tenant, number LIMIT $3",
            ),
        ] {
            let mut last = Some((TenantId(0), String::new()));
            while let Some((tenant, name)) = last {
                last =
                    self.enter_some(own, what, Sql::new(select).bind(i64::from(tenant.0)).bind(name)).await?;
            }
        }
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let done =
            "INSERT INTO sequences (name, next) VALUES ('homes entered', 1) ON CONFLICT (name) DO NOTHING";
        Sql::new(done).execute(&mut writing).await?;
        writing.commit().await
    }

    /// Enters what `select` finds first; the last of it, if there may be more.
    async fn enter_some(
        &self,
        own: CellId,
        what: What,
        select: Sql,
    ) -> Result<Option<(TenantId, String)>, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let found = select.bind(AT_ONCE).fetch_all(&mut writing).await?;
        let of_row = |row: &Row| {
            Ok::<(TenantId, String), StoreError>((TenantId(row.get::<i64, _>(0)? as u32), row.get(1)?))
        };
        let found = found.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        for piece in rows::pieces(&found) {
            let values = piece.iter().map(|(tenant, name)| {
                let tenant = i64::from(tenant.0);
                [
                    tenant.into(),
                    kind_name(what).into(),
                    name.as_str().into(),
                    dispatch::number(own).into(),
                    1_i64.into(),
                ]
            });
            let query = Sql::new("INSERT INTO homes (tenant, kind, name, cell, version)").rows(values);
            query.and(" ON CONFLICT (tenant, kind, name) DO NOTHING").execute(&mut writing).await?;
        }
        self.0.commit(writing).await?;
        Ok(found.into_iter().last())
    }

    /// The entry of an account or a number.
    pub async fn find(&self, tenant: TenantId, what: What, name: &str) -> Result<Option<Home>, StoreError> {
        find(&mut self.0.read().await?, tenant, what, name).await
    }

    /// Where the user of this name and the number of these digits are at home, if that is another cell.
    pub async fn elsewhere(
        &self,
        tenant: TenantId,
        (name, number): (&str, &str),
    ) -> Result<BTreeMap<What, CellId>, StoreError> {
        let Some(own) = self.0.cell() else { return Ok(BTreeMap::new()) };
        let query = Sql::new(
            "SELECT kind, cell FROM homes WHERE tenant = $1 AND cell <> 0 AND cell <> $2 \
             AND ((kind = 'user' AND name = $3) OR (kind = 'number' AND name = $4))",
        );
        let query = query.bind(i64::from(tenant.0)).bind(dispatch::number(own)).bind(name).bind(number);
        let found = query.fetch_all(&mut self.0.read().await?).await?;
        found.iter().map(|row| Ok((kind(row.get(0)?), of_number(row.get(1)?)))).collect()
    }

    /// Those of `names` that are at home in another cell.
    pub async fn elsewhere_among(
        &self,
        what: What,
        names: &[(TenantId, String)],
    ) -> Result<BTreeMap<(TenantId, String), CellId>, StoreError> {
        let Some(own) = self.0.cell() else { return Ok(BTreeMap::new()) };
        elsewhere_among(&mut self.0.read().await?, own, what, names).await
    }

    /// A page of the entries that this cell is the writer of.
    pub async fn own(&self, page: &Page) -> Result<Paged<Home>, StoreError> {
        let own = self.0.cell().unwrap_or_default();
        let (tenant, kind, name) = read_cursor(page.after.as_deref().unwrap_or("0/number/"))?;
        let query = Sql::new(SELECT)
            .and(" WHERE cell = ")
            .with(dispatch::number(own))
            .and(" AND (tenant, kind, name) > (")
            .with(tenant)
            .and(", ")
            .with(kind)
            .and(", ")
            .with(name)
            .and(") ORDER BY tenant, kind, name LIMIT ")
            .with(page.rows());
        let found = query.fetch_all(&mut self.0.read().await?).await?;
        let homes = found.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Paged::cut(homes, page, |home| format!("{}/{}/{}", home.tenant, kind_name(home.what), home.name)))
    }

    /// How many entries each cell has.
    pub async fn count(&self) -> Result<BTreeMap<CellId, u64>, StoreError> {
        let query =
            Sql::new("SELECT cell, COUNT(*) FROM homes WHERE cell <> 0 AND kind = 'user' GROUP BY cell");
        let found = query.fetch_all(&mut self.0.read().await?).await?;
        found.iter().map(|row| Ok((of_number(row.get(0)?), row.get::<i64, _>(1)?.cast_unsigned()))).collect()
    }

    /// What waits for a person.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>, StoreError> {
        let query =
            Sql::new("SELECT tenant, kind, name, cell, told FROM conflicts ORDER BY tenant, kind, name");
        let found = query.fetch_all(&mut self.0.read().await?).await?;
        found
            .iter()
            .map(|row| {
                Ok(Conflict {
                    tenant: TenantId(row.get::<i64, _>(0)? as u32),
                    what: kind(row.get(1)?),
                    name: row.get(2)?,
                    cell: of_number(row.get(3)?),
                    since: rows::moment(row.get(4)?),
                })
            })
            .collect()
    }
}

/// This cell gives a name; told to all others. Refused if another cell has given it.
pub(crate) async fn claim(
    store: &Store,
    writing: &mut Link,
    now: Moment,
    (tenant, what, name): (TenantId, What, &str),
) -> Result<(), StoreError> {
    let Some(own) = store.cell() else { return Ok(()) };
    let before = find(writing, tenant, what, name).await?;
    if let Some(home) = before.as_ref().filter(|home| !home.cell.is_home() && home.cell != own) {
        let what = kind_name(what);
        return Err(StoreError::Taken(format!("{what} {name:?}, at home in cell {},", home.cell)));
    }
    let version = before.map_or(1, |home| home.version + 1);
    enter(writing, now, Home { tenant, what, name: name.to_owned(), cell: own, version }).await
}

/// What this cell gave away, or is no more (`CellId::HOME`); told to all others.
pub(crate) async fn release(
    store: &Store,
    writing: &mut Link,
    now: Moment,
    (tenant, what, name): (TenantId, What, &str),
    to: CellId,
) -> Result<(), StoreError> {
    let Some(own) = store.cell() else { return Ok(()) };
    settle_conflict(writing, (tenant, what, name)).await?;
    match find(writing, tenant, what, name).await? {
        // One that lost its name leaves the winner's entry alone.
        Some(home) if home.cell != own => Ok(()),
        home => {
            let version = home.map_or(1, |home| home.version + 1);
            enter(writing, now, Home { tenant, what, name: name.to_owned(), cell: to, version }).await
        }
    }
}

/// Writes an entry, and tells all others.
pub(crate) async fn enter(writing: &mut Link, now: Moment, home: Home) -> Result<(), StoreError> {
    write(writing, &home).await?;
    dispatch::post_to_all(writing, now, &Dispatch::Home { home }).await
}

pub(crate) async fn write(writing: &mut Link, home: &Home) -> Result<(), StoreError> {
    Sql::new(
        "INSERT INTO homes (tenant, kind, name, cell, version) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant, kind, name) DO UPDATE SET cell = excluded.cell, version = excluded.version",
    )
    .bind(i64::from(home.tenant.0))
    .bind(kind_name(home.what))
    .bind(home.name.as_str())
    .bind(dispatch::number(home.cell))
    .bind(home.version.cast_signed())
    .execute(writing)
    .await?;
    Ok(())
}

/// Takes what another cell says of an entry: the newer word counts, and of two names that were given by two cells at
/// once that of the lower number. Whether something changed.
pub(crate) async fn hear(
    writing: &mut Link,
    now: Moment,
    own: CellId,
    heard: &Home,
) -> Result<bool, StoreError> {
    let key = (heard.tenant, heard.what, heard.name.as_str());
    let Some(before) = find(writing, heard.tenant, heard.what, &heard.name).await? else {
        write(writing, heard).await?;
        return Ok(true);
    };
    let rank = |home: &Home| (home.version, u8::MAX - home.cell.0);
    if rank(heard) <= rank(&before) {
        return Ok(false);
    }
    if before.cell == own && !heard.cell.is_home() && heard.cell != own {
        note_conflict(writing, now, key, heard.cell).await?;
    }
    write(writing, heard).await?;
    Ok(true)
}

async fn note_conflict(
    writing: &mut Link,
    now: Moment,
    (tenant, what, name): (TenantId, What, &str),
    cell: CellId,
) -> Result<(), StoreError> {
    let moving = Sql::new("SELECT 1 FROM moves WHERE tenant = $1 AND name = $2").bind(i64::from(tenant.0));
    if moving.bind(name).fetch_optional(writing).await?.is_some() {
        return Ok(());
    }
    Sql::new(
        "INSERT INTO conflicts (tenant, kind, name, cell, told) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant, kind, name) DO UPDATE SET cell = excluded.cell",
    )
    .bind(i64::from(tenant.0))
    .bind(kind_name(what))
    .bind(name)
    .bind(dispatch::number(cell))
    .bind(rows::time(now))
    .execute(writing)
    .await?;
    Ok(())
}

pub(crate) async fn settle_conflict(
    writing: &mut Link,
    (tenant, what, name): (TenantId, What, &str),
) -> Result<(), StoreError> {
    Sql::new("DELETE FROM conflicts WHERE tenant = $1 AND kind = $2 AND name = $3")
        .bind(i64::from(tenant.0))
        .bind(kind_name(what))
        .bind(name)
        .execute(writing)
        .await?;
    Ok(())
}

pub(crate) async fn find(
    reading: &mut Link,
    tenant: TenantId,
    what: What,
    name: &str,
) -> Result<Option<Home>, StoreError> {
    let query = Sql::new(SELECT).and(" WHERE tenant = $1 AND kind = $2 AND name = $3");
    let query = query.bind(i64::from(tenant.0)).bind(kind_name(what)).bind(name);
    query.fetch_optional(reading).await?.as_ref().map(of_row).transpose()
}

pub(crate) async fn elsewhere_among(
    reading: &mut Link,
    own: CellId,
    what: What,
    names: &[(TenantId, String)],
) -> Result<BTreeMap<(TenantId, String), CellId>, StoreError> {
    let mut found = BTreeMap::new();
    for piece in rows::pieces(names) {
        let values = piece.iter().map(|(tenant, name)| [i64::from(tenant.0).into(), name.as_str().into()]);
        let query = Sql::new("SELECT tenant, name, cell FROM homes WHERE (tenant, name) IN (")
            .rows(values)
            .and(") AND cell <> 0 AND cell <> ")
            .with(dispatch::number(own))
            .and(" AND kind = ")
            .with(kind_name(what));
        for row in query.fetch_all(reading).await? {
            let key = (TenantId(row.get::<i64, _>(0)? as u32), row.get(1)?);
            found.insert(key, of_number(row.get(2)?));
        }
    }
    Ok(found)
}

fn of_row(row: &Row) -> Result<Home, StoreError> {
    Ok(Home {
        tenant: TenantId(row.get::<i64, _>(0)? as u32),
        what: kind(row.get(1)?),
        name: row.get(2)?,
        cell: of_number(row.get(3)?),
        version: row.get::<i64, _>(4)?.cast_unsigned(),
    })
}

pub(crate) fn kind_name(what: What) -> &'static str {
    match what {
        What::User => "user",
        What::Number => "number",
    }
}

fn kind(name: &str) -> What {
    if name == "number" { What::Number } else { What::User }
}

fn read_cursor(text: &str) -> Result<(i64, &str, &str), StoreError> {
    let read = || {
        let (tenant, rest) = text.split_once('/')?;
        let (kind, name) = rest.split_once('/')?;
        Some((tenant.parse().ok()?, kind, name))
    };
    read().ok_or_else(|| StoreError::BadCursor(text.to_owned()))
}
