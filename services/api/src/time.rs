use std::time::{Duration, UNIX_EPOCH};

use machine::Moment;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A moment as people and programs write it: RFC 3339, UTC, with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-21T08:30:00.000000Z")]
pub struct Time(pub Moment);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = Duration::from_micros(self.0.as_micros());
        match UNIX_EPOCH.checked_add(since).filter(|_| since < BEYOND) {
            Some(time) => write!(f, "{}", humantime::format_rfc3339_micros(time)),
            None => f.write_str("9999-12-31T23:59:59.999999Z"),
        }
    }
}

/// The year 10000.
const BEYOND: Duration = Duration::from_secs(253_402_300_800);

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &dyn std::fmt::Display| {
            format!("expected a time like 2026-11-21T08:30:00Z, read {text:?}: {why}")
        };
        let time = humantime::parse_rfc3339(text).map_err(|error| wrong(&error))?;
        let since = time.duration_since(UNIX_EPOCH).map_err(|error| wrong(&error))?;
        Ok(Time(Moment::from_micros(since.as_micros() as u64)))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_in_utc() {
        let time = Time(Moment::from_micros(1_795_221_000_000_001));
        assert_eq!(time.to_string(), "2026-11-21T00:30:00.000001Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Time(Moment::NEVER).to_string(), "9999-12-31T23:59:59.999999Z");
        let error = "yesterday".parse::<Time>().unwrap_err();
        assert!(
            error.starts_with("expected a time like 2026-11-21T08:30:00Z, read \"yesterday\""),
            "{error}"
        );
    }
}
