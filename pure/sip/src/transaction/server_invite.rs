//! RFC 3261 17.2.1 with RFC 6026 8.5: the INVITE server transaction.

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::{Repeat, TimedOut, Timing, earlier};
use crate::Status;

/// RFC 3261 13.3.1.1: a provisional response is repeated once a minute, lest a proxy gives up.
const REMIND: Duration = Duration::from_secs(60);

/// An INVITE that we received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerInvite {
    /// No final response was given yet.
    Proceeding {
        /// The newest provisional response; empty if there is none.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        said: Vec<u8>,
        /// When to repeat it unasked.
        #[serde(default, skip_serializing_if = "is_default")]
        remind: Option<Moment>,
    },
    /// Refused: repeats the refusal (timer G) until the ACK comes, or gives up (timer H).
    Completed {
        /// The refusal.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        refusal: Vec<u8>,
        /// Timer G.
        #[serde(default, skip_serializing_if = "is_default")]
        again: Option<Repeat>,
        /// Timer H.
        #[serde(default, skip_serializing_if = "is_default")]
        give_up: Moment,
    },
    /// The refusal was acknowledged; swallows repetitions (until timer I).
    Confirmed {
        /// Timer I.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Moment,
    },
    /// Accepted; swallows repeated INVITEs (until timer L). Its user repeats the 2xx.
    Accepted {
        /// Timer L.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Moment,
    },
    /// Over.
    #[default]
    Terminated,
}

impl ServerInvite {
    /// An INVITE came, and nothing was said yet.
    pub fn start() -> Self {
        ServerInvite::Proceeding { said: Vec::new(), remind: None }
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
        let ServerInvite::Proceeding { said, remind } = self else { return };
        if status.is_provisional() {
            said.clone_from(&response);
            *remind = (status != Status::TRYING).then(|| now.after(REMIND));
        } else if status.is_success() {
            *self = ServerInvite::Accepted { until: now.after(timing.give_up()) };
        } else {
            *self = ServerInvite::Completed {
                refusal: response.clone(),
                again: Repeat::first(now, timing, reliable),
                give_up: now.after(timing.give_up()),
            };
        }
        send.push(response);
    }

    /// The same INVITE came again.
    pub fn repeated(&self, send: &mut Vec<Vec<u8>>) {
        match self {
            ServerInvite::Proceeding { said: response, .. }
            | ServerInvite::Completed { refusal: response, .. } => {
                if !response.is_empty() {
                    send.push(response.clone());
                }
            }
            ServerInvite::Confirmed { .. } | ServerInvite::Accepted { .. } | ServerInvite::Terminated => {}
        }
    }

    /// Whether nothing was said yet, or nothing that is kept.
    pub fn is_silent(&self) -> bool {
        matches!(self, ServerInvite::Proceeding { said, .. } if said.is_empty())
    }

    /// The ACK of our refusal came.
    pub fn acknowledged(&mut self, now: Moment, timing: &Timing) {
        if let ServerInvite::Completed { again, .. } = self {
            *self = match again {
                Some(_) => ServerInvite::Confirmed { until: now.after(timing.t4) },
                None => ServerInvite::Terminated,
            };
        }
    }

