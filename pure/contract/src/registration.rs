//! A call asks the owner of a user's bindings where its phones are.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::{Aor, Conversation, Repeat, Role, Subject};

/// Where are this user's phones?
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Locate {
    /// Whose.
    pub aor: Aor,
}

/// The answer to [`Locate`], highest q first; empty if nobody is registered.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Located {
    /// The phones.
    pub contacts: Vec<Contact>,
}

/// One phone of a user.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Where it wants requests (a SIP URI).
    pub uri: String,
    /// The way there: Path of its REGISTER (RFC 3327), each a route, nearest first.
    pub path: Vec<String>,
    /// Thousandths: 1000 is q=1.
    pub q: u16,
    /// When the binding ends.
    pub expires: Moment,
    /// `udp`, `tcp` ...: the phone's own transport.
    pub transport: String,
    /// Where its packets come from.
    pub source: String,
    /// What it calls itself.
    pub user_agent: String,
}

impl Conversation for Locate {
    type Answer = Located;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "locate");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::Fresh;
}
