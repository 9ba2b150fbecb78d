use std::os::fd::AsFd;

use contract::{Envelope, To};

use crate::{Counters, Endpoint, NotSent, Peer, Received};

/// What any bus can do for a loop that waits in epoll, whether its members share a host or not. Nothing blocks.
///
/// A turn of the loop: wait until the descriptor is readable; [`Mailbox::ready`]; take messages with
/// [`Mailbox::receive`]; [`Mailbox::send`] and [`Mailbox::answer`]; [`Mailbox::flush`] at the turn's end. Whoever
/// asks counts the time himself, and asks again: repeats do no harm.
pub trait Mailbox: AsFd + std::fmt::Debug {
    /// Reads and writes whatever is possible now.
    fn ready(&mut self);

    /// The next message that came.
    fn receive(&mut self) -> Option<Received>;

    /// Sends a request or a notice to `to`.
    fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent>;

    /// Sends a request or a notice to whom it names ([`Envelope::to`]).
    fn send(&mut self, envelope: &Envelope) -> Result<(), NotSent> {
        self.send_to(envelope.to(), envelope)
    }

    /// Sends the answer to a request that came from `to`.
    fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent>;

    /// Writes what was sent since the last flush.
    fn flush(&mut self);

    /// What happened so far.
    fn counters(&self) -> Counters;
}

impl Mailbox for Endpoint {
    fn ready(&mut self) {
        Endpoint::ready(self);
    }

    fn receive(&mut self) -> Option<Received> {
        Endpoint::receive(self)
    }

    fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        Endpoint::send_to(self, to, envelope)
    }

    fn send(&mut self, envelope: &Envelope) -> Result<(), NotSent> {
        Endpoint::send(self, envelope)
    }

    fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent> {
        Endpoint::answer(self, to, envelope)
    }

    fn flush(&mut self) {
        Endpoint::flush(self);
    }

    fn counters(&self) -> Counters {
        Endpoint::counters(self)
    }
}
