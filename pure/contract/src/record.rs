//! The one record of a call attempt, and its way into the store.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::media::LegQuality;
use crate::{CallId, Conversation, Money, Repeat, Role, Subject, TenantId};

/// One call attempt. Its `id` makes it exactly one, however often it is sent.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// The Call-ID of the caller's leg.
    pub sip_call_id: String,
    /// The user who called (or the number, from outside).
    pub caller: String,
    /// What was dialed.
    pub dialed: String,
    /// Who answered, or who was rung: a user, or `app:NAME`.
    pub callee: String,
    /// When the INVITE came.
    pub started: Moment,
    /// When the callee first rang.
    pub rang: Option<Moment>,
    /// When it was answered.
    pub answered: Option<Moment>,
    /// When it was over.
    pub ended: Moment,
    /// How it ended.
    pub outcome: Outcome,
    /// The SIP status that the caller saw at last (200 if answered).
    pub status: u16,
    /// Why it ended, for people: e.g. `caller hung up`, `busy`, `no answer`, `session expired`.
    pub cause: String,
    /// How each leg sounded.
    pub quality: Vec<LegQuality>,
    /// What it cost.
    pub price: Option<Money>,
    /// All that was ever reserved for it.
    pub reserved: Option<Money>,
    /// What of that went back.
    pub released: Option<Money>,
    /// The carrier that took the call while we were away, and told of it later; none: it was ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody talked.
    Answered,
    /// All phones were busy or declined.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// No phone could be reached.
    Unreachable,
    /// Refused: not found, no money, not allowed, overload, bad request.
    Refused,
    /// Something of ours failed.
    #[default]
    #[serde(other)]
    Failed,
}

/// Keep this record.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// The records; each is forgotten by the asker when the answer names it.
    pub records: Vec<CallRecord>,
}

/// The answer to [`Keep`], once the store has committed.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Those that are safe.
    pub ids: Vec<CallId>,
}

impl Conversation for Keep {
    type Answer = Kept;
    const SUBJECT: Subject = Subject::new(Role::Api, "keep_records");
    const WITHIN: Duration = Duration::from_secs(2);
    const REPEATED: Repeat = Repeat::SameAnswer;
}
