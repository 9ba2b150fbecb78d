//! The called leg until it is answered (RFC 3261 13.3.1).

use super::identity::{Env, LegTiming, Reception};
use super::incoming::{Incoming, Response};
use super::line::{Id, Line, SDP, SUPPORTED};
use super::session::{Asked, Session};
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, LegOut, Phase, Refusal};
use crate::dialog::Dialog;
use crate::digest::Authenticator;
use crate::{Message, Name, ParseError, Status};

impl From<ParseError> for Refusal {
    fn from(_: ParseError) -> Self {
        Refusal { status: Status::BAD_REQUEST, headers: Vec::new() }
    }
}

/// The refusal of a request that insists on an extension that a leg does not have (RFC 3261 8.2.2.3).
pub(super) fn strange(request: &Message<&[u8]>) -> Option<Refusal> {
    let strange = request.unsupported(Name::Require, &[SUPPORTED])?;
    Some(Refusal {
        status: Status::BAD_EXTENSION,
        headers: vec![(Name::Unsupported.as_str().to_owned(), strange)],
    })
}

/// Why a leg can't serve a request that would make or change a session, whatever its state: an extension, a
/// body or a session interval that it can't do with.
pub(super) fn unsupported(request: &Message<&[u8]>, timing: &LegTiming) -> Option<Refusal> {
    let refusal = |status, name: Name, value: String| {
        Some(Refusal { status, headers: vec![(name.as_str().to_owned(), value)] })
    };
    if let Some(refusal) = strange(request) {
        return Some(refusal);
    }
    if !request.body().is_empty() {
        let optional = request
            .raw(Name::ContentDisposition)
            .is_some_and(|disposition| disposition.to_ascii_lowercase().ends_with(b"handling=optional"));
        let is_sdp = request.content_type().ok().flatten().is_some_and(|content| content.is(SDP));
        if !is_sdp && !optional {
            return refusal(Status::UNSUPPORTED_MEDIA_TYPE, Name::Accept, SDP.to_owned());
        }
        let encoding = request.raw(Name::ContentEncoding);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return refusal(Status::UNSUPPORTED_MEDIA_TYPE, Name::AcceptEncoding, "identity".to_owned());
        }
    }
    let least = Asked::of(request).too_short(timing)?;
    refusal(Status::SESSION_INTERVAL_TOO_SMALL, Name::MinSe, least.to_string())
}

impl Leg {
    /// Is called: answers 100 and tells [`LegEvent::Invited`].
    ///
    /// # Errors
    /// With what to answer, if the INVITE can't be served.
    pub fn invited(
        invite: &Message<&[u8]>,
        reception: Reception,
        now: machine::Moment,
        env: &mut Env<'_>,
        out: &mut LegOut,
    ) -> Result<Leg, Refusal> {
        let branch = invite.top_via()?.branch().unwrap_or_default().to_owned();
        if invite.to()?.tag().is_some() {
            return Err(Refusal { status: Status::CALL_DOES_NOT_EXIST, headers: Vec::new() });
        }
        let dialog = Dialog::of_request(invite, &reception.local_tag)?;
        if let Some(refusal) = unsupported(invite, env.timing) {
            return Err(refusal);
        }
        let turn = &mut Turn { now, env, out };
        let id = Id { branch, number: invite.cseq()?.number };
        let mut leg = Leg {
            caller: false,
            line: Line {
                contact: reception.contact,
                reliable: reception.reliable,
                sent_by: reception.sent_by,
                via_transport: reception.via_transport,
                keys: reception.login.map(Authenticator::new),
                early_offers: reception.early_offers,
            },
            dialog,
            phase: Phase::Invited { alerting: false },
            session: Session::new(turn.env.timing),
            incoming: vec![Incoming::new(invite, id, true)],
            ..Leg::default()
        };
        let offer = leg.learn(invite);
        leg.say_trying(invite, turn);
        turn.tell(LegEvent::Invited { offer });
        Ok(leg)
    }

    /// The pending INVITE that began the call.
    fn ringing(&self) -> Option<usize> {
        self.incoming.iter().position(|invite| invite.first && invite.is_pending())
    }

    pub(super) fn progress(&mut self, status: Status, sdp: Option<Vec<u8>>, turn: &mut Turn<'_, '_>) {
        let (Phase::Invited { alerting }, true) = (&mut self.phase, status.is_provisional()) else { return };
        *alerting |= status != Status::TRYING;
        let Some(at) = self.ringing() else { return };
        if let Some(sdp) = sdp.filter(|_| self.incoming[at].offered) {
            self.local_sdp = sdp;
        }
        let sdp = std::mem::take(&mut self.local_sdp);
        self.respond_invite(at, status, &Response { sdp: &sdp, ..Response::default() }, turn);
        self.local_sdp = sdp;
    }

    pub(super) fn answer(&mut self, sdp: Option<Vec<u8>>, turn: &mut Turn<'_, '_>) {
        if !matches!(self.phase, Phase::Invited { .. }) {
            return;
        }
        let Some(at) = self.ringing() else { return };
        self.phase = Phase::Up;
        let sdp = sdp.unwrap_or_else(|| std::mem::take(&mut self.local_sdp));
        self.accept_invite(at, &sdp, turn);
    }

    pub(super) fn reject(
        &mut self,
        status: Status,
        reason: Option<&str>,
        headers: &[(String, String)],
        turn: &mut Turn<'_, '_>,
    ) {
        let refuses = status.is_final() && !status.is_success();
        if !refuses || !matches!(self.phase, Phase::Invited { .. }) {
            return;
        }
        if let Some(at) = self.ringing() {
            self.respond_invite(at, status, &Response { reason, headers, sdp: &[] }, turn);
            self.end(EndedBy::Us, None, turn);
        }
    }
}
