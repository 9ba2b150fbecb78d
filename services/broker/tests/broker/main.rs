//! Brokers on loopback: they agree, lose a leader, lose nodes, come back, and tell their hosts.

#![allow(clippy::unwrap_used, missing_docs)]

mod agreeing;
mod cells;
mod leading;
mod losing;
mod platform;
mod strangers;
mod telling;
