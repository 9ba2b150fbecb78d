//! The bus across hosts: NATS behind what `strowger-bus` offers on one.
//!
//! - [`Nats`]: the connection, on a small thread of its own; made again for ever. Nobody ever waits for a dead
//!   server: what is said goes into a bounded queue, a request has its deadline.
//! - [`NatsMailbox`]: for loops that wait in epoll.
//! - [`NatsCarrier`] (under [`bus::Client`]) and [`Nats::serve`]: for tokio; typed by conversation.
//! - [`NatsStreams`] and [`NatsKeys`]: what outlives processes, kept by JetStream.
//!
//! A request is heard at most twice, as on the local bus: it is said once more if the connection broke before its
//! answer came. Nothing is asked of JetStream while a call is set up or goes on, and nothing here is a lock:
//! while its leader changes, a bucket may tell two writers that both have won.

mod carrier;
mod connection;
mod hearing;
mod inbox;
mod keys;
mod line;
mod mailbox;
mod names;
mod options;
mod roster;
mod serve;
mod streams;

pub use carrier::NatsCarrier;
pub use connection::{Nats, Traffic};
pub use keys::{NatsKeys, NatsWatch};
pub use mailbox::NatsMailbox;
pub use options::{Credentials, Identity, NatsError, Options, Tls};
pub use roster::Who;
pub use streams::{NatsConsumer, NatsStreams};

/// The header that tells who answers, when all were asked.
pub(crate) const FROM: &str = "Strowger-From";
