//! The bus across hosts, on servers that each test starts for itself.

#![allow(clippy::unwrap_used)]

extern crate bus as strowger_bus;

mod across;
mod breaks;
mod cluster;
#[path = "../../bus/tests/seam/mod.rs"]
mod seam;
mod security;
mod server;

use across::Across;

promises! { Across, cfg_attr(no_nats_server, ignore = "nats-server is not installed") }
