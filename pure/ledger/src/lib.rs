//! Rating, reservations and their settlement.
