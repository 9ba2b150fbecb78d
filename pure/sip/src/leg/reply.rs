//! Requests inside the dialog, other than INVITE, that we received.

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::line::{self, ALLOW, Id, SDP, head_of};
use super::session::Asked;
use super::turn::Turn;
use super::{EndedBy, Leg, LegEvent, OfferMethod, Phase};
use crate::dialog::{Dialog, Order};
use crate::transaction::{ServerOther, earlier};
use crate::{Message, Method, Name, Status};

/// How many requests of one peer are kept for the sake of their repetitions.
const MOST: usize = 16;

/// A request that we received, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reply {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) branch: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) transaction: ServerOther,
    /// What our response repeats; empty once it was given. Only an UPDATE with an offer waits.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    head: Vec<u8>,
    #[serde(skip_serializing_if = "is_default")]
    asked: Asked,
    #[serde(skip_serializing_if = "is_default")]
    limit: Option<Moment>,
}

impl Reply {
    pub(super) fn is_pending(&self) -> bool {
        self.transaction.is_pending()
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        earlier(self.transaction.deadline(), self.limit.filter(|_| self.is_pending()))
    }
}

impl Leg {
    /// Takes a request other than INVITE, ACK and CANCEL.
    pub(super) fn take_other(
        &mut self,
        request: &Message<&[u8]>,
        method: Method<'_>,
        id: Id,
        turn: &mut Turn<'_, '_>,
    ) {
        let Some(order) = self.order_of(request, method, id.number) else {
            if matches!(self.phase, Phase::Dialling(_)) && !self.line.reliable {
                // It has overtaken the response that makes its dialog, and will be sent again.
                return;
            }
            return self.refuse(request, Status::CALL_DOES_NOT_EXIST, &[], turn);
        };
        if order == Order::Late {
            return self.refuse(request, Status::SERVER_INTERNAL_ERROR, &[], turn);
        }
        if self.replies.len() >= MOST && method != Method::Bye {
            return self.refuse(request, Status::SERVICE_UNAVAILABLE, &[], turn);
        }
        let objection = match method {
            Method::Update => self.objection(request, false, turn),
            Method::Info | Method::Options => {
                super::invited::strange(request).map(|refusal| (refusal.status, refusal.headers))
            }
            // Hanging up needs no extension, and what we don't serve at all is refused for that (8.2.1).
            _ => None,
        };
        let at = self.replies.len();
        let waits = method == Method::Update;
        self.replies.push(Reply {
            branch: id.branch,
            transaction: ServerOther::start(),
            head: if waits || objection.is_some() { head_of(request, method) } else { Vec::new() },
            asked: if waits { Asked::of(request) } else { Asked::default() },
            limit: None,
        });
        if let Some((status, headers)) = objection {
            return self.respond_other(at, status, &headers, turn);
        }
        match method {
            Method::Bye => self.take_bye(at, request, turn),
            Method::Update => self.take_update(at, request, turn),
            Method::Info => self.take_info(at, request, turn),
            Method::Options => {
                let headers = [header(Name::Allow, ALLOW), header(Name::Supported, line::SUPPORTED)];
                self.respond_to(request, (at, Status::OK), &headers, turn);
            }
            // We never send a reliable provisional response, so there is none to acknowledge.
            Method::Prack | Method::Notify => {
                self.respond_to(request, (at, Status::CALL_DOES_NOT_EXIST), &[], turn);
            }
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Refer
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => {
                let allow = [header(Name::Allow, ALLOW)];
                self.respond_to(request, (at, Status::METHOD_NOT_ALLOWED), &allow, turn);
            }
        }
    }

    /// Whether a request is in its turn in the dialog it names; none if there is no such dialog.
    fn order_of(&mut self, request: &Message<&[u8]>, method: Method<'_>, number: u32) -> Option<Order> {
        if !request
            .to()
            .is_ok_and(|to| to.tag().is_some_and(|tag| tag.eq_ignore_ascii_case(&self.dialog.local_tag)))
        {
            return None;
        }
        let theirs = request.from().ok()?.tag().unwrap_or_default().to_owned();
        match &mut self.phase {
            Phase::Dialling(dialling) => {
                let mut forks = dialling.forks.iter_mut();
                match forks.find(|fork| fork.dialog.remote_tag == theirs) {
                    Some(fork) => Some(fork.dialog.takes(number)),
                    // The 2xx may be lost, and its sender have hung up.
                    None => (method == Method::Bye).then_some(Order::Next),
                }
            }
            Phase::Invited { .. } | Phase::Up => {
                (theirs.eq_ignore_ascii_case(&self.dialog.remote_tag)).then(|| self.dialog.takes(number))
            }
            // Two BYEs may cross.
            Phase::Ending { .. } => (method == Method::Bye
                && theirs.eq_ignore_ascii_case(&self.dialog.remote_tag))
            .then(|| self.dialog.takes(number)),
            Phase::Over => None,
        }
    }

    /// Whether a request is of the established dialog.
    pub(super) fn is_of_dialog(&self, request: &Message<&[u8]>) -> bool {
        let Dialog { local_tag, remote_tag, .. } = &self.dialog;
        let same = |tag: Option<&str>, ours: &str| tag.unwrap_or_default().eq_ignore_ascii_case(ours);
        request.to().is_ok_and(|to| same(to.tag(), local_tag))
            && request.from().is_ok_and(|from| same(from.tag(), remote_tag))
    }

