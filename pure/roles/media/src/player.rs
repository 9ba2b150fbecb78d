//! Something is played to a leg, a packet every 20 ms. What is sent at which moment follows from when it began
//! and nothing else, so a successor goes on where its predecessor would be.

use std::time::Duration;

use audio::Law;
use contract::media::Payload;
use machine::Moment;
use rtp::{Header, Sender};
use serde::{Deserialize, Serialize};

use crate::sounds::{FRAME, RATE, Track};

const PACE: Duration = Duration::from_millis(20);
/// What is later than this is left out: it would only delay the rest.
const TOO_LATE: Duration = Duration::from_millis(100);
const LENGTH: usize = Header::LENGTH + FRAME;

/// Our stream to a leg, over all that is played in a call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Voicing {
    /// As it was when the newest sound began.
    pub(crate) sender: Sender,
    /// When the newest sound ended, or will.
    ended: Moment,
    /// The newest sound that is played or was.
    pub(crate) serial: u32,
    /// When it began; none while the leg has no address yet, or nothing is played.
    started: Option<Moment>,
    /// All of it was played, or it was cut off.
    pub(crate) over: bool,
}

/// What is being played.
#[derive(Debug)]
pub(crate) struct Player {
    track: Track,
    payload_type: u8,
    next: u32,
    /// The stream as it is now.
    sender: Sender,
}

/// What a deadline of a player brings.
#[derive(Debug)]
pub(crate) enum Step {
    /// To be sent now.
    Packet([u8; LENGTH]),
    /// Too late to be sent.
    Skipped,
    /// Not yet: call again then.
    Wait(Moment),
    /// All was played.
    Over,
}

impl Voicing {
    /// A stream that begins with the next sound; the numbers are drawn outside.
    pub(crate) fn new(sender: Sender) -> Self {
        Voicing { sender, over: true, ..Voicing::default() }
    }

    /// Another sound is wished.
    pub(crate) fn wish(&mut self, serial: u32) {
        (self.serial, self.started, self.over) = (serial, None, false);
    }

    /// What is being played stops.
    pub(crate) fn stop(&mut self, now: Moment, player: Option<Player>) {
        if let Some(player) = player {
            self.sender = player.sender;
            self.ended = now;
        }
        (self.started, self.over) = (None, true);
    }

    /// The sound begins, or goes on after a death.
    pub(crate) fn play(&mut self, now: Moment, track: Track, payload_type: u8) -> Player {
        let started = match self.started {
            Some(started) => started,
            None => self.begin(now),
        };
        self.ended = started.after(PACE * track.frames());
        let passed = now.since(started).as_micros() / PACE.as_micros();
        let mut player = Player { track, payload_type, next: 0, sender: self.sender.clone() };
        let frames = player.track.frames();
        while player.next < frames && u128::from(player.next) < passed {
            player.number(started);
        }
        player
    }

    fn begin(&mut self, now: Moment) -> Moment {
        if self.ended != Moment::START {
            let micros = now.since(self.ended).as_micros() as u64;
            self.sender.silence((micros / 1000 * u64::from(RATE) / 1000) as u32);
        }
        self.started = Some(now);
        now
    }

    /// The next thing that is due.
    pub(crate) fn step(&self, now: Moment, player: &mut Player) -> Step {
        let Some(started) = self.started else { return Step::Over };
        let due = started.after(PACE * player.next);
        if due > now {
            return Step::Wait(due);
        }
        if player.next >= player.track.frames() {
            return Step::Over;
        }
        let frame = player.next;
        let header = player.number(due);
        if now.since(due) > TOO_LATE {
            return Step::Skipped;
        }
        let mut packet = [0; LENGTH];
        packet[..Header::LENGTH].copy_from_slice(&header.bytes());
        packet[Header::LENGTH..].copy_from_slice(&player.track.frame(frame));
        Step::Packet(packet)
    }
}

impl Player {
    fn number(&mut self, due: Moment) -> Header {
        self.next += 1;
        self.sender.packet(due, self.payload_type, FRAME as u32, FRAME)
    }

    /// The stream as it is now.
    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }
}

