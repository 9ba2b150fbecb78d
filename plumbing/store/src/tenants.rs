use std::collections::BTreeMap;

use contract::TenantId;
use contract::account::Tenant;
use machine::Moment;

use crate::dispatch::{self, Dispatch};
use crate::link::Link;
use crate::sql::{Row, Sql};
use crate::{Listed, Lock, Page, Paged, Store, StoreError, rows};

/// Who has users, numbers and records of its own.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'a>(pub(crate) &'a Store);

impl Tenants<'_> {
    /// Adds a tenant; its `id` is chosen here, and never given to another.
    pub async fn add(&self, now: Moment, tenant: Tenant) -> Result<Tenant, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        check_free(&mut writing, &tenant).await?;
        let id: i64 =
            Sql::new("UPDATE sequences SET next = next + 1 WHERE name = 'tenant' RETURNING next - 1")
                .fetch_one(&mut writing)
                .await?
                .get(0)?;
        // Each cell gives numbers of its own; the first ones are those of a platform without cells.
        let id = id + self.0.cell().map_or(0, |cell| dispatch::number(cell) << CELL_SHIFT);
        let tenant = Tenant { id: TenantId(id as u32), ..tenant };
        insert(&mut writing, now, &tenant).await?;
        dispatch::post_to_all(&mut writing, now, &Dispatch::Tenant { tenant: tenant.clone() }).await?;
        self.0.commit(writing).await?;
        Ok(tenant)
    }

    /// Changes the domains and whether it takes strangers' domains; name and number stay. The first domain stays as
    /// long as there are users: their digests are made for it.
    pub async fn change(&self, now: Moment, tenant: Tenant) -> Result<(), StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
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
        update(&mut writing, &tenant).await?;
        dispatch::post_to_all(&mut writing, now, &Dispatch::Tenant { tenant }).await?;
        self.0.commit(writing).await?;
        Ok(())
    }

    /// The tenant of that name.
    pub async fn named(&self, name: &str) -> Result<Tenant, StoreError> {
        let mut reading = self.0.read().await?;
        named(&mut reading, name).await
    }

    /// All tenants.
    pub async fn all(&self) -> Result<Vec<Tenant>, StoreError> {
        let mut reading = self.0.read().await?;
        let query = Sql::new("SELECT id, name, fallback FROM tenants ORDER BY id");
        let found = query.fetch_all(&mut reading).await?;
        with_domains(&mut reading, found).await
    }

    /// A page of them, by name.
    pub async fn page(&self, page: &Page) -> Result<Paged<Tenant>, StoreError> {
        let mut reading = self.0.list(Listed::Accounts).await?;
        let query = "SELECT id, name, fallback FROM tenants WHERE name > $1 ORDER BY name LIMIT $2";
        let found = Sql::new(query)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.rows())
            .fetch_all(&mut reading)
            .await?;
        let tenants = with_domains(&mut reading, found).await?;
        Ok(Paged::cut(tenants, page, |tenant| tenant.name.clone()))
    }

    /// Removes a tenant with its users, numbers and tokens; its records stay.
    pub async fn remove(&self, now: Moment, name: &str) -> Result<Tenant, StoreError> {
        let mut writing = self.0.begin(Lock::Accounts).await?;
        let tenant = named(&mut writing, name).await?;
        forget(&mut writing, tenant.id).await?;
        let gone = Dispatch::TenantGone { tenant: tenant.id, name: tenant.name.clone() };
        dispatch::post_to_all(&mut writing, now, &gone).await?;
        self.0.commit(writing).await?;
        Ok(tenant)
    }
}

/// The bits of a tenant's number above those that its cell counts with.
const CELL_SHIFT: u32 = 24;

