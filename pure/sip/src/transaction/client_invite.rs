//! RFC 3261 17.1.1 with RFC 6026 8.4: the INVITE client transaction.

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::{Heard, Repeat, Stub, TimedOut, Timing, earlier};
use crate::{Message, Status};

/// An INVITE that we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientInvite {
    /// Nothing was heard yet: retransmits (timer A) until it gives up (timer B).
    Calling {
        /// The whole INVITE.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        request: Vec<u8>,
        /// Timer A.
        #[serde(default, skip_serializing_if = "is_default")]
        again: Option<Repeat>,
        /// Timer B.
        #[serde(default, skip_serializing_if = "is_default")]
        give_up: Moment,
    },
    /// A provisional response came. Waits for a final one, for as long as its user likes.
    Proceeding {
        /// What the ACK or the CANCEL will repeat.
        #[serde(default, skip_serializing_if = "is_default")]
        stub: Stub,
        /// Whether nothing is lost on the way.
        #[serde(default, skip_serializing_if = "is_default")]
        reliable: bool,
    },
    /// Refused; acknowledges every repetition of the refusal (until timer D).
    Completed {
        /// The whole ACK.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        ack: Vec<u8>,
        /// Timer D.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Moment,
    },
    /// A 2xx came; its user acknowledges this one, its repetitions, and those of other forks (until timer M).
    Accepted {
        /// Timer M.
        #[serde(default, skip_serializing_if = "is_default")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::bench::{BEGIN, after, beats, invite, response};

    fn start(reliable: bool) -> (ClientInvite, Vec<Vec<u8>>) {
        let mut send = Vec::new();
        let started = ClientInvite::start(invite(), reliable, BEGIN, &Timing::default(), &mut send);
        (started, send)
    }

    fn hear(machine: &mut ClientInvite, code: u16) -> (Heard, Vec<Vec<u8>>) {
        let mut send = Vec::new();
        let heard = machine.receive(BEGIN, &response(code), &Timing::default(), &mut send);
        (heard, send)
    }

    fn run(machine: &mut ClientInvite, end: u64) -> (Vec<u64>, bool) {
        let mut lost = false;
        let beats = beats(machine, end, ClientInvite::deadline, |machine, now, send| {
            lost |= machine.expire(now, send).is_some();
        });
        (beats, lost)
    }

    #[test]
    fn timers_a_and_b() {
        let (mut machine, sent) = start(false);
        assert_eq!(sent, [invite()]);
        let (beats, lost) = run(&mut machine, 60_000);
        assert_eq!((beats, lost), (vec![500, 1_500, 3_500, 7_500, 15_500, 31_500], true));
        assert!(machine.is_terminated());
        let (beats, lost) = run(&mut start(true).0, 60_000);
        assert_eq!((beats, lost), (vec![], true));
    }

    #[test]
    fn a_provisional_response_ends_retransmission_and_allows_cancel() {
        let (mut machine, _) = start(false);
        assert_eq!(machine.cancel(None), None);
        assert_eq!(hear(&mut machine, 180).0, Heard::News);
        assert_eq!(hear(&mut machine, 180).0, Heard::News, "each is for the user to see");
        assert_eq!(machine.deadline(), None);
        let cancel = String::from_utf8(machine.cancel(Some("SIP;cause=200")).unwrap()).unwrap();
        assert_eq!(
            cancel,
            "CANCEL sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nRoute: <sip:p;lr>\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@a>;tag=a\r\nCall-ID: c\r\nCSeq: 7 CANCEL\r\nTo: <sip:b@b>\r\n\
             Reason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn timer_d_keeps_acknowledging_a_refusal() {
        let (mut machine, _) = start(false);
        let (heard, acks) = hear(&mut machine, 486);
        assert_eq!((heard, acks.len()), (Heard::News, 1));
        let text = String::from_utf8(acks[0].clone()).unwrap();
        assert!(text.starts_with("ACK sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"), "{text}");
        assert!(text.contains("\r\nTo: <sip:b@b>;tag=b\r\n"), "{text}");
        assert_eq!(hear(&mut machine, 486), (Heard::Repeated, acks));
        assert_eq!(hear(&mut machine, 180), (Heard::Repeated, vec![]));
        assert_eq!(machine.deadline(), Some(after(32_000)));
        assert!(!run(&mut machine, 32_000).1);
        assert!(machine.is_terminated());
        let (mut machine, _) = start(true);
        assert_eq!(hear(&mut machine, 486).1.len(), 1);
        assert!(machine.is_terminated(), "nothing can come again");
    }

    #[test]
    fn timer_m_lets_every_2xx_through() {
        for reliable in [false, true] {
            let (mut machine, _) = start(reliable);
            assert_eq!(hear(&mut machine, 200), (Heard::News, vec![]));
            assert_eq!(hear(&mut machine, 200), (Heard::News, vec![]));
            assert_eq!(hear(&mut machine, 486), (Heard::Repeated, vec![]));
            assert_eq!(machine.deadline(), Some(after(32_000)));
            assert!(!run(&mut machine, 32_000).1);
            assert!(machine.is_terminated());
        }
    }
}
