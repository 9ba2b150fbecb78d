//! One side of a call: the INVITE usage of a dialog (RFC 3261 12 to 15, RFC 5057) with all its
//! transactions, its offers and answers (RFC 3264, RFC 3311, RFC 6337) and its session timer (RFC 4028).
//!
//! ```text
//! impl Leg {
//!   pub fn dial(identity: Identity, offer: Option<&[u8]>, extra_headers: &[(String, String)], now: Moment, env: &mut Env, out: &mut LegOut) -> Leg;
//!   pub fn invited(invite: &Message<&[u8]>, reception: Reception, now: Moment, env: &mut Env, out: &mut LegOut) -> Result<Leg, Refusal>; // sends 100, tells Invited
//!   pub fn receive(&mut self, now: Moment, msg: &Message<&[u8]>, env: &mut Env, out: &mut LegOut);
//!   pub fn command(&mut self, now: Moment, command: LegCommand, env: &mut Env, out: &mut LegOut);
//!   pub fn expire(&mut self, now: Moment, env: &mut Env, out: &mut LegOut);
//!   pub fn resume(&mut self, now: Moment, env: &mut Env, out: &mut LegOut);
//!   pub fn deadline(&self) -> Option<Moment>;
//!   pub fn is_over(&self) -> bool;
//!   pub fn state(&self) -> LegState;
//!   pub fn call_id(&self) -> &str;  pub fn local_tag(&self) -> &str;  pub fn remote_tag(&self) -> Option<&str>;
//! }
//! pub struct Refusal { pub status: Status, pub headers: Vec<(String, String)> }   // what to answer an INVITE with that can't become a leg
//! ```

mod identity;
mod talk;

pub use identity::{Env, Identity, LegTiming, Login, Reception};
pub use talk::{EndedBy, LegCommand, LegEvent, LegOut, OfferMethod};

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
