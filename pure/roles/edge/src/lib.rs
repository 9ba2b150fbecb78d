//! The SIP front door: a stateless proxy (RFC 3261 16.11).
//!
//! It holds nothing about any message. What it must know again later travels in what it writes: a *flow
//! token* in its Via branch, its Record-Route and its Path says by which listener and to which address a
//! phone is reached, sealed so that nobody else can make one. So any edge that shares the secret brings any
//! message to its place, and none of them can lose a call.
//!
//! - [`Edge::inbound`]: a message from the world, on its way to the exchange that owns its shard.
//! - [`Edge::outbound`]: a message from an exchange, on its way to a phone.
//! - [`farewell`]: the last word on a stream that makes no sense any more.

mod flow;
mod inbound;
mod outbound;
mod reply;

pub use flow::Flow;
pub use inbound::{Dropped, Inbound};
pub use outbound::{Outbound, Unsent};
pub use reply::farewell;

use contract::domains::Domains;
use machine::{CellId, KeyedHash, Mint, Secret};
use sip::Transport;
use std::net::SocketAddr;

/// One address on which the edge hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// UDP, TCP ...
    pub transport: Transport<'static>,
    /// Where it is bound.
    pub local: SocketAddr,
    /// The `host:port` that phones are told.
    pub public: String,
}

/// A stateless proxy: who hears where, and the secret under which tokens are sealed.
#[derive(Clone, Debug)]
pub struct Edge {
    listeners: Vec<Listener>,
    mint: Mint,
    hash: KeyedHash,
    domains: Domains,
}

impl Edge {
    /// An edge on `listeners`; their order is part of what flow tokens say, so it must be the same after a
    /// restart.
    pub fn new(listeners: Vec<Listener>, secret: Secret) -> Self {
        Edge {
            listeners,
            mint: Mint::new(secret.clone()),
            hash: KeyedHash::new(secret),
            domains: Domains::default(),
        }
    }

    /// As an edge of `cell`, whose number others find in what it writes.
    #[must_use]
    pub fn of_cell(self, cell: CellId) -> Self {
        Edge { mint: self.mint.of_cell(cell), ..self }
    }

    /// Learns which domain is whose.
    pub fn learn(&mut self, domains: Domains) {
        self.domains = domains;
    }

    /// The listeners, in the order that flow tokens count them.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    fn listener(&self, flow: &Flow) -> Option<&Listener> {
        self.listeners.get(usize::from(flow.listener))
    }

    /// The first listener that can reach `remote` by `transport`.
    fn listener_towards(&self, transport: Transport<'_>, remote: SocketAddr) -> Option<u8> {
        let fits = |listener: &Listener| {
            listener.transport == transport && listener.local.is_ipv4() == remote.is_ipv4()
        };
        self.listeners.iter().position(fits).and_then(|at| u8::try_from(at).ok())
    }
}
