//! Changing the session of a call that is not answered yet, by UPDATE in its early dialog (RFC 3311 5).
//!
//! The RFC wants the first answer to have been given reliably (RFC 3262), which nobody here does: it came in a plain 183.
//! A peer that insists says no, and nothing has changed.

use super::ask::Errand;
use super::dialling::{Dialling, Fork};
use super::turn::Turn;
use super::{Leg, LegEvent, Phase};
use crate::dialog::Dialog;
use crate::{Message, Status};

impl Leg {
    /// The owner wants to offer before the call is answered: at once, or not at all.
    pub(super) fn update_early(&mut self, sdp: Vec<u8>, turn: &mut Turn<'_, '_>) {
        let dialog = match &self.phase {
            Phase::Dialling(dialling) => dialling.heard_fork().map(|fork| &fork.dialog),
            Phase::Invited { .. } => Some(&self.dialog).filter(|_| self.has_answered_early()),
            Phase::Up => None,
            Phase::Ending { .. } | Phase::Over => return,
        };
        match dialog {
            Some(dialog) if self.peer_updates && !self.updates_stand() => {
                let early = Some(Box::new(dialog.clone()));
                self.ask(Errand::Update { sdp, glares: 0 }, early, 0, turn);
            }
            _ => turn.tell(LegEvent::ReofferRefused { status: Status::REQUEST_PENDING }),
        }
    }

    /// An UPDATE with an offer waits for its answer, whoever sent it.
    fn updates_stand(&self) -> bool {
        self.asks.iter().any(super::ask::Ask::offers)
            || self.replies.iter().any(super::reply::Reply::is_pending)
    }

    /// We are called, were offered something, and have said what we would answer.
    fn has_answered_early(&self) -> bool {
        let mut incoming = self.incoming.iter();
        let is_offered = incoming.any(|invite| invite.first && invite.is_pending() && invite.offered);
        is_offered && !self.local_sdp.is_empty()
    }

    /// Whether the peer may offer by this UPDATE before the call is answered.
    pub(super) fn takes_early_offer(&self, update: &Message<&[u8]>) -> bool {
        let is_answered = match &self.phase {
            Phase::Dialling(dialling) => {
                let from = update.from().ok();
                let fork = from.and_then(|from| dialling.fork(from.tag().unwrap_or_default()));
                fork.is_some_and(|fork| !fork.sdp.is_empty())
            }
            Phase::Invited { .. } => self.has_answered_early(),
            Phase::Up | Phase::Ending { .. } | Phase::Over => false,
        };
        self.line.early_offers && is_answered && !self.updates_stand()
    }

    /// Takes the response to an UPDATE of ours in an early dialog. If the call was answered meanwhile, its owner relies on
    /// what was said then.
    pub(super) fn take_early_answer(
        &mut self,
        response: &Message<&[u8]>,
        (sdp, early): (Vec<u8>, &Dialog),
        turn: &mut Turn<'_, '_>,
    ) {
        let Some(status) = response.status() else { return };
        let answer = if status.is_success() { self.learn(response) } else { None };
        let is_own = early.remote_tag == self.dialog.remote_tag;
        match (&mut self.phase, &answer) {
            (Phase::Dialling(dialling), Some(answer)) => {
                let mut forks = dialling.forks.iter_mut();
                if let Some(fork) = forks.find(|fork| fork.dialog.remote_tag == early.remote_tag) {
                    fork.dialog.retarget(response);
                    fork.sdp.clone_from(answer);
                }
            }
            (Phase::Invited { .. }, Some(_)) => self.dialog.retarget(response),
            (Phase::Dialling(_) | Phase::Invited { .. }, None) => {}
            (Phase::Up, Some(_)) if self.caller && is_own => {
                self.local_sdp = sdp;
                return;
            }
            (Phase::Up | Phase::Ending { .. } | Phase::Over, _) => return,
        }
        if matches!(status, Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED) {
            self.peer_updates = false;
        }
        match status.is_success() {
            true => self.reoffered(sdp, answer, turn),
            false => turn.tell(LegEvent::ReofferRefused { status }),
        }
    }
}

impl Dialling {
    /// The early dialog of that tag.
    fn fork(&self, tag: &str) -> Option<&Fork> {
        self.forks.iter().find(|fork| fork.dialog.remote_tag == tag)
    }

    /// The one whose early media is heard. If there are several, nobody knows which of them that is.
    fn heard_fork(&self) -> Option<&Fork> {
        let mut heard = self.forks.iter().filter(|fork| !fork.sdp.is_empty());
        heard.next().filter(|_| heard.next().is_none())
    }
}
