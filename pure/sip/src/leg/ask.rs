//! Requests inside the dialog, other than INVITE, that we sent.

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::line::{Id, SDP};
use super::reoffer::Wanted;
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, LegState, Phase};
use crate::dialog::Dialog;
use crate::transaction::{ClientOther, Heard};
use crate::{Message, Method, Name, Status};

/// How often one request is sent again with something changed.
const TRIES: u8 = 4;

/// A request that we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ask {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) id: Id,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) transaction: ClientOther,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) errand: Errand,
    /// The dialog that it went to, if that isn't the leg's own, or was an early one.
    #[serde(skip_serializing_if = "is_default")]
    fork: Option<Box<Dialog>>,
    #[serde(skip_serializing_if = "is_default")]
    tries: u8,
}

/// What a request is for, with all that is needed to send it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Errand {
    /// To take an INVITE back.
    #[default]
    Cancel,
    /// To hang up.
    Bye {
        /// A Reason header's value.
        #[serde(default, skip_serializing_if = "is_default")]
        reason: Option<String>,
    },
    /// To change the session, or to show that we are still there.
    Update {
        /// The offer; empty for none.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        sdp: Vec<u8>,
        /// How often the offer was refused for glare.
        #[serde(default, skip_serializing_if = "is_default")]
        glares: u8,
    },
    /// To tell something.
    Info {
        /// Its Content-Type.
        #[serde(default, skip_serializing_if = "is_default")]
        content_type: String,
        /// Its body.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        body: Vec<u8>,
    },
}

impl Errand {
    fn method(&self) -> Method<'static> {
        match self {
            Errand::Cancel => Method::Cancel,
            Errand::Bye { .. } => Method::Bye,
            Errand::Update { .. } => Method::Update,
            Errand::Info { .. } => Method::Info,
        }
    }
}

impl Ask {
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.transaction.deadline()
    }

    /// Whether it offers something and has no answer yet.
    pub(super) fn offers(&self) -> bool {
        matches!(&self.errand, Errand::Update { sdp, .. } if !sdp.is_empty()) && self.transaction.is_pending()
    }

    /// Whether it hangs up the fork of this tag.
    pub(super) fn is_bye_to(&self, tag: &str) -> bool {
        matches!(self.errand, Errand::Bye { .. })
            && self.fork.as_ref().is_some_and(|fork| fork.remote_tag == tag)
    }
}

impl Leg {
    /// Sends a request that is written already.
    pub(super) fn start_ask(&mut self, id: Id, errand: Errand, bytes: Vec<u8>, turn: &mut Turn<'_, '_>) {
        let timing = turn.timing();
        let transaction =
            ClientOther::start(bytes, self.line.reliable, turn.now, &timing, &mut turn.out.send);
        self.asks.push(Ask { id, transaction, errand, fork: None, tries: 0 });
    }

    /// Sends a request inside the dialog, or inside a fork's.
    pub(super) fn ask(
        &mut self,
        errand: Errand,
        fork: Option<Box<Dialog>>,
        tries: u8,
        turn: &mut Turn<'_, '_>,
    ) {
        let mut fork = fork;
        // A fork may become the leg's own dialog: both count on.
        let newest = self.dialog.local_cseq;
        let dialog = fork.as_deref_mut().unwrap_or(&mut self.dialog);
        dialog.local_cseq = dialog.local_cseq.max(newest);
        let id = Id::next(dialog, turn);
        let mut bytes = Vec::with_capacity(640);
        let writer = self.line.begin(dialog, errand.method(), &id, turn, &mut bytes);
        match &errand {
            Errand::Cancel => writer.empty_body(),
            Errand::Bye { reason: None } => writer.empty_body(),
            Errand::Bye { reason: Some(reason) } => writer.header(Name::Reason, reason).empty_body(),
            Errand::Update { sdp, .. } if matches!(self.phase, Phase::Up) => {
                self.session.ask(self.line.introduce(writer)).body(SDP, sdp);
            }
            Errand::Update { sdp, .. } => self.line.introduce(writer).body(SDP, sdp),
            Errand::Info { content_type, body } => writer.body(content_type, body),
        }
        self.dialog.local_cseq = self.dialog.local_cseq.max(id.number);
        self.start_ask(id, errand, bytes, turn);
        if let Some(ask) = self.asks.last_mut() {
            ask.fork = fork;
            ask.tries = tries;
        }
    }

    /// Hangs up.
    pub(super) fn send_bye(&mut self, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        self.ask(Errand::Bye { reason }, None, 0, turn);
    }

    /// Hangs up a fork.
    pub(super) fn send_bye_in(&mut self, fork: Dialog, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        self.ask(Errand::Bye { reason }, Some(Box::new(fork)), 0, turn);
    }