async fn insert(writing: &mut Link, now: Moment, tenant: &Tenant) -> Result<(), StoreError> {
    let id = i64::from(tenant.id.0);
    Sql::new("INSERT INTO tenants (id, name, fallback, created) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(tenant.name.as_str())
        .bind(tenant.fallback)
        .bind(rows::time(now))
        .execute(writing)
        .await?;
    write_domains(writing, id, &tenant.domains).await
}

async fn update(writing: &mut Link, tenant: &Tenant) -> Result<(), StoreError> {
    let id = i64::from(tenant.id.0);
    Sql::new("UPDATE tenants SET fallback = $2 WHERE id = $1")
        .bind(id)
        .bind(tenant.fallback)
        .execute(writing)
        .await?;
    Sql::new("DELETE FROM domains WHERE tenant = $1").bind(id).execute(writing).await?;
    write_domains(writing, id, &tenant.domains).await
}

/// Takes what another cell says of a tenant. Where its name, a domain or the rank of fallback is another's here, it goes
/// without, until somebody changes one of the two.
pub(crate) async fn hear(writing: &mut Link, now: Moment, heard: &Tenant) -> Result<(), StoreError> {
    let mut tenant = Tenant { domains: Vec::new(), fallback: false, ..heard.clone() };
    if is_refused(writing, &tenant).await? {
        tenant.name = format!("{}-{}", heard.name, heard.id);
    }
    tenant.fallback = heard.fallback;
    if is_refused(writing, &tenant).await? {
        tenant.fallback = false;
    }
    for domain in &heard.domains {
        tenant.domains.push(domain.clone());
        if is_refused(writing, &tenant).await? {
            tenant.domains.pop();
        }
    }
    match is_there(writing, tenant.id).await? {
        true => update(writing, &tenant).await,
        false => insert(writing, now, &tenant).await,
    }
}

async fn is_refused(reading: &mut Link, tenant: &Tenant) -> Result<bool, StoreError> {
    match check_free(reading, tenant).await {
        Ok(()) => Ok(false),
        Err(StoreError::Taken(_) | StoreError::Contradiction(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes a tenant with all that it has, in the directory, too.
pub(crate) async fn forget(writing: &mut Link, tenant: TenantId) -> Result<(), StoreError> {
    for query in [
        "DELETE FROM tenants WHERE id = $1",
        "DELETE FROM homes WHERE tenant = $1",
        "DELETE FROM conflicts WHERE tenant = $1",
        "DELETE FROM moves WHERE tenant = $1",
    ] {
        Sql::new(query).bind(i64::from(tenant.0)).execute(writing).await?;
    }
    Ok(())
}

pub(crate) async fn is_there(reading: &mut Link, tenant: TenantId) -> Result<bool, StoreError> {
    let query = Sql::new("SELECT 1 FROM tenants WHERE id = $1").bind(i64::from(tenant.0));
    Ok(query.fetch_optional(reading).await?.is_some())
}

async fn named(reading: &mut Link, name: &str) -> Result<Tenant, StoreError> {
    let query = Sql::new("SELECT id, name, fallback FROM tenants WHERE name = $1").bind(name);
    let found = query.fetch_all(reading).await?;
    let tenant = with_domains(reading, found).await?.pop();
    tenant.ok_or_else(|| StoreError::Missing(format!("tenant {name:?}")))
}

async fn has_users(reading: &mut Link, tenant: TenantId) -> Result<bool, StoreError> {
    let query = Sql::new("SELECT 1 FROM users WHERE tenant = $1 LIMIT 1").bind(i64::from(tenant.0));
    Ok(query.fetch_optional(reading).await?.is_some())
}

async fn check_free(reading: &mut Link, tenant: &Tenant) -> Result<(), StoreError> {
    let id = i64::from(tenant.id.0);
    let same_name = Sql::new("SELECT 1 FROM tenants WHERE name = $1 AND id <> $2");
    if same_name.bind(tenant.name.as_str()).bind(id).fetch_optional(reading).await?.is_some() {
        return Err(StoreError::Taken(format!("tenant {:?}", tenant.name)));
    }
    for domain in &tenant.domains {
        let owner = "SELECT t.name FROM domains d JOIN tenants t ON t.id = d.tenant WHERE d.domain = $1 AND t.id <> $2";
        if let Some(row) = Sql::new(owner).bind(domain.as_str()).bind(id).fetch_optional(reading).await? {
            let owner: String = row.get(0)?;
            return Err(StoreError::Contradiction(format!("domain {domain:?} belongs to tenant {owner:?}")));
        }
    }
    let other = Sql::new("SELECT name FROM tenants WHERE fallback = TRUE AND id <> $1").bind(id);
    match other.fetch_optional(reading).await? {
        Some(row) if tenant.fallback => {
            let other: String = row.get(0)?;
            Err(StoreError::Contradiction(format!(
                "tenant {other:?} is the fallback already, and there can be one only"
            )))
        }
        _ => Ok(()),
    }
}

async fn write_domains(writing: &mut Link, tenant: i64, domains: &[String]) -> Result<(), StoreError> {
    for (place, domain) in domains.iter().enumerate() {
        Sql::new("INSERT INTO domains (domain, tenant, place) VALUES ($1, $2, $3)")
            .bind(domain.as_str())
            .bind(tenant)
            .bind(place as i64)
            .execute(writing)
            .await?;
    }
    Ok(())
}

async fn with_domains(reading: &mut Link, found: Vec<Row>) -> Result<Vec<Tenant>, StoreError> {
    let mut tenants = Vec::with_capacity(found.len());
    for row in &found {
        let id = TenantId(row.get::<i64, _>(0)? as u32);
        tenants.push(Tenant { id, name: row.get(1)?, domains: Vec::new(), fallback: row.get(2)? });
    }
    let mut of: BTreeMap<u32, &mut Vec<String>> =
        tenants.iter_mut().map(|tenant| (tenant.id.0, &mut tenant.domains)).collect();
    let mut add = |row: &Row| -> Result<(), StoreError> {
        if let Some(domains) = of.get_mut(&(row.get::<i64, _>(0)? as u32)) {
            domains.push(row.get(1)?);
        }
        Ok(())
    };
    if found.len() == 1 {
        let query = Sql::new("SELECT tenant, domain FROM domains WHERE tenant = $1 ORDER BY place");
        query.bind(found[0].get::<i64, _>(0)?).fetch_all(reading).await?.iter().try_for_each(&mut add)?;
    } else {
        let query = Sql::new("SELECT tenant, domain FROM domains ORDER BY tenant, place");
        query.fetch_all(reading).await?.iter().try_for_each(&mut add)?;
    }
    Ok(tenants)
}
