//! RFC 3264 8, RFC 3261 14: one phone changes the session, the other has to agree.

use machine::terse::is_default;
use serde::{Deserialize, Serialize};
use sip::Status;
use sip::leg::{LegCommand, OfferMethod};

use crate::audio::{Passed, Side};
use crate::context::Context;
use crate::ending::End;
use crate::state::{Happening, Talking};
use crate::{Call, LegNo};

/// A change of the session under way; never more than one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Offering {
    /// None is.
    #[default]
    Quiet,
    /// The caller's INVITE had no offer: its ACK brings the answer to the callee's.
    InAck,
    /// The caller's ACK is waited for, to tell it again what it was told differently at first.
    Retell,
    /// An offer went on to the other side, whose answer goes back.
    Relayed {
        /// Who offered.
        from: Side,
        /// What will hold if the other side agrees.
        passed: Passed,
        /// Who offered has an answer already, from us: its audio was lost, and it had to hear where that is now.
        #[serde(default, skip_serializing_if = "is_default")]
        is_answered: bool,
    },
    /// The one who asked for our offer will answer it.
    Asked {
        /// Who asked.
        from: Side,
    },
    /// An offer of our own: whatever comes back holds.
    Ours,
    /// Offers of our own to both sides, or to one: their audio is elsewhere now.
    Moved {
        /// Which ports the caller was told, if it has still to answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caller: Option<u16>,
        /// The same of the callee.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callee: Option<u16>,
    },
    /// The offer that went on was taken back; the other side may have agreed to it already.
    Withdrawn {
        /// Who took it back.
        by: Side,
    },
}

impl Offering {
    /// `side` takes back its offer.
    pub(crate) fn withdrawn(&mut self, side: Side) {
        *self = match std::mem::take(self) {
            Offering::Relayed { from, .. } if from == side => Offering::Withdrawn { by: side },
            Offering::Asked { from } if from == side => Offering::Quiet,
            other => other,
        };
    }
}

impl Talking {
    pub(crate) fn leg(&self, side: Side) -> LegNo {
        match side {
            Side::Caller => LegNo::CALLER,
            Side::Callee => self.peer,
        }
    }
}

impl Call {
    /// One side wants to change the session. A mere refresh is answered here; everything else is up to the
    /// other side. While another change is under way: glare.
    pub(crate) fn offered(
        &mut self,
        it: &mut Talking,
        side: Side,
        (sdp, method): (Option<Vec<u8>>, OfferMethod),
        cx: &mut Context<'_>,
    ) {
        if it.offering != Offering::Quiet {
            return self.refuse_offer(side, Some(it.peer), cx);
        }
        let Some(sdp) = sdp else { return self.wants_offer(it, side, cx) };
        if self.audio.is_repeated(side, &sdp) {
            let renewal = self.audio.is_stale(side).then(|| self.audio.renewal(side, self.id));
            if let Some(Ok(_)) = renewal {
                self.audio.knows_all(side);
            }
            let sdp = self.audio.told(side).to_vec();
            return self.command(it.leg(side), LegCommand::AcceptOffer { sdp }, cx);
        }
        let Ok(passed) = self.audio.pass(side, &sdp, self.id) else {
            let status = Status::NOT_ACCEPTABLE_HERE;
            return self.command(it.leg(side), LegCommand::RefuseOffer { status }, cx);
        };
        let sdp = passed.told.clone();
        it.offering = Offering::Relayed { from: side, passed, is_answered: false };
        let command = match method {
            OfferMethod::Invite => LegCommand::Reoffer { sdp },
            OfferMethod::Update => LegCommand::Update { sdp: Some(sdp) },
        };
        self.command(it.leg(side.other()), command, cx);
    }

    /// One side wants to hear our offer: it gets what the other side said last, and if it answers otherwise
    /// than before, the other side gets that as an offer.
    fn wants_offer(&mut self, it: &mut Talking, side: Side, cx: &mut Context<'_>) {
        match self.audio.offer_again(side, self.id) {
            Ok(sdp) => {
                it.offering = Offering::Asked { from: side };
                self.command(it.leg(side), LegCommand::AcceptOffer { sdp }, cx);
            }
            Err(_) => self.refuse_offer(side, Some(it.peer), cx),
        }
    }

