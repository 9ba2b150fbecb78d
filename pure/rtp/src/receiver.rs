//! RFC 3550 A.1, A.3 and A.8: what arrives, counted.

use std::time::Duration;

use machine::Moment;
use serde::{Deserialize, Serialize};

use crate::bursts::Bursts;
use crate::rtcp::{Block, SenderInfo};
use crate::{Header, Ntp};

/// A jump by this much forward is believed at once.
const MAX_DROPOUT: u16 = 3000;
/// A packet this much behind the newest is late, not new.
const MAX_MISORDER: u16 = 100;
/// No clock counts faster than this, whatever a stranger's session description says.
const MAX_CLOCK: u32 = 1_000_000;

/// What a packet was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first packet of a source.
    First,
    /// Newer than all before.
    InOrder,
    /// Older than the newest, and not heard yet.
    Late,
    /// Heard before.
    Duplicate,
    /// The source began to count anew.
    Restarted,
    /// A jump, or another source: not believed before a second packet says the same.
    Stray,
}

/// How much was heard, over all sources of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Packets that came, duplicates left out.
    pub received: u64,
    /// Packets that were sent, by their numbers.
    pub expected: u64,
    /// Packets heard twice.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Runs of lost packets.
    pub loss_runs: u64,
    /// Packets in these runs.
    pub in_runs: u64,
    /// Sources, and restarts of a source.
    pub sources: u32,
}

impl Totals {
    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// The part of all that was lost: 0 to 1.
    pub fn loss(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.lost() as f64 / self.expected as f64 }
    }

    /// How long losses cluster, over how long they would if each came by chance (ITU-T G.107's BurstR); 1 or
    /// more.
    pub fn burst_ratio(&self) -> f64 {
        if self.loss_runs == 0 {
            return 1.0;
        }
        let mean = self.in_runs as f64 / self.loss_runs as f64;
        (mean * (1.0 - self.loss())).max(1.0)
    }
}

/// The statistics of one stream of packets: one source at a time, totals over all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receiver {
    clock: u32,
    ssrc: u32,
    started: bool,
    base: u32,
    /// Cycles in the upper half, the highest sequence number in the lower.
    highest: u32,
    received: u32,
    duplicates: u32,
    reordered: u32,
    bursts: Bursts,
    /// Sixteen times the jitter, in units of the clock.
    jitter: u32,
    max_jitter: u32,
    transit: u32,
    timestamp: u32,
    /// The packet that would confirm a jump or another source.
    suspect: Option<(u32, u16)>,
    expected_before: u32,
    received_before: u32,
    report: Option<(Ntp, Moment)>,
    last_at: Moment,
    folded: Totals,
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver::new(8000)
    }
}

impl Receiver {
    /// Nothing heard yet, of a stream whose timestamps count at `clock` Hz.
    pub fn new(clock: u32) -> Self {
        Receiver {
            clock: clock.clamp(1, MAX_CLOCK),
            ssrc: 0,
            started: false,
            base: 0,
            highest: 0,
            received: 0,
            duplicates: 0,
            reordered: 0,
            bursts: Bursts::default(),
            jitter: 0,
            max_jitter: 0,
            transit: 0,
            timestamp: 0,
            suspect: None,
            expected_before: 0,
            received_before: 0,
            report: None,
            last_at: Moment::START,
            folded: Totals::default(),
        }
    }

    /// Counts a packet.
    #[inline]
    pub fn packet(&mut self, now: Moment, header: &Header) -> Arrival {
        let delta = header.sequence.wrapping_sub(self.highest as u16);
        let usual = self.started && header.ssrc == self.ssrc && delta.wrapping_sub(1) < MAX_DROPOUT - 1;
        if !usual {
            return self.unusual(now, header, delta);
        }
        self.highest = self.highest.wrapping_add(u32::from(delta));
        self.bursts.advance(u32::from(delta));
        self.received = self.received.wrapping_add(1);
        self.suspect = None;
        self.time(now, header.timestamp);
        Arrival::InOrder
    }

