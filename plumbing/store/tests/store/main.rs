//! What the store promises: the same in a file and on servers.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod, reason = "the same tests run on both")]

#[cfg(postgres)]
mod failover;
mod file;
mod fresh;
#[cfg(postgres)]
mod server;
#[cfg(postgres)]
mod servers;

/// Not found when this was built: what needs it is skipped.
#[cfg(not(postgres))]
#[test]
#[ignore = "PostgreSQL is not installed (Debian's package postgresql)"]
fn postgres() {}
