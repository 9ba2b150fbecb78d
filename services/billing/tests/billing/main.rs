//! Billing over the bus, with its books in a store.

#![allow(clippy::unwrap_used)]

#[cfg(postgres)]
mod away;
mod books;
mod desk;
mod killed;
#[cfg(postgres)]
#[path = "../../../../plumbing/store/tests/store/server.rs"]
mod server;

/// Not found when this was built: what needs it is skipped.
#[cfg(not(postgres))]
#[test]
#[ignore = "PostgreSQL is not installed (Debian's package postgresql)"]
fn postgres() {}