    #[cold]
    fn unusual(&mut self, now: Moment, header: &Header, delta: u16) -> Arrival {
        if !self.started {
            self.start(now, header);
            return Arrival::First;
        }
        let behind = delta.wrapping_neg();
        if header.ssrc == self.ssrc && behind < MAX_MISORDER {
            return self.behind(behind);
        }
        if self.suspect == Some((header.ssrc, header.sequence)) {
            let arrival = if header.ssrc == self.ssrc { Arrival::Restarted } else { Arrival::First };
            self.folded = self.totals();
            self.start(now, header);
            return arrival;
        }
        self.suspect = Some((header.ssrc, header.sequence.wrapping_add(1)));
        Arrival::Stray
    }

    fn behind(&mut self, steps: u16) -> Arrival {
        // What lies before the first packet was not expected, so it is not counted.
        if u32::from(steps) > self.highest.wrapping_sub(self.base) {
            return Arrival::Late;
        }
        match self.bursts.late(u32::from(steps)) {
            Some(false) => {
                self.duplicates = self.duplicates.saturating_add(1);
                return Arrival::Duplicate;
            }
            Some(true) => self.received = self.received.wrapping_add(1),
            // So late that it is as good as lost.
            None => {}
        }
        self.reordered = self.reordered.saturating_add(1);
        Arrival::Late
    }

    fn start(&mut self, now: Moment, header: &Header) {
        let (clock, folded, max_jitter) = (self.clock, self.folded, self.max_jitter);
        *self = Receiver { folded, max_jitter, ..Receiver::new(clock) };
        self.started = true;
        self.ssrc = header.ssrc;
        self.base = u32::from(header.sequence);
        self.highest = self.base;
        self.received = 1;
        self.bursts.start();
        self.last_at = now;
        self.timestamp = header.timestamp;
        self.transit = self.ticks(now).wrapping_sub(header.timestamp);
    }

    /// A.8, but packets of one timestamp (events, frames in parts) count once.
    #[inline]
    fn time(&mut self, now: Moment, timestamp: u32) {
        self.last_at = now;
        if timestamp == self.timestamp {
            return;
        }
        let transit = self.ticks(now).wrapping_sub(timestamp);
        let difference = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        self.transit = transit;
        self.timestamp = timestamp;
        // A jump of more than ten seconds is another clock, not jitter.
        if difference < self.clock.saturating_mul(10) {
            self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            self.max_jitter = self.max_jitter.max(self.jitter);
        }
    }

    /// A moment on the stream's clock.
    #[inline]
    fn ticks(&self, now: Moment) -> u32 {
        let (micros, clock) = (now.as_micros(), u64::from(self.clock));
        (micros / 1_000_000).wrapping_mul(clock).wrapping_add(micros % 1_000_000 * clock / 1_000_000) as u32
    }

    /// A sender report of the source arrived.
    pub fn reported(&mut self, now: Moment, info: &SenderInfo) {
        if self.started && info.ssrc == self.ssrc {
            self.report = Some((info.ntp, now));
        }
    }

    /// The block about this source for our next report; `None` before anything was heard.
    pub fn block(&mut self, now: Moment) -> Option<Block> {
        if !self.started {
            return None;
        }
        let expected = self.expected();
        let expected_now = expected.wrapping_sub(self.expected_before);
        // Duplicates count as received here (A.3).
        let received = self.received.wrapping_add(self.duplicates);
        let received_now = received.wrapping_sub(self.received_before);
        let lost_now = i64::from(expected_now) - i64::from(received_now);
        let share = if expected_now == 0 { 0 } else { (lost_now.max(0) << 8) / i64::from(expected_now) };
        self.expected_before = expected;
        self.received_before = received;
        let (last_report, since_last_report) = self.report.map_or((0, 0), |(ntp, at)| {
            (ntp.middle(), (now.since(at).as_micros() * 65_536 / 1_000_000) as u32)
        });
        Some(Block {
            ssrc: self.ssrc,
            fraction_lost: share.min(255) as u8,
            lost: (expected.wrapping_sub(received) as i32).clamp(-0x80_0000, 0x7f_ffff),
            highest: self.highest,
            jitter: self.jitter >> 4,
            last_report,
            since_last_report,
        })
    }

