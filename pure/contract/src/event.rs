//! What happened, kept in a durable stream until everyone who has to know has said that he does.
//!
//! Nothing that a call needs passes here: an event is told when it is over, and a stream that stands still is
//! caught up with later.

use machine::Moment;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::moving::Move;
use crate::record::CallRecord;
use crate::{CallId, Notice, Role, Subject, TenantId};

/// A durable stream. What is in it is delivered at least once to each of its consumers, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// What happens in calls, as it happens.
    Events,
    /// The one record of each call attempt.
    Records,
}

impl Stream {
    /// All of them.
    pub const ALL: [Stream; 2] = [Stream::Events, Stream::Records];

    /// Its name, a word of subjects.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Events => "events",
            Stream::Records => "records",
        }
    }
}

/// Something that goes into a durable stream under `tenant.topic`.
pub trait Event: Serialize + DeserializeOwned {
    /// Into which.
    const STREAM: Stream;
    /// About what: one word.
    const TOPIC: &'static str;

    /// Whose.
    fn tenant(&self) -> TenantId;

    /// The same for each repeat of this event, another for any other.
    fn id(&self) -> String;
}

/// Something happened in a call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallEvent {
    /// Which call.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Rises from event to event of a call, and says which it is: told once more after a death it is the same.
    pub serial: u32,
    /// When.
    pub at: Moment,
    /// The user who called (or the number, from outside).
    pub caller: String,
    /// What was dialed.
    pub dialed: String,
    /// Who is rung or talks: a user, or `app:NAME`.
    pub callee: String,
    /// What happened.
    pub what: What,
    /// Of [`What::Moved`]: where to, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<Move>,
}

/// What can happen in a call that others want to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The INVITE came.
    Began,
    /// A phone rings.
    Rang,
    /// Somebody answered.
    Answered,
    /// A party put the other on hold.
    Held,
    /// And went on.
    Resumed,
    /// Its audio is to be moved to another media node.
    Moved,
    /// It is over; its record tells how.
    Ended,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl What {
    /// The word that stands for it in messages.
    pub const fn name(self) -> &'static str {
        match self {
            What::Began => "began",
            What::Rang => "rang",
            What::Answered => "answered",
            What::Held => "held",
            What::Resumed => "resumed",
            What::Moved => "moved",
            What::Ended => "ended",
            What::Unknown => "unknown",
        }
    }
}

impl Event for CallEvent {
    const STREAM: Stream = Stream::Events;
    const TOPIC: &'static str = "call";

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn id(&self) -> String {
        format!("{}.{}", self.call, self.serial)
    }
}

/// An exchange tells an office, which puts it into the stream. One that was not heard is not told again: the record is
/// the truth about a call.
impl Notice for CallEvent {
    const SUBJECT: Subject = Subject::new(Role::Api, "call_event");
}

impl Event for CallRecord {
    const STREAM: Stream = Stream::Records;
    const TOPIC: &'static str = "record";

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}
