use contract::app::Instructions;
use contract::billing::{Reserved, Settled};
use contract::media::{Anchored, Released};
use contract::registration::Contact;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};
use sip::leg::LegEvent;

use crate::asking::Topic;
use crate::offers::Offering;
use crate::ring::Ringing;
use crate::{LegNo, Route};

/// Where a call stands. What belongs to a state is gone with it.
///
/// ```text
///           INVITE            funded, routed           anchored             200
///  (caller) ------> Routing ----------------> Anchoring --------> Ringing -------> Talking
///                      |                          |                  ^ |               |
///                      |                          | an app    3xx    | |               |
///                      |                          +--> Served <------+-+               |
///                      |                                 |             |               |
///                      +------------ refused, given up, hung up -------+---------------+
///                                               |
///                                               v
///                                            Ending: released, settled, kept
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Whom does the caller want, and who pays?
    Routing(Routing),
    /// A place for the audio is being found.
    Anchoring(Plan),
    /// Phones are being called.
    Ringing(Ringing),
    /// Two phones talk.
    Talking(Talking),
    /// An app has the call.
    Served(Served),
    /// It is over; accounts are being closed.
    Ending(Ending),
}

/// What is known of a new call so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Routing {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) plan: Option<Plan>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) is_funded: bool,
}

/// Where the call is going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plan {
    Phones(Vec<Contact>),
    App(String),
}

/// Two phones talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Talking {
    /// The leg that answered.
    pub(crate) peer: LegNo,
    /// The session being changed, if it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) offering: Offering,
}

/// An app has the call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Served {
    /// The app has answered.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) is_answered: bool,
    /// The caller has to answer an offer of ours.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) awaits_answer: bool,
    /// The caller has to answer where its audio is now; which ports it was told.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) renews: Option<u16>,
}

impl Served {
    /// An offer of ours waits for the caller's answer.
    pub(crate) fn is_offering(&self) -> bool {
        self.awaits_answer || self.renews.is_some()
    }
}

/// It is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ending {
    /// The store has the record.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) is_kept: bool,
}

/// Everything that can happen to a call, besides retransmissions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// On the caller's leg.
    Caller(LegEvent),
    /// On a called phone's leg.
    Callee(LegNo, LegEvent),
    Routed(Route),
    Reserved(Reserved),
    Anchored(Anchored),
    Released(Released),
    /// What was left on another media node is released; of which wish.
    Left(u32, Released),
    /// A phone is to be told again where its audio is.
    TellAgain,
    Settled(Settled),
    Instructed(Instructions),
    Kept,
    /// A question was asked so often that it need not be waited for.
    GaveUp(Topic),
    /// A digit came with the caller's audio.
    Digit(char, u32),
    /// What was played is over.
    Said(u32),
    /// No audio comes any more.
    Silent,
    /// Nobody answered in time.
    RungOut,
    /// The phones of the next lower q are to ring too.
    HuntOn,
    /// The last paid second is over.
    Spent(&'static str),
    /// Somebody of ours ends it.
    HangUp(String),
}
