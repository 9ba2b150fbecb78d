//! The media role's shell: packet threads of their own, each with an epoll loop, its part of the pool of ports and
//! a journal.
//!
//! | wanted | found in |
//! |---|---|
//! | a thread's loop, the way of a packet through the kernel | `thread.rs` |
//! | when to wait for more before looking | `pace.rs` |
//! | the pool's sockets | `ports.rs` |
//! | what is done of what was decided | `perform.rs` |
//! | the bus, and which thread has which call | `desk.rs` |
//! | prompts | `prompts.rs` |
//! | probes of the paths to other nodes | `probing.rs` |
//!
//! What is decided stands in `pure/roles/media`.

mod config;
mod desk;
mod pace;
mod perform;
mod ports;
mod probing;
mod prompts;
mod service;
mod thread;

pub use config::Config;
pub use media::Settings;
pub use probing::{Around, Surroundings};
pub use service::{Dealt, Join, RunError, Service, alone, run};
