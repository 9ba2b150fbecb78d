//! The API asks the exchange threads what goes on. Each thread answers for its own shards.

use std::time::Duration;

use machine::Moment;
use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use crate::registration::Contact;
use crate::{Aor, CallId, Conversation, NodeId, Repeat, Role, Subject, TenantId};

/// The calls in progress, in order of their number.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListCalls {
    /// Of one tenant, or of all.
    pub tenant: Option<TenantId>,
    /// Those behind this one.
    pub after: Option<CallId>,
    /// At most so many.
    pub limit: u32,
}

/// The answer to [`ListCalls`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// In order.
    pub calls: Vec<CallView>,
}

/// A call in progress as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallView {
    /// The call.
    pub id: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Who calls.
    pub caller: String,
    /// What was dialed.
    pub dialed: String,
    /// Who is rung or talks.
    pub callee: String,
    /// `routing`, `ringing`, `answered`, `held`, `ending`.
    pub state: String,
    /// When the INVITE came.
    pub started: Moment,
    /// When it was answered.
    pub answered: Option<Moment>,
    /// The Call-ID of the caller's leg.
    pub sip_call_id: String,
    /// The media node that holds its audio, or builds it; 0: none, or the platform is alone.
    #[serde(skip_serializing_if = "is_default")]
    pub media: NodeId,
}

impl Conversation for ListCalls {
    type Answer = Calls;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "list_calls");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// The registered phones, in order of tenant and user.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRegistrations {
    /// Of one tenant, or of all.
    pub tenant: Option<TenantId>,
    /// Those behind this one.
    pub after: Option<Aor>,
    /// At most so many users.
    pub limit: u32,
}

/// The answer to [`ListRegistrations`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Registrations {
    /// In order.
    pub registrations: Vec<Registration>,
}

/// A user's phones.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Registration {
    /// Whose.
    pub aor: Aor,
    /// Where.
    pub contacts: Vec<Contact>,
}

impl Conversation for ListRegistrations {
    type Answer = Registrations;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "list_registrations");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// The SIP messages of a call, as far as they are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShowLadder {
    /// Which call.
    pub call: CallId,
}

/// The answer to [`ShowLadder`]; empty if the call is unknown to the thread.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ladder {
    /// In order of time.
    pub rungs: Vec<Rung>,
}

/// One message of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rung {
    /// When it came or went.
    pub at: Moment,
    /// Which party of the call: `caller`, or the callee's contact.
    pub party: String,
    /// From the party to us, or from us to the party.
    pub to_us: bool,
    /// The whole message.
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
}

impl Conversation for ShowLadder {
    type Answer = Ladder;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "show_ladder");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}

/// End a call.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HangUp {
    /// Which call.
    pub call: CallId,
    /// For the record.
    pub reason: String,
}

/// The answer to [`HangUp`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HungUp {
    /// The call was there.
    pub found: bool,
}

impl Conversation for HangUp {
    type Answer = HungUp;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "hang_up");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// How a thread or worker does.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {}

/// The answer to [`Gauge`]: names as Prometheus wants them, without prefix, maybe with labels as in its text
/// (`path_delay_seconds{to="2"}`), with their values. Names that end in `_total` only rise.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauges {
    /// Name and value.
    pub values: Vec<(String, f64)>,
}

impl Conversation for Gauge {
    type Answer = Gauges;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "gauge");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}
