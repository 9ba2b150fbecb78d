//! The session moves: its media node dies, does not answer or has no room, or somebody wants it elsewhere. Another
//! node builds it first; then both phones are told by re-INVITE (RFC 3264 8, RFC 3261 14); what is left of it on
//! the former node is released last.
//!
//! A phone that rings can't be told, but for one whose voice is heard already (`early.rs`). It is told as soon as it has
//! answered.

use std::time::Duration;

use contract::NodeId;
use contract::media::Anchored;
use machine::Moment;
use sip::Status;
use sip::leg::{Leg, LegCommand};

use crate::asking::Topic;
use crate::audio::Side;
use crate::context::Context;
use crate::heard::Heard;
use crate::offers::Offering;
use crate::state::{Happening, Served, State, Talking};
use crate::{Call, CallOut, LegNo, World};

/// When a phone that had something else in hand is told again.
const LATER: Duration = Duration::from_secs(1);

/// What came of a wish.
pub(crate) enum Placed {
    /// The session stands.
    Here,
    /// Another node is asked.
    Elsewhere,
    /// No node could do it; why.
    Nowhere(&'static str),
}

/// What comes of a wish to move a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// It moves, or it is there.
    Begun,
    /// Its audio does not pass us.
    Direct,
    /// It is over.
    Over,
}

impl Call {
    /// Moves the audio to the media node `to`, where it is built before anything is told to the phones. If that
    /// fails, or a phone refuses, it stays where it is.
    pub fn move_media(&mut self, to: NodeId, world: &World<'_>, now: Moment, out: &mut CallOut) -> Moving {
        match self.state {
            State::Ending(_) => return Moving::Over,
            _ if self.audio.is_direct() => return Moving::Direct,
            _ if self.audio.node() == to => return Moving::Begun,
            _ => {}
        }
        out.keep = true;
        if !self.audio.was_wished() {
            self.audio.prefer(&[to]);
            return Moving::Begun;
        }
        let cx = &mut Context::new(world, now, out);
        let is_lost = self.audio.misses_node(&cx.settings().media);
        self.audio.go_to(to, is_lost);
        self.audio.goes(now);
        self.ask_anew(cx);
        self.settle_down(cx);
        Moving::Begun
    }

    /// Whether both talk, through a media node of ours, the audio is not on its way to another, and both phones could
    /// be told at once that it is: it can be moved by a policy. One that is being put on hold, say, had better be moved
    /// when that is over: until then, nothing can be said to whoever has an offer in hand (RFC 3261 14.1).
    pub fn can_move(&self) -> bool {
        let is_still = !self.audio.is_leaving() && self.audio.is_known();
        let is_free = |no| self.leg(no).is_some_and(Leg::is_free_to_offer);
        let can_be_told = match &self.state {
            State::Talking(it) => {
                it.offering == Offering::Quiet && is_free(LegNo::CALLER) && is_free(it.peer)
            }
            State::Served(it) => it.is_answered && !it.is_offering() && is_free(LegNo::CALLER),
            State::Routing(_) | State::Anchoring(_) | State::Ringing(_) | State::Ending(_) => false,
        };
        is_still && can_be_told && !self.audio.is_direct() && self.audio.node() != NodeId(0)
    }

    /// When the audio was sent to another media node last; [`Moment::START`]: never.
    pub fn moved_at(&self) -> Moment {
        self.audio.went()
    }

    /// Whether the call's media node is none of those that are `there`: it wants to be told
    /// ([`Call::media_changed`]).
    pub fn misses_media(&self, there: &[NodeId]) -> bool {
        self.audio.misses_node(there)
    }

    /// The media node that holds the audio, or builds it; 0: whichever heard us.
    pub fn media(&self) -> NodeId {
        self.audio.node()
    }

    /// Other media nodes are there than before ([`crate::Settings::media`]): if the call's is gone, its audio is
    /// built on another.
    pub fn media_changed(&mut self, world: &World<'_>, now: Moment, out: &mut CallOut) {
        let there = &world.settings.media;
        self.audio.forget_way_back(there);
        if !self.audio.misses_node(there) {
            return;
        }
        out.keep = true;
        let cx = &mut Context::new(world, now, out);
        match &self.state {
            State::Ending(_) if self.asking.is_open(Topic::Release) => {
                self.audio.leave_home();
                cx.news.push_back(Happening::GaveUp(Topic::Release));
            }
            State::Ending(_) => {}
            _ => {
                self.audio.try_all_again();
                self.go_elsewhere(true, cx);
            }
        }
        self.settle_down(cx);
        self.leave_sessions(cx);
    }

    /// Tells media what the audio should be now.
    pub(crate) fn wish(&mut self, cx: &mut Context<'_>) {
        if self.audio.is_direct() {
            return;
        }
        if !self.audio.misses_node(&cx.settings().media) || !self.go_elsewhere(true, cx) {
            self.ask(Topic::Anchor, cx);
        }
    }

    /// The node that was asked is gone or does not answer (`is_lost`), or has no room: the audio stays where it was,
    /// if it was only to be moved; otherwise another node is asked. False if there is none.
    pub(crate) fn go_elsewhere(&mut self, is_lost: bool, cx: &mut Context<'_>) -> bool {
        if !self.audio.is_leaving() || !self.audio.go_back() {
            let Some(other) = self.audio.other_node(&cx.settings().media) else { return false };
            self.audio.go_to(other, is_lost);
        }
        self.audio.goes(cx.now);
        self.ask_anew(cx);
        true
    }

    /// Tells the node that the session is wished at now; maybe it is one that was to be left.
    fn ask_anew(&mut self, cx: &mut Context<'_>) {
        self.asking.close(Topic::Leave);
        self.ask(Topic::Anchor, cx);
    }