    fn expected(&self) -> u32 {
        if self.started { self.highest.wrapping_sub(self.base).wrapping_add(1) } else { 0 }
    }

    /// Everything heard so far.
    pub fn totals(&self) -> Totals {
        let (in_runs, runs) = self.bursts.count();
        Totals {
            received: self.folded.received + u64::from(self.received),
            expected: self.folded.expected + u64::from(self.expected()),
            duplicates: self.folded.duplicates + u64::from(self.duplicates),
            reordered: self.folded.reordered + u64::from(self.reordered),
            loss_runs: self.folded.loss_runs + u64::from(runs),
            in_runs: self.folded.in_runs + u64::from(in_runs),
            sources: self.folded.sources.saturating_add(u32::from(self.started)),
        }
    }

    /// The jitter now.
    pub fn jitter(&self) -> Duration {
        self.span(self.jitter)
    }

    /// The highest jitter there was.
    pub fn max_jitter(&self) -> Duration {
        self.span(self.max_jitter)
    }

    fn span(&self, sixteenths: u32) -> Duration {
        Duration::from_micros(u64::from(sixteenths) * 1_000_000 / 16 / u64::from(self.clock.max(1)))
    }

    /// Who is heard, if anybody was.
    pub fn ssrc(&self) -> Option<u32> {
        self.started.then_some(self.ssrc)
    }

