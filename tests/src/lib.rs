//! The whole system against real peers: what a test needs to start a platform of its own, and the peers.
//!
//! Each platform has a loopback address of its own, so tests can run side by side on the usual ports.

mod baresip;
mod http;
mod peer;
mod phone;
mod platform;
mod sipp;
mod sound;

pub use baresip::Baresip;
pub use http::{Reply, request};
pub use peer::Peer;
pub use phone::Phone;
pub use platform::{Platform, Worker, eventually};
pub use sipp::{Sipp, Verdict};
pub use sound::{correlation, speech, write_wav};
