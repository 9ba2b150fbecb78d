use std::collections::BTreeMap;

use contract::TenantId;
use contract::account::Tenants;

/// Which SIP domain is whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    of: BTreeMap<String, TenantId>,
    fallback: Option<TenantId>,
}

impl Domains {
    /// From the list of tenants.
    pub fn of(tenants: &Tenants) -> Self {
        let mut domains = Domains::default();
        for tenant in &tenants.tenants {
            for domain in &tenant.domains {
                domains.of.insert(domain.to_ascii_lowercase(), tenant.id);
            }
            if tenant.fallback {
                domains.fallback = Some(tenant.id);
            }
        }
        domains
    }

    /// The tenant that `host` belongs to; domains that nobody owns fall to the fallback tenant.
    pub fn tenant(&self, host: &str) -> Option<TenantId> {
        match self.of.get(host) {
            Some(&tenant) => Some(tenant),
            None => self.of.get(&host.to_ascii_lowercase()).copied().or(self.fallback),
        }
    }
}
