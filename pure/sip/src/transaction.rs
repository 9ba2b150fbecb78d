//! The four transactions of RFC 3261 17 with the corrections of RFC 6026, each a plain state machine.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

/// How long things take on the wire (RFC 3261, table 4). The defaults are the RFC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// T1: the estimated round trip; everything that gives up does so after 64 of it.
    pub t1: Duration,
    /// T2: the longest pause between two retransmissions of what isn't an INVITE request.
    pub t2: Duration,
    /// T4: how long a message may stay in the network.
    pub t4: Duration,
    /// Timer D's floor: how long a client keeps answering a repeated refusal of its INVITE.
    pub linger: Duration,
    /// Timer C: how long an INVITE may ring after its last provisional response.
    pub ring: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            linger: Duration::from_secs(32),
            ring: Duration::from_secs(180),
        }
    }
}

impl Timing {
    /// 64*T1: timers B, F, H, J, L and M.
    pub const fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

mod client_invite;
mod client_other;
mod server_invite;
mod server_other;
mod stub;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use server_invite::ServerInvite;
pub use server_other::ServerOther;
pub use stub::Stub;

/// What becomes of a response that a client transaction received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Heard {
    /// It is news for whoever sent the request.
    News,
    /// It was a repetition; the transaction has dealt with it.
    Repeated,
}

/// A transaction waited in vain: no final response (timers B and F), or no ACK (timer H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// The next retransmission, and the pause before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repeat {
    at: Moment,
    pause: Duration,
}

impl Repeat {
    /// First after T1; never on a transport that loses nothing.
    pub(crate) fn first(now: Moment, timing: &Timing, reliable: bool) -> Option<Repeat> {
        (!reliable).then(|| Repeat::after(now, timing.t1))
    }

    /// After `pause`.
    pub(crate) fn after(now: Moment, pause: Duration) -> Repeat {
        Repeat { at: now.after(pause), pause }
    }

    /// When.
    pub(crate) fn at(&self) -> Moment {
        self.at
    }

    /// Whether it is time; if so the next one comes after twice the pause, but no more than `longest`.
    pub(crate) fn is_due(&mut self, now: Moment, longest: Duration) -> bool {
        if self.at > now {
            return false;
        }
        *self = Repeat::after(now, self.pause.saturating_mul(2).min(longest));
        true
    }
}

/// The earlier of two deadlines, where none is later than any.
pub(crate) fn earlier(a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod bench {
    //! What the tests of all four machines need.

    use std::time::Duration;

    use machine::Moment;

    pub(super) const BEGIN: Moment = Moment::from_secs(1_700_000_000);

    pub(super) fn after(millis: u64) -> Moment {
        BEGIN.after(Duration::from_millis(millis))
    }

    pub(super) fn invite() -> Vec<u8> {
        b"INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nRoute: <sip:p;lr>\r\n\
          From: <sip:a@a>;tag=a\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    }

    pub(super) fn response(code: u16) -> crate::Message<Vec<u8>> {
        let text = format!(
            "SIP/2.0 {code} So\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=a\r\n\
             To: <sip:b@b>;tag=b\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        crate::Message::parse(text.into_bytes()).unwrap()
    }

    /// The milliseconds at which `expire` says something, until `deadline` is none or lies behind `end`.
    pub(super) fn beats<T>(
        machine: &mut T,
        end: u64,
        deadline: impl Fn(&T) -> Option<Moment>,
        mut expire: impl FnMut(&mut T, Moment, &mut Vec<Vec<u8>>),
    ) -> Vec<u64> {
        let mut beats = Vec::new();
        while let Some(due) = deadline(machine).filter(|&due| due <= after(end)) {
            let mut send = Vec::new();
            expire(machine, due, &mut send);
            beats.extend(send.iter().map(|_| due.since(BEGIN).as_millis() as u64));
        }
        beats
    }
}
