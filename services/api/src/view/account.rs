use contract::account::{Destination, Number, Tenant, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A brand or a company, with users and numbers of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    /// Its short name.
    #[schema(example = "demo")]
    pub name: String,
    /// Its number in logs and records.
    pub id: u32,
    /// Its SIP domains; the first is the realm of its users' digests.
    #[schema(example = json!(["demo.example.com"]))]
    pub domains: Vec<String>,
    /// Requests for domains that nobody owns (addresses) are for this tenant.
    pub fallback: bool,
}

/// A tenant to be added.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// 1 to 63 of a-z, 0-9, - and _.
    #[schema(example = "demo")]
    pub name: String,
    /// At least one; the first is the realm of its users' digests.
    #[schema(example = json!(["demo.example.com"]))]
    pub domains: Vec<String>,
    /// Takes the requests for domains that nobody owns; one tenant can.
    #[serde(default)]
    pub fallback: bool,
}

/// What to change of a tenant; what is not said stays.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantChange {
    /// All its domains; the first can change only while there are no users.
    pub domains: Option<Vec<String>>,
    /// Takes the requests for domains that nobody owns.
    pub fallback: Option<bool>,
}

/// Who may register and call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// The name within the tenant, as in the user part of the SIP URI.
    #[schema(example = "1001")]
    pub name: String,
    /// The digest realm.
    pub realm: String,
    /// The number shown to those who are called; it leads to this user.
    pub number: Option<String>,
    /// Shown to those who are called.
    pub display_name: String,
    /// May not register or call.
    pub blocked: bool,
    /// Audio goes directly between the phones instead of through our anchor.
    pub direct_media: bool,
    /// What is left to spend, in millionths of the currency's unit; none: pays later.
    pub balance_micros: Option<i64>,
}

/// A user to be added.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 64 of a-z, A-Z, 0-9, -, _, . and +.
    #[schema(example = "1001")]
    pub name: String,
    /// For SIP digests; only digests of it are kept.
    pub password: String,
    /// The number shown to those who are called; it is added, and leads to this user.
    #[serde(default)]
    pub number: Option<String>,
    /// Shown to those who are called; the name, if it is not said.
    #[serde(default)]
    pub display_name: Option<String>,
    /// May not register or call.
    #[serde(default)]
    pub blocked: bool,
    /// Audio goes directly between the phones instead of through our anchor.
    #[serde(default)]
    pub direct_media: bool,
    /// Was paid in advance, in millionths of the currency's unit; none: pays later.
    #[serde(default)]
    pub balance_micros: Option<i64>,
}

/// What to change of a user; what is not said stays.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserChange {
    /// For SIP digests.
    pub password: Option<String>,
    /// Shown to those who are called.
    pub display_name: Option<String>,
    /// May not register or call.
    pub blocked: Option<bool>,
    /// Audio goes directly between the phones instead of through our anchor.
    pub direct_media: Option<bool>,
}

/// A number and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NumberView {
    /// Digits, as dialed, without + in front.
    #[schema(example = "4930123456")]
    pub number: String,
    /// Where it leads.
    pub to: To,
}

/// A number to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNumber {
    /// 1 to 32 digits, * or #, with or without + in front.
    #[schema(example = "+4930123456")]
    pub number: String,
    /// Where it leads.
    pub to: To,
}

/// Where a number leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// To all phones of this user of the same tenant.
    User(String),
    /// To an app, e.g. `echo`.
    App(String),
    /// To something that a later release knows.
    Unknown,
}

/// Who may use the API for one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// What it is called.
    pub name: String,
    /// The token itself: shown once, when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it: 1 to 64 of a-z, A-Z, 0-9, -, _, . and +.
    pub name: String,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, name, domains, fallback } = tenant;
        TenantView { name, id: id.0, domains, fallback }
    }
}

impl From<store::Account> for UserView {
    fn from(account: store::Account) -> Self {
        let User { name, realm, number, display_name, blocked, direct_media, .. } = account.user;
        UserView { name, realm, number, display_name, blocked, direct_media, balance_micros: account.balance }
    }
}

impl From<Number> for NumberView {
    fn from(number: Number) -> Self {
        let to = match number.to {
            Destination::User { name } => To::User(name),
            Destination::App { name } => To::App(name),
            Destination::Unknown => To::Unknown,
        };
        NumberView { number: number.number, to }
    }
}
