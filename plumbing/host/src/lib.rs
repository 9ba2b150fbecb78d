//! The loop, the supervisor, configuration, telemetry.
