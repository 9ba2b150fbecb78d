//! RTP and RTCP both ways: what the phone says, what it hears, and how well.

mod ear;
mod mouth;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use audio::Law;
use machine::Moment;
use rtp::quality::{Conditions, Impairment, Score};
use rtp::rtcp::{self, Report, Source};
use rtp::{Datagram, Packet, RoundTrip};
use sdp::Agreed;

use crate::quality::{Far, Quality};
use ear::Ear;
use mouth::Mouth;

/// Samples, and bytes, in a packet.
const SAMPLES: u16 = 160;
const FRAME: usize = SAMPLES as usize;
const PACE: Duration = Duration::from_millis(20);
/// RFC 3550 6.2 asks for five seconds between reports, more or less.
const REPORTS: Duration = Duration::from_secs(5);
/// A phone that was held up for longer than this doesn't make up for it.
const STALL: Duration = Duration::from_millis(200);

/// The audio of one call.
#[derive(Debug)]
pub(crate) struct Audio {
    agreed: Option<Agreed>,
    law: Law,
    /// The number that we gave to events.
    event: u8,
    mouth: Mouth,
    ear: Ear,
    round_trip: RoundTrip,
    far: Option<Far>,
    next_frame: Option<Moment>,
    next_report: Moment,
    pub(crate) is_mute: bool,
}

/// What audio wants sent.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    pub(crate) rtp: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) rtcp: Vec<(SocketAddr, Vec<u8>)>,
}

impl Audio {
    /// Says `voice`, keeps `room` samples, takes events under the number `event`; `number` makes it unlike
    /// others.
    pub(crate) fn new(voice: Arc<[i16]>, room: usize, event: u8, number: u64) -> Self {
        Audio {
            agreed: None,
            law: Law::Mu,
            event,
            mouth: Mouth::new(voice, number),
            ear: Ear::new(room),
            round_trip: RoundTrip::default(),
            far: None,
            next_frame: None,
            next_report: Moment::NEVER,
            is_mute: false,
        }
    }

    /// Both sides have agreed (again): from now on packets go there.
    pub(crate) fn agree(&mut self, agreed: Agreed, now: Moment) {
        self.law = if agreed.codec.name.eq_ignore_ascii_case("PCMA") { Law::A } else { Law::Mu };
        if self.next_frame.is_none() && !self.is_mute {
            self.next_frame = Some(now);
            self.next_report = now.after(REPORTS);
        }
        if !agreed.direction.receives() {
            self.ear.rest();
        }
        self.agreed = Some(agreed);
    }

    /// Whether the other side takes digits as events.
    pub(crate) fn takes_events(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.event.is_some())
    }

    pub(crate) fn press(&mut self, digits: &str) {
        self.mouth.press(digits);
    }

    pub(crate) fn say(&mut self, voice: Arc<[i16]>) {
        self.mouth.say(voice);
    }

    /// Says goodbye (RFC 3550 6.6) and falls silent.
    pub(crate) fn stop(&mut self, now: Moment, out: &mut Packets) {
        if self.next_frame.take().is_some() {
            let sources = vec![self.mouth.sender().ssrc()];
            self.report(now, Some(Report::Goodbye { sources, reason: Vec::new() }), out);
        }
        self.next_report = Moment::NEVER;
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.next_frame.map(|frame| frame.min(self.next_report))
    }

    pub(crate) fn expire(&mut self, now: Moment, out: &mut Packets) {
        while let Some(due) = self.next_frame.filter(|&due| due <= now) {
            let late = now.since(due) > STALL;
            self.next_frame = Some(if late { now.after(PACE) } else { due.after(PACE) });
            self.frame(now, out);
        }
        if self.next_report <= now {
            self.next_report = now.after(REPORTS);
            self.report(now, None, out);
        }
    }

    fn frame(&mut self, now: Moment, out: &mut Packets) {
        let Some(agreed) = &self.agreed else { return };
        if agreed.direction.receives() {
            self.ear.play();
        }
        match agreed.rtp.filter(|_| agreed.direction.sends()) {
            Some(to) => {
                let event = agreed.event.as_ref().map(|event| event.payload);
                let packets = self.mouth.frame(now, (self.law, agreed.codec.payload, event));
                out.rtp.extend(packets.into_iter().map(|packet| (to, packet)));
            }
            None => self.mouth.be_silent(),
        }
    }

    fn report(&mut self, now: Moment, last: Option<Report>, out: &mut Packets) {
        let Some(to) = self.agreed.as_ref().and_then(|agreed| agreed.rtcp) else { return };
        let blocks: Vec<_> = self.ear.receiver.block(now).into_iter().collect();
        let ssrc = self.mouth.sender().ssrc();
        let report = match self.mouth.sender().info(now) {
            Some(info) => {
                self.round_trip.sent(now, info.ntp);
                Report::Sender { info, blocks }
            }
            None => Report::Receiver { ssrc, blocks },
        };
        let mut reports = vec![report, Report::Description(vec![Source::named(ssrc, "strowger-phone")])];
        reports.extend(last);
        let mut bytes = Vec::with_capacity(128);
        rtcp::write(&reports, &mut bytes);
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
        // Numbers should be the same both ways; there are phones that keep to their own.
        let event = agreed.event.as_ref().map(|event| event.payload);
        let number = packet.header.payload_type;
        let digit = self.ear.packet(now, &packet, number == self.event || Some(number) == event);
        if !agreed.direction.receives() {
            self.ear.rest();
        }
        digit
    }

    fn reported(&mut self, now: Moment, bytes: &[u8]) {
        for report in rtcp::parse(bytes).unwrap_or_default() {
            if let Report::Sender { info, .. } = &report {
                self.ear.receiver.reported(now, info);
            }
            for block in report.blocks().iter().filter(|block| block.ssrc == self.mouth.sender().ssrc()) {
                self.round_trip.heard(now, block);
                self.far = Some(Far {
                    lost: block.lost,
                    loss: f64::from(block.fraction_lost) / 256.0,
                    jitter_ms: f64::from(block.jitter) / 8.0,
                });
            }
        }
    }

    pub(crate) fn take_heard(&mut self) -> Vec<i16> {
        self.ear.take_heard()
    }

    pub(crate) fn quality(&self) -> Quality {
        let Ear { receiver, concealed, .. } = &self.ear;
        let (totals, playout) = (receiver.totals(), self.ear.playout());
        let codec = self.agreed.as_ref().map(|agreed| agreed.codec.name.clone()).unwrap_or_default();
        let delay = self.round_trip.last().map_or(PACE, |trip| trip / 2);
        let conditions = Conditions::of(&totals, receiver.jitter(), delay, Impairment::of(&codec));
        Quality {
            sent: self.mouth.sender().packets().into(),
            received: totals.received,
            lost: totals.lost(),
            reordered: totals.reordered,
            duplicates: totals.duplicates,
            late: playout.late(),
            concealed: *concealed,
            jitter_ms: millis(receiver.jitter()),
            worst_jitter_ms: millis(receiver.max_jitter()),
            buffer_ms: millis(PACE) * playout.depth() as f64,
            round_trip_ms: self.round_trip.last().map(millis),
            mos: (totals.received > 0).then(|| Score::of(&conditions).mos),
            longest_gap_ms: millis(self.ear.longest_gap()),
            far: self.far,
            codec,
        }
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
