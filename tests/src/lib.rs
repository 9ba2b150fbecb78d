//! The whole system against real peers.
