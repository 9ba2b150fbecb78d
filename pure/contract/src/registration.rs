//! A call asks the owner of a user's bindings where its phones are, and another cell where what was dialed leads; an
//! office gives the bindings of an account that moves from one cell to another.

use std::time::Duration;

use machine::{CellId, Moment};
use serde::{Deserialize, Serialize};

use crate::{Aor, Conversation, Repeat, Role, Subject, TenantId};

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
    /// The user lives in this cell: ask there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<CellId>,
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

/// Where does what was dialed lead, as the cell knows it in which it lives? Asked of the owner, in that cell, of the
/// shard that bindings under this name would be in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// Within which tenant.
    pub tenant: TenantId,
    /// A user's name or a number.
    pub name: String,
}

/// The answer to [`Reach`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reached {
    /// To a user.
    User {
        /// The name.
        name: String,
        /// Where its phones are, highest q first.
        contacts: Vec<Contact>,
    },
    /// It is a number of this user of the same tenant: ask again under that name.
    Leads {
        /// The name.
        name: String,
    },
    /// To an app.
    App {
        /// E.g. `echo`.
        name: String,
    },
    /// To yet another cell: it has moved.
    Elsewhere {
        /// Which one.
        cell: CellId,
    },
    /// Nowhere.
    Refused {
        /// A SIP status.
        status: u16,
        /// Why, for the record.
        cause: String,
    },
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Conversation for Reach {
    type Answer = Reached;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "reach");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// An office asks the owner of a user's bindings for them: the account moves to another cell. Asked twice: first to
/// have them there before the account is; then, once the directory says that it lives there, with `away`, since
/// something may have changed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Give {
    /// Whose.
    pub aor: Aor,
    /// They live in this cell from now on: the owner keeps nothing of them, and sends there who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub away: Option<CellId>,
}

/// The answer to [`Give`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Given {
    /// All about them, as exchanges keep it; empty if there is nothing.
    #[serde(with = "serde_bytes")]
    pub bindings: Vec<u8>,
}

impl Conversation for Give {
    type Answer = Given;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "give");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// An office tells the owner of a user's bindings what another cell knew of them. Of each contact the newer word counts.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Take {
    /// Whose.
    pub aor: Aor,
    /// As [`Given`] had it.
    #[serde(with = "serde_bytes")]
    pub bindings: Vec<u8>,
}

/// The answer to [`Take`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Taken {
    /// Whether it could be read.
    pub understood: bool,
    /// How many contacts the user has now.
    pub contacts: u32,
}

impl Conversation for Take {
    type Answer = Taken;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "take");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::SameAnswer;
}
