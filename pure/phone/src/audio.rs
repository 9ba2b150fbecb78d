//! RTP both ways: what the phone says, what it hears, and how well.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use audio::Law;
use machine::Moment;
use rtp::quality::{Conditions, Impairment, Score};
use rtp::rtcp::{self, Report, Source};
use rtp::{Datagram, Packet, Receiver, RoundTrip, Sender};
use sdp::Agreed;

const FRAME: usize = 160;
const PACE: Duration = Duration::from_millis(20);
const REPORTS: Duration = Duration::from_secs(5);
/// So long is a digit, and the pause behind it, in frames.
const PRESS: u16 = 5;

/// How well a call was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The codec agreed on.
    pub codec: String,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets heard.
    pub received: u64,
    /// Packets that were sent to us and never came.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550), milliseconds.
    pub jitter_ms: f64,
    /// Round trip by RTCP, milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Mean opinion score (ITU-T G.107); none if nothing was heard.
    pub mos: Option<f64>,
    /// The longest time between two packets heard, milliseconds, while the line was open.
    pub longest_gap_ms: f64,
}

/// The audio of one call.
#[derive(Debug)]
pub(crate) struct Audio {
    agreed: Option<Agreed>,
    law: Law,
    sender: Sender,
    receiver: Receiver,
    listener: rtp::event::Listener,
    round_trip: RoundTrip,
    next_frame: Option<Moment>,
    next_report: Moment,
    position: usize,
    voice: Vec<i16>,
    digits: VecDeque<char>,
    press: Option<rtp::event::Press>,
    rest: u16,
    heard: Vec<i16>,
    room: usize,
    last_heard: Option<Moment>,
    longest_gap: Duration,
}

/// What audio wants sent.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    pub(crate) rtp: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) rtcp: Vec<(SocketAddr, Vec<u8>)>,
}

impl Audio {
    pub(crate) fn new(voice: Vec<i16>, room: usize, number: u64) -> Self {
        Audio {
            agreed: None,
            law: Law::Mu,
            sender: Sender::new(number as u32, 8000, (number >> 32) as u16, (number >> 16) as u32),
            receiver: Receiver::new(8000),
            listener: rtp::event::Listener::default(),
            round_trip: RoundTrip::default(),
            next_frame: None,
            next_report: Moment::NEVER,
            position: 0,
            voice,
            digits: VecDeque::new(),
            press: None,
            rest: 0,
            heard: Vec::new(),
            room,
            last_heard: None,
            longest_gap: Duration::ZERO,
        }
    }

    /// Both sides have agreed (again): from now on packets go there.
    pub(crate) fn agree(&mut self, agreed: Agreed, now: Moment) {
        self.law = if agreed.codec.name.eq_ignore_ascii_case("PCMA") { Law::A } else { Law::Mu };
        if self.next_frame.is_none() {
            self.next_frame = Some(now);
            self.next_report = now.after(REPORTS);
        }
        if !agreed.direction.receives() {
            self.last_heard = None;
        }
        self.agreed = Some(agreed);
    }

    pub(crate) fn press(&mut self, digits: &str) {
        self.digits.extend(digits.chars());
    }

    pub(crate) fn stop(&mut self) {
        self.next_frame = None;
        self.next_report = Moment::NEVER;
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.next_frame.map(|frame| frame.min(self.next_report))
    }

    pub(crate) fn expire(&mut self, now: Moment, out: &mut Packets) {
        while let Some(due) = self.next_frame.filter(|&due| due <= now) {
            self.next_frame = Some(due.after(PACE));
            // After a stall the lost frames are skipped, not sent in a burst.
            if now.since(due) > Duration::from_secs(1) {
                self.next_frame = Some(now.after(PACE));
            }
            self.frame(now, out);
        }
        if self.next_report <= now {
            self.next_report = now.after(REPORTS);
            self.report(now, out);
        }
    }

