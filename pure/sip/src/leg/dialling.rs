//! The calling leg until it is answered (RFC 3261 13.2).

use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::identity::{Env, Identity};
use super::line::Line;
use super::outgoing::{Cancel, Purpose};
use super::session::Session;
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, LegOut, Phase};
use crate::dialog::Dialog;
use crate::digest::Authenticator;
use crate::{Message, Name, Status};

/// What only a leg that rings knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Dialling {
    /// The owner's headers for the INVITE.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) extra: Vec<(String, String)>,
    /// Whether anything was heard.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) heard: bool,
    /// Early dialogs, one for each fork that has shown itself.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) forks: Vec<Fork>,
}

/// An early dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Fork {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) dialog: Dialog,
    /// The answer that its provisional responses brought.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub(super) sdp: Vec<u8>,
}

impl Leg {
    pub(super) fn begin_dialling(
        identity: Identity,
        offer: Option<&[u8]>,
        extra: &[(String, String)],
        turn: &mut Turn<'_, '_>,
    ) -> Leg {
        let local = format!("{};tag={}", identity.local, identity.local_tag);
        let mut leg = Leg {
            caller: true,
            line: Line {
                contact: identity.contact,
                reliable: identity.reliable,
                sent_by: identity.sent_by,
                via_transport: identity.via_transport,
                keys: identity.login.map(Authenticator::new),
                early_offers: identity.early_offers,
            },
            dialog: Dialog {
                call_id: identity.call_id,
                local_tag: identity.local_tag,
                local: local.into_bytes(),
                remote: identity.remote.into_bytes(),
                target: identity.target.into_bytes(),
                routes: identity.routes.join(", ").into_bytes(),
                max_forwards: identity.max_forwards,
                ..Dialog::default()
            },
            phase: Phase::Dialling(Dialling {
                extra: extra.iter().filter(|(name, _)| is_extra(name)).cloned().collect(),
                ..Dialling::default()
            }),
            session: Session::new(turn.env.timing),
            ..Leg::default()
        };
        leg.send_invite(Purpose::Call, offer.unwrap_or_default().to_vec(), 0, turn);
        leg
    }

    /// The owner gives up.
    pub(super) fn cancel_dialling(&mut self, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        let pending = self.outgoing.iter().position(|invite| invite.is_pending());
        let Some(at) = pending.filter(|&at| self.outgoing[at].cancel == Cancel::No) else { return };
        self.outgoing[at].cancel = Cancel::Wanted { reason };
        self.cancel_if_wanted(at, turn);
    }

    /// Takes a response to the INVITE that calls.
    pub(super) fn take_call_response(
        &mut self,
        at: usize,
        response: &Message<&[u8]>,
        status: Status,
        turn: &mut Turn<'_, '_>,
    ) {
        if !matches!(self.phase, Phase::Dialling(_)) {
            if status.is_success() {
                self.take_further_success(at, response, turn);
            }
        } else if status.is_provisional() {
            self.take_progress(response, status, turn);
        } else if status.is_success() {
            self.take_answer(at, response, turn);
        } else if !self.tried_again(at, response, turn) {
            self.take_refusal(at, response, status, turn);
        }
    }

    fn take_progress(&mut self, response: &Message<&[u8]>, status: Status, turn: &mut Turn<'_, '_>) {
        let sdp = self.learn(response);
        let Phase::Dialling(dialling) = &mut self.phase else { return };
        let first = !std::mem::replace(&mut dialling.heard, true);
        if status == Status::TRYING {
            if first {
                turn.tell(LegEvent::Trying);
            }
            return;
        }
        if let Ok(dialog) = self.dialog.of_response(response) {
            dialling.note_fork(dialog, sdp.as_deref());
        }
        turn.tell(LegEvent::Progress { status, sdp });
    }

    fn take_answer(&mut self, at: usize, response: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        let Ok(dialog) = self.dialog.of_response(response) else {
            // A 2xx without a To-tag or with routes that nobody can read: there is nobody to talk to.
            let reason = "unusable 2xx".to_owned();
            return self.refused(Status::BAD_GATEWAY, reason, None, turn);
        };
        let sdp = self.learn(response);
        let fork = match std::mem::take(&mut self.phase) {
            Phase::Dialling(dialling) => dialling.into_fork(&dialog.remote_tag),
            Phase::Invited { .. } | Phase::Up | Phase::Ending { .. } | Phase::Over => Fork::default(),
        };
        self.dialog = Dialog { remote_cseq: fork.dialog.remote_cseq, ..dialog };
        let offered = !self.outgoing[at].sdp.is_empty();
        if self.outgoing[at].cancel != Cancel::No {
            self.acknowledge_own(at, &[], turn);
            self.phase = Phase::Up;
            self.send_bye(None, turn);
            return self.end(EndedBy::Us, None, turn);
        }
        self.phase = Phase::Up;
        self.session.granted(turn.now, response);
        if offered || sdp.is_none() {
            let first = std::mem::take(&mut self.outgoing[at].sdp);
            // Unless it was changed before the call was answered.
            if self.local_sdp.is_empty() {
                self.local_sdp = first;
            }
            self.acknowledge_own(at, &[], turn);
        }
        let sdp = sdp.or(Some(fork.sdp).filter(|early| offered && !early.is_empty()));
        turn.tell(LegEvent::Answered { sdp });
    }

