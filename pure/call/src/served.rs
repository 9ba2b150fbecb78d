use contract::app::{Event, Instruction, Instructions};
use sip::Status;
use sip::leg::{LegCommand, LegEvent as Leg};

use crate::app::{App, digit_of_info};
use crate::asking::Topic;
use crate::context::Context;
use crate::ending::End;
use crate::state::{Happening, Served, State};
use crate::{Call, LegNo};

/// An app has the call.
impl Call {
    /// Gives the call to an app.
    pub(crate) fn serve(&mut self, name: String, cx: &mut Context<'_>) -> State {
        self.chronicle.callee = format!("app:{name}");
        let (caller, dialed) = (self.caller.user.clone(), self.chronicle.dialed.clone());
        self.app = Some(App::offered(name, caller, dialed));
        self.ask(Topic::App, cx);
        State::Served(Served::default())
    }

    pub(crate) fn while_served(&mut self, mut it: Served, what: Happening, cx: &mut Context<'_>) -> State {
        match what {
            Happening::Instructed(instructions) => return self.instructed(it, instructions, cx),
            Happening::GaveUp(Topic::App) if it.is_answered => {
                return self.end(End::talked("the app did not respond"), cx);
            }
            Happening::GaveUp(Topic::App) => {
                let end = End::failed(Status::SERVER_INTERNAL_ERROR, "the app did not respond");
                return self.end(end, cx);
            }
            Happening::Caller(Leg::Confirmed { sdp }) => {
                if it.awaits_answer && self.hear_answer(&mut it, sdp.as_deref(), cx).is_err() {
                    return self.end(End::talked("the caller's ACK had no usable answer"), cx);
                }
                self.tell_app(Event::Answered, cx);
            }
            Happening::Caller(Leg::Offer { sdp, .. }) => self.app_offered(&mut it, sdp, cx),
            Happening::Caller(Leg::Reoffered { sdp }) => {
                // An answer that can't be read changes nothing.
                let _ = self.hear_answer(&mut it, Some(&sdp), cx);
                self.app_moved(&mut it, None, cx);
            }
            Happening::Caller(Leg::ReofferRefused { status }) => self.app_moved(&mut it, Some(status), cx),
            Happening::Caller(Leg::Info { content_type, body }) => {
                if let Some(digit) = digit_of_info(&content_type, &body) {
                    self.tell_app(Event::Digit { digit }, cx);
                }
            }
            Happening::Digit(digit, serial) => {
                if let Some(event) = self.app.as_mut().and_then(|app| app.pressed(digit, serial)) {
                    self.tell_app(event, cx);
                }
            }
            Happening::Said(serial) => self.app_was_heard(serial, cx),
            Happening::Reserved(reserved) => self.late_reserved(&reserved, cx),
            Happening::Anchored(anchored) => self.check_anchor(anchored, cx),
            _ => {}
        }
        self.renew_for_app(&mut it, cx);
        State::Served(it)
    }

    /// Does what the app wants, in order.
    fn instructed(&mut self, mut it: Served, wanted: Instructions, cx: &mut Context<'_>) -> State {
        let is_more = self.app.as_mut().is_some_and(|app| app.stands_at(wanted.position));
        for instruction in wanted.instructions {
            let end = match instruction {
                Instruction::Answer if !it.is_answered => self.answer_for_app(&mut it, cx).err(),
                Instruction::Answer | Instruction::Unknown => None,
                Instruction::Play { sounds } => {
                    self.audio.play(sounds);
                    self.ask(Topic::Anchor, cx);
                    None
                }
                Instruction::HangUp | Instruction::Refuse { .. } if it.is_answered => {
                    Some(End::talked("the app hung up"))
                }
                Instruction::HangUp => {
                    Some(End::refused(Status::TEMPORARILY_UNAVAILABLE, "refused by the app"))
                }
                Instruction::Refuse { status } => {
                    let status = Status::new(status).filter(|status| status.class() >= 4);
                    let status = status.unwrap_or(Status::TEMPORARILY_UNAVAILABLE);
                    Some(End::refused(status, "refused by the app"))
                }
            };
            if let Some(end) = end {
                return self.end(end, cx);
            }
        }
        if is_more {
            self.ask(Topic::App, cx);
        }
        State::Served(it)
    }

    fn answer_for_app(&mut self, it: &mut Served, cx: &mut Context<'_>) -> Result<(), End> {
        it.awaits_answer = self.audio.is_offerless();
        let sdp = self.audio.answer_alone(None, self.id);
        let sdp = sdp.map_err(|_| End::refused(Status::NOT_ACCEPTABLE_HERE, "no codec in common"))?;
        it.is_answered = true;
        self.command(LegNo::CALLER, LegCommand::Answer { sdp: Some(sdp) }, cx);
        self.goes_live(cx);
        Ok(())
    }

    /// The caller changes the session: we answer for the app.
    fn app_offered(&mut self, it: &mut Served, sdp: Option<Vec<u8>>, cx: &mut Context<'_>) {
        let command = match self.audio.answer_alone(Some(sdp.as_deref().unwrap_or_default()), self.id) {
            Ok(answer) => {
                it.awaits_answer = sdp.is_none();
                LegCommand::AcceptOffer { sdp: answer }
            }
            Err(_) => LegCommand::RefuseOffer { status: Status::NOT_ACCEPTABLE_HERE },
        };
        self.wish(cx);
        self.command(LegNo::CALLER, command, cx);
    }

    fn hear_answer(&mut self, it: &mut Served, sdp: Option<&[u8]>, cx: &mut Context<'_>) -> Result<(), ()> {
        it.awaits_answer = false;
        self.audio.hear_answer(crate::audio::Side::Caller, sdp.ok_or(())?).map_err(|_| ())?;
        self.wish(cx);
        Ok(())
    }

    fn app_was_heard(&mut self, serial: u32, cx: &mut Context<'_>) {
        if self.audio.said(serial) {
            self.tell_app(Event::Played, cx);
        }
    }

    /// Tells the app, as soon as it has answered all before.
    fn tell_app(&mut self, event: Event, cx: &mut Context<'_>) {
        if self.app.as_mut().is_some_and(|app| app.tell(event)) {
            self.ask(Topic::App, cx);
        }
    }
}
