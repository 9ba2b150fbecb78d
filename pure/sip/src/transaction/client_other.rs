//! RFC 3261 17.1.2: the client transaction of every request but INVITE and ACK.

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::{Heard, Repeat, TimedOut, Timing, earlier};
use crate::Status;

/// A request, other than INVITE and ACK, that we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientOther {
    /// Nothing was heard yet: retransmits (timer E) until it gives up (timer F).
    Trying {
        /// The whole request; empty where nothing is lost.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        request: Vec<u8>,
        /// Timer E.
        #[serde(default, skip_serializing_if = "is_default")]
        again: Option<Repeat>,
        /// Timer F.
        #[serde(default, skip_serializing_if = "is_default")]
        give_up: Moment,
    },
    /// A provisional response came: the same, at the slowest pace.
    Proceeding {
        /// The whole request; empty where nothing is lost.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        request: Vec<u8>,
        /// Timer E.
        #[serde(default, skip_serializing_if = "is_default")]
        again: Option<Repeat>,
        /// Timer F.
        #[serde(default, skip_serializing_if = "is_default")]
        give_up: Moment,
    },
    /// Answered; swallows repetitions (until timer K).
    Completed {
        /// Timer K.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Moment,
    },
    /// Over.
    #[default]
    Terminated,
}

impl ClientOther {
    /// Sends `request`.
    pub fn start(
        request: Vec<u8>,
        reliable: bool,
        now: Moment,
        timing: &Timing,
        send: &mut Vec<Vec<u8>>,
    ) -> Self {
        let again = Repeat::first(now, timing, reliable);
        let kept = if again.is_some() { request.clone() } else { Vec::new() };
        send.push(request);
        ClientOther::Trying { request: kept, again, give_up: now.after(timing.give_up()) }
    }

    /// Takes the status of a response whose branch and method are this transaction's.
    pub fn receive(&mut self, now: Moment, status: Status, timing: &Timing) -> Heard {
        match self {
            ClientOther::Trying { again, .. } | ClientOther::Proceeding { again, .. }
                if status.is_final() =>
            {
                *self = match again {
                    Some(_) => ClientOther::Completed { until: now.after(timing.t4) },
                    None => ClientOther::Terminated,
                };
                Heard::News
            }
            ClientOther::Trying { request, again, give_up } => {
                *self = ClientOther::Proceeding {
                    request: std::mem::take(request),
                    again: again.map(|_| Repeat::after(now, timing.t2)),
                    give_up: *give_up,
                };
                Heard::News
            }
            ClientOther::Proceeding { .. } => Heard::News,
            ClientOther::Completed { .. } | ClientOther::Terminated => Heard::Repeated,
        }
    }

    /// Lets what is due at `now` take effect.
    pub fn expire(&mut self, now: Moment, timing: &Timing, send: &mut Vec<Vec<u8>>) -> Option<TimedOut> {
        match self {
            ClientOther::Trying { give_up, .. } | ClientOther::Proceeding { give_up, .. }
                if *give_up <= now =>
            {
                *self = ClientOther::Terminated;
                return Some(TimedOut);
            }
            ClientOther::Trying { request, again, .. } | ClientOther::Proceeding { request, again, .. } => {
                if again.as_mut().is_some_and(|again| again.is_due(now, timing.t2)) {
                    send.push(request.clone());
                }
            }
            ClientOther::Completed { until } => {
                if *until <= now {
                    *self = ClientOther::Terminated;
                }
            }
            ClientOther::Terminated => {}
        }
        None
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            ClientOther::Trying { again, give_up, .. } | ClientOther::Proceeding { again, give_up, .. } => {
                earlier(again.as_ref().map(Repeat::at), Some(*give_up))
            }
            ClientOther::Completed { until } => Some(*until),
            ClientOther::Terminated => None,
        }
    }

    /// Whether the final response is still missing.
    pub fn is_pending(&self) -> bool {
        matches!(self, ClientOther::Trying { .. } | ClientOther::Proceeding { .. })
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self, ClientOther::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::bench::{BEGIN, after, beats};

    fn start(reliable: bool) -> ClientOther {
        ClientOther::start(b"BYE".to_vec(), reliable, BEGIN, &Timing::default(), &mut Vec::new())
    }

    fn run(machine: &mut ClientOther, end: u64) -> (Vec<u64>, bool) {
        let mut lost = false;
        let beats = beats(machine, end, ClientOther::deadline, |machine, now, send| {
            lost |= machine.expire(now, &Timing::default(), send).is_some();
        });
        (beats, lost)
    }

    #[test]
    fn timers_e_and_f() {
        let (beats, lost) = run(&mut start(false), 60_000);
        assert_eq!(beats, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert!(lost);
        assert_eq!(run(&mut start(true), 60_000), (vec![], true));
    }

    #[test]
    fn a_provisional_response_slows_retransmission_down() {
        let mut machine = start(false);
        assert_eq!(machine.receive(BEGIN, Status::TRYING, &Timing::default()), Heard::News);
        let (beats, lost) = run(&mut machine, 60_000);
        assert_eq!((beats, lost), (vec![4_000, 8_000, 12_000, 16_000, 20_000, 24_000, 28_000], true));
    }

    #[test]
    fn timer_k_swallows_repeated_answers() {
        let mut machine = start(false);
        assert_eq!(machine.receive(BEGIN, Status::OK, &Timing::default()), Heard::News);
        assert_eq!(machine.receive(BEGIN, Status::OK, &Timing::default()), Heard::Repeated);
        assert_eq!(machine.deadline(), Some(after(5_000)));
        assert_eq!(run(&mut machine, 5_000), (vec![], false));
        assert!(machine.is_terminated());
        let mut machine = start(true);
        assert_eq!(machine.receive(BEGIN, Status::OK, &Timing::default()), Heard::News);
        assert!(machine.is_terminated());
    }
}
