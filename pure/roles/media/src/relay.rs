//! What becomes of a datagram. Everything on the way of an ordinary packet stands in [`Media::relay`].

use std::net::SocketAddr;

use machine::Moment;
use rtp::{Datagram, Header, Packet};

use crate::Media;
use crate::latch::Admission;
use crate::pool::Socket;

/// What the shell does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out as it is.
    Forward {
        /// From which of our sockets.
        socket: Socket,
        /// Where to.
        to: SocketAddr,
    },
    /// It was for us alone.
    Consume,
    /// It is nothing that may go anywhere.
    Drop,
}

/// Datagrams, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) forwarded: u64,
    pub(crate) consumed: u64,
    /// Came to ports that are not lent.
    pub(crate) unclaimed: u64,
    /// Neither RTP nor RTCP, or broken.
    pub(crate) unfit: u64,
    /// From sources that are not heard.
    pub(crate) strangers: u64,
    /// Reports that came or went.
    pub(crate) reports: u64,
    /// Sources that began to be heard.
    pub(crate) latched: u64,
}

impl Media {
    /// Decides about a datagram that came to `socket` from `source`.
    pub fn relay(&mut self, now: Moment, socket: Socket, source: SocketAddr, datagram: &[u8]) -> Verdict {
        let Some(Some(leg)) = self.legs.get_mut(socket.pair() as usize) else {
            self.traffic.unclaimed += 1;
            return Verdict::Drop;
        };
        let kind = Datagram::of(datagram);
        if kind != Datagram::Rtp || socket.is_rtcp() {
            return self.other(now, socket, source, datagram, kind);
        }
        let Some(header) = Header::read(datagram) else {
            self.traffic.unfit += 1;
            return Verdict::Drop;
        };
        if !leg.latch.passes(now, &source, &header) && !self.admit(now, socket.pair(), source, &header) {
            return Verdict::Drop;
        }
        // Looked up again: the way past `admit` needed all of us.
        let Some(Some(leg)) = self.legs.get_mut(socket.pair() as usize) else { return Verdict::Drop };
        leg.counts.receiver.packet(now, &header);
        if leg.events.has(header.payload_type) {
            self.hear(socket.pair(), &header, datagram);
            return self.pass_on(socket.pair());
        }
        leg.counts.payload_type = header.payload_type;
        self.pass_on(socket.pair())
    }

    /// To whoever hears the leg.
    #[inline]
    fn pass_on(&mut self, pair: u32) -> Verdict {
        let hearer = self.leg(pair).and_then(|leg| leg.heard_by);
        let Some(Some(hearer)) = hearer.and_then(|pair| self.legs.get_mut(pair as usize)) else {
            self.traffic.consumed += 1;
            return Verdict::Consume;
        };
        match hearer.to {
            Some(to) if !hearer.is_played_to => {
                hearer.counts.sent += 1;
                self.traffic.forwarded += 1;
                Verdict::Forward { socket: Socket::rtp(hearer.pair), to }
            }
            _ => {
                self.traffic.consumed += 1;
                Verdict::Consume
            }
        }
    }

    #[cold]
    fn admit(&mut self, now: Moment, pair: u32, source: SocketAddr, header: &Header) -> bool {
        let Some(Some(leg)) = self.legs.get_mut(pair as usize) else { return false };
        if !leg.expects(header.payload_type) {
            self.traffic.strangers += 1;
            return false;
        }
        match leg.latch.admit(now, source, header) {
            Admission::Taken => {
                leg.to = leg.latch.target();
                self.traffic.latched += 1;
                let call = leg.call;
                self.unsettle(call);
                true
            }
            Admission::Probation => false,
            Admission::Stranger => {
                self.traffic.strangers += 1;
                false
            }
        }
    }

    /// Digits (RFC 4733): heard here, and still passed on.
    #[cold]
    fn hear(&mut self, pair: u32, header: &Header, datagram: &[u8]) {
        let Some(Some(leg)) = self.legs.get_mut(pair as usize) else { return };
        let payload = Packet::parse(datagram).map(|packet| packet.payload).unwrap_or_default();
        let Some(heard) = leg.digits.listener.hear(header, payload) else { return };
        leg.digits.count += 1;
        let (call, number, serial) = (leg.call, leg.number, leg.digits.count);
        self.pressed.push((call, number, heard.digit, serial));
        self.unsettle(call);
    }

    #[cold]
    fn other(
        &mut self,
        now: Moment,
        socket: Socket,
        source: SocketAddr,
        datagram: &[u8],
        kind: Datagram,
    ) -> Verdict {
        let expected = socket.is_rtcp() || self.leg(socket.pair()).is_some_and(|leg| leg.mux);
        if kind == Datagram::Rtcp && expected {
            return self.report(now, socket.pair(), source, datagram);
        }
        self.traffic.unfit += 1;
        Verdict::Drop
    }
}
