use std::future::Future;
use std::time::Duration;

use contract::{Body, DecodeError};

use crate::{Addressed, NotSent};

/// Why a request has no answer. Whoever asked may ask again: repeats do no harm.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody answered in time.
    #[error("{subject} was not answered within {} ms", within.as_millis())]
    Late {
        /// What was asked.
        subject: String,
        /// How long the asker waited.
        within: Duration,
    },
    /// It could not be said at all.
    #[error("{subject} could not be asked: {source}")]
    NotSent {
        /// What was asked.
        subject: String,
        /// Why.
        source: NotSent,
    },
    /// The answer is not what the conversation promises.
    #[error("{subject} was answered with something else: {source}")]
    Garbled {
        /// What was asked.
        subject: String,
        /// What was found.
        source: DecodeError,
    },
}

/// What any bus can do for tokio, whether its members share a host or not.
pub trait Carrier: Send + Sync + 'static {
    /// Asks the one member that is meant, and waits at most `within`. [`To::All`](contract::To::All) is answered by the first.
    fn request(
        &self,
        request: Addressed,
        within: Duration,
    ) -> impl Future<Output = Result<Body, Unanswered>> + Send;

    /// Asks every member of the role, and waits at most `within`; one result for each.
    fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> impl Future<Output = Vec<(String, Result<Body, Unanswered>)>> + Send;

    /// Tells whomever the notice is for, without waiting.
    fn publish(&self, notice: Addressed) -> Result<(), NotSent>;
}
