//! Billing answers two questions about a call: may it go on (reserve), and what did it cost (settle).
//!
//! - `decide.rs`: the answer to one question, from what is known of the call and the purse.
//! - `till.rs`: the role as it works: decides, keeps what it decided in a journal (`kept.rs`), and writes the books
//!   afterwards.
//! - `desk.rs`: the whole role as a value that holds its own books, for the simulation.

mod decide;
mod desk;
mod kept;
mod till;

pub use decide::{Answer, Decided, Payer, Question, decide, offhand};
pub use desk::{Asked, Desk, Told};
pub use kept::RESERVATION;
pub use till::{In, Out, Till, Written};
