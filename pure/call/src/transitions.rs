//! The diagram of [`State`] as code: who may do what when, and what becomes of the call.

use sip::Status;
use sip::leg::LegEvent as Leg;

use crate::asking::Topic;
use crate::audio::Side;
use crate::context::Context;
use crate::ending::{End, cause_of, reason_of};
use crate::ring::Refused;
use crate::state::{Ending, Happening, Routing, State, Talking};
use crate::{Call, LegNo, Route};

impl Call {
    /// Lets one thing happen.
    pub(crate) fn step(&mut self, what: Happening, cx: &mut Context<'_>) {
        let Some(what) = self.left_behind(what, cx) else { return };
        let nowhere = State::Ending(Ending::default());
        self.state = match std::mem::replace(&mut self.state, nowhere) {
            State::Ending(it) => self.while_ending(it, what, cx),
            state => match self.how_it_ends(&state, &what) {
                Some(end) => self.end(end, cx),
                None => match state {
                    State::Routing(it) => self.while_routing(it, what, cx),
                    State::Anchoring(it) => self.while_anchoring(it, what, cx),
                    State::Ringing(it) => self.while_ringing(it, what, cx),
                    State::Talking(it) => self.while_talking(it, what, cx),
                    State::Served(it) => self.while_served(it, what, cx),
                    State::Ending(it) => State::Ending(it),
                },
            },
        };
    }

    /// What ends a call in whatever state it is.
    fn how_it_ends(&self, state: &State, what: &Happening) -> Option<End> {
        let was_answered = self.chronicle.answered.is_some();
        match what {
            Happening::Caller(Leg::Cancelled { reason }) => Some(End::cancelled(reason.clone())),
            Happening::Caller(Leg::Ended { by, reason }) if was_answered => {
                let reason = reason.clone().or_else(|| reason_of(*by));
                Some(End::talked(cause_of(*by, "caller")).because(reason))
            }
            Happening::Caller(Leg::Ended { .. }) => Some(End::cancelled(None)),
            Happening::Callee(leg, Leg::Ended { by, reason }) if state.peer() == Some(*leg) => {
                let reason = reason.clone().or_else(|| reason_of(*by));
                Some(End::talked(cause_of(*by, "callee")).because(reason))
            }
            Happening::HangUp(reason) => Some(End::by_hand(was_answered, reason)),
            Happening::Silent if was_answered => Some(End::talked("no audio any more")),
            Happening::Spent(why) => Some(End::talked(*why)),
            _ => None,
        }
    }

    /// Whom does the caller want, and who pays? Both are asked at once.
    fn while_routing(&mut self, it: Routing, what: Happening, cx: &mut Context<'_>) -> State {
        match what {
            Happening::Routed(route) => self.routed(it, route, cx),
            Happening::Reserved(reserved) => match self.billing.reserved(&reserved, cx.settings()) {
                true => self.set_out(Routing { is_funded: true, ..it }, cx),
                false => self.end(End::refused(Status::PAYMENT_REQUIRED, "no credit"), cx),
            },
            // Better an unpaid call than none: the offline limit bounds it.
            Happening::GaveUp(Topic::Reserve) => self.set_out(Routing { is_funded: true, ..it }, cx),
            Happening::GaveUp(Topic::Route) => {
                self.end(End::failed(Status::SERVICE_UNAVAILABLE, "nobody knew the way"), cx)
            }
            _ => State::Routing(it),
        }
    }

    /// A place for the audio is being found.
    fn while_anchoring(&mut self, plan: crate::state::Plan, what: Happening, cx: &mut Context<'_>) -> State {
        match what {
            Happening::Anchored(anchored) => self.anchored(plan, anchored, cx),
            Happening::GaveUp(Topic::Anchor) => {
                self.end(End::failed(Status::SERVICE_UNAVAILABLE, "media could not be reached"), cx)
            }
            Happening::Reserved(reserved) => {
                self.late_reserved(&reserved, cx);
                State::Anchoring(plan)
            }
            _ => State::Anchoring(plan),
        }
    }

