//! `echo`: answers, greets, and plays each digit back as a tone. `*` plays back all digits since the last
//! `*`, `#` twice in a row hangs up.

use contract::app::{Event, Happened, Instruction, Instructions};
use contract::media::Sound;
use serde::{Deserialize, Serialize};

use crate::position;

const FORMAT: u8 = 1;
/// Of a caller who leans on the keys, only the last are remembered.
const MOST_DIGITS: usize = 32;

/// Where the app stands.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct At {
    /// The digits since the last `*`.
    digits: String,
    /// All digits ever pressed in this call.
    count: u32,
}

/// What `echo` wants.
pub(crate) fn decide(happened: &Happened) -> Instructions {
    let mut at: At = position::read(FORMAT, &happened.position);
    let instructions = match happened.event {
        Event::Offered { .. } => vec![Instruction::Answer],
        Event::Answered => vec![play(Sound::Prompt { name: "welcome".into() })],
        Event::Digit { digit } => at.pressed(digit),
        Event::Played | Event::Unknown => Vec::new(),
    };
    Instructions { position: position::write(FORMAT, at), instructions }
}

impl At {
    fn pressed(&mut self, digit: char) -> Vec<Instruction> {
        self.count += 1;
        match digit {
            '#' if self.digits.ends_with('#') => vec![Instruction::HangUp],
            '*' => {
                let digits = std::mem::take(&mut self.digits);
                vec![play(Sound::Digits { digits: if digits.is_empty() { "*".into() } else { digits } })]
            }
            _ => {
                if self.digits.chars().count() == MOST_DIGITS {
                    self.digits.remove(0);
                }
                self.digits.push(digit);
                vec![play(Sound::Digits { digits: digit.into() })]
            }
        }
    }
}

fn play(sound: Sound) -> Instruction {
    Instruction::Play { sounds: vec![sound] }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Caller {
        position: Vec<u8>,
    }

    impl Caller {
        fn presses(&mut self, digit: char) -> Vec<Instruction> {
            self.meets(Event::Digit { digit })
        }

        fn meets(&mut self, event: Event) -> Vec<Instruction> {
            let position = std::mem::take(&mut self.position);
            let happened = Happened { app: "echo".into(), position, event, ..Happened::default() };
            let wanted = decide(&happened);
            assert_eq!(wanted, decide(&happened), "the same event has the same answer");
            self.position = wanted.position;
            wanted.instructions
        }
    }

    fn tones(digits: &str) -> Vec<Instruction> {
        vec![play(Sound::Digits { digits: digits.into() })]
    }

    #[test]
    fn a_caller_is_greeted_and_hears_what_it_presses() {
        let mut caller = Caller { position: Vec::new() };
        let offered = Event::Offered { caller: "alice".into(), dialed: "600".into() };
        assert_eq!(caller.meets(offered), [Instruction::Answer]);
        assert_eq!(caller.meets(Event::Answered), [play(Sound::Prompt { name: "welcome".into() })]);
        assert_eq!(caller.presses('4'), tones("4"));
        assert_eq!(caller.meets(Event::Played), []);
        assert_eq!(caller.presses('2'), tones("2"));
        assert_eq!(caller.presses('*'), tones("42"));
        assert_eq!(caller.presses('*'), tones("*"));
    }

    #[test]
    fn two_hashes_in_a_row_hang_up() {
        let mut caller = Caller { position: Vec::new() };
        assert_eq!(caller.presses('#'), tones("#"));
        assert_eq!(caller.presses('1'), tones("1"));
        assert_eq!(caller.presses('#'), tones("#"));
        assert_eq!(caller.presses('#'), [Instruction::HangUp]);
    }

    #[test]
    fn leaning_on_the_keys_does_not_grow_the_position_for_ever() {
        let mut caller = Caller { position: Vec::new() };
        for digit in "5#".chars().cycle().take(1001) {
            caller.presses(digit);
        }
        assert!(caller.position.len() < 100, "{} bytes", caller.position.len());
        caller.presses('#');
        assert_eq!(caller.presses('#'), [Instruction::HangUp]);
    }

    #[test]
    fn a_position_of_another_format_or_rubbish_is_the_beginning() {
        for strange in [vec![0xc1], vec![1, 2, 3], position::write(99, At { digits: "1".into(), count: 1 })] {
            let mut caller = Caller { position: strange };
            assert_eq!(caller.presses('*'), tones("*"));
        }
    }

    /// The bytes of release 0.1, which later releases must read.
    #[test]
    fn the_position_of_the_first_release_is_read() {
        let golden = b"\x82\xa6format\x01\xa2at\x82\xa6digits\xa212\xa5count\x03";
        let at: At = position::read(FORMAT, golden);
        assert_eq!(at, At { digits: "12".into(), count: 3 });
        assert_eq!(position::write(FORMAT, at), golden);
    }
}
