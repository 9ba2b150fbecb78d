//! The session moves before the call is answered: whoever is heard already, and whoever hears it, is told by UPDATE
//! (RFC 3311), if its phone knows that. All others, and those that refuse, are told when the call is answered.

use machine::terse::is_default;
use serde::{Deserialize, Serialize};
use sip::leg::LegCommand;

use crate::audio::Side;
use crate::context::Context;
use crate::ring::Ringing;
use crate::{Call, LegNo};

/// Which ports phones were told by UPDATE last, whatever they said to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ToldEarly {
    #[serde(skip_serializing_if = "is_default")]
    caller: Option<u16>,
    /// And which phone.
    #[serde(skip_serializing_if = "is_default")]
    callee: Option<(LegNo, u16)>,
}

impl Call {
    /// Tells who hears early media, and who speaks, where that is now.
    pub(crate) fn renew_early(&mut self, it: &mut Ringing, cx: &mut Context<'_>) {
        let Some(early) = it.early else { return };
        let of = self.audio.moves(Side::Caller);
        if self.audio.is_stale(Side::Caller) && it.told.caller.replace(of) != Some(of) {
            self.update_early(LegNo::CALLER, Side::Caller, cx);
        }
        let of = self.audio.moves(Side::Callee);
        if self.told_of(early) != of && it.told.callee.replace((early, of)) != Some((early, of)) {
            self.update_early(early, Side::Callee, cx);
        }
    }

    fn update_early(&mut self, leg: LegNo, side: Side, cx: &mut Context<'_>) {
        if let Ok(sdp) = self.audio.early_renewal(side, self.id) {
            self.command(leg, LegCommand::UpdateEarly { sdp }, cx);
        }
    }

    /// A phone has taken an UPDATE before the call is answered.
    pub(crate) fn updated_early(&mut self, it: &Ringing, leg: LegNo, answer: &[u8], cx: &mut Context<'_>) {
        let side = if leg == LegNo::CALLER { Side::Caller } else { Side::Callee };
        let is_heard = side == Side::Caller || it.early == Some(leg);
        if !is_heard || self.audio.hear_answer(side, answer).is_err() {
            return;
        }
        match (side, it.told) {
            (Side::Caller, ToldEarly { caller: Some(of), .. }) => self.audio.knows(side, of),
            (Side::Callee, ToldEarly { callee: Some((told, of)), .. }) if told == leg => {
                let party = self.parties.iter_mut().find(|party| party.no == leg);
                party.into_iter().for_each(|party| party.told_of = of);
            }
            _ => {}
        }
        self.wish(cx);
    }

    /// The phone that answered has heard by UPDATE where its audio is: that is what it was told last.
    pub(crate) fn was_told_early(&mut self, it: ToldEarly, leg: LegNo) {
        let of = self.audio.moves(Side::Callee);
        if it.callee == Some((leg, of)) && self.told_of(leg) == of {
            // What it said fits what it was told.
            let _ = self.audio.renewal(Side::Callee, self.id);
        }
    }
}
