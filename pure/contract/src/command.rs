//! An operator's own tools tell the platform what to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CallId, Conversation, Repeat, Role, Subject, TenantId};

/// Do this.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CarryOut {
    /// What.
    pub command: Command,
}

/// What can be commanded. Doing it twice does what doing it once does.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// End a call.
    HangUp {
        /// Which.
        call: CallId,
        /// For the record.
        #[serde(default)]
        reason: String,
    },
    /// An account was changed behind the platform's back: forget what is remembered of it.
    Forget {
        /// Whose.
        tenant: TenantId,
        /// The user or number; none: the tenant itself.
        #[serde(default)]
        name: Option<String>,
    },
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The answer to [`CarryOut`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Done {
    /// It is done.
    Done,
    /// There is no such thing any more (or there never was).
    NotFound,
    /// It will never be done: the command makes no sense here.
    Refused {
        /// For people.
        #[serde(default)]
        reason: String,
    },
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Conversation for CarryOut {
    type Answer = Done;
    const SUBJECT: Subject = Subject::new(Role::Api, "carry_out");
    const WITHIN: Duration = Duration::from_secs(2);
    const REPEATED: Repeat = Repeat::SameAnswer;
}
