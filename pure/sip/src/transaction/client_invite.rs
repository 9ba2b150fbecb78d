//! RFC 3261 17.1.1 with RFC 6026 8.4: the INVITE client transaction.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

use super::{Heard, Repeat, Stub, TimedOut, Timing, earlier};
use crate::{Message, Status};

/// An INVITE that we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientInvite {
    /// Nothing was heard yet: retransmits (timer A) until it gives up (timer B).
    Calling {
        /// The whole INVITE.
        #[serde(default, with = "serde_bytes")]
        request: Vec<u8>,
        /// Timer A.
        #[serde(default)]
        again: Option<Repeat>,
        /// Timer B.
        #[serde(default)]
        give_up: Moment,
    },
    /// A provisional response came. Waits for a final one, for as long as its user likes.
    Proceeding {
        /// What the ACK or the CANCEL will repeat.
        #[serde(default)]
        stub: Stub,
        /// Whether nothing is lost on the way.
        #[serde(default)]
        reliable: bool,
    },
    /// Refused; acknowledges every repetition of the refusal (until timer D).
    Completed {
        /// The whole ACK.
        #[serde(default, with = "serde_bytes")]
        ack: Vec<u8>,
        /// Timer D.
        #[serde(default)]
        until: Moment,
    },
    /// A 2xx came; its user acknowledges this one, its repetitions, and those of other forks (until timer M).
    Accepted {
        /// Timer M.
        #[serde(default)]
        until: Moment,
    },
    /// Over.
    #[default]
    Terminated,
}

impl ClientInvite {
    /// Sends `request`.
    pub fn start(
        request: Vec<u8>,
        reliable: bool,
        now: Moment,
        timing: &Timing,
        send: &mut Vec<Vec<u8>>,
    ) -> Self {
        send.push(request.clone());
        ClientInvite::Calling {
            request,
            again: Repeat::first(now, timing, reliable),
            give_up: now.after(timing.give_up()),
        }
    }

    /// Takes a response whose branch and method are this transaction's. Acknowledges a refusal itself; a
    /// 2xx is its user's to acknowledge, each time.
    pub fn receive<B: AsRef<[u8]>>(
        &mut self,
        now: Moment,
        response: &Message<B>,
        timing: &Timing,
        send: &mut Vec<Vec<u8>>,
    ) -> Heard {
        let Some(status) = response.status() else { return Heard::Repeated };
        match self {
            ClientInvite::Calling { request, again, .. } => {
                let Some(stub) = Stub::of(request) else { return Heard::Repeated };
                let reliable = again.is_none();
                *self = Self::after((stub, reliable), now, response, timing, send);
                Heard::News
            }
            ClientInvite::Proceeding { stub, reliable } => {
                let kept = (std::mem::take(stub), *reliable);
                *self = Self::after(kept, now, response, timing, send);
                Heard::News
            }
            ClientInvite::Completed { ack, .. } => {
                if status.is_final() && !status.is_success() {
                    send.push(ack.clone());
                }
                Heard::Repeated
            }
            ClientInvite::Accepted { .. } if status.is_success() => Heard::News,
            ClientInvite::Accepted { .. } | ClientInvite::Terminated => Heard::Repeated,
        }
    }

    /// The state after the first response of each kind.
    fn after<B: AsRef<[u8]>>(
        (stub, reliable): (Stub, bool),
        now: Moment,
        response: &Message<B>,
        timing: &Timing,
        send: &mut Vec<Vec<u8>>,
    ) -> Self {
        let status = response.status().unwrap_or(Status::TRYING);
        if status.is_provisional() {
            ClientInvite::Proceeding { stub, reliable }
        } else if status.is_success() {
            ClientInvite::Accepted { until: now.after(timing.give_up()) }
        } else {
            let ack = stub.ack(response);
            send.push(ack.clone());
            if reliable {
                return ClientInvite::Terminated;
            }
            ClientInvite::Completed { ack, until: now.after(timing.linger) }
        }
    }

    /// The CANCEL for this INVITE, with what of it repeats the INVITE; `None` while RFC 3261 9.1 forbids it,
    /// which is before a provisional and after a final response.
    pub fn cancel(&self, reason: Option<&str>) -> Option<Vec<u8>> {
        match self {
            ClientInvite::Proceeding { stub, .. } => Some(stub.cancel(reason)),
            ClientInvite::Calling { .. }
            | ClientInvite::Completed { .. }
            | ClientInvite::Accepted { .. }
            | ClientInvite::Terminated => None,
        }
    }

    /// Lets what is due at `now` take effect.
    pub fn expire(&mut self, now: Moment, send: &mut Vec<Vec<u8>>) -> Option<TimedOut> {
        match self {
            ClientInvite::Calling { give_up, .. } if *give_up <= now => {
                *self = ClientInvite::Terminated;
                return Some(TimedOut);
            }
            ClientInvite::Calling { request, again: Some(again), .. } => {
                if again.is_due(now, Duration::MAX) {
                    send.push(request.clone());
                }
            }
            ClientInvite::Completed { until, .. } | ClientInvite::Accepted { until } if *until <= now => {
                *self = ClientInvite::Terminated;
            }
            ClientInvite::Calling { .. }
            | ClientInvite::Proceeding { .. }
            | ClientInvite::Completed { .. }
            | ClientInvite::Accepted { .. }
            | ClientInvite::Terminated => {}
        }
        None
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            ClientInvite::Calling { again, give_up, .. } => {
                earlier(again.as_ref().map(Repeat::at), Some(*give_up))
            }
            ClientInvite::Completed { until, .. } | ClientInvite::Accepted { until } => Some(*until),
            ClientInvite::Proceeding { .. } | ClientInvite::Terminated => None,
        }
    }

    /// Whether the final response is still missing.
    pub fn is_pending(&self) -> bool {
        matches!(self, ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. })
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self, ClientInvite::Terminated)
    }
}
