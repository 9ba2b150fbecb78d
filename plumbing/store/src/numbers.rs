use contract::account::{Destination, Number};
use contract::{CellId, TenantId};
use machine::Moment;

use crate::homes::{self, What};
use crate::link::Link;
use crate::sql::{Row, Sql};
use crate::{Listed, Lock, Page, Paged, Store, StoreError, moves, rows, users};

/// Which numbers lead where.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a>(pub(crate) &'a Store);

impl Numbers<'_> {
    /// Adds a number; the user that it leads to must be there.
    pub async fn add(&self, now: Moment, number: &Number) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        if let Destination::User { name } = &number.to
            && users::named(&mut writing, number.tenant, name).await?.is_none()
        {
            return Err(StoreError::Contradiction(format!(
                "number {:?} cannot lead to user {name:?}: there is no such user",
                number.number
            )));
        }
        if let Destination::User { name } = &number.to {
            moves::check_still(&mut writing, number.tenant, name).await?;
        }
        homes::claim(self.0, &mut writing, now, (number.tenant, What::Number, &number.number)).await?;
        insert(&mut writing, now, number.tenant, &number.number, &number.to).await?;
        self.0.commit(writing).await?;
        Ok(())
    }

    /// The number, if it leads somewhere.
    pub async fn find(&self, tenant: TenantId, number: &str) -> Result<Option<Number>, StoreError> {
        let query = Sql::new("SELECT number, destination FROM numbers WHERE tenant = $1 AND number = $2");
        let mut reading = self.0.read().await?;
        let found = query.bind(i64::from(tenant.0)).bind(number).fetch_optional(&mut reading).await?;
        found.map(|row| of_row(tenant, &row)).transpose()
    }

    /// Those of `numbers` that lead somewhere.
    pub async fn among(&self, numbers: &[(TenantId, String)]) -> Result<Vec<Number>, StoreError> {
        let mut reading = self.0.read().await?;
        let mut found = Vec::new();
        for piece in rows::pieces(numbers) {
            let values =
                piece.iter().map(|(tenant, number)| [i64::from(tenant.0).into(), number.as_str().into()]);
            let query =
                Sql::new("SELECT number, destination, tenant FROM numbers WHERE (tenant, number) IN (");
            for row in query.rows(values).and(")").fetch_all(&mut reading).await? {
                found.push(of_row(TenantId(row.get::<i64, _>(2)? as u32), &row)?);
            }
        }
        Ok(found)
    }

    /// A page of a tenant's numbers, in order of their digits.
    pub async fn page(&self, tenant: TenantId, page: &Page) -> Result<Paged<Number>, StoreError> {
        let query = "SELECT number, destination FROM numbers WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3";
        let found = Sql::new(query)
            .bind(i64::from(tenant.0))
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.rows())
            .fetch_all(&mut self.0.list(Listed::Accounts).await?)
            .await?;
        let numbers = found.iter().map(|row| of_row(tenant, row)).collect::<Result<Vec<_>, _>>()?;
        Ok(Paged::cut(numbers, page, |number| number.number.clone()))
    }

    /// Removes a number; the user who shows it to others shows it no more.
    pub async fn remove(&self, now: Moment, tenant: TenantId, number: &str) -> Result<Number, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let query = "DELETE FROM numbers WHERE tenant = $1 AND number = $2 RETURNING number, destination";
        let removed =
            Sql::new(query).bind(i64::from(tenant.0)).bind(number).fetch_optional(&mut writing).await?;
        let Some(row) = removed else {
            return Err(StoreError::Missing(format!("number {number:?}")));
        };
        Sql::new("UPDATE users SET number = NULL WHERE tenant = $1 AND number = $2")
            .bind(i64::from(tenant.0))
            .bind(number)
            .execute(&mut writing)
            .await?;
        let removed = of_row(tenant, &row)?;
        if let Destination::User { name } = &removed.to {
            moves::check_still(&mut writing, tenant, name).await?;
        }
        homes::release(self.0, &mut writing, now, (tenant, What::Number, number), CellId::HOME).await?;
        self.0.commit(writing).await?;
        Ok(removed)
    }
}

fn of_row(tenant: TenantId, row: &Row) -> Result<Number, StoreError> {
    let number: String = row.get(0)?;
    let to = rows::of_json(&format!("number {number:?}"), row.get(1)?)?;
    Ok(Number { tenant, number, to })
}

pub(crate) async fn insert(
    writing: &mut Link,
    now: Moment,
    tenant: TenantId,
    number: &str,
    to: &Destination,
) -> Result<(), StoreError> {
    let done = Sql::new(
        "INSERT INTO numbers (tenant, number, destination, created) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant, number) DO NOTHING",
    )
    .bind(i64::from(tenant.0))
    .bind(number)
    .bind(rows::json("a destination", to)?)
    .bind(rows::time(now))
    .execute(writing)
    .await?;
    match done {
        0 => Err(StoreError::Taken(format!("number {number:?}"))),
        _ => Ok(()),
    }
}

/// The numbers that lead to a user.
pub(crate) async fn leading_to(
    reading: &mut Link,
    tenant: TenantId,
    user: &str,
) -> Result<Vec<Number>, StoreError> {
    let to = Destination::User { name: user.to_owned() };
    let query =
        "SELECT number, destination FROM numbers WHERE tenant = $1 AND destination = $2 ORDER BY number";
    let query = Sql::new(query).bind(i64::from(tenant.0)).bind(rows::json("a destination", &to)?);
    query.fetch_all(reading).await?.iter().map(|row| of_row(tenant, row)).collect()
}

/// Removes what leads to `to`; tells which numbers those were.
pub(crate) async fn remove_leading_to(
    writing: &mut Link,
    tenant: TenantId,
    to: &Destination,
) -> Result<Vec<String>, StoreError> {
    let removed = Sql::new("DELETE FROM numbers WHERE tenant = $1 AND destination = $2 RETURNING number")
        .bind(i64::from(tenant.0))
        .bind(rows::json("a destination", to)?)
        .fetch_all(writing)
        .await?;
    removed.iter().map(|row| row.get(0)).collect()
}
