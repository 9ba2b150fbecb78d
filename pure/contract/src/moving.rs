//! The audio of a call in progress is moved to another media node: by hand, because a host is to be emptied, or
//! because the way to another one is better.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CallId, Conversation, NodeId, Repeat, Role, Subject};

/// Move a call's audio. It is built on the new node first, then both phones are told by re-INVITE, then the former
/// one is given up. If the new node can't, or a phone refuses, the audio stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MoveCall {
    /// Which call.
    pub call: CallId,
    /// The media node that shall have it.
    pub to: NodeId,
}

/// The answer to [`MoveCall`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Moved {
    /// It moves, or is there already.
    Accepted,
    /// There is no such call here, or it is over.
    NotFound,
    /// There is no such media node.
    NoSuchNode,
    /// The phones talk past us.
    Direct,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Why a call's audio moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody asked for it ([`MoveCall`]).
    Hand,
    /// Its media node is gone.
    Lost,
    /// The paths to its media node are worse than those to others.
    Path,
    /// Its media node is much fuller than another.
    Full,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// The word that stands for it.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Hand => "hand",
            Reason::Lost => "lost",
            Reason::Path => "path",
            Reason::Full => "full",
            Reason::Unknown => "unknown",
        }
    }
}

/// Where a call's audio goes, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Move {
    /// To which media node.
    pub to: NodeId,
    /// Why.
    pub reason: Reason,
}

impl Conversation for MoveCall {
    type Answer = Moved;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "move_call");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::SameAnswer;
}
