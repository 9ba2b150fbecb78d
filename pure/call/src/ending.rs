use contract::record::Outcome;
use serde::{Deserialize, Serialize};
use sip::Status;
use sip::leg::EndedBy;

/// How a call ended: decided once, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// What became of the attempt.
    pub(crate) outcome: Outcome,
    /// What the caller sees at last.
    pub(crate) status: Status,
    /// For people.
    pub(crate) cause: String,
    /// The Reason header (RFC 3326) that the phones get.
    pub(crate) reason: Option<String>,
}

impl End {
    fn new(outcome: Outcome, status: Status, cause: impl Into<String>) -> Self {
        End { outcome, status, cause: cause.into(), reason: None }
    }

    /// The same, with what the phones are told.
    #[must_use]
    pub(crate) fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    /// It was answered, and is over now.
    pub(crate) fn talked(cause: impl Into<String>) -> Self {
        End::new(Outcome::Answered, Status::OK, cause)
    }

    /// The caller gave up before anybody answered.
    pub(crate) fn cancelled(reason: Option<String>) -> Self {
        End::new(Outcome::Cancelled, Status::REQUEST_TERMINATED, "caller gave up").because(reason)
    }

    /// It rang in vain.
    pub(crate) fn no_answer() -> Self {
        End::new(Outcome::NoAnswer, Status::TEMPORARILY_UNAVAILABLE, "no answer")
    }

    /// It rang in vain for as long as the caller wanted (RFC 3261 13.3.1).
    pub(crate) fn expired() -> Self {
        End::new(Outcome::NoAnswer, Status::REQUEST_TERMINATED, "no answer within the caller's time")
    }

    /// There is no phone to ring.
    pub(crate) fn nobody_there() -> Self {
        End::new(Outcome::Unreachable, Status::TEMPORARILY_UNAVAILABLE, "nobody is registered")
    }

    /// Something of ours failed.
    pub(crate) fn failed(status: Status, cause: impl Into<String>) -> Self {
        End::new(Outcome::Failed, status, cause)
    }

    /// We don't let it through.
    pub(crate) fn refused(status: Status, cause: impl Into<String>) -> Self {
        let outcome = match status.code() {
            500.. => Outcome::Failed,
            486 => Outcome::Busy,
            408 | 480 => Outcome::Unreachable,
            _ => Outcome::Refused,
        };
        End::new(outcome, status, cause)
    }

    /// Somebody of ours (an operator, the API) ended it.
    pub(crate) fn by_hand(was_answered: bool, reason: &str) -> Self {
        let reason = if reason.is_empty() { "hung up by the operator" } else { reason };
        match was_answered {
            true => End::talked(reason),
            false => End::new(Outcome::Failed, Status::TEMPORARILY_UNAVAILABLE, reason),
        }
    }
}

/// What the record says when a leg ended an answered call; `whose` is `caller` or `callee`.
pub(crate) fn cause_of(by: EndedBy, whose: &str) -> String {
    match by {
        EndedBy::Peer => format!("{whose} hung up"),
        EndedBy::Us => "hung up".into(),
        EndedBy::NoResponse => format!("{whose} vanished"),
        EndedBy::SessionExpired => "session expired".into(),
        EndedBy::NoAck => format!("no ACK from the {whose}"),
    }
}

/// What the other phone is told when a leg ended without a Reason of its own.
pub(crate) fn reason_of(by: EndedBy) -> Option<String> {
    match by {
        EndedBy::Peer | EndedBy::Us => None,
        EndedBy::NoResponse => Some("SIP;cause=408;text=\"The other side vanished\"".into()),
        EndedBy::SessionExpired => Some("SIP;cause=408;text=\"Session expired\"".into()),
        EndedBy::NoAck => Some("SIP;cause=408;text=\"No ACK\"".into()),
    }
}
