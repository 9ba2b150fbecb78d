use std::net::SocketAddr;

use media::{PortPair, Socket};
use strowger_io::{Interest, Poller, Result, UdpSocket};

/// What the kernel holds for a port that is lent: a second or more of sound, for the time of a restart.
const LENT: usize = 64 << 10;
/// So much may wait on a port that is lent anew, from before.
const STALE: usize = 1_000;

/// The sockets of a thread's part of the pool, RTP and RTCP in turn. Only those that are lent are polled.
#[derive(Debug)]
pub(crate) struct Ports {
    sockets: Vec<UdpSocket>,
    pub(crate) poller: Poller,
    pub(crate) unsent: u64,
}

impl Ports {
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> Result<Self> {
        Ok(Ports { sockets, poller: Poller::new()?, unsent: 0 })
    }

    /// The pairs, as phones are told them.
    pub(crate) fn pairs(&self, advertised: &[std::net::IpAddr]) -> Result<Vec<PortPair>> {
        let told = |socket: &UdpSocket| {
            let local = socket.local()?;
            let ip = advertised.iter().find(|ip| ip.is_ipv6() == local.is_ipv6());
            Ok(ip.map_or(local, |&ip| SocketAddr::new(ip, local.port())))
        };
        let pairs = self.sockets.chunks_exact(2);
        pairs.map(|pair| Ok(PortPair { rtp: told(&pair[0])?, rtcp: told(&pair[1])? })).collect()
    }

    #[inline]
    pub(crate) fn receive(&self, socket: Socket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        self.sockets.get(socket.number() as usize)?.receive(buffer).ok()?
    }

    #[inline]
    pub(crate) fn send(&mut self, socket: Socket, to: SocketAddr, datagram: &[u8]) {
        let Some(from) = self.sockets.get(socket.number() as usize) else { return };
        if !matches!(from.send(datagram, to), Ok(true)) {
            self.unsent += 1;
        }
    }

    /// Hears a pair from now on; what came before is thrown away.
    pub(crate) fn open(&self, pair: u32) -> Result<()> {
        let mut buffer = [0; 64];
        for socket in both(pair) {
            let Some(port) = self.sockets.get(socket.number() as usize) else { continue };
            (0..STALE).take_while(|_| !matches!(port.receive(&mut buffer), Ok(None))).count();
            port.hold_at_most(LENT)?;
        }
        self.reopen(pair)
    }

    /// Hears a pair from now on, and what came before, too.
    pub(crate) fn reopen(&self, pair: u32) -> Result<()> {
        both(pair).into_iter().try_for_each(|socket| match self.sockets.get(socket.number() as usize) {
            Some(port) => self.poller.add(port, u64::from(socket.number()), Interest::READ),
            None => Ok(()),
        })
    }

    /// Hears a pair no more; whoever still sends there costs no memory.
    pub(crate) fn close(&self, pair: u32) -> Result<()> {
        both(pair).into_iter().try_for_each(|socket| match self.sockets.get(socket.number() as usize) {
            Some(port) => self.poller.remove(port).and_then(|()| port.hold_at_most(0)),
            None => Ok(()),
        })
    }
}

fn both(pair: u32) -> [Socket; 2] {
    [Socket::rtp(pair), Socket::rtcp(pair)]
}