    /// Reads what came of a wish.
    pub(crate) fn placed(&mut self, anchored: Anchored, cx: &mut Context<'_>) -> Placed {
        let why = match anchored {
            Anchored::Ready { node, legs } => match self.audio.opened(node, legs) {
                Ok(()) if !self.audio.misses_node(&cx.settings().media) => return Placed::Here,
                Ok(()) if self.go_elsewhere(true, cx) => return Placed::Elsewhere,
                Ok(()) => return Placed::Here,
                Err(_) => "media gave too few ports",
            },
            Anchored::Full { .. } if self.go_elsewhere(false, cx) => return Placed::Elsewhere,
            Anchored::Full { .. } => "no media port is free",
            Anchored::Stale | Anchored::Unknown => "media refused",
        };
        Placed::Nowhere(why)
    }

    /// Reads what came of a wish while the call goes on: what was not granted is asked again, after a while.
    pub(crate) fn check_anchor(&mut self, anchored: Anchored, cx: &mut Context<'_>) {
        if let Placed::Nowhere(_) = self.placed(anchored, cx) {
            self.audio.try_all_again();
            self.asking.open(Topic::Anchor, self.audio.version(), cx.now);
        }
    }

    /// Tells the phones where their audio is, as soon as no other change of the session is under way.
    pub(crate) fn renew(&mut self, it: &mut Talking, cx: &mut Context<'_>) {
        if it.offering != Offering::Quiet {
            return self.answer_meanwhile(it, cx);
        }
        if self.audio.deadline().is_some() {
            return;
        }
        let (caller, callee) = (self.renewal(Side::Caller), self.renewal(Side::Callee));
        if caller.is_none() && callee.is_none() {
            return self.leave_sessions(cx);
        }
        let of = |side, offer: &Option<Vec<u8>>| offer.as_ref().map(|_| self.audio.moves(side));
        it.offering =
            Offering::Moved { caller: of(Side::Caller, &caller), callee: of(Side::Callee, &callee) };
        for (side, offer) in [(Side::Caller, caller), (Side::Callee, callee)] {
            if let Some(sdp) = offer {
                self.command(it.leg(side), LegCommand::Reoffer { sdp }, cx);
            }
        }
    }

    fn renewal(&mut self, side: Side) -> Option<Vec<u8>> {
        if !self.audio.is_stale(side) {
            return None;
        }
        let offer = self.audio.renewal(side, self.id);
        if offer.is_err() {
            self.audio.knows_all(side);
        }
        offer.ok()
    }

    /// A phone has answered where its audio is now, or does not want to know.
    pub(crate) fn moved(
        &mut self,
        (caller, callee): (Option<u16>, Option<u16>),
        side: Side,
        answer: Result<Heard, Status>,
        cx: &mut Context<'_>,
    ) -> Offering {
        let (of, rest) = match side {
            Side::Caller => (caller, (None, callee)),
            Side::Callee => (callee, (caller, None)),
        };
        if let Some(of) = of {
            match answer {
                Ok(heard) => {
                    self.audio.knows(side, of);
                    self.audio.hear(side, heard);
                    self.wish(cx);
                }
                Err(status) => self.stays(side, status, cx),
            }
        }
        match rest {
            (None, None) => Offering::Quiet,
            (caller, callee) => Offering::Moved { caller, callee },
        }
    }

    /// A phone stays with the ports that it knows. If they are still there, so does the call.
    fn stays(&mut self, side: Side, status: Status, cx: &mut Context<'_>) {
        if status == Status::REQUEST_PENDING && self.audio.tell_later(cx.now.after(LATER)) {
            return;
        }
        if self.audio.go_back() {
            self.ask_anew(cx);
        }
        self.audio.knows_all(side);
    }

    /// Tells the caller of an app where its audio is.
    pub(crate) fn renew_for_app(&mut self, it: &mut Served, cx: &mut Context<'_>) {
        if !it.is_answered || it.is_offering() || self.audio.deadline().is_some() {
            return;
        }
        match self.renewal(Side::Caller) {
            Some(sdp) => {
                it.renews = Some(self.audio.moves(Side::Caller));
                self.command(LegNo::CALLER, LegCommand::Reoffer { sdp }, cx);
            }
            None => self.leave_sessions(cx),
        }
    }

    /// The caller of an app has answered where its audio is, or (`refused`) does not want to know.
    pub(crate) fn app_moved(&mut self, it: &mut Served, refused: Option<Status>, cx: &mut Context<'_>) {
        let Some(of) = it.renews.take() else { return };
        match refused {
            Some(status) => self.stays(Side::Caller, status, cx),
            None => {
                self.audio.knows(Side::Caller, of);
                self.app.iter_mut().for_each(crate::app::App::hears_elsewhere);
            }
        }
    }

    /// Releases what is left of the audio on other nodes, one after another, once nobody needs it.
    pub(crate) fn leave_sessions(&mut self, cx: &mut Context<'_>) {
        let is_needed = self.audio.is_leaving() || !self.audio.is_known();
        if !is_needed && !self.asking.is_open(Topic::Leave) {
            self.ask(Topic::Leave, cx);
        }
    }

    /// What becomes of sessions that were left behind, whatever the call is at.
    pub(crate) fn left_behind(&mut self, what: Happening, cx: &mut Context<'_>) -> Option<Happening> {
        match what {
            Happening::Left(version, released) => {
                self.audio.is_left(version);
                self.chronicle.sounded(released.quality);
            }
            // Its ports come free when nobody has spoken there for long.
            Happening::GaveUp(Topic::Leave) => {
                self.asking.close(Topic::Leave);
                self.audio.gives_up_left();
            }
            what => return Some(what),
        }
        self.leave_sessions(cx);
        None
    }
}
