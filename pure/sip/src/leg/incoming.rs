//! INVITEs and re-INVITEs that we received, up to the ACK of our final response (RFC 3261 13.3, 14.2).

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::line::{self, Id, SDP, head_of, sdp_of};
use super::session::Asked;
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, OfferMethod, Phase};
use crate::transaction::{Repeat, ServerInvite, earlier};
use crate::{Message, Method, Name, Status};

/// How many INVITEs (and their lingering ends) of one peer are kept; more are no conversation.
const MOST: usize = 8;

/// An INVITE that we received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Incoming {
    /// The peer's branch and CSeq number.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) id: Id,
    /// What our responses repeat; empty once the final one was given.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub(super) head: Vec<u8>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) transaction: ServerInvite,
    /// Whether it began the call.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) first: bool,
    /// Whether it had an offer.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) offered: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) asked: Asked,
    /// Our 2xx, until its ACK comes.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) answer: Option<Unacknowledged>,
    /// When we give up on an owner that doesn't answer an offer.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) limit: Option<Moment>,
}

/// A 2xx that waits for its ACK (RFC 3261 13.3.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Unacknowledged {
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    bytes: Vec<u8>,
    #[serde(skip_serializing_if = "is_default")]
    again: Repeat,
    #[serde(skip_serializing_if = "is_default")]
    give_up: Moment,
    /// Whether it has our offer, so that the ACK must bring the answer.
    #[serde(skip_serializing_if = "is_default")]
    offers: bool,
}

impl Incoming {
    pub(super) fn new(invite: &Message<&[u8]>, id: Id, first: bool) -> Incoming {
        Incoming {
            id,
            head: head_of(invite, Method::Invite),
            transaction: ServerInvite::start(),
            first,
            offered: sdp_of(invite).is_some(),
            asked: Asked::of(invite),
            answer: None,
            limit: None,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.transaction.is_pending()
    }

    /// Whether an offer of ours stands in a 2xx without its ACK.
    pub(super) fn offers(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.offers)
    }

    pub(super) fn is_done(&self) -> bool {
        self.transaction.is_terminated() && self.answer.is_none()
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let answer = self.answer.as_ref().map(|answer| answer.again.at().min(answer.give_up));
        let own = earlier(self.transaction.deadline(), answer);
        earlier(own, self.limit.filter(|_| self.is_pending()))
    }
}

/// What goes into a response to an INVITE.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) headers: &'a [(String, String)],
    pub(super) sdp: &'a [u8],
}

impl Leg {
    /// Gives a provisional response or a refusal to an INVITE.
    pub(super) fn respond_invite(
        &mut self,
        at: usize,
        status: Status,
        response: &Response<'_>,
        turn: &mut Turn<'_, '_>,
    ) {
        let invite = &mut self.incoming[at];
        let Ok(head) = Message::parse(&invite.head[..]) else { return };
        let mut bytes = Vec::with_capacity(invite.head.len() + 256 + response.sdp.len());
        let tag = &self.dialog.local_tag;
        let mut writer = line::answer(&head, status, response.reason, tag, turn, &mut bytes);
        if status.is_provisional() && status != Status::TRYING {
            writer = self.line.introduce(writer);
        }
        for (name, value) in response.headers {
            writer = writer.other(name, value);
        }
        writer.body(SDP, response.sdp);
        if status == Status::TRYING {
            // Can be made again, so need not be kept.
            return turn.send(bytes);
        }
        let timing = turn.timing();
        let reliable = self.line.reliable;
        invite.transaction.respond(turn.now, (status, bytes), reliable, &timing, &mut turn.out.send);
        if status.is_final() {
            invite.head = Vec::new();
            invite.asked = Asked::default();
        }
    }

    /// Answers 100, which can be made again and so need not be kept.
    pub(super) fn say_trying(&self, invite: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        let mut bytes = Vec::with_capacity(768);
        line::answer(invite, Status::TRYING, None, &self.dialog.local_tag, turn, &mut bytes).empty_body();
        turn.send(bytes);
    }

    /// The same INVITE came again: so does what was said last.
    pub(super) fn repeat_response(&mut self, at: usize, turn: &mut Turn<'_, '_>) {
        turn.out.idle = true;
        match &self.incoming[at].transaction {
            silent if silent.is_silent() => {
                self.respond_invite(at, Status::TRYING, &Response::default(), turn);
            }
            spoken => spoken.repeated(&mut turn.out.send),
        }
    }

