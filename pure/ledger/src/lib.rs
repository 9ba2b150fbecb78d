//! Rating, reservations and their settlement, in double entry.
//!
//! Nothing here remembers or stores: a [`Reservation`] is a value, each step on it yields the [`Posting`]s that
//! belong to it, and whoever keeps the books keeps both together.
//!
//! What holds after each step: *reserved = charged + released + held*, and once settled nothing is held.

mod posting;
mod rate;
mod reservation;

pub use posting::{Account, Posting};
pub use rate::Rate;
pub use reservation::{Grant, Purse, Reservation, State};
