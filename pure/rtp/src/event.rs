//! RFC 4733: digits as events.

use serde::{Deserialize, Serialize};

use crate::{Header, Sender};

/// How often the end of an event is said (RFC 4733 2.5.1.4).
const ENDS: u8 = 3;
/// Loudness of our digits, in -dBm0.
const VOLUME: u8 = 10;
/// Digits by their event code; 16 is the hook flash.
const DIGITS: &[u8; 17] = b"0123456789*#ABCD!";

/// The payload of a packet: four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which event: 0 to 15 are digits.
    pub code: u8,
    /// Whether it is over.
    pub end: bool,
    /// Loudness in -dBm0, 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in units of the stream's clock.
    pub duration: u16,
}

impl Event {
    /// Reads the first event of a payload.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low] = payload.first_chunk()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload.
    pub fn bytes(&self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }

    /// The digit: `0-9 * # A-D`, or `!` for a hook flash.
    pub fn digit(&self) -> Option<char> {
        DIGITS.get(usize::from(self.code)).map(|&digit| char::from(digit))
    }
}

/// The event code of a digit.
pub fn code(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS.iter().position(|&known| char::from(known) == digit).map(|code| code as u8)
}

/// A digit was pressed; said once for each press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigitHeard {
    /// Which one.
    pub digit: char,
    /// The timestamp at which it began.
    pub timestamp: u32,
}

/// Hears events, and tells each once however often it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    end: bool,
    duration: u16,
}

impl Listener {
    /// A packet of the event payload type arrives. Any packet of an event tells it, so the loss of some
    /// loses nothing; late packets of an older event tell nothing.
    pub fn hear(&mut self, header: &Header, payload: &[u8]) -> Option<DigitHeard> {
        let event = Event::read(payload)?;
        let digit = event.digit()?;
        let (ssrc, timestamp) = (header.ssrc, header.timestamp);
        let now = Heard { ssrc, timestamp, code: event.code, end: event.end, duration: event.duration };
        let Some(last) = self.last.filter(|last| last.ssrc == ssrc) else {
            self.last = Some(now);
            return Some(DigitHeard { digit, timestamp });
        };
        let age = timestamp.wrapping_sub(last.timestamp) as i32;
        if age < 0 {
            return None;
        }
        if age == 0 && last.code == event.code {
            let duration = last.duration.max(event.duration);
            self.last = Some(Heard { end: last.end || event.end, duration, ..last });
            return None;
        }
        self.last = Some(now);
        // A press longer than the duration can say goes on in a further segment (2.5.1.3); and there are
        // phones that move the timestamp on within a press.
        let on = age == i32::from(u16::MAX) || event.duration > last.duration;
        let same = last.code == event.code && !last.end && !header.marker && on;
        (!same).then_some(DigitHeard { digit, timestamp })
    }
}

/// One press of a digit being sent: a packet at each step, then three ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    code: u8,
    payload_type: u8,
    timestamp: u32,
    /// Samples from one packet to the next.
    step: u16,
    length: u16,
    #[serde(default)]
    lasted: u16,
    #[serde(default)]
    ends: u8,
}

impl Press {
    /// A press that begins now on `sender`'s clock and lasts `length` samples (rounded up to whole steps);
    /// `None` if there is no such digit.
    pub fn new(sender: &Sender, payload_type: u8, digit: char, length: u16, step: u16) -> Option<Self> {
        let step = step.max(1);
        let length = length.clamp(1, u16::MAX - step).next_multiple_of(step);
        let timestamp = sender.timestamp();
        Some(Press { code: code(digit)?, payload_type, timestamp, step, length, lasted: 0, ends: 0 })
    }

    /// The next packet, to be sent one step after the one before (the second and third end may follow at
    /// once); `None` when all was said. Until then the sender's clock is moved on by
    /// [`Sender::silence`], a step at a time, while sound is held back.
    pub fn packet(&mut self, sender: &mut Sender) -> Option<(Header, [u8; 4])> {
        if self.ends == ENDS {
            return None;
        }
        let marker = self.lasted == 0;
        if self.lasted < self.length {
            self.lasted += self.step;
        }
        let end = self.lasted >= self.length;
        self.ends += u8::from(end);
        let event = Event { code: self.code, end, volume: VOLUME, duration: self.lasted };
        Some((sender.event(marker, self.payload_type, self.timestamp, 4), event.bytes()))
    }

