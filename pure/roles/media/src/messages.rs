use std::net::SocketAddr;

use contract::media::{Anchor, Anchored, Noticed, Release, Released};
use contract::query::Gauges;
use machine::Shard;

use crate::pool::Socket;
use crate::sounds::Sounds;

/// Names a request, so that the shell finds who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);

/// What can happen, packets aside.
#[derive(Clone, Debug)]
pub enum In {
    /// An exchange says what a call's sound should be.
    Anchor {
        /// Who asks.
        ask: Ask,
        /// The whole wish.
        wish: Anchor,
    },
    /// An exchange says that a call is over.
    Release {
        /// Who asks.
        ask: Ask,
        /// Which call.
        release: Release,
    },
    /// Somebody asks how we do.
    Gauge {
        /// Who asks.
        ask: Ask,
    },
    /// Packets changed something ([`Media::is_unsettled`]).
    Settle,
    /// What can be played is loaded.
    Sounds {
        /// All of it.
        sounds: Sounds,
    },
    /// Deciding about a packet to this socket panicked.
    Poisoned {
        /// Where it came to.
        socket: Socket,
    },
}

/// What the shell should do.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// Answer.
    Anchored {
        /// Whom.
        ask: Ask,
        /// What.
        answer: Anchored,
    },
    /// Answer.
    Released {
        /// Whom.
        ask: Ask,
        /// What.
        answer: Released,
    },
    /// Answer.
    Gauged {
        /// Whom.
        ask: Ask,
        /// What.
        answer: Gauges,
    },
    /// Tell the exchange that owns the shard.
    Noticed {
        /// Whose.
        shard: Shard,
        /// What.
        notice: Noticed,
    },
    /// Hear what comes to a pair from now on, and nothing that came before.
    Open {
        /// Which pair.
        pair: u32,
    },
    /// Go on hearing a pair that a predecessor opened: what waits there is wanted.
    Reopen {
        /// Which pair.
        pair: u32,
    },
    /// Hear it no more.
    Close {
        /// Which pair.
        pair: u32,
    },
    /// Send a packet of our own.
    Send {
        /// From which of our sockets.
        socket: Socket,
        /// Where to.
        to: SocketAddr,
        /// The bytes.
        datagram: Vec<u8>,
    },
}
