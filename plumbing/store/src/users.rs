use contract::account::{Destination, User};
use contract::{CellId, TenantId};
use machine::Moment;

use crate::homes::{self, What};
use crate::link::Link;
use crate::sql::{Row, Sql};
use crate::{Listed, Lock, Page, Paged, Store, StoreError, moves, numbers, rows};

/// Who may register and call. Of passwords only their digests are kept.
#[derive(Clone, Copy, Debug)]
pub struct Users<'a>(pub(crate) &'a Store);

/// A user, and what it has to spend.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Account {
    /// The user.
    pub user: User,
    /// Millionths of the platform's currency; none: pays later.
    pub balance: Option<i64>,
}

const COLUMNS: &str = "SELECT tenant, name, realm, ha1_md5, ha1_sha256, number, display_name, blocked, direct_media, balance FROM users";

impl Users<'_> {
    /// Adds a user, and its number, which leads to it.
    pub async fn add(&self, now: Moment, account: &Account) -> Result<(), StoreError> {
        let user = &account.user;
        let mut writing = self.0.begin(Lock::Accounts).await?;
        if named(&mut writing, user.tenant, &user.name).await?.is_some() {
            return Err(StoreError::Taken(format!("user {:?}", user.name)));
        }
        homes::claim(self.0, &mut writing, now, (user.tenant, What::User, &user.name)).await?;
        insert(&mut writing, now, account).await?;
        if let Some(number) = &user.number {
            let to = Destination::User { name: user.name.clone() };
            homes::claim(self.0, &mut writing, now, (user.tenant, What::Number, number)).await?;
            numbers::insert(&mut writing, now, user.tenant, number, &to).await?;
        }
        self.0.commit(writing).await?;
        Ok(())
    }

    /// Changes everything of a user but its name, its number and its balance.
    pub async fn change(&self, user: &User) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        moves::check_still(&mut writing, user.tenant, &user.name).await?;
        let done = Sql::new(
            "UPDATE users SET realm = $3, ha1_md5 = $4, ha1_sha256 = $5, display_name = $6, blocked = $7, \
             direct_media = $8 WHERE tenant = $1 AND name = $2",
        )
        .bind(i64::from(user.tenant.0))
        .bind(user.name.as_str())
        .bind(user.realm.as_str())
        .bind(user.ha1_md5.as_str())
        .bind(user.ha1_sha256.as_str())
        .bind(user.display_name.as_str())
        .bind(user.blocked)
        .bind(user.direct_media)
        .execute(&mut writing)
        .await?;
        if done == 0 {
            return Err(missing(&user.name));
        }
        self.0.commit(writing).await?;
        Ok(())
    }

    /// The user of that name, if there is one.
    pub async fn find(&self, tenant: TenantId, name: &str) -> Result<Option<Account>, StoreError> {
        let mut reading = self.0.read().await?;
        named(&mut reading, tenant, name).await
    }

    /// The user of that name.
    pub async fn named(&self, tenant: TenantId, name: &str) -> Result<Account, StoreError> {
        self.find(tenant, name).await?.ok_or_else(|| missing(name))
    }

    /// A page of a tenant's users, by name.
    pub async fn page(&self, tenant: TenantId, page: &Page) -> Result<Paged<Account>, StoreError> {
        let found = Sql::new(COLUMNS)
            .and(" WHERE tenant = $1 AND name > $2 AND NOT EXISTS (SELECT 1 FROM moves WHERE moves.tenant = users.tenant \
                  AND moves.name = users.name AND moves.state <> 'begun') ORDER BY name LIMIT $3")
            .bind(i64::from(tenant.0))
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.rows())
            .fetch_all(&mut self.0.list(Listed::Accounts).await?)
            .await?;
        let accounts = found.iter().map(of_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Paged::cut(accounts, page, |account| account.user.name.clone()))
    }

    /// Removes a user, and the numbers that lead to it; what they were is told.
    pub async fn remove(&self, now: Moment, tenant: TenantId, name: &str) -> Result<Vec<String>, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        moves::check_still(&mut writing, tenant, name).await?;
        let done = Sql::new("DELETE FROM users WHERE tenant = $1 AND name = $2")
            .bind(i64::from(tenant.0))
            .bind(name)
            .execute(&mut writing)
            .await?;
        if done == 0 {
            return Err(missing(name));
        }
        let to = Destination::User { name: name.to_owned() };
        let numbers = numbers::remove_leading_to(&mut writing, tenant, &to).await?;
        homes::release(self.0, &mut writing, now, (tenant, What::User, name), CellId::HOME).await?;
        for number in &numbers {
            homes::release(self.0, &mut writing, now, (tenant, What::Number, number), CellId::HOME).await?;
        }
        self.0.commit(writing).await?;
        Ok(numbers)
    }
}

fn missing(name: &str) -> StoreError {
    StoreError::Missing(format!("user {name:?}"))
}

pub(crate) async fn named(
    reading: &mut Link,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Account>, StoreError> {
    let query = Sql::new(COLUMNS).and(" WHERE tenant = $1 AND name = $2");
    let found = query.bind(i64::from(tenant.0)).bind(name).fetch_optional(reading).await?;
    found.as_ref().map(of_row).transpose()
}

async fn insert(writing: &mut Link, now: Moment, account: &Account) -> Result<(), StoreError> {
    write(writing, now, account).await?;
    if let Some(paid) = account.balance.filter(|&micros| micros > 0) {
        crate::ledger_book::pay_in(writing, now, (account.user.tenant, &account.user.name), paid).await?;
    }
    Ok(())
}

/// The row of a user, whose money is accounted for elsewhere.
pub(crate) async fn write(writing: &mut Link, now: Moment, account: &Account) -> Result<(), StoreError> {
    let user = &account.user;
    Sql::new(
        "INSERT INTO users (tenant, name, realm, ha1_md5, ha1_sha256, number, display_name, blocked, \
         direct_media, balance, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(i64::from(user.tenant.0))
    .bind(user.name.as_str())
    .bind(user.realm.as_str())
    .bind(user.ha1_md5.as_str())
    .bind(user.ha1_sha256.as_str())
    .bind(user.number.clone())
    .bind(user.display_name.as_str())
    .bind(user.blocked)
    .bind(user.direct_media)
    .bind(account.balance)
    .bind(rows::time(now))
    .execute(writing)
    .await?;
    Ok(())
}

fn of_row(row: &Row) -> Result<Account, StoreError> {
    let user = User {
        tenant: TenantId(row.get::<i64, _>(0)? as u32),
        name: row.get(1)?,
        realm: row.get(2)?,
        ha1_md5: row.get(3)?,
        ha1_sha256: row.get(4)?,
        number: row.get(5)?,
        display_name: row.get(6)?,
        blocked: row.get(7)?,
        direct_media: row.get(8)?,
    };
    Ok(Account { user, balance: row.get(9)? })
}
