//! What the phone says: voice and digits as RTP, a packet each 20 ms.

use std::collections::VecDeque;
use std::sync::Arc;

use audio::Law;
use machine::Moment;
use rtp::event::Press;
use rtp::{Header, Sender};

use super::{FRAME, SAMPLES};

/// So long is a digit, in samples, and the pause behind it, in frames.
const PRESS: u16 = 5 * SAMPLES;
const REST: u16 = 5;

/// The voice of a phone, and what it sends of it.
#[derive(Debug)]
pub(super) struct Mouth {
    sender: Sender,
    voice: Arc<[i16]>,
    position: usize,
    digits: VecDeque<char>,
    press: Option<Press>,
    rest: u16,
}

impl Mouth {
    pub(super) fn new(voice: Arc<[i16]>, number: u64) -> Self {
        Mouth {
            sender: Sender::new(number as u32, 8000, (number >> 32) as u16, (number >> 16) as u32),
            voice,
            position: 0,
            digits: VecDeque::new(),
            press: None,
            rest: 0,
        }
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(super) fn say(&mut self, voice: Arc<[i16]>) {
        self.voice = voice;
        self.position = 0;
    }

    pub(super) fn press(&mut self, digits: &str) {
        self.digits.extend(digits.chars().filter(|&digit| rtp::event::code(digit).is_some()));
    }

    /// A frame's time passes in silence.
    pub(super) fn be_silent(&mut self) {
        self.sender.silence(u32::from(SAMPLES));
    }

    /// The packets of a frame: one of sound, or those of a digit.
    pub(super) fn frame(&mut self, now: Moment, (law, voice, event): (Law, u8, Option<u8>)) -> Vec<Vec<u8>> {
        if let Some(packets) = event.and_then(|event| self.key(event)) {
            return packets;
        }
        let header = self.sender.packet(now, voice, u32::from(SAMPLES), FRAME);
        let mut bytes = Vec::with_capacity(Header::LENGTH + FRAME);
        bytes.extend_from_slice(&header.bytes());
        if self.voice.is_empty() {
            bytes.resize(Header::LENGTH + FRAME, law.silence());
        } else {
            for _ in 0..FRAME {
                bytes.push(law.encode(self.voice[self.position]));
                self.position = (self.position + 1) % self.voice.len();
            }
        }
        vec![bytes]
    }

    /// The packets of a digit that is being pressed; its end is said three times (RFC 4733 2.5.1.4).
    fn key(&mut self, event: u8) -> Option<Vec<Vec<u8>>> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        if self.press.is_none() {
            let digit = self.digits.pop_front()?;
            self.press = Press::new(&self.sender, event, digit, PRESS, SAMPLES);
        }
        let press = self.press.as_mut()?;
        let mut packets = Vec::with_capacity(1);
        while let Some((header, payload)) = press.packet(&mut self.sender) {
            packets.push([&header.bytes()[..], &payload].concat());
            if !press.is_over() {
                break;
            }
        }
        if press.is_over() {
            self.press = None;
            self.rest = REST;
        }
        self.be_silent();
        Some(packets)
    }
}
