//! Which tenant a SIP domain belongs to: the one rule for edge and exchange.

use std::collections::BTreeMap;

use crate::TenantId;
use crate::account::{Tenant, Tenants};

/// No SIP domain is longer (RFC 1035 2.3.4).
const LONGEST: usize = 255;

/// All tenants, found by domain or number.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    tenants: Vec<Tenant>,
    by_domain: BTreeMap<Box<[u8]>, usize>,
    fallback: Option<usize>,
}

impl Domains {
    /// The index of `tenants`. If two claim a domain, the first has it.
    pub fn new(tenants: Tenants) -> Self {
        let tenants = tenants.tenants;
        let mut by_domain = BTreeMap::new();
        for (at, tenant) in tenants.iter().enumerate() {
            for domain in &tenant.domains {
                let name = domain.trim_end_matches('.').to_ascii_lowercase().into_bytes();
                by_domain.entry(name.into_boxed_slice()).or_insert(at);
            }
        }
        let fallback = tenants.iter().position(|tenant| tenant.fallback);
        Domains { tenants, by_domain, fallback }
    }

    /// The tenant that owns the domain `host` (the host of a SIP URI, without a port).
    pub fn owner(&self, host: &[u8]) -> Option<&Tenant> {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        self.by_domain.get(&*lower).map(|&at| &self.tenants[at])
    }

    /// Who takes the requests for domains that nobody owns.
    pub fn fallback(&self) -> Option<&Tenant> {
        self.fallback.map(|at| &self.tenants[at])
    }

    /// Whose a request is, from the hosts that may say so, the weightiest first: of a REGISTER, that of To;
    /// of any other, those of the Request-URI and of From.
    pub fn tenant(&self, hosts: &[&[u8]]) -> Option<&Tenant> {
        hosts.iter().find_map(|host| self.owner(host)).or_else(|| self.fallback())
    }

    /// The tenant of that number.
    pub fn by_id(&self, id: TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }

    /// All of them.
    pub fn all(&self) -> &[Tenant] {
        &self.tenants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tenants() -> Domains {
        let tenant = |id, domain: &str, fallback| Tenant {
            id: TenantId(id),
            domains: vec![domain.into()],
            fallback,
            ..Tenant::default()
        };
        Domains::new(Tenants {
            tenants: vec![tenant(1, "red.example", false), tenant(2, "Blue.Example", true)],
        })
    }

    #[test]
    fn a_domain_leads_to_its_tenant_whatever_its_case() {
        let domains = two_tenants();
        assert_eq!(domains.tenant(&[b"RED.example"]).unwrap().id, TenantId(1));
        assert_eq!(domains.tenant(&[b"blue.example."]).unwrap().id, TenantId(2));
    }

    #[test]
    fn the_weightier_host_decides_and_unknown_hosts_fall_back() {
        let domains = two_tenants();
        assert_eq!(domains.tenant(&[b"red.example", b"blue.example"]).unwrap().id, TenantId(1));
        assert_eq!(domains.tenant(&[b"192.0.2.1", b"red.example"]).unwrap().id, TenantId(1));
        assert_eq!(domains.tenant(&[b"192.0.2.1"]).unwrap().id, TenantId(2));
        assert_eq!(domains.owner(&[b'a'; 300]), None);
    }
}
