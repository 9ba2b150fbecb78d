//! The call: a back-to-back user agent as one state machine, and its snapshot.
//!
//! ```text
//! impl Call {
//!   pub fn begin(start: Start, invite: &Message<&[u8]>, world: &World, now: Moment, out: &mut CallOut) -> Result<Call, Refusal>; // sip::leg::Refusal
//!   pub fn sip(&mut self, leg: LegNo, message: &Message<&[u8]>, world: &World, now: Moment, out: &mut CallOut);
//!   pub fn answer(&mut self, answer: Answer, world: &World, now: Moment, out: &mut CallOut);
//!   pub fn noticed(&mut self, noticed: &contract::media::Noticed, world, now, out);
//!   pub fn hang_up(&mut self, reason: &str, world, now, out);
//!   pub fn expire(&mut self, world, now, out);
//!   pub fn resume(&mut self, world, now, out);
//!   pub fn deadline(&self) -> Option<Moment>;   // depends on settings given at the last input
//!   pub fn snapshot(&self) -> Vec<u8>;  pub fn restore(bytes: &[u8]) -> Result<Call, SnapshotError>;
//!   pub fn is_over(&self) -> bool;
//!   pub fn id(&self) -> CallId;  pub fn shard(&self) -> Shard;  pub fn tenant(&self) -> TenantId;
//!   pub fn view(&self) -> contract::query::CallView;
//!   pub fn legs(&self) -> impl Iterator<Item = (LegNo, &str /*call_id*/, &str /*local tag*/)>;
//!   pub fn party(&self, leg: LegNo) -> &str;   // `caller`, or the callee's contact: for ladders
//! }
//! ```

mod out;
mod question;
mod start;

pub use out::{CallOut, LegNo, Sent};
pub use question::{Answer, Question, Route, Wanted};
pub use start::{Caller, Start, Tenant};
