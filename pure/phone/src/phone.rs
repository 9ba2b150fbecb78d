use std::collections::BTreeMap;
use std::net::SocketAddr;

use machine::{Machine, Moment, Outbox};
use sdp::Direction;
use sip::leg::{EndedBy, Env, Identity, Leg, LegCommand, LegEvent, LegOut, Login, Reception};
use sip::{Message, Method, Status, respond};

use crate::audio::{Audio, Quality};
use crate::line::{Line, parts};
use crate::registration::{Outcome, Registration};
use crate::settings::{Names, OnCall, Settings};

/// A call of the phone, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CallNo(pub u32);

/// What can happen to a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum In {
    /// A SIP message came.
    Sip(Vec<u8>),
    /// An RTP or RTCP packet came at one of its audio addresses (by its place in the list).
    Audio(usize, Vec<u8>),
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
}

/// What a phone wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// A SIP message goes to the exchange.
    Sip(Vec<u8>),
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
    /// Registering failed; none: nobody answered.
    NotRegistered(Option<Status>),
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

/// A softphone.
#[derive(Debug)]
pub struct Phone {
    settings: Settings,
    names: Names,
    registration: Registration,
    lines: BTreeMap<CallNo, Line>,
    count: u32,
}

impl Phone {
    /// A phone that has not said anything yet.
    pub fn new(settings: Settings) -> Self {
        let mut names = Names::new(settings.seed);
        let registration = Registration::new(&settings, &mut names);
        Phone { settings, names, registration, lines: BTreeMap::new(), count: 0 }
    }

    /// How well a call is heard so far.
    pub fn quality(&self, call: CallNo) -> Option<Quality> {
        self.lines.get(&call).map(|line| line.audio.quality())
    }

    /// Calls there are.
    pub fn calls(&self) -> impl Iterator<Item = CallNo> {
        self.lines.keys().copied()
    }

    fn free_slot(&self) -> Option<usize> {
        let taken = |slot: &usize| self.lines.values().any(|line| line.slot == *slot && !line.is_told_over);
        (0..self.settings.audio.len()).find(|slot| !taken(slot))
    }

    fn login(&self) -> Option<Login> {
        let password = self.settings.password.clone()?;
        Some(Login { user: self.settings.user.clone(), password })
    }

    fn sip(&mut self, now: Moment, bytes: &[u8], out: &mut Outbox<Out>) {
        let Ok(message) = Message::parse(bytes) else { return };
        let Ok(call_id) = message.call_id() else { return };
        if self.registration.owns(call_id) {
            let mut send = Vec::new();
            let (settings, names) = (&self.settings, &mut self.names);
            let outcome = self.registration.receive(&message, settings, names, now, &mut send);
            said(send, out);
            tell(outcome, out);
            return;
        }
        let owner = self.lines.values().find(|line| line.owns(call_id)).map(|line| line.number);
        match owner {
            Some(number) => {
                self.on_line(number, now, out, |leg, env, legs| leg.receive(now, &message, env, legs))
            }
            None if message.method() == Some(Method::Invite) => self.invited(&message, now, out),
            None => self.stray(&message, out),
        }
    }

    fn stray(&mut self, message: &Message<&[u8]>, out: &mut Outbox<Out>) {
        let status = match message.method() {
            None | Some(Method::Ack) => return,
            Some(Method::Options) => Status::OK,
            Some(_) => Status::CALL_DOES_NOT_EXIST,
        };
        let (mut bytes, tag) = (Vec::new(), self.names.next());
        respond(message, status, None, Some(&tag), &mut bytes).empty_body();
        out.emit(Out::Sip(bytes));
    }

