use std::collections::BTreeMap;
use std::sync::Arc;

use machine::{Machine, Moment, Outbox};
use sdp::Direction;
use sip::leg::LegCommand;
use sip::{Message, Method, Name, Status, respond};

use crate::audio::Packets;
use crate::line::Line;
use crate::names::Names;
use crate::quality::Quality;
use crate::registration::{Desk, Registration};
use crate::settings::Settings;
use crate::talk::{CallNo, Command, Event, In, Out};

/// A softphone.
#[derive(Debug)]
pub struct Phone {
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    pub(crate) voice: Arc<[i16]>,
    /// The tag of answers outside of calls; always the same, as repeated questions get the same answer.
    pub(crate) tag: String,
    pub(crate) lines: BTreeMap<CallNo, Line>,
    pub(crate) count: u32,
    registration: Registration,
}

impl Phone {
    /// A phone that has not said anything yet.
    pub fn new(mut settings: Settings) -> Self {
        let mut names = Names::new(settings.seed);
        let registration = Registration::new(&settings, &mut names);
        let voice = std::mem::take(&mut settings.voice).into();
        let tag = names.next();
        Phone { settings, names, voice, tag, lines: BTreeMap::new(), count: 0, registration }
    }

    /// How well a call is heard so far.
    pub fn quality(&self, call: CallNo) -> Option<Quality> {
        self.lines.get(&call).map(|line| line.audio.quality())
    }

    /// Calls there are, those included whose last messages are still on their way.
    pub fn calls(&self) -> impl Iterator<Item = CallNo> {
        self.lines.keys().copied()
    }

    fn registration<T>(
        &mut self,
        now: Moment,
        out: &mut Outbox<Out>,
        step: impl FnOnce(&mut Registration, &mut Desk<'_>) -> T,
    ) -> T {
        let mut desk = Desk { settings: &self.settings, names: &mut self.names, now, out };
        step(&mut self.registration, &mut desk)
    }

    /// The server that the phone talks to.
    pub(crate) fn server(&self) -> usize {
        self.registration.server()
    }

    /// `server` doesn't answer; says which one is next.
    pub(crate) fn leave(&mut self, server: usize, now: Moment, out: &mut Outbox<Out>) -> usize {
        self.registration(now, out, |registration, desk| registration.leave(server, desk))
    }

    /// What is of a call goes where the call was begun.
    pub(crate) fn say(&self, server: usize, messages: Vec<Vec<u8>>, out: &mut Outbox<Out>) {
        let is_beside = server != self.server();
        messages.into_iter().for_each(|bytes| match is_beside {
            true => out.emit(Out::Beside(server, bytes)),
            false => out.emit(Out::Sip(bytes)),
        });
    }

    fn sip(&mut self, now: Moment, bytes: &[u8], out: &mut Outbox<Out>) {
        let Ok(message) = Message::parse(bytes) else { return };
        if let Err(refusal) = message.check() {
            // What can't be repeated in an answer gets none.
            let is_answerable = message.top_via().is_ok()
                && message.from().is_ok()
                && message.to().is_ok()
                && message.call_id().is_ok()
                && message.cseq().is_ok();
            if is_answerable {
                self.answer_stray(&message, refusal.status, out);
            }
            return;
        }
        if self.registration.owns(&message) {
            return self.registration(now, out, |registration, desk| registration.receive(&message, desk));
        }
        let owner = self.lines.values().find(|line| line.owns(&message)).map(|line| line.number);
        match (owner, message.method()) {
            (Some(number), _) => {
                self.on_line(number, now, out, |leg, env, legs| leg.receive(now, &message, env, legs));
            }
            (None, Some(Method::Invite)) => self.invited(&message, now, out),
            (None, Some(Method::Options)) => self.answer_stray(&message, Status::OK, out),
            (None, _) => self.answer_stray(&message, Status::CALL_DOES_NOT_EXIST, out),
        }
    }

    /// Answers a request that is of no call.
    fn answer_stray(&mut self, message: &Message<&[u8]>, status: Status, out: &mut Outbox<Out>) {
        if !matches!(message.method(), None | Some(Method::Ack)) {
            let mut bytes = Vec::new();
            respond(message, status, None, Some(&self.tag), &mut bytes)
                .header(Name::Allow, "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS")
                .header(Name::Accept, "application/sdp")
                .empty_body();
            out.emit(Out::Sip(bytes));
        }
    }

    fn audio(&mut self, now: Moment, slot: usize, bytes: &[u8], out: &mut Outbox<Out>) {
        let line = self.lines.values_mut().find(|line| line.slot == slot && !line.is_told_over);
        if let Some(line) = line
            && let Some(digit) = line.audio.receive(now, bytes)
        {
            out.emit(Out::Event(Event::Digit(line.number, digit)));
        }
    }

    fn command(&mut self, command: Command, now: Moment, out: &mut Outbox<Out>) {
        match command {
            Command::Register => {
                let expires = self.settings.expires;
                self.registration(now, out, |registration, desk| registration.ask(expires, desk));
            }
            Command::Unregister => {
                self.registration(now, out, |registration, desk| registration.ask(0, desk))
            }
            Command::Call(whom) => self.call(&whom, now, out),
            Command::SpeakEarly(number) => self.speak_early(number, now, out),
            Command::Answer(number) => self.answer(number, now, out),
            Command::Refuse(number, status) => {
                let command = LegCommand::Reject { status, reason: None, headers: Vec::new() };
                self.command_line(number, command, now, out);
            }
            Command::HangUp(number) => self.hang_up(number, now, out),
            Command::Hold(number) => self.hold(number, Direction::SendOnly, now, out),
            Command::Resume(number) => self.hold(number, Direction::SendRecv, now, out),
            Command::Press(number, digits) => {
                if let Some(line) = self.lines.get_mut(&number) {
                    line.press(&digits, &self.settings, now);
                }
            }
            Command::Say(number, voice) => {
                if let Some(line) = self.lines.get_mut(&number) {
                    line.audio.say(voice.into());
                }
            }
        }
    }

    fn hang_up(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.hang_up_at = None;
            line.is_heard();
        }
        self.command_line(number, LegCommand::Bye { reason: None }, now, out);
    }

