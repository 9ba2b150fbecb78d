//! Changing a session that is up: offers of ours, and how two that collide sort themselves out
//! (RFC 3261 14.1, RFC 3311 5, RFC 6337).

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::ask::{Errand, is_gone};
use super::incoming::{Incoming, Response};
use super::outgoing::{Outgoing, Purpose};
use super::session::Due;
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, Phase};
use crate::dialog::Dialog;
use crate::{Message, Status};

/// How often an offer is made again after glare.
const GLARES: u8 = 5;
/// The longest Retry-After that is worth waiting for with an offer in hand.
const WORTHWHILE: u32 = 10;

/// An offer that waits for its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub(super) sdp: Vec<u8>,
    /// By UPDATE, if the peer knows it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) update: bool,
    /// Only to refresh the session.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) refresh: bool,
    /// How often it was refused for glare.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) glares: u8,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) not_before: Option<Moment>,
}

impl Leg {
    /// Whether an offer of ours waits for the peer's answer.
    pub(super) fn offers_stand(&self) -> bool {
        self.outgoing.iter().any(|invite| invite.is_pending() && !invite.sdp.is_empty())
            || self.asks.iter().any(super::ask::Ask::offers)
            || self.incoming.iter().any(Incoming::offers)
    }

    /// Whether an offer of the peer waits for our answer.
    pub(super) fn owes_answer(&self) -> bool {
        self.incoming.iter().any(Incoming::is_pending)
            || self.replies.iter().any(super::reply::Reply::is_pending)
            || self.outgoing.iter().any(Outgoing::wants_answer)
    }

    /// Whether an offer may be made now.
    fn may_offer(&self) -> bool {
        let busy = self.offers_stand()
            || self.owes_answer()
            || self.outgoing.iter().any(Outgoing::is_pending)
            || self.incoming.iter().any(|invite| invite.answer.is_some());
        !busy && matches!(self.phase, Phase::Up)
    }

    /// Whether an offer would go out at once: no other is under way in either direction, nor does one wait.
    pub fn is_free_to_offer(&self) -> bool {
        self.wanted.is_none() && self.may_offer()
    }

    /// The owner wants to offer.
    pub(super) fn reoffer(&mut self, sdp: Vec<u8>, update: bool, turn: &mut Turn<'_, '_>) {
        if matches!(self.phase, Phase::Ending { .. } | Phase::Over) {
            return;
        }
        if matches!(self.phase, Phase::Up) && self.owes_answer() {
            return turn.tell(LegEvent::ReofferRefused { status: Status::REQUEST_PENDING });
        }
        self.want(Wanted { sdp, update, ..Wanted::default() });
    }

    /// Keeps an offer until it may be made; the owner's own goes before a mere refresh.
    pub(super) fn want(&mut self, wanted: Wanted) {
        let better = self.wanted.as_ref().is_none_or(|waiting| waiting.refresh || !wanted.refresh);
        if better && !(wanted.refresh && wanted.sdp.is_empty() && self.local_sdp.is_empty()) {
            self.wanted = Some(wanted);
        }
    }

    /// Makes the offer that waits, if it may be made now (RFC 3261 14.1).
    pub(super) fn reoffer_if_possible(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(wanted) = &mut self.wanted {
            wanted.not_before = wanted.not_before.filter(|&at| at > turn.now);
        }
        let early = self.wanted.as_ref().is_some_and(|wanted| wanted.not_before.is_some());
        if early || !self.may_offer() {
            return;
        }
        let Some(wanted) = self.wanted.take() else { return };
        let sdp = if wanted.refresh { self.local_sdp.clone() } else { wanted.sdp };
        if wanted.update && self.peer_updates {
            self.ask(Errand::Update { sdp, glares: wanted.glares }, None, 0, turn);
        } else {
            let purpose = if wanted.refresh { Purpose::Refresh } else { Purpose::Reoffer };
            self.send_invite(purpose, sdp, 0, turn);
            if let Some(invite) = self.outgoing.last_mut() {
                invite.glares = wanted.glares;
            }
        }
    }

    /// The moment for which an offer waits.
    pub(super) fn wanted_deadline(&self) -> Option<Moment> {
        self.wanted.as_ref().filter(|_| matches!(self.phase, Phase::Up))?.not_before
    }

    /// Takes a response to a re-INVITE of ours.
    pub(super) fn take_reoffer_response(
        &mut self,
        at: usize,
        response: &Message<&[u8]>,
        status: Status,
        turn: &mut Turn<'_, '_>,
    ) {
        if status.is_provisional() {
            return;
        }
        if status.is_success() && !self.outgoing[at].acks.is_empty() {
            return self.take_further_success(at, response, turn);
        }
        if status.is_success() {
            self.dialog.retarget(response);
            self.acknowledge_own(at, &[], turn);
        }
        if !matches!(self.phase, Phase::Up) {
            return;
        }
        let refresh = self.outgoing[at].purpose == Purpose::Refresh;
        let glares = self.outgoing[at].glares;
        if status.is_success() {
            self.session.granted(turn.now, response);
            let answer = self.learn(response);
            let sdp = std::mem::take(&mut self.outgoing[at].sdp);
            if !refresh {
                self.reoffered(sdp, answer, turn);
            }
        } else if is_gone(status) {
            self.end_unknown(status, turn);
        } else if !self.tried_again(at, response, turn) {
            let sdp = std::mem::take(&mut self.outgoing[at].sdp);
            if refresh {
                self.session.not_refreshed(turn.now);
            } else {
                self.offer_refused(status, response, Wanted { sdp, glares, ..Wanted::default() }, turn);
            }
        }
    }

