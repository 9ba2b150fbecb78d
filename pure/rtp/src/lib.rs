//! RTP and RTCP as values: packets, the statistics of what arrives, the state of what is sent, digits as
//! events, a buffer that smooths arrival, and how good a call sounds.
//!
//! | wanted | found in | from |
//! |---|---|---|
//! | what a datagram on a media port is | [`Datagram::of`] | RFC 7983, RFC 5761 |
//! | the header of a packet, for relaying | [`Header::read`] | RFC 3550 5.1 |
//! | a whole packet with its payload | [`Packet`] | RFC 3550 5.1, 5.3.1 |
//! | reports | [`rtcp`] | RFC 3550 6 |
//! | loss, duplicates, order, jitter | [`Receiver`] | RFC 3550 A.1, A.3, A.8 |
//! | round trips | [`RoundTrip`] | RFC 3550 6.4.1 |
//! | numbering what we send | [`Sender`] | RFC 3550 5.1, 6.4.1 |
//! | digits | [`event`] | RFC 4733 |
//! | when to play what | [`Playout`] | |
//! | the score | [`quality`] | ITU-T G.107, G.113 |

pub mod event;
pub mod quality;
pub mod rtcp;

mod bursts;
mod datagram;
mod invalid;
mod ntp;
mod packet;
mod playout;
mod receiver;
mod round_trip;
mod sender;

#[cfg(test)]
mod properties;

pub use datagram::Datagram;
pub use invalid::Invalid;
pub use ntp::Ntp;
pub use packet::{Extension, Header, Packet};
pub use playout::{Played, Playout};
pub use receiver::{Arrival, Receiver, Totals};
pub use round_trip::RoundTrip;
pub use sender::Sender;
