//! Which cores share a worker, and how they pass messages to each other until quiet.
//!
//! One signalling thread is an edge, an exchange and the apps. They stay strangers to each other: between edge
//! and exchange pass only the bytes that would pass between two hosts, and questions travel in envelopes.
//! Whether they pass in memory or over a wire is [`Hop`]'s choice, and nobody else's business.

mod hop;
mod signalling;

pub use hop::Hop;
pub use signalling::{Asker, In, Out, Said, Settings, Signalling};