    /// Lets what is due at `now` take effect.
    pub fn expire(&mut self, now: Moment, timing: &Timing, send: &mut Vec<Vec<u8>>) -> Option<TimedOut> {
        match self {
            ServerInvite::Proceeding { said, remind: Some(remind) } => {
                if *remind <= now {
                    *remind = now.after(REMIND);
                    send.push(said.clone());
                }
            }
            ServerInvite::Completed { give_up, .. } if *give_up <= now => {
                *self = ServerInvite::Terminated;
                return Some(TimedOut);
            }
            ServerInvite::Completed { refusal, again: Some(again), .. } => {
                if again.is_due(now, timing.t2) {
                    send.push(refusal.clone());
                }
            }
            ServerInvite::Confirmed { until } | ServerInvite::Accepted { until } if *until <= now => {
                *self = ServerInvite::Terminated;
            }
            ServerInvite::Proceeding { .. }
            | ServerInvite::Completed { .. }
            | ServerInvite::Confirmed { .. }
            | ServerInvite::Accepted { .. }
            | ServerInvite::Terminated => {}
        }
        None
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            ServerInvite::Proceeding { remind, .. } => *remind,
            ServerInvite::Completed { again, give_up, .. } => {
                earlier(again.as_ref().map(Repeat::at), Some(*give_up))
            }
            ServerInvite::Confirmed { until } | ServerInvite::Accepted { until } => Some(*until),
            ServerInvite::Terminated => None,
        }
    }

    /// Whether the final response is still missing.
    pub fn is_pending(&self) -> bool {
        matches!(self, ServerInvite::Proceeding { .. })
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self, ServerInvite::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::bench::{BEGIN, after, beats};

    fn say(machine: &mut ServerInvite, code: u16, reliable: bool) -> Vec<Vec<u8>> {
        let mut send = Vec::new();
        let response = (Status::new(code).unwrap(), code.to_string().into_bytes());
        machine.respond(BEGIN, response, reliable, &Timing::default(), &mut send);
        send
    }

    fn again(machine: &ServerInvite) -> Vec<Vec<u8>> {
        let mut send = Vec::new();
        machine.repeated(&mut send);
        send
    }

    fn run(machine: &mut ServerInvite, end: u64) -> (Vec<u64>, bool) {
        let mut lost = false;
        let beats = beats(machine, end, ServerInvite::deadline, |machine, now, send| {
            lost |= machine.expire(now, &Timing::default(), send).is_some();
        });
        (beats, lost)
    }

    #[test]
    fn a_repeated_invite_gets_the_newest_provisional() {
        let mut machine = ServerInvite::start();
        assert_eq!(again(&machine), Vec::<Vec<u8>>::new());
        say(&mut machine, 100, false);
        assert_eq!(machine.deadline(), None, "100 goes no further than one hop, and need not be repeated");
        say(&mut machine, 180, false);
        assert_eq!(again(&machine), [b"180"]);
        assert_eq!(run(&mut machine, 180_000), (vec![60_000, 120_000, 180_000], false));
    }

    #[test]
    fn timers_g_and_h() {
        let mut machine = ServerInvite::start();
        assert_eq!(say(&mut machine, 486, false), [b"486"]);
        assert_eq!(say(&mut machine, 200, false), Vec::<Vec<u8>>::new(), "the first final response stands");
        assert_eq!(again(&machine), [b"486"]);
        let (beats, lost) = run(&mut machine, 60_000);
        assert_eq!(beats, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert!(lost && machine.is_terminated());
        let mut machine = ServerInvite::start();
        say(&mut machine, 486, true);
        assert_eq!(run(&mut machine, 60_000), (vec![], true));
    }

    #[test]
    fn timer_i_swallows_what_comes_after_the_ack() {
        let mut machine = ServerInvite::start();
        say(&mut machine, 486, false);
        machine.acknowledged(BEGIN, &Timing::default());
        assert_eq!(again(&machine), Vec::<Vec<u8>>::new());
        assert_eq!(machine.deadline(), Some(after(5_000)));
        assert_eq!(run(&mut machine, 5_000), (vec![], false));
        assert!(machine.is_terminated());
        let mut machine = ServerInvite::start();
        say(&mut machine, 486, true);
        machine.acknowledged(BEGIN, &Timing::default());
        assert!(machine.is_terminated());
    }

    #[test]
    fn timer_l_swallows_invites_after_the_2xx() {
        let mut machine = ServerInvite::start();
        assert_eq!(say(&mut machine, 200, false), [b"200"]);
        assert_eq!(again(&machine), Vec::<Vec<u8>>::new());
        machine.acknowledged(BEGIN, &Timing::default());
        assert_eq!(machine.deadline(), Some(after(32_000)));
        assert_eq!(run(&mut machine, 32_000), (vec![], false));
        assert!(machine.is_terminated());
    }
}