    /// Accepts an INVITE with an answer, or an offer if it had none.
    pub(super) fn accept_invite(&mut self, at: usize, sdp: &[u8], turn: &mut Turn<'_, '_>) {
        let invite = &mut self.incoming[at];
        let Ok(head) = Message::parse(&invite.head[..]) else { return };
        let mut bytes = Vec::with_capacity(invite.head.len() + 384 + sdp.len());
        let writer = line::answer(&head, Status::OK, None, &self.dialog.local_tag, turn, &mut bytes);
        let mut writer = self.line.introduce(writer);
        if let Some(grant) = self.session.grant(turn.now, invite.asked) {
            writer = grant.write(writer);
        }
        writer.body(SDP, sdp);
        let timing = turn.timing();
        invite.answer = Some(Unacknowledged {
            bytes: bytes.clone(),
            again: Repeat::after(turn.now, timing.t1),
            give_up: turn.now.after(turn.env.timing.ack_wait),
            offers: !invite.offered && !sdp.is_empty(),
        });
        invite.head = Vec::new();
        invite.asked = Asked::default();
        let reliable = self.line.reliable;
        invite.transaction.respond(turn.now, (Status::OK, bytes), reliable, &timing, &mut turn.out.send);
        if !sdp.is_empty() {
            self.local_sdp = sdp.to_vec();
        }
    }

    /// Takes an INVITE inside the dialog, or one that strayed here.
    pub(super) fn take_invite(&mut self, invite: &Message<&[u8]>, id: Id, turn: &mut Turn<'_, '_>) {
        let number = id.number;
        if invite.to().is_ok_and(|to| to.tag().is_none()) {
            // Merged: the same INVITE reached us by two ways (8.2.2.2).
            return self.refuse(invite, Status::LOOP_DETECTED, &[], turn);
        }
        if !self.is_of_dialog(invite) || matches!(self.phase, Phase::Ending { .. } | Phase::Over) {
            return self.refuse(invite, Status::CALL_DOES_NOT_EXIST, &[], turn);
        }
        if self.dialog.takes(number) == crate::dialog::Order::Late {
            return self.refuse(invite, Status::SERVER_INTERNAL_ERROR, &[], turn);
        }
        if self.incoming.len() >= MOST {
            return self.refuse(invite, Status::SERVICE_UNAVAILABLE, &[], turn);
        }
        let objection = self.objection(invite, true, turn);
        let at = self.incoming.len();
        let limit = Some(turn.now.after(turn.timing().ring));
        self.incoming.push(Incoming { limit, ..Incoming::new(invite, id, false) });
        if let Some((status, headers)) = objection {
            let response = Response { headers: &headers, ..Response::default() };
            return self.respond_invite(at, status, &response, turn);
        }
        self.dialog.retarget(invite);
        let sdp = self.learn(invite);
        self.say_trying(invite, turn);
        turn.tell(LegEvent::Offer { sdp, method: OfferMethod::Invite });
    }

    /// Refuses a request without a transaction of its own: what comes again is refused again.
    pub(super) fn refuse(
        &mut self,
        request: &Message<&[u8]>,
        status: Status,
        headers: &[(String, String)],
        turn: &mut Turn<'_, '_>,
    ) {
        let mut bytes = Vec::with_capacity(512);
        let mut writer = line::answer(request, status, None, &self.dialog.local_tag, turn, &mut bytes);
        for (name, value) in headers {
            writer = writer.other(name, value);
        }
        writer.empty_body();
        turn.send(bytes);
    }

    /// Takes an ACK.
    pub(super) fn take_ack(&mut self, ack: &Message<&[u8]>, id: &Id, turn: &mut Turn<'_, '_>) {
        let timing = turn.timing();
        let Some(invite) = self.incoming.iter_mut().find(|invite| invite.id.number == id.number) else {
            return;
        };
        let Some(answer) = invite.answer.take() else {
            return invite.transaction.acknowledged(turn.now, &timing);
        };
        let (first, sdp) = (invite.first, sdp_of(ack).filter(|_| answer.offers));
        if !matches!(self.phase, Phase::Up) {
            return;
        }
        if first {
            turn.tell(LegEvent::Confirmed { sdp });
        } else if answer.offers {
            turn.tell(match sdp {
                Some(sdp) => LegEvent::Reoffered { sdp },
                None => LegEvent::ReofferRefused { status: Status::NOT_ACCEPTABLE_HERE },
            });
        }
    }

