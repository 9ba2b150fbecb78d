//! One side of a call: the INVITE usage of a dialog (RFC 3261 12 to 15, RFC 5057) with all its
//! transactions, its offers and answers (RFC 3264, RFC 3311, RFC 6337) and its session timer (RFC 4028).
//!
//! A [`Leg`] is one serializable value. Its owner brings it every message of its Call-ID and tags, calls
//! [`Leg::expire`] at [`Leg::deadline`], sends what it says and keeps it until [`Leg::is_over`]. It does by
//! itself what the RFCs leave no choice about: retransmissions, ACK, PRACK's refusal, answers to CANCEL, BYE,
//! INFO and OPTIONS, hanging up forks that answer too late, glare, credentials, session refreshes.

mod ask;
mod dialling;
mod early;
mod hangup;
mod identity;
mod incoming;
mod invited;
mod line;
mod outgoing;
mod reoffer;
mod reply;
mod session;
mod talk;
mod turn;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use crate::dialog::Dialog;
use crate::transaction::earlier;
use crate::{Message, Method, Status};

pub use identity::{Env, Identity, LegTiming, Login, Reception};
pub use talk::{EndedBy, LegCommand, LegEvent, LegOut, OfferMethod};

use turn::Turn;

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegState {
    /// We have sent an INVITE and heard nothing.
    Calling,
    /// The far side is at it: 100 or more.
    Proceeding,
    /// We were called, and have said nothing yet.
    Incoming,
    /// We were called, and said so (18x).
    Alerting,
    /// The call is answered, but the ACK is missing: the peer's, or ours (dialled without an offer).
    Answered,
    /// The call is up.
    Confirmed,
    /// The call is over, its transactions aren't.
    Ending,
    /// Nothing is left; the leg may be dropped.
    Over,
}

/// What to answer an INVITE with that can't become a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the response.
    pub status: Status,
    /// Headers that belong into it.
    pub headers: Vec<(String, String)>,
}

/// One side of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leg {
    /// Whether we began the call, and so made the Call-ID.
    #[serde(skip_serializing_if = "is_default")]
    caller: bool,
    #[serde(skip_serializing_if = "is_default")]
    line: line::Line,
    #[serde(skip_serializing_if = "is_default")]
    dialog: Dialog,
    #[serde(skip_serializing_if = "is_default")]
    phase: Phase,
    #[serde(skip_serializing_if = "is_default")]
    outgoing: Vec<outgoing::Outgoing>,
    #[serde(skip_serializing_if = "is_default")]
    incoming: Vec<incoming::Incoming>,
    #[serde(skip_serializing_if = "is_default")]
    asks: Vec<ask::Ask>,
    #[serde(skip_serializing_if = "is_default")]
    replies: Vec<reply::Reply>,
    /// The newest offer or answer of ours that is in force.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    local_sdp: Vec<u8>,
    #[serde(skip_serializing_if = "is_default")]
    wanted: Option<reoffer::Wanted>,
    /// Requests that wait for the ACK of our 2xx.
    #[serde(skip_serializing_if = "is_default")]
    waiting: Vec<ask::Errand>,
    #[serde(skip_serializing_if = "is_default")]
    session: session::Session,
    /// Whether the peer knows UPDATE.
    #[serde(skip_serializing_if = "is_default")]
    peer_updates: bool,
}

/// The call's course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// We call.
    Dialling(dialling::Dialling),
    /// We are called.
    Invited {
        /// Whether we have said so.
        #[serde(default, skip_serializing_if = "is_default")]
        alerting: bool,
    },
    /// A 2xx was given.
    Up,
    /// The owner has been told that it is over.
    Ending {
        /// When the leg is dropped, whatever is left.
        #[serde(default, skip_serializing_if = "is_default")]
        until: Option<Moment>,
        /// The BYE that waits.
        #[serde(default, skip_serializing_if = "is_default")]
        bye: Option<hangup::Farewell>,
    },
    /// Nothing is left.
    #[default]
    Over,
}

impl Leg {
    /// Takes any message whose Call-ID and tags are this leg's (or whose branch is, for CANCEL).
    pub fn receive(&mut self, now: Moment, message: &Message<&[u8]>, env: &mut Env<'_>, out: &mut LegOut) {
        let mut turn = Turn { now, env, out };
        if message.is_request() {
            self.take_request(message, &mut turn);
        } else if let Ok(cseq) = message.cseq() {
            match cseq.method {
                Method::Invite => self.take_invite_response(message, &mut turn),
                other => self.take_other_response(message, other, &mut turn),
            }
        }
        self.settle(&mut turn);
    }