    /// When the newest packet came; [`Moment::START`] if none did.
    pub fn last_at(&self) -> Moment {
        self.last_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 20_000;

    fn header(sequence: u16, ssrc: u32) -> Header {
        Header { sequence, timestamp: u32::from(sequence) * 160, ssrc, ..Header::default() }
    }

    fn at(frame: u64) -> Moment {
        Moment::from_micros(1_800_000_000_000_000 + frame * FRAME)
    }

    fn hear(receiver: &mut Receiver, sequences: &[u16]) -> Vec<Arrival> {
        let frames = sequences.iter().enumerate();
        frames.map(|(frame, &sequence)| receiver.packet(at(frame as u64), &header(sequence, 1))).collect()
    }

    #[test]
    fn loss_duplicates_and_order_are_told_apart() {
        use Arrival::{Duplicate, First, InOrder, Late};
        let mut receiver = Receiver::new(8000);
        let arrivals = hear(&mut receiver, &[10, 11, 13, 12, 12, 16, 13]);
        assert_eq!(arrivals, [First, InOrder, InOrder, Late, Duplicate, InOrder, Duplicate]);
        let totals = receiver.totals();
        assert_eq!((totals.expected, totals.received, totals.lost()), (7, 5, 2));
        assert_eq!((totals.duplicates, totals.reordered), (2, 1));
        assert_eq!((totals.loss_runs, totals.in_runs), (1, 2));
    }

    #[test]
    fn sequence_numbers_go_on_over_their_wrap() {
        let mut receiver = Receiver::new(8000);
        let sequences: Vec<u16> = (0..200_000u32).map(|count| (count + 65_000) as u16).collect();
        hear(&mut receiver, &sequences);
        assert_eq!((receiver.totals().expected, receiver.totals().lost()), (200_000, 0));
        assert_eq!(receiver.block(at(0)).unwrap().highest, 199_999 + 65_000);
    }

    #[test]
    fn a_jump_is_believed_when_a_second_packet_confirms_it() {
        use Arrival::{First, InOrder, Restarted, Stray};
        let mut receiver = Receiver::new(8000);
        let arrivals = hear(&mut receiver, &[1, 2, 30_000, 3, 40_000, 40_001, 40_002]);
        assert_eq!(arrivals, [First, InOrder, Stray, InOrder, Stray, Restarted, InOrder]);
        assert_eq!((receiver.totals().expected, receiver.totals().received), (5, 5));
    }

    #[test]
    fn another_source_takes_over_with_its_second_packet_and_nothing_is_forgotten() {
        let mut receiver = Receiver::new(8000);
        hear(&mut receiver, &[1, 2, 4]);
        assert_eq!(receiver.packet(at(3), &header(900, 2)), Arrival::Stray);
        assert_eq!(
            receiver.packet(at(4), &header(5, 1)),
            Arrival::InOrder,
            "a stranger's packet changes nothing"
        );
        receiver.packet(at(5), &header(901, 2));
        assert_eq!(receiver.packet(at(6), &header(902, 2)), Arrival::First);
        assert_eq!(receiver.ssrc(), Some(2));
        let totals = receiver.totals();
        assert_eq!((totals.expected, totals.lost(), totals.sources), (6, 1, 2));
    }

    #[test]
    fn even_arrival_has_no_jitter_and_uneven_arrival_the_one_of_rfc_3550() {
        let mut receiver = Receiver::new(8000);
        hear(&mut receiver, &(0..500).collect::<Vec<_>>());
        assert_eq!(receiver.jitter(), Duration::ZERO);
        // Every other packet 10 ms late: the difference is always 80 ticks, to which the jitter grows.
        for sequence in 500..1500u16 {
            let late = Duration::from_millis(u64::from(sequence % 2) * 10);
            receiver.packet(at(u64::from(sequence)).after(late), &header(sequence, 1));
        }
        let jitter = receiver.jitter().as_micros();
        assert!((9_900..=10_000).contains(&jitter), "{jitter}");
    }

    #[test]
    fn jitter_is_right_where_the_clock_wraps() {
        let mut receiver = Receiver::new(48_000);
        for frame in 0..100u64 {
            let timestamp = (u32::MAX - 48_000).wrapping_add(frame as u32 * 960);
            let header = Header { sequence: frame as u16, timestamp, ..Header::default() };
            receiver.packet(at(frame), &header);
        }
        assert_eq!(receiver.jitter(), Duration::ZERO);
    }

    #[test]
    fn reports_say_what_was_lost_since_the_last_one() {
        let mut receiver = Receiver::new(8000);
        assert_eq!(receiver.block(at(0)), None);
        hear(&mut receiver, &[0, 1, 2, 4]);
        receiver
            .reported(at(4), &SenderInfo { ssrc: 1, ntp: Ntp(0xb44d_b705_2000_0000), ..Default::default() });
        let block = receiver.block(at(54)).unwrap();
        assert_eq!((block.fraction_lost, block.lost, block.highest), (51, 1, 4));
        assert_eq!((block.last_report, block.since_last_report), (0xb705_2000, 65_536));
        receiver.packet(at(55), &header(5, 1));
        let block = receiver.block(at(56)).unwrap();
        assert_eq!((block.fraction_lost, block.lost), (0, 1));
    }

    #[test]
    fn clustered_losses_have_a_burst_ratio() {
        let mut receiver = Receiver::new(8000);
        let sequences: Vec<u16> = (0..10_000).filter(|sequence| sequence % 100 >= 4).collect();
        hear(&mut receiver, &sequences);
        let totals = receiver.totals();
        assert!((totals.loss() - 0.04).abs() < 0.001);
        assert!((totals.burst_ratio() - 4.0 * 0.96).abs() < 0.01, "{}", totals.burst_ratio());
        assert!((Totals::default().burst_ratio() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_an_older_or_newer_release_kept_can_be_read() {
        let kept = r#"{"ssrc":7,"started":true,"base":5,"highest":9,"received":4,"from_the_future":[1]}"#;
        let receiver: Receiver = serde_json::from_str(kept).unwrap();
        assert_eq!((receiver.ssrc(), receiver.totals().lost()), (Some(7), 1));
        assert_eq!(serde_json::from_str::<Receiver>("{}").unwrap(), Receiver::default());
        assert!(serde_json::from_str::<crate::Sender>("{}").is_ok());
        assert!(serde_json::from_str::<crate::RoundTrip>("{}").is_ok());
    }
}
