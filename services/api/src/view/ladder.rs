use contract::query::Rung;
use serde::{Deserialize, Serialize};
use sip::{Message, Name};
use utoipa::ToSchema;

use crate::Time;

/// A call's SIP messages, in order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LadderView {
    /// The call's number.
    pub call: String,
    /// One for each message.
    pub rungs: Vec<RungView>,
    /// Workers that did not answer in time: what they remember is not in the ladder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RungView {
    /// When it came or went.
    pub at: Time,
    /// Seconds after the first one.
    pub after_seconds: f64,
    /// The party at the other end: `caller`, or a callee's contact.
    pub party: String,
    /// From the party to us, or from us to the party.
    pub to_us: bool,
    /// What to write on the arrow.
    #[schema(example = "180 Ringing")]
    pub label: String,
    /// The status, if it is a response.
    pub status: Option<u16>,
    /// It has a session description.
    pub sdp: bool,
    /// The whole message.
    pub message: String,
}

impl LadderView {
    pub(crate) fn of(call: String, rungs: Vec<Rung>, missing: Vec<String>) -> Self {
        let first = rungs.first().map(|rung| rung.at).unwrap_or_default();
        let show = |rung: Rung| RungView::of(first, rung);
        LadderView { call, rungs: rungs.into_iter().map(show).collect(), missing }
    }

    /// The messages as the exchange told them (but for bytes that are no text).
    pub fn rungs(&self) -> Vec<Rung> {
        self.rungs
            .iter()
            .map(|rung| Rung {
                at: rung.at.0,
                party: rung.party.clone(),
                to_us: rung.to_us,
                message: rung.message.clone().into_bytes(),
            })
            .collect()
    }
}

impl RungView {
    fn of(first: machine::Moment, rung: Rung) -> Self {
        let parsed = Message::parse(rung.message.as_slice()).ok();
        RungView {
            at: Time(rung.at),
            after_seconds: rung.at.since(first).as_secs_f64(),
            label: parsed.as_ref().map_or_else(|| "(not SIP)".into(), label),
            status: parsed.as_ref().and_then(|message| message.status()).map(|status| status.code()),
            sdp: parsed.as_ref().is_some_and(|message| message.body().starts_with(b"v=0")),
            message: String::from_utf8_lossy(&rung.message).into_owned(),
            party: rung.party,
            to_us: rung.to_us,
        }
    }
}

/// `INVITE`, `180 Ringing`, `200 OK (BYE)`.
fn label(message: &Message<&[u8]>) -> String {
    let cseq = message.cseq();
    let method = cseq.as_ref().map_or("", |cseq| cseq.method.as_str());
    match message.status() {
        Some(status) => {
            let said = String::from_utf8_lossy(message.reason());
            let reason = if said.is_empty() { status.default_reason().into() } else { said };
            match method {
                "INVITE" => format!("{} {reason}", status.code()),
                _ => format!("{} {reason} ({method})", status.code()),
            }
        }
        None => {
            let authorized = [Name::Authorization, Name::ProxyAuthorization]
                .into_iter()
                .any(|name| message.raw(name).is_some());
            let method = message.method().map_or("?".to_owned(), |method| method.as_str().to_owned());
            if authorized { format!("{method} with credentials") } else { method }
        }
    }
}
