use contract::{CallId, TenantId};
use machine::terse::is_default;
use machine::{Epoch, Shard};
use serde::{Deserialize, Serialize};

/// What the owner knows of a call when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The call's number, unique for ever.
    pub id: CallId,
    /// Who owns it.
    pub shard: Shard,
    /// How often the shard has changed its owner.
    pub epoch: Epoch,
    /// Whose call it is.
    pub tenant: Tenant,
    /// Who calls (and pays).
    pub caller: Caller,
    /// What was dialed: the user part of the Request-URI, without escapes.
    pub dialed: String,
}

/// The tenant as a call needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenant {
    /// Its number.
    #[serde(skip_serializing_if = "is_default")]
    pub id: TenantId,
    /// Its SIP domains, lower case; the first stands in our headers. A redirection leads nowhere else.
    #[serde(skip_serializing_if = "is_default")]
    pub domains: Vec<String>,
}

impl Tenant {
    /// The domain that stands in our headers.
    pub fn domain(&self) -> &str {
        self.domains.first().map_or("anonymous.invalid", String::as_str)
    }
}

/// The caller as a call needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// The user's name within the tenant: who pays, and what the record says.
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    /// Shown to the callee.
    #[serde(skip_serializing_if = "is_default")]
    pub display_name: String,
    /// Shown to the callee in place of the user's name.
    #[serde(skip_serializing_if = "is_default")]
    pub number: Option<String>,
    /// The audio goes directly between the phones, past our media anchor.
    #[serde(skip_serializing_if = "is_default")]
    pub direct_media: bool,
}
