//! One call: a leg, and its audio.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use machine::Moment;
use sdp::{Author, Codec, Direction, Offer, Session};
use sip::leg::{Leg, LegCommand};
use sip::{Message, Method};

use crate::audio::{Audio, Packets};
use crate::settings::{Digits, Settings};
use crate::talk::CallNo;

/// The number that we give to events.
pub(crate) const EVENT: u8 = 101;
/// From one digit to the next, by INFO.
const PAUSE: Duration = Duration::from_millis(250);

/// A call of the phone.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: CallNo,
    pub(crate) leg: Leg,
    pub(crate) audio: Audio,
    /// Which of the phone's audio addresses it uses.
    pub(crate) slot: usize,
    /// When it is answered, or hung up, by itself.
    pub(crate) answer_at: Option<Moment>,
    pub(crate) hang_up_at: Option<Moment>,
    pub(crate) report_at: Option<Moment>,
    pub(crate) is_told_over: bool,
    /// Whether the other side has put us on hold.
    pub(crate) is_held: bool,
    /// The caller's offer, until it is answered.
    pub(crate) pending: Option<Option<Vec<u8>>>,
    /// Whether that was answered by early media: the last answer repeats it.
    pub(crate) spoke_early: bool,
    /// The server that it was begun at.
    pub(crate) server: usize,
    /// Whom we called, until a server says something to it, and how many servers have not.
    pub(crate) dialed: Option<(String, usize)>,
    /// When a server that has said nothing yet is left for the next one.
    pub(crate) silent_at: Option<Moment>,
    digits: VecDeque<char>,
    digit_at: Option<Moment>,
    media: Media,
}

/// What a line has to offer, and who signs it.
#[derive(Debug)]
pub(crate) struct Media {
    offer: Offer,
    author: Author,
    /// What was said last, if that had more streams than ours.
    said: Option<Session>,
    /// The direction to go back to if the other side doesn't agree to a new one.
    before: Direction,
}

impl Media {
    /// What is offered at `rtp`.
    pub(crate) fn new(rtp: SocketAddr, id: u64) -> Self {
        let codecs = vec![Codec::pcmu(), Codec::pcma(), Codec::telephone_event(EVENT, 8000)];
        Media {
            offer: Offer::audio(rtp.ip(), rtp.port(), codecs, Direction::SendRecv),
            author: Author::new(id, rtp.ip()),
            said: None,
            before: Direction::SendRecv,
        }
    }

    /// The body of an offer.
    pub(crate) fn offer(&mut self) -> Vec<u8> {
        let session = match &self.said {
            Some(before) => self.offer.session_after(before),
            None => self.offer.session(),
        };
        self.sign(session)
    }

    fn sign(&mut self, mut session: Session) -> Vec<u8> {
        self.author.sign(&mut session);
        let body = session.write();
        self.said = Some(session);
        body
    }
}

impl Line {
    pub(crate) fn new(number: CallNo, leg: Leg, slot: usize, media: Media, audio: Audio) -> Self {
        Line {
            number,
            leg,
            audio,
            slot,
            answer_at: None,
            hang_up_at: None,
            report_at: None,
            is_told_over: false,
            is_held: false,
            pending: None,
            spoke_early: false,
            server: 0,
            dialed: None,
            silent_at: None,
            digits: VecDeque::new(),
            digit_at: None,
            media,
        }
    }

    /// The call is begun once more, by another leg.
    pub(crate) fn begin_anew(&mut self, leg: Leg, media: Media) {
        self.leg = leg;
        self.media = media;
    }

    /// A server does something about it: no other one is tried any more.
    pub(crate) fn is_heard(&mut self) {
        self.dialed = None;
        self.silent_at = None;
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let own = [self.answer_at, self.hang_up_at, self.report_at, self.digit_at, self.silent_at];
        own.into_iter().chain([self.leg.deadline(), self.audio.deadline()]).flatten().min()
    }

    pub(crate) fn packets(&mut self, now: Moment) -> Packets {
        let mut packets = Packets::default();
        self.audio.expire(now, &mut packets);
        packets
    }

