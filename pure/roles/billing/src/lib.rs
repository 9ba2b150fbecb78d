//! Billing answers two questions about a call: may it go on (reserve), and what did it cost (settle).
//!
//! - `decide.rs`: the answer to one question, from what is known of the call and the purse.
//! - `desk.rs`: the whole role as a value that holds its own books, for the simulation; the service keeps the
//!   same books in the store.

mod decide;
mod desk;

pub use decide::{Answer, Decided, Question, decide, offhand};
pub use desk::{Asked, Desk, Told};
