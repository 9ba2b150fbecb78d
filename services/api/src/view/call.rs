use contract::{query, registration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Its number, for ever.
    #[schema(example = "00000193a2b4c001")]
    pub id: String,
    /// The tenant's name.
    pub tenant: String,
    /// Who calls.
    pub caller: String,
    /// What was dialed.
    pub dialed: String,
    /// Who is rung or talks.
    pub callee: String,
    /// `routing`, `ringing`, `answered`, `held`, `ending`.
    #[schema(example = "answered")]
    pub state: String,
    /// When the INVITE came.
    pub started: Time,
    /// When it was answered.
    pub answered: Option<Time>,
    /// The Call-ID of the caller's leg.
    pub sip_call_id: String,
    /// The host that holds its audio; none if the platform is alone on its host, or the phones talk past us.
    #[serde(default)]
    pub media: Option<u16>,
}

/// A user's phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistrationView {
    /// The tenant's name.
    pub tenant: String,
    /// The user's name.
    pub user: String,
    /// Its phones, the preferred one first.
    pub contacts: Vec<ContactView>,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactView {
    /// Where it wants requests.
    #[schema(example = "sip:1001@192.0.2.7:5062")]
    pub uri: String,
    /// How much it is preferred, in thousandths.
    pub q: u16,
    /// When the binding ends.
    pub expires: Time,
    /// `udp`, `tcp` and so on.
    pub transport: String,
    /// Where its packets come from.
    pub source: String,
    /// What it calls itself.
    pub user_agent: String,
    /// The way there, nearest first (RFC 3327).
    pub path: Vec<String>,
}

impl CallView {
    pub(crate) fn of(call: query::CallView, tenant: String) -> Self {
        CallView {
            id: call.id.to_string(),
            tenant,
            caller: call.caller,
            dialed: call.dialed,
            callee: call.callee,
            state: call.state,
            started: Time(call.started),
            answered: call.answered.map(Time),
            sip_call_id: call.sip_call_id,
            media: Some(call.media.0).filter(|&node| node != 0),
        }
    }
}

impl From<registration::Contact> for ContactView {
    fn from(contact: registration::Contact) -> Self {
        let registration::Contact { uri, path, q, expires, transport, source, user_agent } = contact;
        ContactView { uri, q, expires: Time(expires), transport, source, user_agent, path }
    }
}