    fn frame(&mut self, now: Moment, out: &mut Packets) {
        let Some(agreed) = &self.agreed else { return };
        let (Some(to), true) = (agreed.rtp, agreed.direction.sends()) else {
            self.sender.silence(FRAME as u32);
            return;
        };
        let codec = agreed.codec.payload;
        let event = agreed.event.as_ref().map(|event| event.payload);
        let mut bytes = Vec::with_capacity(172);
        if let Some(event) = event
            && let Some((header, payload)) = self.key(event)
        {
            bytes.extend_from_slice(&header.bytes());
            bytes.extend_from_slice(&payload);
            out.rtp.push((to, bytes));
            return;
        }
        let header = self.sender.packet(now, codec, FRAME as u32, FRAME);
        bytes.extend_from_slice(&header.bytes());
        for _ in 0..FRAME {
            let sample = self.voice.get(self.position).copied().unwrap_or(0);
            self.position = if self.voice.is_empty() { 0 } else { (self.position + 1) % self.voice.len() };
            bytes.push(self.law.encode(sample));
        }
        out.rtp.push((to, bytes));
    }

    /// The next packet of a digit being pressed, if one is.
    fn key(&mut self, payload: u8) -> Option<(rtp::Header, [u8; 4])> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.press.is_none() {
            let digit = self.digits.pop_front()?;
            let length = PRESS * FRAME as u16;
            self.press = rtp::event::Press::new(&self.sender, payload, digit, length, FRAME as u16);
        }
        let press = self.press.as_mut()?;
        let packet = press.packet(&mut self.sender);
        if press.is_over() {
            self.press = None;
            self.rest = PRESS;
            self.sender.silence(u32::from(PRESS) * FRAME as u32);
        }
        packet
    }

    fn report(&mut self, now: Moment, out: &mut Packets) {
        let Some(to) = self.agreed.as_ref().and_then(|agreed| agreed.rtcp) else { return };
        let blocks: Vec<_> = self.receiver.block(now).into_iter().collect();
        let ssrc = self.sender.ssrc();
        let report = match self.sender.info(now) {
            Some(info) => {
                self.round_trip.sent(now, info.ntp);
                Report::Sender { info, blocks }
            }
            None => Report::Receiver { ssrc, blocks },
        };
        let mut bytes = Vec::with_capacity(96);
        rtcp::write(&[report, Report::Description(vec![Source::named(ssrc, "strowger-phone")])], &mut bytes);
        out.rtcp.push((to, bytes));
    }

    /// Takes a packet; says which digit was pressed, if one was.
    pub(crate) fn receive(&mut self, now: Moment, bytes: &[u8]) -> Option<char> {
        if Datagram::of(bytes) == Datagram::Rtcp {
            self.reported(now, bytes);
            return None;
        }
        let packet = Packet::parse(bytes).ok()?;
        let agreed = self.agreed.as_ref()?;
        if let Some(last) = self.last_heard {
            self.longest_gap = self.longest_gap.max(now.since(last));
        }
        self.last_heard = agreed.direction.receives().then_some(now);
        let _ = self.receiver.packet(now, &packet.header);
        if agreed.event.as_ref().is_some_and(|event| event.payload == packet.header.payload_type) {
            return self.listener.hear(&packet.header, packet.payload).map(|heard| heard.digit);
        }
        let law = if packet.header.payload_type == 8 { Law::A } else { Law::Mu };
        let room = self.room.saturating_sub(self.heard.len());
        self.heard.extend(packet.payload.iter().take(room).map(|&code| law.decode(code)));
        None
    }

    fn reported(&mut self, now: Moment, bytes: &[u8]) {
        for report in rtcp::parse(bytes).unwrap_or_default() {
            if let Report::Sender { info, .. } = &report {
                self.receiver.reported(now, info);
            }
            for block in report.blocks() {
                if block.ssrc == self.sender.ssrc() {
                    self.round_trip.heard(now, block);
                }
            }
        }
    }

    pub(crate) fn heard(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn quality(&self) -> Quality {
        let totals = self.receiver.totals();
        let codec = self.agreed.as_ref().map(|agreed| agreed.codec.name.clone()).unwrap_or_default();
        let delay = self.round_trip.last().map_or(Duration::from_millis(20), |trip| trip / 2);
        let conditions = Conditions::of(&totals, self.receiver.jitter(), delay, Impairment::of(&codec));
        Quality {
            sent: self.sender.packets().into(),
            received: totals.received,
            lost: totals.lost(),
            jitter_ms: self.receiver.jitter().as_secs_f64() * 1e3,
            round_trip_ms: self.round_trip.last().map(|trip| trip.as_secs_f64() * 1e3),
            mos: (totals.received > 0).then(|| Score::of(&conditions).mos),
            longest_gap_ms: self.longest_gap.as_secs_f64() * 1e3,
            codec,
        }
    }
}