    /// An offer of ours was refused: after glare it is made again a little later.
    pub(super) fn offer_refused(
        &mut self,
        status: Status,
        response: &Message<&[u8]>,
        mut wanted: Wanted,
        turn: &mut Turn<'_, '_>,
    ) {
        let after = response.retry_after().ok().flatten().map(|after| after.secs);
        let pause = match (status, after) {
            (Status::REQUEST_PENDING, _) => Some(self.glare_pause(wanted.glares)),
            (Status::SERVER_INTERNAL_ERROR, Some(secs)) if secs <= WORTHWHILE => {
                Some(Duration::from_secs(u64::from(secs)))
            }
            _ => None,
        };
        match pause.filter(|_| wanted.glares < GLARES) {
            Some(_) if self.wanted.as_ref().is_some_and(|waiting| !waiting.refresh) => {
                // A newer offer of the owner's waits already, and stands for this one too.
            }
            Some(pause) => {
                wanted.glares += 1;
                wanted.not_before = Some(turn.now.after(pause));
                self.wanted = Some(wanted);
            }
            None => turn.tell(LegEvent::ReofferRefused { status }),
        }
    }

    /// RFC 3261 14.1: whoever made the Call-ID waits 2.1 to 4 seconds, the other up to 2, in steps of 10 ms.
    fn glare_pause(&self, glares: u8) -> Duration {
        let dice = dice(&self.dialog, self.dialog.local_cseq.wrapping_add(u32::from(glares)));
        let steps = if self.caller { 210 + dice % 191 } else { dice % 201 };
        Duration::from_millis(u64::from(steps) * 10)
    }

    /// The owner answers the offer that waits for it.
    pub(super) fn accept_offer(&mut self, sdp: &[u8], turn: &mut Turn<'_, '_>) {
        if matches!(self.phase, Phase::Ending { .. } | Phase::Over) {
            return;
        }
        if let Some(at) = self.outgoing.iter().position(Outgoing::wants_answer) {
            self.local_sdp = sdp.to_vec();
            self.acknowledge_own(at, sdp, turn);
        } else if let Some(at) = self.pending_reinvite() {
            self.accept_invite(at, sdp, turn);
        } else if let Some(at) = self.replies.iter().position(super::reply::Reply::is_pending) {
            self.accept_update(at, sdp, turn);
        }
    }

    /// The owner refuses the offer that waits for it.
    pub(super) fn refuse_offer(&mut self, status: Status, turn: &mut Turn<'_, '_>) {
        let is_over = matches!(self.phase, Phase::Ending { .. } | Phase::Over);
        if !status.is_final() || status.is_success() || is_over {
            return;
        }
        if let Some(at) = self.pending_reinvite() {
            self.respond_invite(at, status, &Response::default(), turn);
        } else if let Some(at) = self.replies.iter().position(super::reply::Reply::is_pending) {
            self.respond_other(at, status, &[], turn);
        } else if self.outgoing.iter().any(Outgoing::wants_answer) {
            self.hang_up(None, turn);
        }
    }

    fn pending_reinvite(&self) -> Option<usize> {
        self.incoming.iter().position(|invite| !invite.first && invite.is_pending())
    }

    /// Shows the peer that we are still there.
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_, '_>) {
        if !matches!(self.phase, Phase::Up) {
            return;
        }
        if self.peer_updates || self.local_sdp.is_empty() {
            self.ask_when_confirmed(Errand::Update { sdp: Vec::new(), glares: 0 }, turn);
        } else {
            self.want(Wanted { refresh: true, ..Wanted::default() });
        }
    }

    /// Lets the session's timer take effect (RFC 4028 10).
    pub(super) fn expire_session(&mut self, turn: &mut Turn<'_, '_>) {
        if !matches!(self.phase, Phase::Up) {
            return;
        }
        match self.session.due(turn.now) {
            Due::Nothing => {}
            Due::Refresh => self.refresh(turn),
            Due::Expired => {
                self.send_bye(Some("SIP;cause=408;text=\"Session timer expired\"".into()), turn);
                self.end(EndedBy::SessionExpired, None, turn);
            }
        }
    }
}

/// A number that differs from dialog to dialog and from request to request, and is the same when told again.
pub(super) fn dice(dialog: &Dialog, salt: u32) -> u32 {
    let bytes = dialog.call_id.bytes().chain(dialog.local_tag.bytes()).chain(salt.to_be_bytes());
    let sum = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (sum >> 32) as u32 ^ sum as u32
}