    fn hold(&mut self, number: CallNo, direction: Direction, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let command = line.reoffer(direction);
        self.command_line(number, command, now, out);
    }

    /// Lets what is due on a line take effect.
    fn expire_line(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let (packets, slot) = (line.packets(now), line.slot);
        emit_packets(packets, slot, out);
        let is_due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        if is_due(line.report_at) {
            line.report_at = self.settings.report.map(|every| now.after(every));
            out.emit(Out::Event(Event::Heard(number, line.audio.quality())));
        }
        let is_silent = is_due(line.silent_at);
        let (answer, hang_up) = (is_due(line.answer_at), is_due(line.hang_up_at));
        if let Some(info) = line.digit_due(now) {
            self.command_line(number, info, now, out);
        }
        if answer {
            self.answer(number, now, out);
        }
        if is_silent {
            self.dial_elsewhere(number, now, out);
        }
        if hang_up {
            self.hang_up(number, now, out);
        }
        if self.lines.get(&number).is_some_and(|line| is_due(line.leg.deadline())) {
            self.on_line(number, now, out, |leg, env, legs| leg.expire(now, env, legs));
        }
    }
}

pub(crate) fn emit_packets(packets: Packets, slot: usize, out: &mut Outbox<Out>) {
    packets.rtp.into_iter().for_each(|(to, bytes)| out.emit(Out::Rtp(slot, to, bytes)));
    packets.rtcp.into_iter().for_each(|(to, bytes)| out.emit(Out::Rtcp(slot, to, bytes)));
}

impl Machine for Phone {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        match input {
            In::Sip(bytes) => self.sip(now, &bytes, out),
            In::Audio(slot, bytes) => self.audio(now, slot, &bytes, out),
            In::Reconnected => {
                self.registration(now, out, |registration, desk| registration.reconnected(desk));
            }
            In::Command(command) => self.command(command, now, out),
        }
    }

    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        if self.registration.deadline().is_some_and(|at| at <= now) {
            let is_idle = self.lines.is_empty();
            self.registration(now, out, |registration, desk| registration.expire(is_idle, desk));
        }
        let due = |(number, line): (&CallNo, &Line)| line.deadline().filter(|&at| at <= now).map(|_| *number);
        for number in self.lines.iter().filter_map(due).collect::<Vec<_>>() {
            self.expire_line(number, now, out);
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        let lines = self.lines.values().filter_map(Line::deadline).min();
        [self.registration.deadline(), lines].into_iter().flatten().min()
    }
}
