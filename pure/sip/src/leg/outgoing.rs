//! INVITEs and re-INVITEs that we sent, up to their final response and its ACK.

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::line::{Id, SDP, sdp_of};
use super::turn::Turn;
use super::{Leg, Phase};
use crate::dialog::Dialog;
use crate::transaction::{ClientInvite, Heard, TimedOut, earlier};
use crate::{Message, Method, Name};

/// How often one request is sent again with something changed: credentials, a longer session interval.
const TRIES: u8 = 4;

/// An INVITE that we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Outgoing {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) id: Id,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) transaction: ClientInvite,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) purpose: Purpose,
    /// The offer; empty if it had none, and when it is no longer of use.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub(super) sdp: Vec<u8>,
    /// The ACKs of its 2xx, one for each fork that accepted.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) acks: Vec<Ack>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) cancel: Cancel,
    /// When it has rung too long.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) ring: Option<Moment>,
    /// How often it was tried before.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) tries: u8,
    /// How often its offer was refused for glare.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) glares: u8,
}

/// What an INVITE of ours is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// To call.
    #[default]
    Call,
    /// To change the session.
    Reoffer,
    /// To show that we are still there (RFC 4028).
    Refresh,
}

/// The ACK that one fork's 2xx got, and gets again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ack {
    #[serde(skip_serializing_if = "is_default")]
    tag: String,
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    bytes: Vec<u8>,
}

/// Whether an INVITE is to be taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cancel {
    /// No.
    #[default]
    No,
    /// As soon as a provisional response allows it (RFC 3261 9.1).
    Wanted {
        /// A Reason header's value.
        #[serde(default, skip_serializing_if = "is_default")]
        reason: Option<String>,
    },
    /// It was.
    Sent {
        /// How long to wait for the final response.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Moment,
        /// Because it rang too long, and not because the owner wanted it.
        #[serde(default, skip_serializing_if = "is_default")]
        late: bool,
    },
}

impl Outgoing {
    pub(super) fn is_pending(&self) -> bool {
        self.transaction.is_pending()
    }

    /// Whether its CANCEL was sent.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.cancel, Cancel::Sent { .. })
    }

    /// Whether a 2xx is still without its ACK, for want of an answer to the offer in it.
    pub(super) fn wants_answer(&self) -> bool {
        matches!(self.transaction, ClientInvite::Accepted { .. }) && self.acks.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        let until = match self.cancel {
            Cancel::Sent { until, .. } => Some(until),
            Cancel::No | Cancel::Wanted { .. } => self.ring,
        };
        earlier(self.transaction.deadline(), until.filter(|_| self.is_pending()))
    }

    /// Sends the ACK of a fork's 2xx again; false if it never had one.
    fn acknowledge_again(&self, tag: &str, turn: &mut Turn<'_, '_>) -> bool {
        let ack = self.acks.iter().find(|ack| ack.tag == tag);
        if let Some(ack) = ack {
            turn.send(ack.bytes.clone());
        }
        ack.is_some()
    }

    /// Sends CANCEL, if it may.
    fn try_cancel(&mut self, turn: &mut Turn<'_, '_>) -> Option<Vec<u8>> {
        let Cancel::Wanted { reason } = &self.cancel else { return None };
        let bytes = self.transaction.cancel(reason.as_deref())?;
        let until = turn.now.after(turn.timing().give_up());
        self.cancel = Cancel::Sent { until, late: false };
        Some(bytes)
    }
}

impl Leg {
    /// Sends an INVITE for `purpose` with `sdp` (empty: none).
    pub(super) fn send_invite(&mut self, purpose: Purpose, sdp: Vec<u8>, tries: u8, turn: &mut Turn<'_, '_>) {
        let id = Id::next(&mut self.dialog, turn);
        let mut bytes = Vec::with_capacity(1024 + sdp.len());
        let mut writer = self.line.begin(&self.dialog, Method::Invite, &id, turn, &mut bytes);
        writer = self.session.ask(self.line.introduce(writer));
        if let Phase::Dialling(dialling) = &self.phase {
            for (name, value) in &dialling.extra {
                writer = writer.other(name, value);
            }
        }
        writer.body(SDP, &sdp);
        let timing = turn.timing();
        let transaction =
            ClientInvite::start(bytes, self.line.reliable, turn.now, &timing, &mut turn.out.send);
        self.outgoing.push(Outgoing { id, transaction, purpose, sdp, tries, ..Outgoing::default() });
    }

    /// Takes a response to an INVITE.
    pub(super) fn take_invite_response(&mut self, response: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        let Ok(branch) = response.top_via().map(|via| via.branch().unwrap_or_default().to_owned()) else {
            return;
        };
        let Some(at) = self.outgoing.iter().position(|invite| invite.id.branch == branch) else {
            return self.take_stray(response, turn);
        };
        let timing = turn.timing();
        let invite = &mut self.outgoing[at];
        let heard = invite.transaction.receive(turn.now, response, &timing, &mut turn.out.send);
        let Some(status) = response.status().filter(|_| heard == Heard::News) else {
            turn.out.idle = true;
            return;
        };
        invite.ring = status.is_provisional().then(|| turn.now.after(timing.ring));
        if status.is_provisional() {
            self.cancel_if_wanted(at, turn);
        }
        match self.outgoing[at].purpose {
            Purpose::Call => self.take_call_response(at, response, status, turn),
            Purpose::Reoffer | Purpose::Refresh => self.take_reoffer_response(at, response, status, turn),
        }
    }