    fn invited(&mut self, invite: &Message<&[u8]>, now: Moment, out: &mut Outbox<Out>) {
        let tag = self.names.next();
        let refusal = match (self.settings.on_call, self.free_slot()) {
            (OnCall::Refuse(status), _) => Some(status),
            (_, None) => Some(Status::BUSY_HERE),
            _ => None,
        };
        if let Some(status) = refusal {
            let mut bytes = Vec::new();
            respond(invite, status, None, Some(&tag), &mut bytes).empty_body();
            out.emit(Out::Sip(bytes));
            return;
        }
        let reception = Reception {
            local_tag: tag,
            contact: self.settings.contact(),
            reliable: self.settings.is_reliable(),
            sent_by: self.settings.local.to_string(),
            via_transport: self.settings.via().to_owned(),
            login: self.login(),
        };
        let mut legs = LegOut::default();
        let names = &mut self.names;
        let mut branch = || names.next();
        let timing = self.settings.timing;
        let mut env = Env { timing: &timing, branch: &mut branch, user_agent: "strowger-phone" };
        match Leg::invited(invite, reception, now, &mut env, &mut legs) {
            Ok(leg) => {
                let number = self.add(leg, self.free_slot().unwrap_or_default());
                let caller = invite.from().map(|from| String::from_utf8_lossy(from.uri_bytes).into_owned());
                out.emit(Out::Event(Event::Incoming(number, caller.unwrap_or_default())));
                self.take(number, legs, now, out);
            }
            Err(refusal) => {
                out.emit(Out::Sip(refusal.respond(invite, &self.names.next())));
            }
        }
    }

    fn add(&mut self, leg: Leg, slot: usize) -> CallNo {
        self.count += 1;
        let number = CallNo(self.count);
        let id = self.names.number();
        let audio = Audio::new(self.settings.voice.clone(), self.settings.record, id);
        let offer = Line::offer(&self.settings, slot, id >> 16);
        self.lines.insert(number, Line::new(number, leg, slot, offer, audio));
        number
    }

    fn call(&mut self, whom: &str, now: Moment, out: &mut Outbox<Out>) {
        let Some(slot) = self.free_slot() else { return };
        let target = match whom.starts_with("sip:") {
            true => whom.to_owned(),
            false => format!("sip:{whom}@{}", self.settings.domain),
        };
        let identity = Identity {
            call_id: format!("{}@{}", self.names.next(), self.settings.local.ip()),
            local: format!("<sip:{}@{}>", self.settings.user, self.settings.domain),
            local_tag: self.names.next(),
            remote: format!("<{target}>"),
            target,
            routes: Vec::new(),
            contact: self.settings.contact(),
            reliable: self.settings.is_reliable(),
            sent_by: format!("{};rport", self.settings.local),
            via_transport: self.settings.via().to_owned(),
            max_forwards: 0,
            login: self.login(),
        };
        let mut legs = LegOut::default();
        let body = Line::offer(&self.settings, slot, 1).session().write();
        let timing = self.settings.timing;
        let names = &mut self.names;
        let mut branch = || names.next();
        let mut env = Env { timing: &timing, branch: &mut branch, user_agent: "strowger-phone" };
        let leg = Leg::dial(identity, Some(&body), &[], now, &mut env, &mut legs);
        let number = self.add(leg, slot);
        self.take(number, legs, now, out);
    }

    /// Lets a line's leg do something, and carries out what comes of it.
    fn on_line(
        &mut self,
        number: CallNo,
        now: Moment,
        out: &mut Outbox<Out>,
        step: impl FnOnce(&mut Leg, &mut Env<'_>, &mut LegOut),
    ) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let mut legs = LegOut::default();
        let names = &mut self.names;
        let mut branch = || names.next();
        let timing = self.settings.timing;
        let mut env = Env { timing: &timing, branch: &mut branch, user_agent: "strowger-phone" };
        step(&mut line.leg, &mut env, &mut legs);
        self.take(number, legs, now, out);
    }

    fn command_line(&mut self, number: CallNo, command: LegCommand, now: Moment, out: &mut Outbox<Out>) {
        self.on_line(number, now, out, |leg, env, legs| leg.command(now, command, env, legs));
    }

