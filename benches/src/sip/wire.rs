//! The sockets of the generator: many datagrams at a time, both ways.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use strowger_io::{Events, Inbox, Interest, Outbound, Poller, UdpOptions, UdpSocket};

use crate::Trouble;

/// What waits to be sent, by socket.
#[derive(Debug)]
pub(crate) struct Mouth(Vec<Outbound>);

impl Mouth {
    /// Says what `fill` writes through `socket`.
    pub(crate) fn say(&mut self, socket: usize, to: SocketAddr, fill: impl FnOnce(&mut Vec<u8>)) {
        self.0[socket].push_with(to, None, fill);
    }
}

/// Who hears what arrives.
pub(crate) trait Ear {
    /// `bytes` arrived at `socket`.
    fn hear(&mut self, now: u64, socket: usize, from: SocketAddr, bytes: &[u8], mouth: &mut Mouth);
}

/// The sockets.
#[derive(Debug)]
pub(crate) struct Wire {
    sockets: Vec<UdpSocket>,
    places: Vec<SocketAddr>,
    poller: Poller,
    events: Events,
    inbox: Inbox,
    mouth: Mouth,
}

/// Datagrams taken at once.
const BATCH: usize = 64;
/// The longest datagram.
const LONGEST: usize = 4096;

impl Wire {
    /// `count` sockets at each of `addresses`, in that order, on ports that are free.
    pub(crate) fn bind(addresses: &[Ipv4Addr], count: usize) -> Result<Self, Trouble> {
        let poller = Poller::new()?;
        let mut sockets = Vec::new();
        let mut places = Vec::new();
        for &address in addresses {
            for _ in 0..count {
                let socket = UdpSocket::bind((address, 0).into(), &UdpOptions::default())?;
                poller.add(&socket, sockets.len() as u64, Interest::READ)?;
                places.push(socket.local()?);
                sockets.push(socket);
            }
        }
        let mouth = Mouth(sockets.iter().map(|_| Outbound::new()).collect());
        let events = Events::new(sockets.len());
        Ok(Wire { sockets, places, poller, events, inbox: Inbox::new(BATCH, LONGEST), mouth })
    }

    /// Where each socket is.
    pub(crate) fn places(&self) -> &[SocketAddr] {
        &self.places
    }

    /// To say something.
    pub(crate) fn mouth(&mut self) -> &mut Mouth {
        &mut self.mouth
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        for (socket, outbound) in self.sockets.iter().zip(&mut self.mouth.0) {
            if !outbound.is_empty() {
                outbound.flush(socket);
            }
        }
    }

    /// Waits for something to arrive, `most` at most, and lets `ear` hear it.
    pub(crate) fn listen(
        &mut self,
        most: Duration,
        clock: impl Fn() -> u64,
        ear: &mut impl Ear,
    ) -> Result<(), Trouble> {
        self.poller.wait(&mut self.events, Some(most))?;
        for event in self.events.iter() {
            let number = usize::try_from(event.token)?;
            let count = self.inbox.receive(&self.sockets[number])?;
            let now = clock();
            for datagram in (0..count).filter_map(|at| self.inbox.get(at)) {
                ear.hear(now, number, datagram.source, datagram.bytes, &mut self.mouth);
            }
        }
        Ok(())
    }
}
