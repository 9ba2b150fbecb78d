//! The end of a leg (RFC 3261 15): hanging up whatever the state, and tidying up.

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::turn::Turn;
use super::{EndedBy, Env, Leg, LegEvent, LegOut, Phase};
use crate::{Name, Status};

/// A BYE that waits for the ACK of our 2xx, as RFC 3261 15 wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Farewell {
    #[serde(skip_serializing_if = "is_default")]
    reason: Option<String>,
}

impl Leg {
    /// Ends the leg whatever its state.
    pub(super) fn hang_up(&mut self, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        match &self.phase {
            Phase::Dialling(_) => self.cancel_dialling(reason, turn),
            Phase::Invited { .. } => {
                let headers: Vec<_> =
                    reason.into_iter().map(|reason| (Name::Reason.as_str().to_owned(), reason)).collect();
                self.reject(Status::TEMPORARILY_UNAVAILABLE, None, &headers, turn);
            }
            Phase::Up => {
                if let Some(at) = self.outgoing.iter().position(Outgoing::wants_answer) {
                    self.acknowledge_own(at, &[], turn);
                }
                self.refuse_pending(turn);
                let waits = self.incoming.iter().any(|invite| invite.first && invite.answer.is_some());
                if !waits {
                    self.send_bye(reason.clone(), turn);
                }
                self.end(EndedBy::Us, None, turn);
                if let (true, Phase::Ending { until, bye }) = (waits, &mut self.phase) {
                    *until = until.map(|until| until.after(turn.env.timing.ack_wait));
                    *bye = Some(Farewell { reason });
                }
            }
            Phase::Ending { .. } | Phase::Over => {}
        }
    }

    /// Says once what ends the leg, and forgets all the rest of it: for an owner that can't go on. Nothing is
    /// told, nothing is repeated; what gets lost on the way, the peer has to find out by itself.
    pub fn abandon(
        &mut self,
        (status, reason): (Status, Option<&str>),
        now: Moment,
        env: &mut Env<'_>,
        out: &mut LegOut,
    ) {
        let told = out.events.len();
        let turn = &mut Turn { now, env, out };
        match &self.phase {
            Phase::Dialling(_) => {
                let fresh = self.outgoing.iter().filter(|invite| !invite.is_cancelled());
                let cancels: Vec<_> = fresh.filter_map(|invite| invite.transaction.cancel(reason)).collect();
                turn.out.send.extend(cancels);
            }
            Phase::Invited { .. } | Phase::Up => self.hang_up_with(status, reason, turn),
            Phase::Ending { .. } => self.farewell_now(turn),
            Phase::Over => {}
        }
        out.events.truncate(told);
        self.outgoing.clear();
        self.incoming.clear();
        self.asks.clear();
        self.replies.clear();
        self.close_quietly();
        self.phase = Phase::Over;
    }

    fn hang_up_with(&mut self, status: Status, reason: Option<&str>, turn: &mut Turn<'_, '_>) {
        if let Phase::Invited { .. } = self.phase {
            let headers: Vec<_> = reason
                .iter()
                .map(|reason| (Name::Reason.as_str().to_owned(), (*reason).to_owned()))
                .collect();
            return self.reject(status, None, &headers, turn);
        }
        self.hang_up(reason.map(str::to_owned), turn);
        self.farewell_now(turn);
    }

    /// Says a BYE that would wait for an ACK.
    fn farewell_now(&mut self, turn: &mut Turn<'_, '_>) {
        if let Phase::Ending { bye, .. } = &mut self.phase
            && let Some(Farewell { reason }) = bye.take()
        {
            self.send_bye(reason, turn);
        }
    }

    /// Tells that the call is over; what is left of it is only for the transactions' sake.
    pub(super) fn end(&mut self, by: EndedBy, reason: Option<String>, turn: &mut Turn<'_, '_>) {
        turn.tell(LegEvent::Ended { by, reason });
        self.close(turn);
        let theirs = if by == EndedBy::Peer { turn.timing().give_up() } else { Duration::ZERO };
        let until = turn.now.after(turn.env.timing.bye_wait.max(theirs));
        self.phase = Phase::Ending { until: Some(until), bye: None };
    }

    /// Leaves for the end without a word to the owner; what still waits for us is refused (RFC 3261 15.1.2).
    pub(super) fn close(&mut self, turn: &mut Turn<'_, '_>) {
        self.refuse_pending(turn);
        self.phase = Phase::Ending { until: None, bye: None };
        self.close_quietly();
    }

    fn close_quietly(&mut self) {
        self.wanted = None;
        self.local_sdp = Vec::new();
        self.waiting.clear();
        self.session.stop();
    }

    /// After each input: says what could not be said before, and drops what is done.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_, '_>) {
        self.farewell_if_possible(turn);
        self.ask_what_waited(turn);
        self.reoffer_if_possible(turn);
        self.outgoing.retain(|invite| !invite.transaction.is_terminated());
        self.incoming.retain(|invite| !invite.is_done());
        self.asks.retain(|ask| !ask.transaction.is_terminated());
        self.replies.retain(|reply| !reply.transaction.is_terminated());
        if let Phase::Ending { until, bye } = &self.phase {
            let late = until.is_some_and(|until| until <= turn.now);
            let nothing = bye.is_none()
                && self.outgoing.is_empty()
                && self.incoming.is_empty()
                && self.asks.is_empty()
                && self.replies.is_empty();
            if late || nothing {
                self.outgoing.clear();
                self.incoming.clear();
                self.asks.clear();
                self.replies.clear();
                self.phase = Phase::Over;
            }
        }
    }

    fn farewell_if_possible(&mut self, turn: &mut Turn<'_, '_>) {
        let waits = self.incoming.iter().any(|invite: &Incoming| invite.answer.is_some());
        if let (false, Phase::Ending { until, bye }) = (waits, &mut self.phase)
            && let Some(Farewell { reason }) = bye.take()
        {
            *until = Some(turn.now.after(turn.env.timing.bye_wait));
            self.send_bye(reason, turn);
        }
    }

    /// When a leg that has hung up is dropped at the latest.
    pub(super) fn ending_deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Ending { until, .. } => *until,
            Phase::Dialling(_) | Phase::Invited { .. } | Phase::Up | Phase::Over => None,
        }
    }
}
