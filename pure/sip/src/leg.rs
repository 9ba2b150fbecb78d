//! One side of a call: the INVITE usage of a dialog (RFC 3261 12 to 15, RFC 5057) with all its
//! transactions, its offers and answers (RFC 3264, RFC 3311, RFC 6337) and its session timer (RFC 4028).

mod identity;
mod talk;

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::{Message, Status};

pub use identity::{Env, Identity, LegTiming, Login, Reception};
pub use talk::{EndedBy, LegCommand, LegEvent, LegOut, OfferMethod};

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegState {
    /// We have sent an INVITE and heard nothing.
    Calling,
    /// The far side is at it: 100 or more.
    Proceeding,
    /// We were called, and have said nothing yet.
    Incoming,
    /// We were called, and said so (18x).
    Alerting,
    /// The call is answered, but the ACK is missing: the peer's, or ours (dialled without an offer).
    Answered,
    /// The call is up.
    Confirmed,
    /// The call is over, its transactions aren't.
    Ending,
    /// Nothing is left; the leg may be dropped.
    Over,
}

/// What to answer an INVITE with that can't become a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
    pub status: Status,
    /// Headers that belong into it.
    pub headers: Vec<(String, String)>,
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leg {
    call_id: String,
}

#[allow(unused_variables, clippy::todo)]
impl Leg {
    /// Calls: sends an INVITE with `offer` (or without, then the peer offers in its 2xx).
    pub fn dial(
        identity: Identity,
        offer: Option<&[u8]>,
        extra_headers: &[(String, String)],
        now: Moment,
        env: &mut Env<'_>,
        out: &mut LegOut,
    ) -> Leg {
        todo!("in work")
    }

    /// Is called: answers 100 and tells [`LegEvent::Invited`].
    ///
    /// # Errors
    /// With what to answer, if the INVITE can't be served.
    pub fn invited(
        invite: &Message<&[u8]>,
        reception: Reception,
        now: Moment,
        env: &mut Env<'_>,
        out: &mut LegOut,
    ) -> Result<Leg, Refusal> {
        todo!("in work")
    }

    /// Takes any message whose Call-ID and tags are this leg's (or whose branch is, for CANCEL).
    pub fn receive(&mut self, now: Moment, message: &Message<&[u8]>, env: &mut Env<'_>, out: &mut LegOut) {
        todo!("in work")
    }

    /// Does what the owner wants.
    pub fn command(&mut self, now: Moment, command: LegCommand, env: &mut Env<'_>, out: &mut LegOut) {
        todo!("in work")
    }

    /// Lets what is due at `now` take effect.
    pub fn expire(&mut self, now: Moment, env: &mut Env<'_>, out: &mut LegOut) {
        todo!("in work")
    }

    /// After recovery: makes sure that deadlines passed meanwhile don't end the call at once.
    pub fn resume(&mut self, now: Moment, env: &mut Env<'_>, out: &mut LegOut) {
        todo!("in work")
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        todo!("in work")
    }

    /// Whether nothing is left: the leg may be dropped.
    pub fn is_over(&self) -> bool {
        todo!("in work")
    }

    /// Where it stands.
    pub fn state(&self) -> LegState {
        todo!("in work")
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        todo!("in work")
    }

    /// The peer's tag, once there is a dialog.
    pub fn remote_tag(&self) -> Option<&str> {
        todo!("in work")
    }
}
