//! The platform as a whole: real processes, real sockets, real peers. One behaviour a file.

#[cfg(nats_server)]
mod across;
mod api;
mod bad_input;
mod calls;
#[cfg(nats_server)]
mod cells;
mod command_line;
mod container;
mod deaths;
mod demo;
mod failpoints;
mod families;
mod last_resort;
#[cfg(nats_server)]
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../plumbing/nats/tests/server/mod.rs"]
mod nats_server;
mod power_loss;
#[cfg(rabbitmq)]
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../plumbing/amqp/tests/rabbit/mod.rs"]
mod rabbit;
#[cfg(rabbitmq)]
mod rabbit_hears;
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

#[cfg(not(nats_server))]
#[test]
#[ignore = "nats-server is not installed (Debian's package nats-server)"]
fn nats_server() {}

#[cfg(not(rabbitmq))]
#[test]
#[ignore = "RabbitMQ is not installed (Debian's package rabbitmq-server)"]
fn rabbitmq() {}

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
