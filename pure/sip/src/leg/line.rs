use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use super::turn::Turn;
use crate::dialog::Dialog;
use crate::digest::{Authenticator, Prospect};
use crate::{Message, Method, Name, Status, Writer, respond};

/// What a leg understands (Allow).
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS";
/// The extensions that a leg supports (Supported, and what a peer may require).
pub(super) const SUPPORTED: &str = "timer";
/// The only body that offers and answers come in.
pub(super) const SDP: &str = "application/sdp";

/// What names a transaction of ours: its branch and its CSeq number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Id {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) branch: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) number: u32,
}

impl Id {
    /// The next one of `dialog`.
    pub(super) fn next(dialog: &mut Dialog, turn: &mut Turn<'_, '_>) -> Id {
        Id { branch: turn.branch(), number: dialog.count() }
    }
}

/// Our end of the wire: what we say of ourselves in every message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) contact: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) reliable: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) sent_by: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) via_transport: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) keys: Option<Authenticator>,
    /// Offers are taken before the call is answered.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) early_offers: bool,
}

impl Line {
    /// Begins a request in `dialog`, with what all requests have.
    pub(super) fn begin<'w>(
        &mut self,
        dialog: &Dialog,
        method: Method<'_>,
        id: &Id,
        turn: &mut Turn<'_, '_>,
        bytes: &'w mut Vec<u8>,
    ) -> Writer<'w> {
        let via = format!("SIP/2.0/{} {};branch={};rport", self.via_transport, self.sent_by, id.branch);
        let mut writer = dialog.write(method, id.number, &via, bytes);
        if let Some(keys) = self.keys.as_mut().filter(|keys| keys.was_challenged()) {
            let cnonce = (turn.env.branch)();
            for (name, value) in keys.headers(method, dialog.request_uri(), &cnonce) {
                writer = writer.header(name, value);
            }
        }
        if turn.env.user_agent.is_empty() {
            writer
        } else {
            writer.header(Name::UserAgent, turn.env.user_agent)
        }
    }

    /// What requests and responses that make or refresh a dialog say of us.
    pub(super) fn introduce<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        writer
            .header(Name::Contact, &self.contact)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED)
    }

    /// Whether a challenged request is worth sending again.
    pub(super) fn can_answer(&mut self, response: &Message<&[u8]>) -> bool {
        match (response.status(), &mut self.keys) {
            (Some(Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED), Some(keys)) => {
                keys.challenged(response) == Prospect::TryAgain
            }
            _ => false,
        }
    }
}

/// What of a request its responses repeat, as a message of its own.
pub(super) fn head_of(request: &Message<&[u8]>, method: Method<'_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    Writer::request(&mut head, method, request.request_uri_bytes())
        .copy(request, Name::Via)
        .copy(request, Name::RecordRoute)
        .copy(request, Name::From)
        .copy(request, Name::To)
        .copy(request, Name::CallId)
        .copy(request, Name::CSeq)
        .copy(request, Name::Timestamp)
        .empty_body();
    head
}

/// Begins a response to a request (or to its head), with what all responses have.
pub(super) fn answer<'w>(
    request: &Message<&[u8]>,
    status: Status,
    reason: Option<&str>,
    local_tag: &str,
    turn: &Turn<'_, '_>,
    bytes: &'w mut Vec<u8>,
) -> Writer<'w> {
    let writer = respond(request, status, reason, Some(local_tag), bytes);
    if turn.env.user_agent.is_empty() { writer } else { writer.header(Name::Server, turn.env.user_agent) }
}

/// The SDP in a message, if that is its body.
pub(super) fn sdp_of(message: &Message<&[u8]>) -> Option<Vec<u8>> {
    let typed = message.content_type().ok().flatten().is_some_and(|content| content.is(SDP));
    (typed && !message.body().is_empty()).then(|| message.body().to_vec())
}

/// The first Reason header's value.
pub(super) fn reason_of(message: &Message<&[u8]>) -> Option<String> {
    message.text(Name::Reason).map(std::borrow::Cow::into_owned)
}