    fn take_request(&mut self, request: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        let (Some(method), Ok(cseq), Ok(via)) = (request.method(), request.cseq(), request.top_via()) else {
            return;
        };
        let branch = via.branch().unwrap_or_default().to_owned();
        let id = line::Id { branch, number: cseq.number };
        match method {
            Method::Ack => self.take_ack(request, &id, turn),
            Method::Cancel => self.take_cancel(request, &id, turn),
            Method::Invite => match self.incoming.iter().position(|invite| invite.id == id) {
                Some(at) => self.repeat_response(at, turn),
                None => self.take_invite(request, id, turn),
            },
            other => match self.replies.iter().find(|reply| reply.branch == id.branch) {
                Some(reply) => {
                    reply.transaction.repeated(&mut turn.out.send);
                    turn.out.idle = true;
                }
                None => self.take_other(request, other, id, turn),
            },
        }
    }

    /// Does what the owner wants.
    pub fn command(&mut self, now: Moment, command: LegCommand, env: &mut Env<'_>, out: &mut LegOut) {
        let turn = &mut Turn { now, env, out };
        match command {
            LegCommand::Progress { status, sdp } => self.progress(status, sdp, turn),
            LegCommand::Answer { sdp } => self.answer(sdp, turn),
            LegCommand::Reject { status, reason, headers } => {
                self.reject(status, reason.as_deref(), &headers, turn);
            }
            LegCommand::Cancel { reason } | LegCommand::Bye { reason } => self.hang_up(reason, turn),
            LegCommand::Reoffer { sdp } => self.reoffer(sdp, false, turn),
            LegCommand::Update { sdp: Some(sdp) } => self.reoffer(sdp, true, turn),
            LegCommand::Update { sdp: None } => self.refresh(turn),
            LegCommand::UpdateEarly { sdp } => self.update_early(sdp, turn),
            LegCommand::AcceptOffer { sdp } => self.accept_offer(&sdp, turn),
            LegCommand::RefuseOffer { status } => self.refuse_offer(status, turn),
            LegCommand::Info { content_type, body } => self.inform(content_type, body, turn),
        }
        self.settle(turn);
    }

    /// Lets what is due at `now` take effect. Without anything said or told, nothing changed that would
    /// have to be kept.
    pub fn expire(&mut self, now: Moment, env: &mut Env<'_>, out: &mut LegOut) {
        let turn = &mut Turn { now, env, out };
        self.expire_outgoing(turn);
        self.expire_incoming(turn);
        self.expire_asks(turn);
        self.expire_replies(turn);
        self.expire_session(turn);
        self.settle(turn);
    }

    /// After recovery: a session that expired while nobody could hear the peer's refresh gets some grace.
    /// All else is said by the deadlines.
    pub fn resume(&mut self, now: Moment, env: &mut Env<'_>, _: &mut LegOut) {
        self.session.forgive(now.after(env.timing.transaction.give_up()));
    }

    /// When `expire` is due.
    pub fn deadline(&self) -> Option<Moment> {
        let mut next = earlier(self.session.deadline(), self.wanted_deadline());
        next = earlier(next, self.ending_deadline());
        next = self.outgoing.iter().fold(next, |next, invite| earlier(next, invite.deadline()));
        next = self.incoming.iter().fold(next, |next, invite| earlier(next, invite.deadline()));
        next = self.asks.iter().fold(next, |next, ask| earlier(next, ask.deadline()));
        self.replies.iter().fold(next, |next, reply| earlier(next, reply.deadline()))
    }

    /// Whether nothing is left: the leg may be dropped.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Where it stands.
    pub fn state(&self) -> LegState {
        match &self.phase {
            Phase::Dialling(dialling) if dialling.heard => LegState::Proceeding,
            Phase::Dialling(_) => LegState::Calling,
            Phase::Invited { alerting: false } => LegState::Incoming,
            Phase::Invited { alerting: true } => LegState::Alerting,
            Phase::Up => {
                let theirs = self.incoming.iter().any(|invite| invite.first && invite.answer.is_some());
                let ours = self.outgoing.iter().any(outgoing::Outgoing::wants_answer);
                if theirs || ours { LegState::Answered } else { LegState::Confirmed }
            }
            Phase::Ending { .. } => LegState::Ending,
            Phase::Over => LegState::Over,
        }
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.dialog.local_tag
    }

    /// The peer's tag, once there is a dialog.
    pub fn remote_tag(&self) -> Option<&str> {
        Some(&*self.dialog.remote_tag).filter(|tag| !tag.is_empty())
    }

    /// What both sides know of each other.
    pub fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    /// The newest offer or answer of ours that is in force; empty if there is none.
    pub fn local_sdp(&self) -> &[u8] {
        &self.local_sdp
    }
}

impl Refusal {
    /// The response to `request`, with a To-tag.
    pub fn respond<B: AsRef<[u8]>>(&self, request: &Message<B>, local_tag: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let mut writer = crate::respond(request, self.status, None, Some(local_tag), &mut bytes);
        for (name, value) in &self.headers {
            writer = writer.other(name, value);
        }
        writer.empty_body();
        bytes
    }
}
