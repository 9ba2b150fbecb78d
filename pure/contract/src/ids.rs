use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A tenant: a brand or a company. Two tenants may both have an extension 1001.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub u32);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A call attempt, unique on the platform and for ever: the name under which its record is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call-{self}")
    }
}

impl FromStr for CallId {
    type Err = std::num::ParseIntError;

    /// Sixteen hexadecimal digits, as `Display` writes them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(CallId)
    }
}

/// A process that others can be sent to (a media worker of a host, say).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

/// An address-of-record: whom a phone registers as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Aor {
    /// Whose user.
    pub tenant: TenantId,
    /// The user's name within the tenant, as in the user part of the SIP URI.
    pub user: String,
}

/// An amount in millionths of its currency's unit.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Money {
    /// Millionths of the unit.
    pub micros: i64,
    /// ISO 4217, e.g. `EUR`.
    pub currency: String,
}