    /// The call is up.
    pub(crate) fn came_up(&mut self, settings: &Settings, now: Moment) {
        self.hang_up_at = settings.talk.map(|talk| now.after(talk));
        self.report_at = settings.report.map(|every| now.after(every));
    }

    /// The call is over: silence, and goodbye.
    pub(crate) fn went_down(&mut self, now: Moment) -> Packets {
        let mut packets = Packets::default();
        self.audio.stop(now, &mut packets);
        self.answer_at = None;
        self.hang_up_at = None;
        self.report_at = None;
        self.digit_at = None;
        packets
    }

    /// Answers an offer of the peer: the body, or none if nothing can be agreed.
    pub(crate) fn answer(&mut self, offer: Option<&[u8]>, now: Moment) -> Option<Vec<u8>> {
        let Some(offer) = offer else { return Some(self.media.offer()) };
        let offer = Session::parse(offer).ok()?;
        let answer = self.media.offer.answer(&offer);
        let agreed = answer.agreed.ok()?;
        self.audio.agree(agreed, now);
        Some(self.media.sign(answer.session))
    }

    /// Takes the answer to an offer of ours.
    pub(crate) fn answered(&mut self, answer: Option<&[u8]>, now: Moment) {
        let session = answer.and_then(|body| Session::parse(body).ok());
        if let Some(Ok(agreed)) = session.map(|session| self.media.offer.answered(&session)) {
            self.audio.agree(agreed, now);
            self.media.before = self.media.offer.direction;
        }
    }

    /// Puts the call on hold, or takes it back.
    pub(crate) fn reoffer(&mut self, direction: Direction) -> LegCommand {
        self.media.offer.direction = direction;
        LegCommand::Reoffer { sdp: self.media.offer() }
    }

    /// The other side would not have it.
    pub(crate) fn reoffer_refused(&mut self) {
        self.media.offer.direction = self.media.before;
    }

    /// Whether the body of an offer changes whether we are on hold; if so, how it is now.
    pub(crate) fn hold_changed(&mut self, offer: Option<&[u8]>) -> Option<bool> {
        let held = Session::parse(offer?).ok()?.is_hold();
        (std::mem::replace(&mut self.is_held, held) != held).then_some(held)
    }

    /// Presses digits, as events or by INFO.
    pub(crate) fn press(&mut self, digits: &str, settings: &Settings, now: Moment) {
        if settings.digits == Digits::Auto && self.audio.takes_events() {
            return self.audio.press(digits);
        }
        self.digits.extend(digits.chars().filter(|&digit| rtp::event::code(digit).is_some()));
        if self.digit_at.is_none() && !self.digits.is_empty() {
            self.digit_at = Some(now);
        }
    }

    /// The INFO of the next digit, if it is time for it.
    pub(crate) fn digit_due(&mut self, now: Moment) -> Option<LegCommand> {
        self.digit_at.filter(|&at| at <= now)?;
        let digit = self.digits.pop_front();
        self.digit_at = digit.map(|_| now.after(PAUSE));
        let body = format!("Signal={}\r\nDuration=100\r\n", digit?).into_bytes();
        Some(LegCommand::Info { content_type: "application/dtmf-relay".to_owned(), body })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.leg.is_over()
    }

    /// Whether a message is this call's: by Call-ID and tags, since a phone may call itself.
    pub(crate) fn owns(&self, message: &Message<&[u8]>) -> bool {
        if message.call_id().ok() != Some(self.leg.call_id().as_bytes()) {
            return false;
        }
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else { return false };
        let is = |tag: Option<&str>, own: &str| tag.is_some_and(|tag| tag.eq_ignore_ascii_case(own));
        if message.is_response() {
            return is(from.tag(), self.leg.local_tag());
        }
        match to.tag() {
            Some(_) => is(to.tag(), self.leg.local_tag()),
            // A repeated INVITE, or its CANCEL: only of those who called us.
            None => {
                let begins = matches!(message.method(), Some(Method::Invite | Method::Cancel));
                begins && from.tag() == self.leg.remote_tag() && !is(from.tag(), self.leg.local_tag())
            }
        }
    }
}
