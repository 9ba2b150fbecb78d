use contract::app::{Happened, Instructions};
use contract::billing::{Reserve, Reserved, Settle, Settled};
use contract::media::{Anchor, Anchored, Release, Released};
use contract::record::CallRecord;
use contract::registration::Contact;
use contract::{NodeId, TenantId};
use serde::{Deserialize, Serialize};
use sip::Status;

/// Something that a call must know before it goes on, or wants done. All questions can be asked twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Where does this call lead? Answered by the owner.
    Route(Wanted),
    /// The whole wish for the call's audio, for that media node. (0: for whichever hears it.)
    Anchor(NodeId, Anchor),
    /// The audio is over, on that media node.
    Release(NodeId, Release),
    /// The audio is elsewhere now: what is left of it on that media node is over.
    Leave(NodeId, Release),
    /// More seconds to talk.
    Reserve(Reserve),
    /// The money is to be settled.
    Settle(Settle),
    /// Something happened in an app's call.
    App(Happened),
    /// The record is complete: keep it for ever.
    Keep(Box<CallRecord>),
}

impl Question {
    /// What the owner gives back with the answer, so that a late answer to an earlier question of the same
    /// kind is known as one.
    pub fn serial(&self) -> u32 {
        match self {
            Question::Route(wanted) => wanted.serial,
            Question::Anchor(_, anchor) => anchor.version,
            Question::Leave(_, release) => release.version,
            Question::Reserve(reserve) => reserve.serial,
            Question::App(happened) => happened.serial,
            Question::Release(..) | Question::Settle(_) | Question::Keep(_) => 0,
        }
    }
}

/// Whom a call wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Within which tenant.
    pub tenant: TenantId,
    /// The user who calls.
    pub caller: String,
    /// A user, a number, whatever was dialed (or redirected to).
    pub dialed: String,
    /// Counts the routes that this call asked for: 1, and more when it is redirected.
    pub serial: u32,
    /// How many cells were asked so far. Whoever finds the way counts it.
    pub cells: u8,
}

/// Where a call leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// To all phones of a user.
    Ring {
        /// The user's name.
        to: String,
        /// The phones; none: nobody is registered.
        contacts: Vec<Contact>,
    },
    /// To an app.
    App {
        /// Its name.
        name: String,
    },
    /// Nowhere.
    Refuse {
        /// What the caller is told.
        status: Status,
        /// For the record, e.g. `not found`.
        cause: String,
    },
}

impl Route {
    pub(crate) fn refuse(status: Status) -> Self {
        Route::Refuse { status, cause: status.default_reason().to_owned() }
    }
}

/// What came of a question. `serial` is that of the [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of [`Question::Route`].
    Route {
        /// The question's.
        serial: u32,
        /// The answer.
        route: Route,
    },
    /// Of [`Question::Anchor`].
    Anchored {
        /// The question's.
        serial: u32,
        /// The answer.
        anchored: Anchored,
    },
    /// Of [`Question::Release`].
    Released(Released),
    /// Of [`Question::Leave`].
    Left {
        /// The question's.
        serial: u32,
        /// The answer.
        released: Released,
    },
    /// Of [`Question::Reserve`].
    Reserved {
        /// The question's.
        serial: u32,
        /// The answer.
        reserved: Reserved,
    },
    /// Of [`Question::Settle`].
    Settled(Settled),
    /// Of [`Question::App`].
    Instructions {
        /// The question's.
        serial: u32,
        /// The answer.
        instructions: Instructions,
    },
    /// Of [`Question::Keep`]: the store has committed it.
    Kept,
}
