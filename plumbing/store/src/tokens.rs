use contract::TenantId;
use machine::Moment;

use crate::sql::{Row, Sql};
use crate::{Listed, Lock, Store, StoreError, rows};

/// Who may use the API. Of a token only its hash is kept.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a>(pub(crate) &'a Store);

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is called, for people.
    pub name: String,
    /// Whose data it opens; none: everything.
    pub tenant: Option<TenantId>,
}

impl Tokens<'_> {
    /// Keeps a token by its `hash`; one of the same hash is replaced.
    pub async fn add(&self, now: Moment, hash: &str, token: &Token) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        Sql::new(
            "INSERT INTO tokens (hash, name, tenant, created) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (hash) DO UPDATE SET name = excluded.name, tenant = excluded.tenant",
        )
        .bind(hash)
        .bind(token.name.as_str())
        .bind(token.tenant.map(|tenant| i64::from(tenant.0)))
        .bind(rows::time(now))
        .execute(&mut writing)
        .await?;
        self.0.commit(writing).await?;
        Ok(())
    }

    /// The token of that hash.
    pub async fn find(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let query = Sql::new("SELECT name, tenant FROM tokens WHERE hash = $1").bind(hash);
        query.fetch_optional(&mut self.0.read().await?).await?.as_ref().map(of_row).transpose()
    }

    /// The tokens of a tenant, or those for everything, by name.
    pub async fn of(&self, tenant: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
        let query =
            Sql::new("SELECT name, tenant FROM tokens WHERE tenant IS NOT DISTINCT FROM $1 ORDER BY name");
        let mut reading = self.0.list(Listed::Accounts).await?;
        let found = query.bind(tenant.map(|tenant| i64::from(tenant.0))).fetch_all(&mut reading).await?;
        found.iter().map(of_row).collect()
    }

    /// Removes the tokens of that name.
    pub async fn remove(&self, tenant: Option<TenantId>, name: &str) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let done = Sql::new("DELETE FROM tokens WHERE tenant IS NOT DISTINCT FROM $1 AND name = $2")
            .bind(tenant.map(|tenant| i64::from(tenant.0)))
            .bind(name)
            .execute(&mut writing)
            .await?;
        if done == 0 {
            return Err(StoreError::Missing(format!("token {name:?}")));
        }
        self.0.commit(writing).await?;
        Ok(())
    }
}

fn of_row(row: &Row) -> Result<Token, StoreError> {
    let tenant: Option<i64> = row.get(1)?;
    Ok(Token { name: row.get(0)?, tenant: tenant.map(|id| TenantId(id as u32)) })
}