    /// Takes a response to anything but an INVITE.
    pub(super) fn take_other_response(
        &mut self,
        response: &Message<&[u8]>,
        method: Method<'_>,
        turn: &mut Turn<'_, '_>,
    ) {
        let Ok(via) = response.top_via() else { return };
        let branch = via.branch().unwrap_or_default();
        let found = self.asks.iter().position(|ask| ask.id.branch == branch && ask.errand.method() == method);
        let (Some(at), Some(status)) = (found, response.status()) else {
            turn.out.idle = true;
            return;
        };
        let timing = turn.timing();
        let ask = &mut self.asks[at];
        if ask.transaction.receive(turn.now, status, &timing) == Heard::Repeated || status.is_provisional() {
            turn.out.idle = true;
            return;
        }
        if ask.tries < TRIES && self.is_worth_asking_again(at, response) {
            let ask = &mut self.asks[at];
            let (errand, fork, tries) = (std::mem::take(&mut ask.errand), ask.fork.take(), ask.tries + 1);
            return self.ask(errand, fork, tries, turn);
        }
        let errand = std::mem::take(&mut self.asks[at].errand);
        let early = self.asks[at].fork.take();
        match (errand, early) {
            (Errand::Update { sdp, .. }, Some(early)) => {
                self.take_early_answer(response, (sdp, &early), turn);
            }
            // A successor that has not heard of it asks once more, and hears it again.
            (Errand::Cancel | Errand::Bye { .. }, _) => turn.out.idle = true,
            (Errand::Update { .. } | Errand::Info { .. }, _) if is_gone(status) => {
                self.end_unknown(status, turn);
            }
            (Errand::Info { .. }, _) => {}
            (Errand::Update { sdp, glares }, None) => {
                self.take_update_response(response, (sdp, glares), turn)
            }
        }
    }

    fn is_worth_asking_again(&mut self, at: usize, response: &Message<&[u8]>) -> bool {
        match self.asks[at].errand {
            Errand::Cancel => false,
            Errand::Bye { .. } | Errand::Info { .. } => self.line.can_answer(response),
            Errand::Update { .. } => self.line.can_answer(response) || self.session.was_too_short(response),
        }
    }

    fn take_update_response(
        &mut self,
        response: &Message<&[u8]>,
        (sdp, glares): (Vec<u8>, u8),
        turn: &mut Turn<'_, '_>,
    ) {
        let (Some(status), Phase::Up) = (response.status(), &self.phase) else { return };
        if status.is_success() {
            self.dialog.retarget(response);
            self.session.granted(turn.now, response);
            let answer = self.learn(response);
            if !sdp.is_empty() {
                self.reoffered(sdp, answer, turn);
            }
        } else if matches!(status, Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED) {
            self.peer_updates = false;
            let refresh = sdp.is_empty();
            self.want(Wanted { sdp, update: false, refresh, glares, not_before: None });
        } else if sdp.is_empty() {
            self.session.not_refreshed(turn.now);
        } else {
            self.offer_refused(
                status,
                response,
                Wanted { sdp, update: true, glares, ..Wanted::default() },
                turn,
            );
        }
    }

    /// The peer doesn't know the dialog (481), or something on the way gave up on it (408).
    pub(super) fn end_unknown(&mut self, status: Status, turn: &mut Turn<'_, '_>) {
        if status == Status::REQUEST_TIMEOUT {
            self.peer_is_gone(turn);
        } else if matches!(self.phase, Phase::Up) {
            self.end(EndedBy::Peer, None, turn);
        }
    }

    /// A request inside the dialog was not answered (RFC 3261 12.2.1.2).
    pub(super) fn peer_is_gone(&mut self, turn: &mut Turn<'_, '_>) {
        if matches!(self.phase, Phase::Up) {
            self.send_bye(None, turn);
            self.end(EndedBy::NoResponse, None, turn);
        }
    }

    /// Lets what is due in our requests take effect.
    pub(super) fn expire_asks(&mut self, turn: &mut Turn<'_, '_>) {
        let timing = turn.timing();
        for at in 0..self.asks.len() {
            let ask = &mut self.asks[at];
            let lost = ask.transaction.expire(turn.now, &timing, &mut turn.out.send).is_some();
            // Who does not answer an UPDATE in an early dialog may still answer the call.
            let is_own = ask.fork.is_none();
            if lost && is_own && matches!(ask.errand, Errand::Update { .. } | Errand::Info { .. }) {
                self.peer_is_gone(turn);
            }
        }
    }

    /// Sends INFO.
    pub(super) fn inform(&mut self, content_type: String, body: Vec<u8>, turn: &mut Turn<'_, '_>) {
        self.ask_when_confirmed(Errand::Info { content_type, body }, turn);
    }

    /// Sends a request as soon as the peer must know the dialog: what overtakes our 2xx may be refused with 481.
    pub(super) fn ask_when_confirmed(&mut self, errand: Errand, turn: &mut Turn<'_, '_>) {
        /// How many requests wait at most.
        const MOST: usize = 16;
        match self.state() {
            LegState::Confirmed => self.ask(errand, None, 0, turn),
            LegState::Answered if self.waiting.len() < MOST => self.waiting.push(errand),
            LegState::Answered
            | LegState::Calling
            | LegState::Proceeding
            | LegState::Incoming
            | LegState::Alerting
            | LegState::Ending
            | LegState::Over => {}
        }
    }

    /// Sends what has waited for the ACK.
    pub(super) fn ask_what_waited(&mut self, turn: &mut Turn<'_, '_>) {
        if !self.waiting.is_empty() && self.state() == LegState::Confirmed {
            for errand in std::mem::take(&mut self.waiting) {
                self.ask(errand, None, 0, turn);
            }
        }
    }

    /// Tells the owner how an offer of ours was answered.
    pub(super) fn reoffered(&mut self, offer: Vec<u8>, answer: Option<Vec<u8>>, turn: &mut Turn<'_, '_>) {
        turn.tell(match answer {
            Some(sdp) => {
                self.local_sdp = offer;
                LegEvent::Reoffered { sdp }
            }
            None => LegEvent::ReofferRefused { status: Status::NOT_ACCEPTABLE_HERE },
        });
    }
}

/// Whether a response means that the dialog is no more.
pub(super) fn is_gone(status: Status) -> bool {
    matches!(status, Status::CALL_DOES_NOT_EXIST | Status::REQUEST_TIMEOUT)
}
