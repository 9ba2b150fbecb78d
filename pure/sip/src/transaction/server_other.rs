//! RFC 3261 17.2.2: the server transaction of every request but INVITE and ACK.

use machine::Moment;
use machine::terse::is_default;
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
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        said: Vec<u8>,
    },
    /// Answered; repeats the answer when asked again (until timer J).
    Completed {
        /// The final response.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        answer: Vec<u8>,
        /// Timer J.
        #[serde(default, skip_serializing_if = "is_default")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::bench::{BEGIN, after};

    fn say(machine: &mut ServerOther, code: u16, reliable: bool) -> usize {
        let mut send = Vec::new();
        let response = (Status::new(code).unwrap(), code.to_string().into_bytes());
        machine.respond(BEGIN, response, reliable, &Timing::default(), &mut send);
        send.len()
    }

    fn again(machine: &ServerOther) -> Vec<Vec<u8>> {
        let mut send = Vec::new();
        machine.repeated(&mut send);
        send
    }

    #[test]
    fn timer_j_repeats_the_answer() {
        let mut machine = ServerOther::start();
        assert!(again(&machine).is_empty() && machine.is_pending());
        assert_eq!(say(&mut machine, 100, false), 1);
        assert_eq!(again(&machine), [b"100"]);
        assert_eq!(say(&mut machine, 200, false), 1);
        assert_eq!(say(&mut machine, 500, false), 0, "the first final response stands");
        assert_eq!(again(&machine), [b"200"]);
        assert_eq!(machine.deadline(), Some(after(32_000)));
        machine.expire(after(31_999));
        assert!(!machine.is_terminated());
        machine.expire(after(32_000));
        assert!(machine.is_terminated() && again(&machine).is_empty());
    }

    #[test]
    fn where_nothing_is_lost_an_answer_is_the_end() {
        let mut machine = ServerOther::start();
        say(&mut machine, 200, true);
        assert!(machine.is_terminated());
    }
}
