//! RFC 3261 17.2.2: the server transaction of every request but INVITE and ACK.

use machine::Moment;
use serde::{Deserialize, Serialize};

use super::Timing;
use crate::Status;

/// A request, other than INVITE and ACK, that we received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerOther {
    /// Nothing was said yet.
    Trying,
    /// A provisional response was given.
    Proceeding {
        /// The newest.
        #[serde(default, with = "serde_bytes")]
        said: Vec<u8>,
    },
    /// Answered; repeats the answer when asked again (until timer J).
    Completed {
        /// The final response.
        #[serde(default, with = "serde_bytes")]
        answer: Vec<u8>,
        /// Timer J.
        #[serde(default)]
        until: Moment,
    },
    /// Over.
    #[default]
    Terminated,
}

impl ServerOther {
    /// A request came, and nothing was said yet.
    pub fn start() -> Self {
        ServerOther::Trying
    }

    /// Sends `response` of `status`, unless a final one was sent before.
    pub fn respond(
        &mut self,
        now: Moment,
        (status, response): (Status, Vec<u8>),
        reliable: bool,
        timing: &Timing,
        send: &mut Vec<Vec<u8>>,
    ) {
        match self {
            ServerOther::Trying | ServerOther::Proceeding { .. } => {
                *self = if status.is_provisional() {
                    ServerOther::Proceeding { said: response.clone() }
                } else if reliable {
                    ServerOther::Terminated
                } else {
                    ServerOther::Completed { answer: response.clone(), until: now.after(timing.give_up()) }
                };
                send.push(response);
            }
            ServerOther::Completed { .. } | ServerOther::Terminated => {}
        }
    }

    /// The same request came again.
    pub fn repeated(&self, send: &mut Vec<Vec<u8>>) {
        match self {
            ServerOther::Proceeding { said: response } | ServerOther::Completed { answer: response, .. } => {
                send.push(response.clone());
            }
            ServerOther::Trying | ServerOther::Terminated => {}
        }
    }

    /// Lets what is due at `now` take effect.
    pub fn expire(&mut self, now: Moment) {
        if self.deadline().is_some_and(|at| at <= now) {
            *self = ServerOther::Terminated;
        }
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            ServerOther::Completed { until, .. } => Some(*until),
            ServerOther::Trying | ServerOther::Proceeding { .. } | ServerOther::Terminated => None,
        }
    }

    /// Whether the final response is still missing.
    pub fn is_pending(&self) -> bool {
        matches!(self, ServerOther::Trying | ServerOther::Proceeding { .. })
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self, ServerOther::Terminated)
    }
}
