//! Answers reservations and settlements by a rate.