    /// Phones are being called.
    fn while_ringing(
        &mut self,
        mut it: crate::ring::Ringing,
        what: Happening,
        cx: &mut Context<'_>,
    ) -> State {
        match what {
            Happening::Callee(leg, Leg::Progress { status, sdp }) => {
                self.progress(it, leg, (status, sdp), cx)
            }
            Happening::Callee(leg, Leg::Answered { sdp }) => self.answered(it, leg, sdp, cx),
            Happening::Callee(leg, Leg::Refused { status, contacts, retry_after, cause, .. }) => {
                let refused = Refused { status, retry_after, cause };
                self.phone_refused(it, leg, refused, contacts, cx)
            }
            Happening::Callee(leg, Leg::Ended { .. }) => {
                let refused = Refused::of(Status::TEMPORARILY_UNAVAILABLE);
                self.phone_refused(it, leg, refused, Vec::new(), cx)
            }
            Happening::Routed(route) => self.redirected(it, route, cx),
            Happening::GaveUp(Topic::Route) => {
                self.redirected(it, Route::refuse(Status::SERVICE_UNAVAILABLE), cx)
            }
            Happening::HuntOn => self.hunt_on(it, cx),
            Happening::RungOut if self.gives_up.is_some_and(|at| at <= cx.now) => {
                self.end(End::expired(), cx)
            }
            Happening::RungOut => self.end(End::no_answer(), cx),
            Happening::Reserved(reserved) => {
                self.late_reserved(&reserved, cx);
                State::Ringing(it)
            }
            Happening::Caller(Leg::Offer { .. }) => {
                self.refuse_offer(Side::Caller, None, cx);
                State::Ringing(it)
            }
            Happening::Anchored(anchored) => {
                self.check_anchor(anchored, cx);
                self.renew_early(&mut it, cx);
                State::Ringing(it)
            }
            Happening::Caller(Leg::Reoffered { sdp }) => {
                self.updated_early(&it, LegNo::CALLER, &sdp, cx);
                State::Ringing(it)
            }
            Happening::Callee(leg, Leg::Reoffered { sdp }) => {
                self.updated_early(&it, leg, &sdp, cx);
                State::Ringing(it)
            }
            _ => State::Ringing(it),
        }
    }

    /// Two phones talk.
    fn while_talking(&mut self, mut it: Talking, what: Happening, cx: &mut Context<'_>) -> State {
        let (side, event) = match what {
            Happening::Caller(event) => (Side::Caller, event),
            Happening::Callee(leg, event) if leg == it.peer => (Side::Callee, event),
            // A phone that lost the race: its leg sees to itself.
            Happening::Callee(..) => return State::Talking(it),
            Happening::Reserved(reserved) => {
                self.late_reserved(&reserved, cx);
                return State::Talking(it);
            }
            Happening::Anchored(anchored) => {
                self.check_anchor(anchored, cx);
                self.renew(&mut it, cx);
                return State::Talking(it);
            }
            Happening::TellAgain => {
                self.renew(&mut it, cx);
                return State::Talking(it);
            }
            _ => return State::Talking(it),
        };
        match event {
            Leg::Offer { sdp, method } => self.offered(&mut it, side, (sdp, method), cx),
            Leg::OfferWithdrawn => it.offering.withdrawn(side),
            Leg::Reoffered { sdp } => self.offer_answered(&mut it, side, &sdp, cx),
            Leg::ReofferRefused { status } => self.offer_refused(&mut it, side, status, cx),
            Leg::Confirmed { sdp } => self.confirmed(&mut it, sdp, cx),
            Leg::Info { content_type, body } => self.pass_info(it.peer, side, content_type, body, cx),
            // Another answer of the phone that won, or what its leg has dealt with.
            Leg::Trying | Leg::Progress { .. } | Leg::Answered { .. } | Leg::Invited { .. } => {}
            Leg::Refused { .. } | Leg::Cancelled { .. } | Leg::NoAck | Leg::Ended { .. } => {}
        }
        self.renew(&mut it, cx);
        State::Talking(it)
    }
}

impl State {
    /// The leg that answered.
    pub(crate) fn peer(&self) -> Option<crate::LegNo> {
        match self {
            State::Talking(it) => Some(it.peer),
            State::Routing(_) | State::Anchoring(_) | State::Ringing(_) => None,
            State::Served(_) | State::Ending(_) => None,
        }
    }
}
