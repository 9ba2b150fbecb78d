use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::transaction::Timing;

/// What a calling leg begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The Call-ID, new.
    pub call_id: String,
    /// The From value, a name-addr without its tag.
    pub local: String,
    /// The From-tag.
    pub local_tag: String,
    /// The To value, a name-addr.
    pub remote: String,
    /// The Request-URI.
    pub target: String,
    /// Route values to begin with; they give way to the route set once a dialog exists.
    pub routes: Vec<String>,
    /// The Contact value, a name-addr.
    pub contact: String,
    /// Whether the way to the peer loses nothing (TCP, TLS, WS all the way): then nothing but 2xx is
    /// retransmitted.
    pub reliable: bool,
    /// What stands behind the transport in our Via: host or host:port.
    pub sent_by: String,
    /// The transport in our Via: `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
    pub via_transport: String,
    /// How many hops our requests may take (RFC 3261 20.22); 0 for the usual 70.
    pub max_forwards: u8,
    /// With this the leg itself answers challenges (401, 407) to whatever it sends; without it a challenge is
    /// a refusal like any other.
    pub login: Option<Login>,
    /// Whether an offer in an UPDATE is taken before the call is answered, though the first answer was not given
    /// reliably (RFC 3311 5.1); the owner answers it like any other.
    pub early_offers: bool,
}

/// What a leg that is called begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reception {
    /// The To-tag, new.
    pub local_tag: String,
    /// The Contact value, a name-addr.
    pub contact: String,
    /// As in [`Identity::reliable`].
    pub reliable: bool,
    /// As in [`Identity::sent_by`].
    pub sent_by: String,
    /// As in [`Identity::via_transport`].
    pub via_transport: String,
    /// As in [`Identity::login`].
    pub login: Option<Login>,
    /// As in [`Identity::early_offers`].
    pub early_offers: bool,
}

/// Credentials for answering challenges.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Login {
    /// The digest user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, ..)", self.user)
    }
}

/// How long a leg waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegTiming {
    /// The transactions' timers; `ring` bounds how long a call may ring.
    pub transaction: Timing,
    /// The session interval we ask for (RFC 4028); `None` asks for no session timer, but still serves a peer
    /// that wants one.
    pub session_expires: Option<Duration>,
    /// The shortest session interval that we accept.
    pub min_se: Duration,
    /// How long a 2xx is retransmitted before the leg gives up waiting for its ACK (64*T1).
    pub ack_wait: Duration,
    /// How long a leg that has hung up stays for the sake of its last transactions, at most.
    pub bye_wait: Duration,
}

impl Default for LegTiming {
    fn default() -> Self {
        LegTiming {
            transaction: Timing::default(),
            session_expires: Some(Duration::from_secs(1800)),
            min_se: Duration::from_secs(90),
            ack_wait: Duration::from_secs(32),
            bye_wait: Duration::from_secs(32),
        }
    }
}

/// What a leg borrows from its owner while it decides.
pub struct Env<'a> {
    /// How long things take.
    pub timing: &'a LegTiming,
    /// Mints the part of a Via branch behind `z9hG4bK`; must never say the same twice for one leg.
    pub branch: &'a mut dyn FnMut() -> String,
    /// The User-Agent (and Server) header; empty for none.
    pub user_agent: &'a str,
}
