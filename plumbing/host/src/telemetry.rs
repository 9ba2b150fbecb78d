//! Logs: one line an event, for people or for machines.

use std::io;

use tracing_subscriber::EnvFilter;

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is no filter.
    #[error(
        "log level {filter:?}: expected error, warn, info, debug, trace or a list such as info,exchange=debug ({reason})"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody started it before.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging to standard error. `filter` is a level, or levels by target: `info,exchange=debug`.
pub fn start(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        Format::Text => builder.with_ansi(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| TelemetryError::Twice)
}

/// Whether `filter` would be taken.
pub fn check(filter: &str) -> Result<(), TelemetryError> {
    parse(filter).map(drop)
}

/// What says so much in good order that nothing else would be read. Named in a filter it is heard.
const LOUD: &str = "openraft";

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let quiet = if filter.contains(LOUD) { String::new() } else { format!("{LOUD}=off,") };
    EnvFilter::builder()
        .parse(quiet + filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_says_what_was_expected() {
        assert!(check("info,exchange=debug").is_ok());
        let error = check("exchange=loud").unwrap_err().to_string();
        assert!(error.starts_with("log level \"exchange=loud\": expected error, warn, info"), "{error}");
    }
}