/// Under which number and law we can speak to a leg: the first G.711 that it knows.
pub(crate) fn tongue(payloads: &[Payload]) -> Option<(u8, Law)> {
    let law = |payload: &Payload| match payload.name.to_ascii_uppercase().as_str() {
        "PCMU" => Some((payload.number, Law::Mu)),
        "PCMA" => Some((payload.number, Law::A)),
        _ => None,
    };
    if payloads.is_empty() { Some((0, Law::Mu)) } else { payloads.iter().find_map(law) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sounds::{Sounds, Voice};
    use contract::media::Sound;

    fn second_of_sound() -> Track {
        let mut sounds = Sounds::new();
        sounds.teach("second", Voice::new(&[1000; 8000]));
        sounds.track(&[Sound::Prompt { name: "second".into() }], Law::Mu).0
    }

    fn all(voicing: &Voicing, player: &mut Player, mut now: Moment) -> Vec<(Moment, Header)> {
        let mut packets = Vec::new();
        loop {
            match voicing.step(now, player) {
                Step::Packet(packet) => packets.push((now, Header::read(&packet).unwrap())),
                Step::Skipped => {}
                Step::Wait(until) => now = until,
                Step::Over => return packets,
            }
        }
    }

    #[test]
    fn a_second_of_sound_is_fifty_packets_twenty_milliseconds_apart() {
        let start = Moment::from_secs(9);
        let mut voicing = Voicing::new(Sender::new(7, RATE, 10, 0));
        voicing.wish(1);
        let mut player = voicing.play(start, second_of_sound(), 0);
        let packets = all(&voicing, &mut player, start);
        assert_eq!(packets.len(), 50);
        assert!(packets[0].1.marker && !packets[1].1.marker);
        for (index, (at, header)) in (0..).zip(&packets) {
            assert_eq!(*at, start.after(PACE * index));
            assert_eq!((header.sequence, header.timestamp), (10 + index as u16, 160 * index));
        }
    }

    #[test]
    fn a_successor_goes_on_where_its_predecessor_would_be() {
        let start = Moment::from_secs(9);
        let mut voicing = Voicing::new(Sender::new(7, RATE, 10, 0));
        voicing.wish(1);
        let _lost_with_its_process = voicing.play(start, second_of_sound(), 0);
        let kept: Voicing = contract::decode(&contract::encode(&voicing)).unwrap();
        let mut successor = kept.clone();
        let later = start.after(Duration::from_millis(490));
        let mut player = successor.play(later, second_of_sound(), 0);
        let packets = all(&successor, &mut player, later);
        assert_eq!(packets.len(), 26, "the one that is just due, and the 25 behind it");
        assert_eq!(packets[0].1.sequence, 10 + 24);
        assert_eq!(packets[0].1.timestamp, 24 * 160);
    }

    #[test]
    fn the_next_sound_goes_on_counting_and_knows_of_the_pause() {
        let start = Moment::from_secs(9);
        let mut voicing = Voicing::new(Sender::new(7, RATE, 10, 0));
        voicing.wish(1);
        let mut player = voicing.play(start, second_of_sound(), 0);
        let end = all(&voicing, &mut player, start).last().unwrap().0.after(PACE);
        voicing.stop(end, Some(player));
        voicing.wish(2);
        let later = end.after(Duration::from_secs(2));
        let mut player = voicing.play(later, second_of_sound(), 0);
        let packets = all(&voicing, &mut player, later);
        assert_eq!((packets[0].1.sequence, packets[0].1.timestamp), (60, 24_000));
        assert!(packets[0].1.marker);
    }

    #[test]
    fn what_is_much_too_late_is_left_out() {
        let start = Moment::from_secs(9);
        let mut voicing = Voicing::new(Sender::new(7, RATE, 10, 0));
        voicing.wish(1);
        let mut player = voicing.play(start, second_of_sound(), 0);
        let packets = all(&voicing, &mut player, start.after(Duration::from_millis(500)));
        assert_eq!(packets[0].1.sequence, 10 + 20);
    }

    #[test]
    fn the_first_law_that_a_phone_knows_is_spoken() {
        let payload = |number, name: &str| Payload { number, name: name.into(), clock: 8000 };
        assert_eq!(tongue(&[payload(9, "G722"), payload(8, "pcma"), payload(0, "PCMU")]), Some((8, Law::A)));
        assert_eq!(tongue(&[payload(9, "G722")]), None);
        assert_eq!(tongue(&[]), Some((0, Law::Mu)));
    }
}