    /// An offer of ours, or one that was passed on, was answered.
    pub(crate) fn offer_answered(&mut self, it: &mut Talking, side: Side, sdp: &[u8], cx: &mut Context<'_>) {
        let answer = self.audio.pass(side, sdp, self.id);
        it.offering = match (std::mem::take(&mut it.offering), answer) {
            (Offering::Relayed { from, passed, is_answered }, Ok(answer)) if from != side => {
                let sdp = answer.told.clone();
                let is_news = sdp != self.audio.told(from);
                self.audio.agree(from, passed);
                self.audio.agree(side, answer);
                self.wish(cx);
                match is_answered {
                    false => self.command(it.leg(from), LegCommand::AcceptOffer { sdp }, cx),
                    true if is_news => self.command(it.leg(from), LegCommand::Reoffer { sdp }, cx),
                    true => {}
                }
                if is_answered && is_news { Offering::Ours } else { Offering::Quiet }
            }
            (Offering::Relayed { from, is_answered, .. }, Err(_)) if from != side => {
                let status = Status::NOT_ACCEPTABLE_HERE;
                if !is_answered {
                    self.command(it.leg(from), LegCommand::RefuseOffer { status }, cx);
                }
                self.tell_again(it.leg(side), side, cx)
            }
            (Offering::Withdrawn { by }, _) if by != side => self.tell_again(it.leg(side), side, cx),
            (Offering::Asked { from }, Ok(_)) if from == side && self.audio.is_repeated(side, sdp) => {
                Offering::Quiet
            }
            (Offering::Asked { from }, Ok(answer)) if from == side => {
                let sdp = answer.told.clone();
                self.audio.agree(side, answer);
                self.wish(cx);
                self.command(it.leg(side.other()), LegCommand::Reoffer { sdp }, cx);
                Offering::Ours
            }
            (Offering::Ours, Ok(answer)) => {
                self.audio.hear(side, answer.heard);
                self.wish(cx);
                Offering::Quiet
            }
            (Offering::Ours | Offering::Asked { .. }, Err(_)) => Offering::Quiet,
            (Offering::Moved { caller, callee }, Ok(answer)) => {
                self.moved((caller, callee), side, Ok(answer.heard), cx)
            }
            (Offering::Moved { caller, callee }, Err(_)) => {
                self.moved((caller, callee), side, Err(Status::NOT_ACCEPTABLE_HERE), cx)
            }
            // Nothing that was waited for.
            (other, _) => other,
        };
    }

    /// The other side does not agree: everything stays as it was.
    pub(crate) fn offer_refused(
        &mut self,
        it: &mut Talking,
        side: Side,
        status: Status,
        cx: &mut Context<'_>,
    ) {
        it.offering = match std::mem::take(&mut it.offering) {
            Offering::Relayed { from, is_answered, .. } if from != side => {
                if !is_answered {
                    self.command(it.leg(from), LegCommand::RefuseOffer { status }, cx);
                }
                Offering::Quiet
            }
            Offering::Withdrawn { by } if by != side => Offering::Quiet,
            Offering::Ours | Offering::Quiet => Offering::Quiet,
            Offering::Moved { caller, callee } => self.moved((caller, callee), side, Err(status), cx),
            other => other,
        };
    }

    /// An offer waits for the other side's answer, and the audio of who made it is lost: an answer of ours tells it
    /// where that is now, as far as one can be made of what the other side said before. Nobody can tell the other
    /// side anything until it has answered (RFC 3261 14.1).
    pub(crate) fn answer_meanwhile(&mut self, it: &mut Talking, cx: &mut Context<'_>) {
        let Offering::Relayed { from, passed, is_answered: false } = &it.offering else { return };
        let from = *from;
        if !self.audio.is_stale(from) || self.audio.has_way_back() {
            return;
        }
        let Ok(sdp) = self.audio.answer_for(from.other(), passed, self.id) else { return };
        self.audio.hear(from, passed.heard.clone());
        self.wish(cx);
        if let Offering::Relayed { is_answered, .. } = &mut it.offering {
            *is_answered = true;
        }
        self.command(it.leg(from), LegCommand::AcceptOffer { sdp }, cx);
    }

    /// The caller's ACK came. If its INVITE had no offer, the ACK brings the answer to the callee's.
    pub(crate) fn confirmed(&mut self, it: &mut Talking, sdp: Option<Vec<u8>>, cx: &mut Context<'_>) {
        it.offering = match std::mem::take(&mut it.offering) {
            Offering::Retell => {
                let sdp = self.audio.told(Side::Caller).to_vec();
                self.command(LegNo::CALLER, LegCommand::Reoffer { sdp }, cx);
                Offering::Ours
            }
            Offering::InAck => {
                let passed = sdp.and_then(|sdp| self.audio.pass(Side::Caller, &sdp, self.id).ok());
                match passed {
                    Some(passed) => {
                        let sdp = passed.told.clone();
                        self.audio.agree(Side::Caller, passed);
                        self.wish(cx);
                        self.command(it.peer, LegCommand::AcceptOffer { sdp }, cx);
                    }
                    None => {
                        let end = End::talked("the caller's ACK had no usable answer");
                        cx.news.push_back(Happening::HangUp(end.cause));
                    }
                }
                Offering::Quiet
            }
            other => other,
        };
    }

    /// Another change is under way (or none is possible yet).
    pub(crate) fn refuse_offer(&mut self, side: Side, peer: Option<LegNo>, cx: &mut Context<'_>) {
        let leg = match side {
            Side::Caller => Some(LegNo::CALLER),
            Side::Callee => peer,
        };
        if let Some(leg) = leg {
            self.command(leg, LegCommand::RefuseOffer { status: Status::REQUEST_PENDING }, cx);
        }
    }

    /// `side` has agreed to something that does not hold: it is brought back.
    fn tell_again(&mut self, leg: LegNo, side: Side, cx: &mut Context<'_>) -> Offering {
        match self.audio.tell_again(side, self.id) {
            Ok(sdp) => {
                self.command(leg, LegCommand::Reoffer { sdp }, cx);
                Offering::Ours
            }
            Err(_) => Offering::Quiet,
        }
    }

    /// INFO goes through as it came.
    pub(crate) fn pass_info(
        &mut self,
        peer: LegNo,
        side: Side,
        content_type: String,
        body: Vec<u8>,
        cx: &mut Context<'_>,
    ) {
        let to = match side {
            Side::Caller => peer,
            Side::Callee => LegNo::CALLER,
        };
        self.command(to, LegCommand::Info { content_type, body }, cx);
    }
}
