use std::collections::BTreeMap;

use contract::TenantId;
use contract::account::Tenant;
use machine::Moment;
use sqlx::{Row, SqliteConnection};

use crate::{Page, Paged, Store, StoreError, rows};

/// Who has users, numbers and records of its own.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'a>(pub(crate) &'a Store);

impl Tenants<'_> {
    /// Adds a tenant; its `id` is chosen here, and never given to another.
    pub async fn add(&self, now: Moment, tenant: Tenant) -> Result<Tenant, StoreError> {
        let mut writing = self.0.begin().await?;
        check_free(&mut writing, &tenant).await?;
        let id: i64 =
            sqlx::query("UPDATE sequences SET next = next + 1 WHERE name = 'tenant' RETURNING next - 1")
                .fetch_one(&mut *writing)
                .await?
                .try_get(0)?;
        sqlx::query("INSERT INTO tenants (id, name, fallback, created) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(&tenant.name)
            .bind(tenant.fallback)
            .bind(rows::time(now))
            .execute(&mut *writing)
            .await?;
        write_domains(&mut writing, id, &tenant.domains).await?;
        writing.commit().await?;
        Ok(Tenant { id: TenantId(id as u32), ..tenant })
    }

    /// Changes the domains and whether it takes strangers' domains; name and number stay. The first domain stays as
    /// long as there are users: their digests are made for it.
    pub async fn change(&self, tenant: Tenant) -> Result<(), StoreError> {
        let mut writing = self.0.begin().await?;
        let before = named(&mut writing, &tenant.name).await?;
        if before.domains.first() != tenant.domains.first() && has_users(&mut writing, before.id).await? {
            return Err(StoreError::Contradiction(format!(
                "the first domain of tenant {:?} must stay {:?} as long as it has users: their passwords are \
                 kept as digests for it",
                tenant.name,
                before.domains.first().map_or("", String::as_str),
            )));
        }
        let tenant = Tenant { id: before.id, ..tenant };
        check_free(&mut writing, &tenant).await?;
        let id = i64::from(tenant.id.0);
        sqlx::query("UPDATE tenants SET fallback = $2 WHERE id = $1")
            .bind(id)
            .bind(tenant.fallback)
            .execute(&mut *writing)
            .await?;
        sqlx::query("DELETE FROM domains WHERE tenant = $1").bind(id).execute(&mut *writing).await?;
        write_domains(&mut writing, id, &tenant.domains).await?;
        writing.commit().await?;
        Ok(())
    }

    /// The tenant of that name.
    pub async fn named(&self, name: &str) -> Result<Tenant, StoreError> {
        let mut reading = self.0.reader().acquire().await?;
        named(&mut reading, name).await
    }

    /// All tenants.
    pub async fn all(&self) -> Result<Vec<Tenant>, StoreError> {
        let mut reading = self.0.reader().acquire().await?;
        let query = sqlx::query("SELECT id, name, fallback FROM tenants ORDER BY id");
        let found = query.fetch_all(&mut *reading).await?;
        with_domains(&mut reading, found).await
    }

    /// A page of them, by name.
    pub async fn page(&self, page: &Page) -> Result<Paged<Tenant>, StoreError> {
        let mut reading = self.0.reader().acquire().await?;
        let query = "SELECT id, name, fallback FROM tenants WHERE name > $1 ORDER BY name LIMIT $2";
        let found = sqlx::query(query)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.rows())
            .fetch_all(&mut *reading)
            .await?;
        let tenants = with_domains(&mut reading, found).await?;
        Ok(Paged::cut(tenants, page, |tenant| tenant.name.clone()))
    }

    /// Removes a tenant with its users, numbers and tokens; its records stay.
    pub async fn remove(&self, name: &str) -> Result<Tenant, StoreError> {
        let mut writing = self.0.begin().await?;
        let tenant = named(&mut writing, name).await?;
        sqlx::query("DELETE FROM tenants WHERE id = $1")
            .bind(i64::from(tenant.id.0))
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        Ok(tenant)
    }
}

