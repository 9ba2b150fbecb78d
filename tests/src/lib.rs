//! The whole system against real peers: what a test needs to start a platform of its own, and the peers.
//!
//! Each platform has a loopback address of its own, so tests can run side by side on the usual ports.

mod baresip;
mod crowd;
mod http;
mod mobile_operator;
mod peer;
mod phone;
mod place;
mod platform;
mod probe;
mod sipp;
mod sound;
mod tcp_phone;

pub use baresip::Baresip;
pub use crowd::Crowd;
pub use http::{Reply, request};
pub use mobile_operator::MobileOperator;
pub use peer::{Peer, signal_to};
pub use phone::Phone;
pub use place::Place;
pub use platform::{Back, Platform, Shape, Worker, eventually, strowger};
pub use probe::Probe;
pub use sipp::{Sipp, Verdict};
pub use sound::{correlation, speech, write_wav};
pub use tcp_phone::TcpPhone;