    fn take(&mut self, number: CallNo, legs: LegOut, now: Moment, out: &mut Outbox<Out>) {
        let (send, events) = parts(legs);
        said(send, out);
        for event in events {
            self.happened(number, event, now, out);
        }
        if self.lines.get(&number).is_some_and(Line::is_over) {
            self.over(number, None, false, "over", out);
            self.lines.remove(&number);
        }
    }

    fn happened(&mut self, number: CallNo, event: LegEvent, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        match event {
            LegEvent::Invited { offer } => self.ring(number, offer, now, out),
            LegEvent::Progress { status, sdp } => {
                line.answered(sdp.as_deref(), now);
                out.emit(Out::Event(Event::Ringing(number, status)));
            }
            LegEvent::Answered { sdp } => {
                line.answered(sdp.as_deref(), now);
                line.is_up = true;
                out.emit(Out::Event(Event::Answered(number)));
            }
            LegEvent::Confirmed { sdp } => {
                if sdp.is_some() {
                    line.answered(sdp.as_deref(), now);
                }
            }
            LegEvent::Offer { sdp, .. } => {
                let held = sdp.as_deref().and_then(|body| sdp::Session::parse(body).ok());
                if let Some(held) = held.map(|session| session.is_hold()) {
                    out.emit(Out::Event(Event::Held(number, held)));
                }
                let command = match line.answer(sdp.as_deref(), now) {
                    Some(sdp) => LegCommand::AcceptOffer { sdp },
                    None => LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE },
                };
                self.command_line(number, command, now, out);
            }
            LegEvent::Reoffered { sdp } => line.answered(Some(&sdp), now),
            LegEvent::Info { body, .. } => {
                let text = String::from_utf8_lossy(&body).into_owned();
                let digit = text.lines().find_map(|row| row.strip_prefix("Signal=")?.trim().chars().next());
                if let Some(digit) = digit {
                    out.emit(Out::Event(Event::Digit(number, digit)));
                }
            }
            LegEvent::Refused { status, reason, .. } => self.over(number, Some(status), false, &reason, out),
            LegEvent::Cancelled { .. } => {
                self.over(number, Some(Status::REQUEST_TERMINATED), false, "the caller gave up", out);
            }
            LegEvent::Ended { by, reason } => {
                let cause = reason.unwrap_or_else(|| cause(by).to_owned());
                self.over(number, None, by == EndedBy::Us, &cause, out);
            }
            LegEvent::Trying
            | LegEvent::NoAck
            | LegEvent::OfferWithdrawn
            | LegEvent::ReofferRefused { .. } => {}
        }
    }

    fn ring(&mut self, number: CallNo, offer: Option<Vec<u8>>, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.pending = Some(offer);
        if let OnCall::Answer(after) = self.settings.on_call {
            line.answer_at = Some(now.after(after));
        }
        self.command_line(number, LegCommand::Progress { status: Status::RINGING, sdp: None }, now, out);
    }

    fn answer(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.answer_at = None;
        let Some(offer) = line.pending.take() else { return };
        let command = match line.answer(offer.as_deref(), now) {
            Some(sdp) => {
                line.is_up = true;
                out.emit(Out::Event(Event::Answered(number)));
                LegCommand::Answer { sdp: Some(sdp) }
            }
            None => {
                LegCommand::Reject { status: Status::NOT_ACCEPTABLE_HERE, reason: None, headers: Vec::new() }
            }
        };
        self.command_line(number, command, now, out);
    }

    fn over(
        &mut self,
        number: CallNo,
        refused: Option<Status>,
        by_us: bool,
        cause: &str,
        out: &mut Outbox<Out>,
    ) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if std::mem::replace(&mut line.is_told_over, true) {
            return;
        }
        line.audio.stop();
        line.answer_at = None;
        let (quality, heard) = (line.audio.quality(), line.audio.heard());
        out.emit(Out::Event(Event::Over {
            call: number,
            refused,
            by_us,
            cause: cause.to_owned(),
            quality,
            heard,
        }));
    }

    fn command(&mut self, command: Command, now: Moment, out: &mut Outbox<Out>) {
        match command {
            Command::Register => self.register(self.settings.expires, now, out),
            Command::Unregister => self.register(0, now, out),
            Command::Call(whom) => self.call(&whom, now, out),
            Command::Answer(number) => self.answer(number, now, out),
            Command::Refuse(number, status) => {
                let command = LegCommand::Reject { status, reason: None, headers: Vec::new() };
                self.command_line(number, command, now, out);
            }
            Command::HangUp(number) => self.command_line(number, LegCommand::Bye { reason: None }, now, out),
            Command::Hold(number) => self.hold(number, Direction::SendOnly, now, out),
            Command::Resume(number) => self.hold(number, Direction::SendRecv, now, out),
            Command::Press(number, digits) => {
                if let Some(line) = self.lines.get_mut(&number) {
                    line.audio.press(&digits);
                }
            }
        }
    }

    fn hold(&mut self, number: CallNo, direction: Direction, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let command = line.reoffer(direction);
        self.command_line(number, command, now, out);
    }

    fn register(&mut self, seconds: u32, now: Moment, out: &mut Outbox<Out>) {
        let mut send = Vec::new();
        self.registration.ask(seconds, &self.settings, &mut self.names, now, &mut send);
        said(send, out);
    }
}

