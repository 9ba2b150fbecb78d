//! RFC 3550 5.1 and 6.4.1: numbering what we send.

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::rtcp::SenderInfo;
use crate::{Header, Ntp};

/// A stream that we send. It begins where the caller says, since what must not be guessed is drawn outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sender {
    ssrc: u32,
    clock: u32,
    sequence: u16,
    /// Of the next packet.
    timestamp: u32,
    packets: u32,
    octets: u32,
    /// Timestamp of the newest packet, and when it left.
    newest: Option<(u32, Moment)>,
    /// Whether the next packet begins a talk spurt.
    spurt: bool,
}

impl Sender {
    /// A stream that begins with this sequence number and timestamp; `clock` in Hz.
    pub fn new(ssrc: u32, clock: u32, sequence: u16, timestamp: u32) -> Self {
        Sender { ssrc, clock, sequence, timestamp, spurt: true, ..Sender::default() }
    }

    /// The header of a packet with `samples` of sound in `octets` bytes.
    pub fn packet(&mut self, now: Moment, payload_type: u8, samples: u32, octets: usize) -> Header {
        let marker = std::mem::take(&mut self.spurt);
        let header = self.header(marker, payload_type, self.timestamp, octets);
        self.newest = Some((self.timestamp, now));
        self.timestamp = self.timestamp.wrapping_add(samples);
        header
    }

    /// The header of a packet of an event that began at `timestamp` (see [`Sender::timestamp`]).
    pub fn event(&mut self, marker: bool, payload_type: u8, timestamp: u32, octets: usize) -> Header {
        self.header(marker, payload_type, timestamp, octets)
    }

    /// Time passes without sound of ours; the next packet begins a talk spurt.
    pub fn silence(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.spurt = true;
    }

    fn header(&mut self, marker: bool, payload_type: u8, timestamp: u32, octets: usize) -> Header {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }

    /// What a sender report says of us; `None` before anything was sent.
    pub fn info(&self, now: Moment) -> Option<SenderInfo> {
        let (timestamp, at) = self.newest?;
        let micros = now.since(at).as_micros() as u64;
        let ticks = (micros.saturating_mul(u64::from(self.clock)) / 1_000_000) as u32;
        Some(SenderInfo {
            ssrc: self.ssrc,
            ntp: Ntp::of(now),
            timestamp: timestamp.wrapping_add(ticks),
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// Who we are.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp of the next packet: when an event begins now, all its packets carry it.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Packets sent so far.
    pub fn packets(&self) -> u32 {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn packets_are_numbered_across_the_wraps_and_reported() {
        let at = Moment::from_secs(1_000);
        let mut sender = Sender::new(7, 8000, u16::MAX, u32::MAX - 159);
        let first = sender.packet(at, 0, 160, 160);
        assert!(first.marker);
        assert_eq!((first.sequence, first.timestamp), (u16::MAX, u32::MAX - 159));
        let later = at.after(Duration::from_millis(20));
        let second = sender.packet(later, 0, 160, 160);
        assert_eq!((second.marker, second.sequence, second.timestamp), (false, 0, 0));
        let info = sender.info(later.after(Duration::from_millis(500))).unwrap();
        assert_eq!((info.packets, info.octets, info.timestamp), (2, 320, 4000));
    }

    #[test]
    fn sound_after_silence_is_marked() {
        let mut sender = Sender::new(7, 8000, 0, 0);
        sender.packet(Moment::START, 0, 160, 160);
        sender.silence(1600);
        let header = sender.packet(Moment::START, 0, 160, 160);
        assert_eq!((header.marker, header.timestamp), (true, 1760));
    }
}
