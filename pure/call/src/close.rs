use machine::Moment;
use sip::Status;
use sip::leg::{LegCommand, LegEvent as Leg, LegOut};

use crate::asking::Topic;
use crate::context::Context;
use crate::ending::End;
use crate::state::{Ending, Happening, State};
use crate::{Call, CallOut, LegNo, World};

/// From the end of the talk to the end of the call.
impl Call {
    /// The call is over: everybody is told, the audio is released, the money settled.
    pub(crate) fn end(&mut self, end: End, cx: &mut Context<'_>) -> State {
        self.chronicle.ended = cx.now;
        self.chronicle.end = Some(end.clone());
        self.billing.stop();
        self.asking.close_all();
        let headers: Vec<_> = end.reason.iter().map(|reason| ("Reason".to_owned(), reason.clone())).collect();
        for leg in self.parties.iter().map(|party| party.no).collect::<Vec<_>>() {
            self.end_leg(leg, &end, &headers, cx);
        }
        let there = &cx.settings().media;
        if self.audio.was_wished() && !self.audio.is_direct() && !self.audio.misses_node(there) {
            self.ask(Topic::Release, cx);
        }
        if self.billing.serial > 0 {
            self.ask(Topic::Settle, cx);
        }
        self.audio = std::mem::take(&mut self.audio).over(there);
        self.leave_sessions(cx);
        self.close(Ending::default(), cx)
    }

    /// Ends a call about which no more can be decided, such as one whose deadline panics each time: everybody
    /// is told once and nobody is waited for, so that no deadline of a leg is left; the audio is released, the
    /// money settled, and the record says `why`. Called again (or when the call was ending anyway), it does not
    /// wait for accounts either: the record is due at once.
    pub fn abandon(&mut self, why: &str, world: &World<'_>, now: Moment, out: &mut CallOut) {
        out.keep = true;
        let mut cx = Context::new(world, now, out);
        let nowhere = State::Ending(Ending::default());
        self.state = match std::mem::replace(&mut self.state, nowhere) {
            State::Ending(it) => {
                self.abandon_legs(Status::SERVER_INTERNAL_ERROR, None, &mut cx);
                for topic in [Topic::Release, Topic::Settle] {
                    if self.asking.is_open(topic) {
                        self.repeat(topic, &mut cx);
                    }
                }
                self.asking.close_all();
                self.close(it, &mut cx)
            }
            _ => {
                let end = match self.chronicle.answered {
                    Some(_) => End::talked(why),
                    None => End::failed(Status::SERVER_INTERNAL_ERROR, why),
                };
                let end = end.because(Some(format!("SIP;cause=500;text=\"{why}\"")));
                self.abandon_legs(end.status, end.reason.as_deref(), &mut cx);
                self.end(end, &mut cx)
            }
        };
        self.settle_down(&mut cx);
    }

    fn abandon_legs(&mut self, status: Status, reason: Option<&str>, cx: &mut Context<'_>) {
        let lent = (cx.mint(), cx.settings());
        for party in &mut self.parties {
            let mut out = LegOut::default();
            self.namer.lend(lent, |env| party.leg.abandon((status, reason), cx.now, env, &mut out));
            cx.take(party.no, out);
        }
    }

    pub(crate) fn while_ending(&mut self, mut it: Ending, what: Happening, cx: &mut Context<'_>) -> State {
        match what {
            Happening::Released(released) => self.chronicle.sounded(released.quality),
            // The record can do without the quality.
            Happening::GaveUp(Topic::Release) => self.asking.close(Topic::Release),
            Happening::Settled(settled) => self.billing.settled = Some(settled),
            Happening::Kept => it.is_kept = true,
            // A phone that was picked up when it was too late.
            Happening::Callee(leg, Leg::Answered { .. }) => self.too_late(leg, cx),
            Happening::Caller(_) | Happening::Callee(..) => {}
            Happening::Routed(_) | Happening::Anchored(_) | Happening::Instructed(_) => {}
            Happening::Reserved(_) | Happening::GaveUp(_) | Happening::Spent(_) => {}
            Happening::Digit(..) | Happening::Said(_) | Happening::Silent => {}
            Happening::Left(..) | Happening::TellAgain => {}
            Happening::RungOut | Happening::HuntOn | Happening::HangUp(_) => {}
        }
        self.close(it, cx)
    }

    /// Once all accounts are closed, the record is complete.
    fn close(&mut self, it: Ending, cx: &mut Context<'_>) -> State {
        let waits =
            [Topic::Release, Topic::Settle, Topic::Keep].iter().any(|topic| self.asking.is_open(*topic));
        if !waits && !it.is_kept {
            self.ask(Topic::Keep, cx);
        }
        State::Ending(it)
    }

    fn too_late(&mut self, leg: LegNo, cx: &mut Context<'_>) {
        self.command(leg, LegCommand::Bye { reason: None }, cx);
    }
}
