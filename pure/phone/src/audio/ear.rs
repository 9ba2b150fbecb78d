//! What the phone hears: packets counted, put in order, made sound of, and kept.

use std::time::Duration;

use audio::{Concealment, Law};
use machine::Moment;
use rtp::event::{Event, Listener};
use rtp::{Packet, Played, Playout, Receiver};

use super::FRAME;

/// How many frames the playout buffer holds back, at least and at most.
const DEPTH: (usize, usize) = (2, 10);

/// The ear of a phone.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) receiver: Receiver,
    playout: Playout,
    concealment: Concealment,
    digits: Listener,
    /// The law of what was heard last.
    law: Law,
    heard: Vec<i16>,
    room: usize,
    pub(super) concealed: u64,
    last: Option<Moment>,
    longest_gap: Duration,
    /// Samples played ahead of the clock, by packets longer than a frame.
    ahead: usize,
    /// The timestamp of the newest event whose end was said.
    ended: Option<u32>,
}

/// Stands in the playout buffer for a packet that takes no time: the repeated end of a digit.
const NO_TIME: &[u8] = &[0];

impl Ear {
    /// An ear that remembers `room` samples.
    pub(super) fn new(room: usize) -> Self {
        Ear {
            receiver: Receiver::new(8000),
            playout: Playout::adaptive(DEPTH.0, DEPTH.1),
            concealment: Concealment::new(8000),
            digits: Listener::default(),
            law: Law::Mu,
            heard: Vec::new(),
            room,
            concealed: 0,
            last: None,
            longest_gap: Duration::ZERO,
            ahead: 0,
            ended: None,
        }
    }

    /// Nobody is expected to talk for a while: that is no gap.
    pub(super) fn rest(&mut self) {
        self.last = None;
    }

    pub(super) fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    pub(super) fn playout(&self) -> &Playout {
        &self.playout
    }

    /// Takes a packet; says which digit was pressed, if one was.
    pub(super) fn packet(&mut self, now: Moment, packet: &Packet<'_>, is_event: bool) -> Option<char> {
        if let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now.since(last));
        }
        let _ = self.receiver.packet(now, &packet.header);
        if is_event {
            return self.event(packet);
        }
        match packet.header.payload_type {
            0 => self.law = Law::Mu,
            8 => self.law = Law::A,
            _ => return None,
        }
        self.playout.put(packet.header.sequence, packet.payload);
        None
    }

    fn event(&mut self, packet: &Packet<'_>) -> Option<char> {
        let timestamp = Some(packet.header.timestamp);
        let again = self.ended == timestamp;
        if Event::read(packet.payload).is_some_and(|event| event.end) {
            self.ended = timestamp;
        }
        self.playout.put(packet.header.sequence, if again { NO_TIME } else { &[] });
        self.digits.hear(&packet.header, packet.payload).map(|heard| heard.digit)
    }

    /// Plays 20 ms.
    pub(super) fn play(&mut self) {
        while self.ahead < FRAME {
            self.ahead += self.play_packet();
        }
        self.ahead -= FRAME;
    }

    /// Plays a packet, and says for how many samples.
    fn play_packet(&mut self) -> usize {
        match self.playout.take() {
            Played::Frame(payload) if payload == NO_TIME => 0,
            // A digit was pressed meanwhile.
            Played::Frame(payload) if payload.is_empty() => {
                self.keep(&[0; FRAME]);
                FRAME
            }
            Played::Frame(payload) => {
                if self.keeps() {
                    let mut samples = self.law.decode_all(&payload);
                    self.concealment.heard(&mut samples);
                    self.keep(&samples);
                }
                payload.len()
            }
            Played::Conceal => {
                self.concealed += 1;
                if self.keeps() {
                    let samples = self.concealment.lost(FRAME);
                    self.keep(&samples);
                }
                FRAME
            }
            // The recording begins with the first sound, and goes on in time from there.
            Played::Silence if self.heard.is_empty() => FRAME,
            Played::Silence => {
                self.keep(&[0; FRAME]);
                FRAME
            }
        }
    }

    fn keeps(&self) -> bool {
        self.heard.len() < self.room
    }

    fn keep(&mut self, samples: &[i16]) {
        let room = self.room.saturating_sub(self.heard.len());
        self.heard.extend(samples.iter().take(room));
    }

    /// What was heard; it is given away once.
    pub(super) fn take_heard(&mut self) -> Vec<i16> {
        std::mem::take(&mut self.heard)
    }
}