fn cause(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Peer => "the other side hung up",
        EndedBy::Us => "hung up",
        EndedBy::NoResponse => "the other side does not answer any more",
        EndedBy::SessionExpired => "the session expired",
        EndedBy::NoAck => "our answer was never acknowledged",
    }
}

fn said(send: Vec<Vec<u8>>, out: &mut Outbox<Out>) {
    send.into_iter().for_each(|bytes| out.emit(Out::Sip(bytes)));
}

fn tell(outcome: Option<Outcome>, out: &mut Outbox<Out>) {
    let event = match outcome {
        None => return,
        Some(Outcome::Registered { seconds }) => Event::Registered(seconds),
        Some(Outcome::Unregistered) => Event::Unregistered,
        Some(Outcome::Refused { status }) => Event::NotRegistered(Some(status)),
        Some(Outcome::Unanswered) => Event::NotRegistered(None),
    };
    out.emit(Out::Event(event));
}

impl Machine for Phone {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        match input {
            In::Sip(bytes) => self.sip(now, &bytes, out),
            In::Audio(slot, bytes) => {
                let line = self.lines.values_mut().find(|line| line.slot == slot && !line.is_told_over);
                if let Some(line) = line
                    && let Some(digit) = line.audio.receive(now, &bytes)
                {
                    out.emit(Out::Event(Event::Digit(line.number, digit)));
                }
            }
            In::Command(command) => self.command(command, now, out),
        }
    }

    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        let mut send = Vec::new();
        let outcome = self.registration.expire(&self.settings, &mut self.names, now, &mut send);
        said(send, out);
        tell(outcome, out);
        for number in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some(line) = self.lines.get_mut(&number) else { continue };
            let (packets, slot) = (line.packets(now), line.slot);
            packets.rtp.into_iter().for_each(|(to, bytes)| out.emit(Out::Rtp(slot, to, bytes)));
            packets.rtcp.into_iter().for_each(|(to, bytes)| out.emit(Out::Rtcp(slot, to, bytes)));
            if line.answer_at.is_some_and(|at| at <= now) {
                self.answer(number, now, out);
            }
            let due = |line: &Line| line.leg.deadline().is_some_and(|at| at <= now);
            if self.lines.get(&number).is_some_and(due) {
                self.on_line(number, now, out, |leg, env, legs| leg.expire(now, env, legs));
            }
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        let lines = self.lines.values().filter_map(Line::deadline).min();
        [self.registration.deadline(), lines].into_iter().flatten().min()
    }
}