    fn take_refusal(
        &mut self,
        at: usize,
        response: &Message<&[u8]>,
        status: Status,
        turn: &mut Turn<'_, '_>,
    ) {
        let late = matches!(self.outgoing[at].cancel, Cancel::Sent { late: true, .. });
        if late && status == Status::REQUEST_TERMINATED {
            return self.refused(Status::REQUEST_TIMEOUT, "Nobody answered in time".into(), None, turn);
        }
        let reason = String::from_utf8_lossy(response.reason()).into_owned();
        self.refused(status, reason, Some(response), turn);
    }

    /// Nobody answered our INVITE, or our CANCEL.
    pub(super) fn call_unanswered(&mut self, at: usize, turn: &mut Turn<'_, '_>) {
        if !matches!(self.phase, Phase::Dialling(_)) {
            return;
        }
        let (status, reason) = match self.outgoing[at].cancel {
            Cancel::No => (Status::REQUEST_TIMEOUT, "No response"),
            Cancel::Sent { late: true, .. } => (Status::REQUEST_TIMEOUT, "Nobody answered in time"),
            Cancel::Wanted { .. } | Cancel::Sent { late: false, .. } => {
                (Status::REQUEST_TERMINATED, "Cancelled without a response")
            }
        };
        self.refused(status, reason.into(), None, turn);
    }

    fn refused(
        &mut self,
        status: Status,
        reason: String,
        response: Option<&Message<&[u8]>>,
        turn: &mut Turn<'_, '_>,
    ) {
        turn.tell(LegEvent::Refused {
            status,
            reason,
            contacts: response.filter(|_| status.is_redirect()).map(contacts_of).unwrap_or_default(),
            retry_after: response
                .and_then(|response| response.retry_after().ok().flatten())
                .map(|after| after.secs),
            cause: response.and_then(super::line::reason_of),
        });
        self.close(turn);
    }

    /// The called side hung up before its 2xx reached us (RFC 3261 15 forbids it; phones do it).
    pub(super) fn hung_up_early(&mut self, tag: &str, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        let Phase::Dialling(dialling) = &mut self.phase else { return };
        dialling.forks.retain(|fork| fork.dialog.remote_tag != tag);
        if dialling.forks.is_empty() {
            self.cancel_dialling(None, turn);
            self.end(EndedBy::Peer, reason, turn);
        }
    }
}

impl Dialling {
    fn note_fork(&mut self, dialog: Dialog, sdp: Option<&[u8]>) {
        /// More early dialogs than anybody has phones are an attack, or a mistake.
        const MOST: usize = 16;
        let room = self.forks.len() < MOST;
        let known = self.forks.iter_mut().find(|fork| fork.dialog.remote_tag == dialog.remote_tag);
        match known {
            Some(fork) => {
                fork.dialog = Dialog { remote_cseq: fork.dialog.remote_cseq, ..dialog };
                if let Some(sdp) = sdp {
                    fork.sdp = sdp.to_vec();
                }
            }
            None if room => {
                self.forks.push(Fork { dialog, sdp: sdp.unwrap_or_default().to_vec() });
            }
            None => {}
        }
    }

    fn into_fork(self, tag: &str) -> Fork {
        self.forks.into_iter().find(|fork| fork.dialog.remote_tag == tag).unwrap_or_default()
    }
}

/// Where else to try: the Contacts' URIs, best q first.
fn contacts_of(response: &Message<&[u8]>) -> Vec<String> {
    let mut found: Vec<(u16, String)> = response
        .contacts()
        .flatten()
        .map(|contact| {
            let q = contact.q().ok().flatten().unwrap_or(1000);
            (q, String::from_utf8_lossy(contact.address.uri_bytes).into_owned())
        })
        .collect();
    found.sort_by_key(|&(q, _)| std::cmp::Reverse(q));
    found.into_iter().map(|(_, uri)| uri).collect()
}

impl Leg {
    /// Calls: sends an INVITE with `offer` (or without one: then the peer offers in its 2xx).
    pub fn dial(
        identity: Identity,
        offer: Option<&[u8]>,
        extra_headers: &[(String, String)],
        now: machine::Moment,
        env: &mut Env<'_>,
        out: &mut LegOut,
    ) -> Leg {
        Leg::begin_dialling(identity, offer, extra_headers, &mut Turn { now, env, out })
    }
}

/// What the owner may add; the rest the leg writes itself.
fn is_extra(name: &str) -> bool {
    !matches!(
        Name::of(name.as_bytes()),
        Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq | Name::ContentLength
    )
}
