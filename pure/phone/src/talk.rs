//! What a phone is told, and what it tells.

use std::net::SocketAddr;

use sip::Status;

use crate::quality::Quality;

/// A call of the phone, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CallNo(pub u32);

/// What can happen to a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum In {
    /// A whole SIP message came (a datagram, or as much of a stream as a `sip::Framer` found).
    Sip(Vec<u8>),
    /// An RTP or RTCP packet came at one of its audio addresses (by its place in the list).
    Audio(usize, Vec<u8>),
    /// The way to the exchange was lost (its connection, that is), and is there again.
    Reconnected,
    /// Somebody uses it.
    Command(Command),
}

/// What somebody can do with a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Registers, and stays registered.
    Register,
    /// Takes the registration back.
    Unregister,
    /// Calls a name of the own domain, or a whole SIP URI.
    Call(String),
    /// Speaks to the caller before it answers (early media, RFC 3960): 183 with what it would answer.
    SpeakEarly(CallNo),
    /// Answers.
    Answer(CallNo),
    /// Refuses a call that rings.
    Refuse(CallNo, Status),
    /// Hangs up, or gives up ringing.
    HangUp(CallNo),
    /// Puts on hold.
    Hold(CallNo),
    /// Takes back from hold.
    Resume(CallNo),
    /// Presses digits.
    Press(CallNo, String),
    /// From now on says this instead (8 kHz, over and over; empty: silence).
    Say(CallNo, Vec<i16>),
}

/// What a phone wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// A SIP message goes to the server that the phone talks to (`Event::Server`).
    Sip(Vec<u8>),
    /// A SIP message goes to another of its servers: of a call that was begun there, or to see whether it is back.
    Beside(usize, Vec<u8>),
    /// An RTP packet leaves from one of the audio addresses.
    Rtp(usize, SocketAddr, Vec<u8>),
    /// An RTCP packet leaves from the port above one of them.
    Rtcp(usize, SocketAddr, Vec<u8>),
    /// Something happened.
    Event(Event),
}

/// What a phone tells its user.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Registered, for so many seconds.
    Registered(u32),
    /// Not registered any more.
    Unregistered,
    /// Registering failed; none: nobody answered. It tries again by itself.
    NotRegistered(Option<Status>),
    /// From now on it talks to this one of its servers.
    Server(usize),
    /// Somebody calls.
    Incoming(CallNo, String),
    /// The other side rings (or sends early media).
    Ringing(CallNo, Status),
    /// The call is up.
    Answered(CallNo),
    /// The other side pressed a digit.
    Digit(CallNo, char),
    /// The other side put us on hold, or took us back.
    Held(CallNo, bool),
    /// The other side would not be put on hold, or be taken back.
    NotHeld(CallNo, Status),
    /// How well the call is heard so far.
    Heard(CallNo, Quality),
    /// The call is over. `refused` says why it did not come about.
    Over {
        /// Which.
        call: CallNo,
        /// The status that refused it.
        refused: Option<Status>,
        /// Whether we ended it.
        by_us: bool,
        /// For people.
        cause: String,
        /// How well it was heard.
        quality: Quality,
        /// What was heard, as far as the settings keep it.
        heard: Vec<i16>,
    },
}
