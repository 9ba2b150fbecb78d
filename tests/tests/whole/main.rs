//! The platform as a whole: real processes, real sockets, real peers. One behaviour a file.

mod api;
mod bad_input;
mod calls;
mod command_line;
mod deaths;
mod demo;
mod failpoints;
mod families;
mod power_loss;
#[cfg(postgres)]
#[path = "../../../plumbing/store/tests/store/server.rs"]
mod server;
mod sipp;
#[cfg(postgres)]
mod store_away;
mod succession;
mod tcp_peers;
mod tenants;
mod threads;
mod under_load;
mod upgrades;
mod voices;

use serde_json::json;
use strowger_tests::Platform;

/// Not found when this was built: what needs it is skipped.
#[cfg(not(postgres))]
#[test]
#[ignore = "PostgreSQL is not installed (Debian's package postgresql)"]
fn postgres() {}

/// A platform with alice, bob (number 1002) and the echo app (600).
fn furnished(lines: &str) -> Platform {
    furnish(Platform::with(lines))
}

fn furnish(platform: Platform) -> Platform {
    platform.add_user("test", "alice");
    platform.add_user("test", "bob");
    platform.add_number("test", "1002", &json!({"user": "bob"}));
    platform.add_number("test", "600", &json!({"app": "echo"}));
    platform
}