async fn named(reading: &mut SqliteConnection, name: &str) -> Result<Tenant, StoreError> {
    let query = sqlx::query("SELECT id, name, fallback FROM tenants WHERE name = $1").bind(name);
    let found = query.fetch_all(&mut *reading).await?;
    let tenant = with_domains(reading, found).await?.pop();
    tenant.ok_or_else(|| StoreError::Missing(format!("tenant {name:?}")))
}

async fn has_users(reading: &mut SqliteConnection, tenant: TenantId) -> Result<bool, StoreError> {
    let query = sqlx::query("SELECT 1 FROM users WHERE tenant = $1 LIMIT 1").bind(i64::from(tenant.0));
    Ok(query.fetch_optional(reading).await?.is_some())
}

async fn check_free(reading: &mut SqliteConnection, tenant: &Tenant) -> Result<(), StoreError> {
    let id = i64::from(tenant.id.0);
    let same_name = sqlx::query("SELECT 1 FROM tenants WHERE name = $1 AND id <> $2");
    if same_name.bind(&tenant.name).bind(id).fetch_optional(&mut *reading).await?.is_some() {
        return Err(StoreError::Taken(format!("tenant {:?}", tenant.name)));
    }
    for domain in &tenant.domains {
        let owner = "SELECT t.name FROM domains d JOIN tenants t ON t.id = d.tenant WHERE d.domain = $1 AND t.id <> $2";
        if let Some(row) = sqlx::query(owner).bind(domain).bind(id).fetch_optional(&mut *reading).await? {
            let owner: String = row.try_get(0)?;
            return Err(StoreError::Contradiction(format!("domain {domain:?} belongs to tenant {owner:?}")));
        }
    }
    let other = sqlx::query("SELECT name FROM tenants WHERE fallback = TRUE AND id <> $1").bind(id);
    match other.fetch_optional(&mut *reading).await? {
        Some(row) if tenant.fallback => {
            let other: String = row.try_get(0)?;
            Err(StoreError::Contradiction(format!(
                "tenant {other:?} is the fallback already, and there can be one only"
            )))
        }
        _ => Ok(()),
    }
}

async fn write_domains(
    writing: &mut SqliteConnection,
    tenant: i64,
    domains: &[String],
) -> Result<(), StoreError> {
    for (place, domain) in domains.iter().enumerate() {
        sqlx::query("INSERT INTO domains (domain, tenant, place) VALUES ($1, $2, $3)")
            .bind(domain)
            .bind(tenant)
            .bind(place as i64)
            .execute(&mut *writing)
            .await?;
    }
    Ok(())
}

async fn with_domains(
    reading: &mut SqliteConnection,
    found: Vec<sqlx::sqlite::SqliteRow>,
) -> Result<Vec<Tenant>, StoreError> {
    let mut tenants = Vec::with_capacity(found.len());
    for row in &found {
        let id = TenantId(row.try_get::<i64, _>(0)? as u32);
        tenants.push(Tenant { id, name: row.try_get(1)?, domains: Vec::new(), fallback: row.try_get(2)? });
    }
    let mut of: BTreeMap<u32, &mut Vec<String>> =
        tenants.iter_mut().map(|tenant| (tenant.id.0, &mut tenant.domains)).collect();
    let mut add = |row: &sqlx::sqlite::SqliteRow| -> Result<(), sqlx::Error> {
        if let Some(domains) = of.get_mut(&(row.try_get::<i64, _>(0)? as u32)) {
            domains.push(row.try_get(1)?);
        }
        Ok(())
    };
    if found.len() == 1 {
        let query = sqlx::query("SELECT tenant, domain FROM domains WHERE tenant = $1 ORDER BY place");
        query.bind(found[0].try_get::<i64, _>(0)?).fetch_all(reading).await?.iter().try_for_each(&mut add)?;
    } else {
        let query = sqlx::query("SELECT tenant, domain FROM domains ORDER BY tenant, place");
        query.fetch_all(reading).await?.iter().try_for_each(&mut add)?;
    }
    Ok(tenants)
}
