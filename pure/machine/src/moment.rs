use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01 UTC, given by the shell, never stepping back within one
/// process. It is absolute, so that a deadline can be journaled and adopted by another process or host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The first moment there is; useful as "never happened".
    pub const START: Moment = Moment(0);
    /// Later than every moment that occurs.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: u64) -> Self {
        Moment(micros)
    }

    /// From whole seconds since 1970.
    pub const fn from_secs(secs: u64) -> Self {
        Moment(secs * 1_000_000)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This moment and `wait` more; stops at [`Moment::NEVER`].
    #[must_use]
    pub const fn after(self, wait: Duration) -> Self {
        Moment(self.0.saturating_add(wait.as_micros() as u64))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
