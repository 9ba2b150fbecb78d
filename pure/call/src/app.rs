use std::collections::VecDeque;

use contract::app::{Event, Happened};
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

/// An app's hold on a call: its position, and what it has still to be told, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct App {
    /// Its name.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) name: String,
    /// Where it stands, as it said last.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    position: Vec<u8>,
    /// The number of the event in front.
    #[serde(skip_serializing_if = "is_default")]
    serial: u32,
    /// What it has not answered yet, the one it is being told in front.
    #[serde(skip_serializing_if = "is_default")]
    events: VecDeque<Event>,
    /// The last digit of the caller that was passed on.
    #[serde(skip_serializing_if = "is_default")]
    digits: u32,
}

impl App {
    /// An app that gets a new call.
    pub(crate) fn offered(name: String, caller: String, dialed: String) -> Self {
        let events = VecDeque::from([Event::Offered { caller, dialed }]);
        App { name, serial: 1, events, ..App::default() }
    }

    /// Something more to tell; whether it is to be told now.
    pub(crate) fn tell(&mut self, event: Event) -> bool {
        self.events.push_back(event);
        self.events.len() == 1
    }

    /// A digit was pressed, unless it is one that was heard before.
    pub(crate) fn pressed(&mut self, digit: char, serial: u32) -> Option<Event> {
        if serial <= self.digits {
            return None;
        }
        self.digits = serial;
        Some(Event::Digit { digit })
    }

    /// Another media node counts the caller's digits from now on, from 1.
    pub(crate) fn hears_elsewhere(&mut self) {
        self.digits = 0;
    }

    /// The app has answered the event in front, and stands here now; whether there is more to tell.
    pub(crate) fn stands_at(&mut self, position: Vec<u8>) -> bool {
        self.position = position;
        self.serial += 1;
        self.events.pop_front();
        !self.events.is_empty()
    }

    /// What it is told now; the caller of this fills in whose call it is.
    pub(crate) fn happened(&self) -> Option<Happened> {
        let event = self.events.front()?.clone();
        Some(Happened {
            app: self.name.clone(),
            serial: self.serial,
            position: self.position.clone(),
            event,
            ..Happened::default()
        })
    }
}

/// The digit that an INFO's body presses (`application/dtmf-relay` or `application/dtmf`).
pub(crate) fn digit_of_info(content_type: &str, body: &[u8]) -> Option<char> {
    let body = std::str::from_utf8(body).ok()?;
    let said = match content_type.split(';').next()?.trim() {
        kind if kind.eq_ignore_ascii_case("application/dtmf-relay") => {
            let signal = |line: &'_ str| {
                let (name, value) = line.split_once('=')?;
                name.trim().eq_ignore_ascii_case("signal").then(|| value.trim().to_owned())
            };
            body.lines().find_map(signal)?
        }
        kind if kind.eq_ignore_ascii_case("application/dtmf") => body.trim().to_owned(),
        _ => return None,
    };
    match said.as_str() {
        "10" => Some('*'),
        "11" => Some('#'),
        said => {
            let mut letters = said.chars().map(|letter| letter.to_ascii_uppercase());
            letters.next().filter(|letter| "0123456789*#ABCD".contains(*letter) && letters.next().is_none())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_presses_a_digit() {
        let relay = |body: &str| digit_of_info("application/dtmf-relay", body.as_bytes());
        assert_eq!(relay("Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(relay("Signal = 11\r\n"), Some('#'));
        assert_eq!(relay("Signal=55\r\n"), None);
        assert_eq!(digit_of_info("application/dtmf; x=1", b"*"), Some('*'));
        assert_eq!(digit_of_info("text/plain", b"5"), None);
    }

    #[test]
    fn events_are_told_one_after_another() {
        let mut app = App::offered("echo".into(), "alice".into(), "500".into());
        assert!(!app.tell(Event::Answered), "the offer is not answered yet");
        assert_eq!(app.happened().unwrap().serial, 1);
        assert!(app.stands_at(b"one".to_vec()));
        let next = app.happened().unwrap();
        assert_eq!((next.serial, next.event, next.position), (2, Event::Answered, b"one".to_vec()));
        assert!(!app.stands_at(b"two".to_vec()));
        assert_eq!(app.happened(), None);
    }

    #[test]
    fn a_digit_that_is_told_twice_is_pressed_once() {
        let mut app = App::default();
        assert_eq!(app.pressed('1', 1), Some(Event::Digit { digit: '1' }));
        assert_eq!(app.pressed('1', 1), None);
        assert_eq!(app.pressed('1', 2), Some(Event::Digit { digit: '1' }));
    }
}
