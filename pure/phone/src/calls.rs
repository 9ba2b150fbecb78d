//! Calls out and in: what a leg tells, and what the phone makes of it.

use std::sync::Arc;

use machine::{Moment, Outbox};
use sip::leg::{EndedBy, Env, Identity, Leg, LegCommand, LegEvent, LegOut, Login, Reception};
use sip::{Message, Status};

use crate::audio::Audio;
use crate::line::{EVENT, Line, Media};
use crate::phone::{Phone, emit_packets};
use crate::settings::OnCall;
use crate::talk::{CallNo, Event, Out};

/// What a leg says of a peer that said nothing at all.
const NO_RESPONSE: &str = "No response";

impl Phone {
    fn free_slot(&self) -> Option<usize> {
        let taken = |slot: &usize| self.lines.values().any(|line| line.slot == *slot && !line.is_told_over);
        (0..self.settings.audio.len()).find(|slot| !taken(slot))
    }

    fn login(&self) -> Option<Login> {
        let password = self.settings.password.clone()?;
        Some(Login { user: self.settings.user.clone(), password })
    }

    /// Lets a leg do something with what it needs of the phone.
    fn with_leg<T>(&mut self, step: impl FnOnce(&mut Env<'_>, &mut LegOut) -> T) -> (T, LegOut) {
        let mut legs = LegOut::default();
        let names = &mut self.names;
        let mut branch = || names.next();
        let mut env = Env { timing: &self.settings.timing, branch: &mut branch, user_agent: crate::AGENT };
        let done = step(&mut env, &mut legs);
        (done, legs)
    }

    fn add(&mut self, leg: Leg, slot: usize, media: Media) -> CallNo {
        self.count += 1;
        let number = CallNo(self.count);
        let voice = Arc::clone(&self.voice);
        let mut audio = Audio::new(voice, self.settings.record, EVENT, self.names.number());
        audio.is_mute = self.settings.mute;
        let mut line = Line::new(number, leg, slot, media, audio);
        line.server = self.server();
        self.lines.insert(number, line);
        number
    }

    fn media(&mut self, slot: usize) -> Media {
        let id = self.names.number() >> 16;
        Media::new(self.settings.audio[slot], id)
    }

    /// Calls a name of the own domain, or a whole URI.
    pub(crate) fn call(&mut self, whom: &str, now: Moment, out: &mut Outbox<Out>) {
        let Some(slot) = self.free_slot() else {
            self.count += 1;
            return out.emit(Out::Event(Event::Over {
                call: CallNo(self.count),
                refused: Some(Status::BUSY_HERE),
                by_us: true,
                cause: "no line is free".to_owned(),
                quality: crate::Quality::default(),
                heard: Vec::new(),
            }));
        };
        let mut media = self.media(slot);
        let (leg, legs) = self.dial(whom, &mut media, now);
        let number = self.add(leg, slot, media);
        if let Some(line) = self.lines.get_mut(&number)
            && self.settings.servers > 1
        {
            line.dialed = Some((whom.to_owned(), 0));
            line.silent_at = Some(now.after(self.settings.patience));
        }
        self.take(number, legs, now, out);
    }

    /// The server says nothing to a call, or that it can't: the call is begun anew at the next one. Whether there is
    /// one that was not tried.
    pub(crate) fn dial_elsewhere(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) -> bool {
        let Some(line) = self.lines.get_mut(&number) else { return false };
        line.silent_at = None;
        let Some((whom, failed)) = line.dialed.take() else { return false };
        let (slot, server) = (line.slot, line.server);
        if failed + 1 >= self.settings.servers {
            return false;
        }
        let server = self.leave(server, now, out);
        let mut media = self.media(slot);
        let (leg, legs) = self.dial(&whom, &mut media, now);
        if let Some(line) = self.lines.get_mut(&number) {
            line.begin_anew(leg, media);
            line.server = server;
            line.dialed = Some((whom, failed + 1));
            line.silent_at = Some(now.after(self.settings.patience));
        }
        self.take(number, legs, now, out);
        true
    }

    fn dial(&mut self, whom: &str, media: &mut Media, now: Moment) -> (Leg, LegOut) {
        let is_uri = ["sip:", "sips:", "tel:"].iter().any(|scheme| whom.starts_with(scheme));
        let target = if is_uri { whom.to_owned() } else { format!("sip:{whom}@{}", self.settings.domain) };
        let identity = Identity {
            call_id: format!("{}@{}", self.names.next(), self.settings.local.ip()),
            local: format!("<sip:{}@{}>", self.settings.user, self.settings.domain),
            local_tag: self.names.next(),
            remote: format!("<{target}>"),
            target,
            contact: self.settings.contact(),
            reliable: self.settings.is_reliable(),
            sent_by: self.settings.local.to_string(),
            via_transport: self.settings.via().to_owned(),
            login: self.login(),
            early_offers: true,
            ..Identity::default()
        };
        let body = media.offer();
        self.with_leg(|env, legs| Leg::dial(identity, Some(&body), &[], now, env, legs))
    }

    /// Is called by somebody.
    pub(crate) fn invited(&mut self, invite: &Message<&[u8]>, now: Moment, out: &mut Outbox<Out>) {
        let reception = Reception {
            local_tag: self.names.next(),
            contact: self.settings.contact(),
            reliable: self.settings.is_reliable(),
            sent_by: self.settings.local.to_string(),
            via_transport: self.settings.via().to_owned(),
            login: self.login(),
            early_offers: true,
        };
        let (leg, legs) = self.with_leg(|env, legs| Leg::invited(invite, reception, now, env, legs));
        let leg = match leg {
            Ok(leg) => leg,
            Err(refusal) => return out.emit(Out::Sip(refusal.respond(invite, &self.tag))),
        };
        let (slot, refusal) = match (self.settings.on_call, self.free_slot()) {
            (OnCall::Refuse(status), _) => (0, Some(status)),
            (OnCall::Ring | OnCall::Answer(_), None) => (0, Some(Status::BUSY_HERE)),
            (OnCall::Ring | OnCall::Answer(_), Some(slot)) => (slot, None),
        };
        if let Some(status) = refusal {
            return self.turn_away(leg, legs, status, now, out);
        }
        let media = self.media(slot);
        let number = self.add(leg, slot, media);
        let caller = invite.from().map(|from| String::from_utf8_lossy(from.uri_bytes).into_owned());
        out.emit(Out::Event(Event::Incoming(number, caller.unwrap_or_default())));
        self.take(number, legs, now, out);
    }

    /// Refuses a call that nobody hears of; its leg stays until the refusal is acknowledged.
    fn turn_away(&mut self, leg: Leg, legs: LegOut, status: Status, now: Moment, out: &mut Outbox<Out>) {
        self.say(self.server(), legs.send, out);
        let nowhere = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
        let number = self.add(leg, usize::MAX, Media::new(nowhere, 0));
        if let Some(line) = self.lines.get_mut(&number) {
            line.is_told_over = true;
        }
        let command = LegCommand::Reject { status, reason: None, headers: Vec::new() };
        self.command_line(number, command, now, out);
    }

    /// Lets a line's leg do something, and carries out what comes of it.
    pub(crate) fn on_line(
        &mut self,
        number: CallNo,
        now: Moment,
        out: &mut Outbox<Out>,
        step: impl FnOnce(&mut Leg, &mut Env<'_>, &mut LegOut),
    ) {
        let Some(mut line) = self.lines.remove(&number) else { return };
        let ((), legs) = self.with_leg(|env, legs| step(&mut line.leg, env, legs));
        self.lines.insert(number, line);
        self.take(number, legs, now, out);
    }

    pub(crate) fn command_line(
        &mut self,
        number: CallNo,
        command: LegCommand,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        self.on_line(number, now, out, |leg, env, legs| leg.command(now, command, env, legs));
    }

    fn take(&mut self, number: CallNo, legs: LegOut, now: Moment, out: &mut Outbox<Out>) {
        let server = self.lines.get(&number).map_or(self.server(), |line| line.server);
        self.say(server, legs.send, out);
        for event in legs.events {
            self.happened(number, event, now, out);
        }
        if self.lines.get(&number).is_some_and(Line::is_over) {
            self.lines.remove(&number);
        }
    }

    fn happened(&mut self, number: CallNo, event: LegEvent, now: Moment, out: &mut Outbox<Out>) {
        let is_away = |status| matches!(status, Status::SERVICE_UNAVAILABLE | Status::FLOW_FAILED);
        if let LegEvent::Refused { status, reason, .. } = &event
            && (is_away(*status) || reason == NO_RESPONSE)
            && self.lines.contains_key(&number)
            && self.dial_elsewhere(number, now, out)
        {
            return;
        }
        let Some(line) = self.lines.get_mut(&number) else { return };
        match &event {
            LegEvent::Trying => line.silent_at = None,
            LegEvent::Progress { .. } | LegEvent::Answered { .. } => line.is_heard(),
            _ => {}
        }
        let Some(line) = self.lines.get_mut(&number) else { return };
        let mut tell = |event| out.emit(Out::Event(event));
        match event {
            LegEvent::Invited { offer } => self.ring(number, offer, now, out),
            LegEvent::Progress { status, sdp } => {
                line.answered(sdp.as_deref(), now);
                tell(Event::Ringing(number, status));
            }
            LegEvent::Answered { sdp } => {
                line.answered(sdp.as_deref(), now);
                line.came_up(&self.settings, now);
                tell(Event::Answered(number));
            }
            LegEvent::Confirmed { sdp } => line.answered(sdp.as_deref(), now),
            LegEvent::Offer { sdp, .. } => self.offered(number, sdp, now, out),
            LegEvent::Reoffered { sdp } => line.answered(Some(&sdp), now),
            LegEvent::ReofferRefused { status } => {
                line.reoffer_refused();
                tell(Event::NotHeld(number, status));
            }
            LegEvent::Info { body, .. } => {
                if let Some(digit) = digit_in(&body) {
                    tell(Event::Digit(number, digit));
                }
            }
            LegEvent::Refused { status, reason, .. } => {
                self.over(number, (Some(status), false, &reason), now, out);
            }
            LegEvent::Cancelled { .. } => {
                let refused = Some(Status::REQUEST_TERMINATED);
                self.over(number, (refused, false, "the caller gave up"), now, out);
            }
            LegEvent::Ended { by, reason } => {
                let cause = reason.unwrap_or_else(|| cause(by).to_owned());
                self.over(number, (None, by == EndedBy::Us, &cause), now, out);
            }
            LegEvent::Trying | LegEvent::NoAck | LegEvent::OfferWithdrawn => {}
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

    /// Speaks to a caller that offered something, before it answers.
    pub(crate) fn speak_early(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let Some(Some(offer)) = line.pending.clone() else { return };
        if let Some(sdp) = line.answer(Some(&offer), now) {
            line.spoke_early = true;
            let command = LegCommand::Progress { status: Status::SESSION_PROGRESS, sdp: Some(sdp) };
            self.command_line(number, command, now, out);
        }
    }

    /// Answers a call that rings.
    pub(crate) fn answer(&mut self, number: CallNo, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.answer_at = None;
        let Some(offer) = line.pending.take() else { return };
        let agreed = match line.spoke_early {
            true => Some(None),
            false => line.answer(offer.as_deref(), now).map(Some),
        };
        let command = match agreed {
            Some(sdp) => {
                line.came_up(&self.settings, now);
                out.emit(Out::Event(Event::Answered(number)));
                LegCommand::Answer { sdp }
            }
            None => {
                LegCommand::Reject { status: Status::NOT_ACCEPTABLE_HERE, reason: None, headers: Vec::new() }
            }
        };
        self.command_line(number, command, now, out);
    }

    /// The other side wants to change the call.
    fn offered(&mut self, number: CallNo, sdp: Option<Vec<u8>>, now: Moment, out: &mut Outbox<Out>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        let command = match line.answer(sdp.as_deref(), now) {
            Some(answer) => {
                if let Some(held) = line.hold_changed(sdp.as_deref()) {
                    out.emit(Out::Event(Event::Held(number, held)));
                }
                LegCommand::AcceptOffer { sdp: answer }
            }
            None => LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE },
        };
        self.command_line(number, command, now, out);
    }

    fn over(
        &mut self,
        number: CallNo,
        (refused, by_us, cause): (Option<Status>, bool, &str),
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        if std::mem::replace(&mut line.is_told_over, true) {
            return;
        }
        // Nobody takes up any more what the caller has given up.
        line.pending = None;
        let (packets, slot) = (line.went_down(now), line.slot);
        let (quality, heard) = (line.audio.quality(), line.audio.take_heard());
        emit_packets(packets, slot, out);
        let cause = cause.to_owned();
        out.emit(Out::Event(Event::Over { call: number, refused, by_us, cause, quality, heard }));
    }
}

/// A digit in an INFO: `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`).
fn digit_in(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|row| {
        let (name, value) = row.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
    });
    let mut digits = signal.unwrap_or_else(|| text.trim()).chars();
    digits.next().filter(|&digit| digits.next().is_none() && rtp::event::code(digit).is_some())
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
