//! The packets of all voices: a few sockets for all phones, each packet stamped with the call and the side it comes
//! from.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use machine::Moment;
use strowger_io::{Inbox, Outbound, UdpOptions, UdpSocket};

use super::handset::Voice;
use crate::Trouble;

/// So many phones share a socket: more, and bursts overflow it; fewer, and there is nothing to send together.
const SHARED_BY: usize = 40;
/// An RTP header without extras (RFC 3550 5.1).
const HEADER: usize = 12;
/// What begins the payload that we stamp.
const MARK: [u8; 4] = *b"drll";
/// The whole stamp: the mark, the call's number, the side, when it was sent.
const STAMP: usize = 17;

/// A packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The call it is of.
    pub(crate) call: u32,
    /// The side that spoke.
    pub(crate) side: usize,
    /// Its number in the stream.
    pub(crate) number: u16,
    /// When it was sent.
    pub(crate) sent: Moment,
    /// How long it has waited to be read.
    pub(crate) waited: Duration,
    /// Which socket it came to.
    pub(crate) socket: usize,
}

/// The sockets of all voices.
#[derive(Debug)]
pub(crate) struct Voices {
    sockets: Vec<(UdpSocket, SocketAddr, Outbound)>,
    inbox: Inbox,
    /// RTCP is heard, and not listened to.
    _deaf: Vec<UdpSocket>,
}

impl Voices {
    /// Sockets for so many phones.
    pub(crate) fn open(me: Ipv4Addr, phones: usize) -> Result<Voices, Trouble> {
        let options = UdpOptions { arrival: true, ..UdpOptions::default() };
        let few = UdpOptions { receive_buffer: 4096, ..UdpOptions::default() };
        let (mut sockets, mut deaf) = (Vec::new(), Vec::new());
        while sockets.len() * SHARED_BY < phones {
            let socket = UdpSocket::bind((me, 0).into(), &options)?;
            let local = socket.local()?;
            let is_even = local.port().is_multiple_of(2);
            if is_even && let Ok(above) = UdpSocket::bind((me, local.port() + 1).into(), &few) {
                sockets.push((socket, local, Outbound::new()));
                deaf.push(above);
            }
        }
        Ok(Voices { sockets, inbox: Inbox::new(24, 512), _deaf: deaf })
    }

    /// Which socket a phone has.
    pub(crate) fn of(phone: usize) -> usize {
        phone / SHARED_BY
    }

    /// Where a phone hears voices.
    pub(crate) fn address(&self, phone: usize) -> SocketAddr {
        self.sockets[Voices::of(phone)].1
    }

    /// A packet of `phone`, of one side of a call, waits to be sent.
    pub(crate) fn push(&mut self, phone: usize, (call, side): (u32, usize), mut voice: Voice, now: Moment) {
        stamp(&mut voice.bytes, call, side, now);
        self.sockets[Voices::of(phone)].2.push(&voice.bytes, voice.to, None);
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        for (socket, _, outbound) in &mut self.sockets {
            // What the kernel has no room for would come too late.
            drop(outbound.flush(&*socket));
            outbound.clear();
        }
    }

    /// Everything that came.
    pub(crate) fn read(&mut self, mut hear: impl FnMut(Heard)) {
        for (number, (socket, _, _)) in self.sockets.iter().enumerate() {
            while self.inbox.receive(socket).is_ok_and(|count| count > 0) {
                let waited = self.inbox.waited().unwrap_or_default();
                for datagram in self.inbox.iter() {
                    if let Some(heard) = read_stamp(datagram.bytes) {
                        hear(Heard { waited, socket: number, ..heard });
                    }
                }
                if self.inbox.len() < self.inbox.room() {
                    break;
                }
            }
        }
    }
}

fn stamp(packet: &mut [u8], call: u32, side: usize, now: Moment) {
    if let Some(payload) = packet.get_mut(HEADER..HEADER + STAMP) {
        payload[..4].copy_from_slice(&MARK);
        payload[4..8].copy_from_slice(&call.to_be_bytes());
        payload[8] = side as u8;
        payload[9..17].copy_from_slice(&now.as_micros().to_be_bytes());
    }
}

fn read_stamp(packet: &[u8]) -> Option<Heard> {
    let payload = packet.get(HEADER..HEADER + STAMP)?;
    let heard = Heard {
        call: u32::from_be_bytes(payload[4..8].try_into().ok()?),
        side: usize::from(payload[8] & 1),
        number: u16::from_be_bytes(packet[2..4].try_into().ok()?),
        sent: Moment::from_micros(u64::from_be_bytes(payload[9..17].try_into().ok()?)),
        waited: Duration::ZERO,
        socket: 0,
    };
    (payload[..4] == MARK).then_some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_says_whose_voice_it_is() {
        let mut packet = [0xff; HEADER + 160];
        assert_eq!(read_stamp(&packet), None);
        packet[2..4].copy_from_slice(&[1, 2]);
        let now = Moment::from_micros(77);
        stamp(&mut packet, 70_000, 1, now);
        let heard = read_stamp(&packet).unwrap();
        assert_eq!((heard.call, heard.side, heard.number, heard.sent), (70_000, 1, 0x102, now));
        assert_eq!(read_stamp(&packet[..HEADER + 3]), None);
    }
}