    /// Sends CANCEL if one is wanted and allowed.
    pub(super) fn cancel_if_wanted(&mut self, at: usize, turn: &mut Turn<'_, '_>) {
        let Some(bytes) = self.outgoing[at].try_cancel(turn) else { return };
        let id = self.outgoing[at].id.clone();
        self.start_ask(id, super::ask::Errand::Cancel, bytes, turn);
    }

    /// Whether it makes sense to send the INVITE again that got this refusal; if so, it was.
    pub(super) fn tried_again(
        &mut self,
        at: usize,
        response: &Message<&[u8]>,
        turn: &mut Turn<'_, '_>,
    ) -> bool {
        let invite = &mut self.outgoing[at];
        let better = invite.tries < TRIES
            && invite.cancel == Cancel::No
            && (self.session.was_too_short(response) || self.line.can_answer(response));
        if better {
            let (purpose, tries, glares) = (invite.purpose, invite.tries + 1, invite.glares);
            let sdp = std::mem::take(&mut invite.sdp);
            self.send_invite(purpose, sdp, tries, turn);
            if let Some(again) = self.outgoing.last_mut() {
                again.glares = glares;
            }
        }
        better
    }

    /// Acknowledges the 2xx to an INVITE of ours in `dialog`, with the answer to its offer if there is one.
    pub(super) fn acknowledge(&mut self, at: usize, dialog: &Dialog, sdp: &[u8], turn: &mut Turn<'_, '_>) {
        let id = Id { branch: turn.branch(), number: self.outgoing[at].id.number };
        let mut bytes = Vec::with_capacity(512 + sdp.len());
        self.line.begin(dialog, Method::Ack, &id, turn, &mut bytes).body(SDP, sdp);
        turn.send(bytes.clone());
        self.outgoing[at].acks.push(Ack { tag: dialog.remote_tag.clone(), bytes });
    }

    /// The same in the leg's own dialog.
    pub(super) fn acknowledge_own(&mut self, at: usize, sdp: &[u8], turn: &mut Turn<'_, '_>) {
        let dialog = std::mem::take(&mut self.dialog);
        self.acknowledge(at, &dialog, sdp, turn);
        self.dialog = dialog;
    }

    /// A 2xx that isn't the first: a repetition, or another fork's, which is acknowledged and hung up.
    pub(super) fn take_further_success(
        &mut self,
        at: usize,
        response: &Message<&[u8]>,
        turn: &mut Turn<'_, '_>,
    ) {
        let Ok(to) = response.to() else { return };
        let tag = to.tag().unwrap_or_default();
        let is_ours = tag.eq_ignore_ascii_case(&self.dialog.remote_tag);
        if self.outgoing[at].acknowledge_again(tag, turn) || is_ours {
            turn.out.idle = true;
            return;
        }
        if let Ok(fork) = self.dialog.of_response(response) {
            self.acknowledge(at, &fork, &[], turn);
            self.send_bye_in(fork, Some("SIP;cause=200;text=\"Call completed elsewhere\"".into()), turn);
        }
    }

    /// A 2xx for an INVITE that we had given up.
    fn take_stray(&mut self, response: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        let over = matches!(self.phase, Phase::Ending { .. } | Phase::Over);
        if !over || !self.caller || !response.status().is_some_and(crate::Status::is_success) {
            return;
        }
        let (Ok(cseq), Ok(fork)) = (response.cseq(), self.dialog.of_response(response)) else { return };
        let id = Id { branch: turn.branch(), number: cseq.number };
        let mut bytes = Vec::with_capacity(512);
        self.line.begin(&fork, Method::Ack, &id, turn, &mut bytes).empty_body();
        turn.send(bytes);
        if !self.asks.iter().any(|ask| ask.is_bye_to(&fork.remote_tag)) {
            self.send_bye_in(fork, None, turn);
        }
    }

    /// Lets what is due in our INVITEs take effect.
    pub(super) fn expire_outgoing(&mut self, turn: &mut Turn<'_, '_>) {
        for at in 0..self.outgoing.len() {
            let invite = &mut self.outgoing[at];
            let mut lost = invite.transaction.expire(turn.now, &mut turn.out.send);
            if invite.is_pending() {
                match invite.cancel {
                    Cancel::Sent { until, .. } if until <= turn.now => {
                        invite.transaction = ClientInvite::Terminated;
                        lost = Some(TimedOut);
                    }
                    Cancel::No if invite.ring.is_some_and(|ring| ring <= turn.now) => {
                        invite.cancel = Cancel::Wanted { reason: None };
                        self.cancel_if_wanted(at, turn);
                        if let Cancel::Sent { late, .. } = &mut self.outgoing[at].cancel {
                            *late = true;
                        }
                    }
                    Cancel::No | Cancel::Wanted { .. } | Cancel::Sent { .. } => {}
                }
            }
            if lost.is_some() {
                match self.outgoing[at].purpose {
                    Purpose::Call => self.call_unanswered(at, turn),
                    Purpose::Reoffer | Purpose::Refresh => self.peer_is_gone(turn),
                }
            }
        }
    }

    /// The offer or answer in a response to an INVITE, and what else it says of the peer.
    pub(super) fn learn(&mut self, message: &Message<&[u8]>) -> Option<Vec<u8>> {
        if message.raw(Name::Allow).is_some() {
            self.peer_updates = message.has_token(Name::Allow, "UPDATE");
        }
        sdp_of(message)
    }
}
