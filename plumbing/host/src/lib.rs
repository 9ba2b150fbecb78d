//! The loop, the supervisor, configuration, telemetry.

pub mod config;
pub mod telemetry;
