//! An exchange reserves, renews and settles what a call costs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CallId, Conversation, Money, Repeat, Role, Subject, TenantId};

/// May this call go on for so long? Serial 1 opens the reservation, each higher one renews it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reserve {
    /// Which call.
    pub call: CallId,
    /// Who pays.
    pub tenant: TenantId,
    /// The user who pays.
    pub account: String,
    /// Whom it calls, as dialed.
    pub dialed: String,
    /// 1 for the first, then rising by one.
    pub serial: u32,
    /// How many seconds more are wanted.
    pub seconds: u32,
}

/// The answer to [`Reserve`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reserved {
    /// Go on.
    Granted {
        /// Seconds granted by this serial.
        #[serde(default)]
        seconds: u32,
        /// Reserved by this serial.
        #[serde(default)]
        amount: Money,
    },
    /// The account has nothing left, or may not call there.
    Refused {
        /// For people.
        #[serde(default)]
        reason: String,
    },
    /// Of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Conversation for Reserve {
    type Answer = Reserved;
    const SUBJECT: Subject = Subject::new(Role::Billing, "reserve");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// The call is over: charge what was talked, release the rest.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settle {
    /// Which call.
    pub call: CallId,
    /// Who pays.
    pub tenant: TenantId,
    /// The user who pays.
    pub account: String,
    /// Whom it called, as dialed.
    pub dialed: String,
    /// Milliseconds from answer to end; 0 if never answered.
    pub talked_ms: u64,
    /// The last serial reserved.
    pub serial: u32,
}

/// The answer to [`Settle`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settled {
    /// All that was ever reserved for the call.
    pub reserved: Money,
    /// What it cost.
    pub charged: Money,
    /// What went back.
    pub released: Money,
}

impl Conversation for Settle {
    type Answer = Settled;
    const SUBJECT: Subject = Subject::new(Role::Billing, "settle");
    const WITHIN: Duration = Duration::from_millis(300);
    const REPEATED: Repeat = Repeat::SameAnswer;
}

/// How billing does; answered with what [`crate::query::Gauge`] is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {}

impl Conversation for Gauge {
    type Answer = crate::query::Gauges;
    const SUBJECT: Subject = Subject::new(Role::Billing, "gauge");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}