    /// Takes a CANCEL (RFC 3261 9.2): answers it, and the INVITE it is for if that is still pending.
    pub(super) fn take_cancel(&mut self, cancel: &Message<&[u8]>, id: &Id, turn: &mut Turn<'_, '_>) {
        let Some(at) = self.incoming.iter().position(|invite| invite.id.branch == id.branch) else {
            return self.refuse(cancel, Status::CALL_DOES_NOT_EXIST, &[], turn);
        };
        // Answered anew each time: the same bytes come out.
        self.refuse(cancel, Status::OK, &[], turn);
        if !self.incoming[at].is_pending() {
            return;
        }
        let first = self.incoming[at].first;
        self.respond_invite(at, Status::REQUEST_TERMINATED, &Response::default(), turn);
        if !first {
            turn.tell(LegEvent::OfferWithdrawn);
        } else if matches!(self.phase, Phase::Invited { .. }) {
            turn.tell(LegEvent::Cancelled { reason: line::reason_of(cancel) });
            self.close(turn);
        }
    }

    /// Lets what is due in received INVITEs take effect.
    pub(super) fn expire_incoming(&mut self, turn: &mut Turn<'_, '_>) {
        let timing = turn.timing();
        let mut unacknowledged = false;
        for at in 0..self.incoming.len() {
            let invite = &mut self.incoming[at];
            invite.transaction.expire(turn.now, &timing, &mut turn.out.send);
            if let Some(answer) = &mut invite.answer {
                if answer.give_up <= turn.now {
                    invite.answer = None;
                    unacknowledged = true;
                } else if answer.again.is_due(turn.now, timing.t2) {
                    turn.out.send.push(answer.bytes.clone());
                }
            }
            if invite.is_pending() && invite.limit.is_some_and(|limit| limit <= turn.now) {
                self.respond_invite(at, Status::SERVER_TIMEOUT, &Response::default(), turn);
                turn.tell(LegEvent::OfferWithdrawn);
            }
        }
        if unacknowledged && matches!(self.phase, Phase::Up) {
            turn.tell(LegEvent::NoAck);
            self.send_bye(None, turn);
            self.end(EndedBy::NoAck, None, turn);
        }
    }

    /// Refuses what still waits for us, because the call ends (RFC 3261 15.1.2).
    pub(super) fn refuse_pending(&mut self, turn: &mut Turn<'_, '_>) {
        for at in 0..self.incoming.len() {
            if self.incoming[at].is_pending() {
                self.respond_invite(at, Status::REQUEST_TERMINATED, &Response::default(), turn);
            }
        }
        for at in 0..self.replies.len() {
            if self.replies[at].is_pending() {
                self.respond_other(at, Status::REQUEST_TERMINATED, &[], turn);
            }
        }
    }

    /// Why a request that would change the session can't be served now.
    pub(super) fn objection(
        &self,
        request: &Message<&[u8]>,
        is_invite: bool,
        turn: &Turn<'_, '_>,
    ) -> Option<(Status, Vec<(String, String)>)> {
        if let Some(refusal) = super::invited::unsupported(request, turn.env.timing) {
            return Some((refusal.status, refusal.headers));
        }
        let offers = is_invite || sdp_of(request).is_some();
        if !offers || !is_invite && self.takes_early_offer(request) {
            return None;
        }
        let ours = self.offers_stand() || is_invite && self.outgoing.iter().any(|invite| invite.is_pending());
        if ours {
            return Some((Status::REQUEST_PENDING, Vec::new()));
        }
        let theirs = !matches!(self.phase, Phase::Up)
            || self.owes_answer()
            || is_invite && self.incoming.iter().any(Incoming::is_pending);
        theirs.then(|| {
            let pause =
                1 + super::reoffer::dice(&self.dialog, request.cseq().map_or(0, |cseq| cseq.number)) % 10;
            (Status::SERVER_INTERNAL_ERROR, vec![(Name::RetryAfter.as_str().into(), pause.to_string())])
        })
    }

    /// How long until the owner must have answered an UPDATE (RFC 3311 5.2: promptly).
    pub(super) fn patience(turn: &Turn<'_, '_>) -> Duration {
        turn.timing().give_up() / 2
    }
}
