//! An exchange asks who a user or a number is; whoever changes an account tells.

use std::time::Duration;

use machine::CellId;
use serde::{Deserialize, Serialize};

use crate::{Conversation, Notice, Repeat, Role, Subject, TenantId};

/// Which tenants there are, and by which domains they are known.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListTenants {}

/// The answer to [`ListTenants`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenants {
    /// All of them.
    pub tenants: Vec<Tenant>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenant {
    /// Its number.
    pub id: TenantId,
    /// Its short name, unique.
    pub name: String,
    /// SIP domains, lower case; the first is the digest realm and stands in our headers.
    pub domains: Vec<String>,
    /// Takes the requests for domains that nobody owns (IP addresses).
    pub fallback: bool,
}

impl Conversation for ListTenants {
    type Answer = Tenants;
    const SUBJECT: Subject = Subject::new(Role::Api, "tenants");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// Who is this?
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LookUp {
    /// Within which tenant.
    pub tenant: TenantId,
    /// What was dialed, or who registers: a user's name or a number.
    pub name: String,
}

/// The answer to [`LookUp`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Found {
    /// A user of that name.
    User(User),
    /// A number that leads somewhere.
    Number(Number),
    /// A user or a number that lives in another cell.
    Elsewhere {
        /// Which one.
        cell: CellId,
    },
    /// Neither.
    Nobody,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A user: who may register and call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// Whose.
    pub tenant: TenantId,
    /// The name within the tenant.
    pub name: String,
    /// The digest realm that the hashes were made for.
    pub realm: String,
    /// `MD5(name:realm:password)`, lower-case hexadecimal.
    pub ha1_md5: String,
    /// `SHA-256(name:realm:password)`, lower-case hexadecimal.
    pub ha1_sha256: String,
    /// Shown to those who are called: the number, if the user has one.
    pub number: Option<String>,
    /// Shown to those who are called.
    pub display_name: String,
    /// May not register or call.
    pub blocked: bool,
    /// The audio goes through our media anchor (the rule), or directly between the phones.
    pub direct_media: bool,
}

/// A number and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Number {
    /// Whose.
    pub tenant: TenantId,
    /// Digits, as dialed.
    pub number: String,
    /// Where to.
    pub to: Destination,
}

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Destination {
    /// All phones of a user.
    User {
        /// The user's name within the same tenant.
        name: String,
    },
    /// An app.
    App {
        /// E.g. `echo`.
        name: String,
    },
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Conversation for LookUp {
    type Answer = Found;
    const SUBJECT: Subject = Subject::new(Role::Api, "look_up");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// An account is not what it was: forget what you remember of it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Changed {
    /// Whose.
    pub tenant: TenantId,
    /// The user or number; none: the tenant itself.
    pub name: Option<String>,
}

impl Notice for Changed {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "account_changed");
}

/// [`Changed`] may have been said and not heard: what is remembered of any account or tenant is to be confirmed before
/// it is believed for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Doubt {}

impl Notice for Doubt {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "accounts_in_doubt");
}
