//! The bus. On one host: messages of `pure/contract` over Unix sockets in a directory of their own.
//!
//! Each member that answers (a signalling thread, the media worker, the office) has a listening socket
//! that the *supervisor* binds and holds. So a connect succeeds while the member is being started again, and
//! what was said meanwhile waits in the socket. Members connect when they have something to say, and again
//! when a connection broke; a request that was not answered before the break is sent once more.
//!
//! - [`Topology`]: who is there, and who is meant by a subject and a shard.
//! - [`Endpoint`]: for loops that wait in epoll: one descriptor to wait for, nothing blocks.
//! - [`Client`] and [`Server`]: for tokio; typed by conversation.
//!
//! What any bus does, so that one that leaves the host (`strowger-nats`) can stand in its place or beside it:
//! [`Mailbox`] for loops in epoll, [`Carrier`] for tokio, [`durable`] for what outlives processes (here: files,
//! [`KeptStreams`] and [`KeptKeys`]); [`Joined`] makes one of two, [`Whichever`] is one that nobody need name. `tests/seam` holds every bus to the same.

mod addressed;
mod carrier;
mod client;
pub mod durable;
mod endpoint;
mod frame;
mod joined;
mod kept;
mod link;
mod local;
mod mailbox;
mod server;
mod topology;
mod whichever;

pub use addressed::Addressed;
pub use carrier::{Carrier, Unanswered};
pub use client::Client;
pub use endpoint::{Counters, Endpoint, NotSent, Peer, Received};
pub use frame::LONGEST;
pub use joined::{Joined, Map, Side};
pub use kept::{KeptConsumer, KeptKeys, KeptStreams, KeptWatch};
pub use local::Local;
pub use mailbox::Mailbox;
pub use server::{Served, Server};
pub use topology::{Member, Topology, Workers};
pub use whichever::Whichever;
