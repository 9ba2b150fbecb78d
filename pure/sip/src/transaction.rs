//! The four transactions of RFC 3261 17 with the corrections of RFC 6026, each a plain state machine.

use std::time::Duration;

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
