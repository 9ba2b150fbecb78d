use std::fmt;

use contract::{CallId, CellId, TenantId};
use serde::{Deserialize, Serialize};

/// Where money lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Account {
    /// A user's.
    User {
        /// Whose user.
        tenant: TenantId,
        /// The user's name.
        name: String,
    },
    /// Set aside for a call.
    Held {
        /// Which.
        call: CallId,
    },
    /// What another cell owes us (less than nothing: we owe it), for accounts that moved; there it is the same the other way
    /// round.
    Cell {
        /// Which.
        cell: CellId,
    },
    /// Earned.
    Revenue,
    /// Outside: what users pay comes from here.
    Outside,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::User { tenant, name } => write!(f, "user/{tenant}/{name}"),
            Account::Held { call } => write!(f, "held/{call}"),
            Account::Cell { cell } => write!(f, "cell/{cell}"),
            Account::Revenue => f.write_str("revenue"),
            Account::Outside => f.write_str("outside"),
        }
    }
}

/// Money that moves from one account to another: an entry in each, so that all accounts together are
/// always zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Less there.
    pub from: Account,
    /// More here.
    pub to: Account,
    /// Millionths of the currency's unit; more than zero.
    pub micros: i64,
}