    /// Whether the key is up: only repeated ends are left to say.
    pub fn is_over(&self) -> bool {
        self.ends > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(digit: char, sender: &mut Sender) -> Vec<(Header, [u8; 4])> {
        let mut press = Press::new(sender, 101, digit, 800, 160).unwrap();
        let packets: Vec<_> = std::iter::from_fn(|| press.packet(sender)).collect();
        sender.silence(960);
        packets
    }

    fn hear(listener: &mut Listener, packets: &[(Header, [u8; 4])]) -> String {
        packets
            .iter()
            .filter_map(|(header, payload)| listener.hear(header, payload))
            .map(|it| it.digit)
            .collect()
    }

    #[test]
    fn a_press_is_marked_once_grows_and_ends_three_times() {
        let mut sender = Sender::new(1, 8000, 10, 5000);
        let packets = press('5', &mut sender);
        let durations: Vec<_> = packets.iter().map(|it| Event::read(&it.1).unwrap().duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert!(packets.iter().all(|it| it.0.timestamp == 5000 && it.0.payload_type == 101));
        assert_eq!(packets.iter().filter(|it| it.0.marker).count(), 1);
        assert_eq!(packets.iter().filter(|it| Event::read(&it.1).unwrap().end).count(), 3);
        assert_eq!(packets[6].0.sequence, 16);
    }

    #[test]
    fn every_digit_is_heard_once_even_when_most_packets_are_lost() {
        let mut sender = Sender::new(1, 8000, 0, u32::MAX - 1000);
        let mut listener = Listener::default();
        let mut heard = String::new();
        for (index, digit) in "0123456789*#ABCD55".chars().enumerate() {
            let packets = press(digit, &mut sender);
            heard += &hear(&mut listener, &packets[index % 7..]);
        }
        assert_eq!(heard, "0123456789*#ABCD55");
    }

    #[test]
    fn late_packets_of_the_digit_before_are_not_heard_again() {
        let mut sender = Sender::new(1, 8000, 0, 0);
        let (one, two) = (press('1', &mut sender), press('2', &mut sender));
        let mut listener = Listener::default();
        assert_eq!(hear(&mut listener, &one), "1");
        assert_eq!(hear(&mut listener, &two[..3]), "2");
        assert_eq!(hear(&mut listener, &one[5..]), "");
        assert_eq!(hear(&mut listener, &two[3..]), "");
    }

    #[test]
    fn a_long_press_in_segments_is_one_press() {
        let mut listener = Listener::default();
        let first = Event { code: 3, end: false, volume: 10, duration: u16::MAX };
        let header = Header { marker: true, timestamp: 100, ..Header::default() };
        assert!(listener.hear(&header, &first.bytes()).is_some());
        let header = Header { marker: false, timestamp: 100 + u32::from(u16::MAX), ..header };
        let more = Event { duration: 400, ..first };
        assert_eq!(listener.hear(&header, &more.bytes()), None);
        let header = Header { timestamp: header.timestamp + 4000, marker: true, ..header };
        assert!(listener.hear(&header, &more.bytes()).is_some(), "the same key again");
    }

    #[test]
    fn a_press_whose_timestamp_moves_on_is_one_press() {
        let mut listener = Listener::default();
        let presses = (1..6u16).filter_map(|step| {
            let event = Event { code: 7, end: step == 5, volume: 10, duration: step * 160 };
            let timestamp = u32::from(step) * 160;
            listener.hear(&Header { marker: step == 1, timestamp, ..Header::default() }, &event.bytes())
        });
        assert_eq!(presses.count(), 1);
    }

    #[test]
    fn events_that_are_no_digits_are_not_heard() {
        let tone = Event { code: 66, end: false, volume: 10, duration: 160 };
        assert_eq!(Listener::default().hear(&Header::default(), &tone.bytes()), None);
        assert_eq!(Listener::default().hear(&Header::default(), &[1, 2, 3]), None);
        assert_eq!(code('x'), None);
        assert_eq!(code('d'), Some(15));
    }
}