    /// Answers a request that has waited.
    pub(super) fn respond_other(
        &mut self,
        at: usize,
        status: Status,
        headers: &[(String, String)],
        turn: &mut Turn<'_, '_>,
    ) {
        let reply = &mut self.replies[at];
        let head = std::mem::take(&mut reply.head);
        reply.asked = Asked::default();
        let Ok(head) = Message::parse(&head[..]) else { return };
        self.respond_to(&head, (at, status), headers, turn);
    }

    /// Answers a request (or its head).
    fn respond_to(
        &mut self,
        request: &Message<&[u8]>,
        (at, status): (usize, Status),
        headers: &[(String, String)],
        turn: &mut Turn<'_, '_>,
    ) {
        let mut bytes = Vec::with_capacity(512);
        let mut writer = line::answer(request, status, None, &self.dialog.local_tag, turn, &mut bytes);
        for (name, value) in headers {
            writer = writer.other(name, value);
        }
        writer.empty_body();
        let timing = turn.timing();
        let response = (status, bytes);
        let reply = &mut self.replies[at];
        reply.transaction.respond(turn.now, response, self.line.reliable, &timing, &mut turn.out.send);
    }

    fn take_bye(&mut self, at: usize, bye: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        self.respond_to(bye, (at, Status::OK), &[], turn);
        let reason = line::reason_of(bye);
        match &self.phase {
            Phase::Dialling(_) => {
                let tag = bye.from().ok().and_then(|from| from.tag()).unwrap_or_default().to_owned();
                self.hung_up_early(&tag, reason, turn);
            }
            Phase::Invited { .. } => {
                turn.tell(LegEvent::Cancelled { reason });
                self.close(turn);
            }
            Phase::Up => {
                self.forget_unacknowledged();
                self.end(EndedBy::Peer, reason, turn);
            }
            Phase::Ending { .. } => self.forget_unacknowledged(),
            Phase::Over => {}
        }
    }

    /// A peer that hangs up has got our 2xx, and will not acknowledge it any more.
    fn forget_unacknowledged(&mut self) {
        for invite in &mut self.incoming {
            invite.answer = None;
        }
        if let Phase::Ending { bye, .. } = &mut self.phase {
            *bye = None;
        }
    }

    fn take_info(&mut self, at: usize, info: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        self.respond_to(info, (at, Status::OK), &[], turn);
        let content_type = info.text(Name::ContentType).map(|text| text.into_owned()).unwrap_or_default();
        turn.tell(LegEvent::Info { content_type, body: info.body().to_vec() });
    }

    fn take_update(&mut self, at: usize, update: &Message<&[u8]>, turn: &mut Turn<'_, '_>) {
        if let Phase::Dialling(dialling) = &mut self.phase {
            let theirs = update.from().ok().and_then(|from| from.tag()).unwrap_or_default();
            let mut forks = dialling.forks.iter_mut();
            if let Some(fork) = forks.find(|fork| fork.dialog.remote_tag == theirs) {
                fork.dialog.retarget(update);
                if let Some(sdp) = line::sdp_of(update) {
                    fork.sdp = sdp;
                }
            }
        } else {
            self.dialog.retarget(update);
        }
        match self.learn(update) {
            None => self.accept_update(at, &[], turn),
            Some(sdp) => {
                self.replies[at].limit = Some(turn.now.after(Leg::patience(turn)));
                turn.tell(LegEvent::Offer { sdp: Some(sdp), method: OfferMethod::Update });
            }
        }
    }

    /// Accepts an UPDATE, with the answer if it had an offer.
    pub(super) fn accept_update(&mut self, at: usize, sdp: &[u8], turn: &mut Turn<'_, '_>) {
        let reply = &mut self.replies[at];
        let head = std::mem::take(&mut reply.head);
        let Ok(head) = Message::parse(&head[..]) else { return };
        let mut bytes = Vec::with_capacity(768 + sdp.len());
        let writer = line::answer(&head, Status::OK, None, &self.dialog.local_tag, turn, &mut bytes);
        let mut writer = self.line.introduce(writer);
        if matches!(self.phase, Phase::Up)
            && let Some(grant) = self.session.grant(turn.now, std::mem::take(&mut reply.asked))
        {
            writer = grant.write(writer);
        }
        writer.body(SDP, sdp);
        if !sdp.is_empty() {
            self.local_sdp = sdp.to_vec();
        }
        let timing = turn.timing();
        let response = (Status::OK, bytes);
        reply.transaction.respond(turn.now, response, self.line.reliable, &timing, &mut turn.out.send);
    }

    /// Lets what is due in received requests take effect.
    pub(super) fn expire_replies(&mut self, turn: &mut Turn<'_, '_>) {
        for at in 0..self.replies.len() {
            let reply = &mut self.replies[at];
            reply.transaction.expire(turn.now);
            if reply.is_pending() && reply.limit.is_some_and(|limit| limit <= turn.now) {
                self.respond_other(at, Status::SERVER_TIMEOUT, &[], turn);
                turn.tell(LegEvent::OfferWithdrawn);
            }
        }
    }
}

fn header(name: Name, value: &str) -> (String, String) {
    (name.as_str().to_owned(), value.to_owned())
}
