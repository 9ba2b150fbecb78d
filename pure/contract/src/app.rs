//! An exchange tells an app what happened in a call; the app says what to do.
//!
//! An app holds nothing: its position travels with each event and comes back with the instructions, and is
//! part of the call's snapshot. So an app's process may die between any two events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::Sound;
use crate::{CallId, Conversation, Repeat, Role, Subject, TenantId};

/// Something happened in a call that an app has.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Happened {
    /// Which call.
    pub call: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Which app.
    pub app: String,
    /// Counts the events of the call.
    pub serial: u32,
    /// Where the app stands, as it said last; empty at first.
    #[serde(with = "serde_bytes")]
    pub position: Vec<u8>,
    /// What happened.
    pub event: Event,
}

/// What can happen to an app's call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The call has come; it is not answered yet.
    Offered {
        /// Who calls.
        #[serde(default)]
        caller: String,
        /// What was dialed.
        #[serde(default)]
        dialed: String,
    },
    /// It is answered and media flows.
    Answered,
    /// The caller pressed a digit.
    Digit {
        /// `0-9*#A-D`.
        digit: char,
    },
    /// The last `Play` is done.
    Played,
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The answer to [`Happened`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Instructions {
    /// Where the app stands now.
    #[serde(with = "serde_bytes")]
    pub position: Vec<u8>,
    /// What to do, in order.
    pub instructions: Vec<Instruction>,
}

/// What an app can want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Instruction {
    /// Answer the call.
    Answer,
    /// Play, instead of what is playing.
    Play {
        /// One after another.
        sounds: Vec<Sound>,
    },
    /// End the call.
    HangUp,
    /// Refuse the call with a SIP status.
    Refuse {
        /// 400 to 699.
        status: u16,
    },
    /// Of a later release: passed over.
    #[serde(other)]
    Unknown,
}

impl Conversation for Happened {
    type Answer = Instructions;
    const SUBJECT: Subject = Subject::new(Role::Apps, "happened");
    const WITHIN: Duration = Duration::from_millis(500);
    const REPEATED: Repeat = Repeat::SameAnswer;
}
