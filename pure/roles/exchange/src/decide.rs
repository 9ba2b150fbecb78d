use std::borrow::Cow;

use contract::CallId;
use contract::account::LookUp;
use machine::{Moment, Shard};
use sip::{Message, Method, Name, Status};

use crate::cells::Elsewhere;
use crate::request::Request;
use crate::view::View;
use crate::{authentication, capabilities, destination, in_dialog, overload, registration, sanity, tenancy};

/// What becomes of a message. The order of the steps is the policy.
pub(crate) fn decide(message: &Message<&[u8]>, view: &View, now: Moment) -> Decision {
    let Some(method) = message.method() else { return in_dialog::response(message, view) };
    steps(message, method, view, now).unwrap_or_else(|decision| decision)
}

fn steps(
    message: &Message<&[u8]>,
    method: Method<'_>,
    view: &View,
    now: Moment,
) -> Result<Decision, Decision> {
    let request = sanity::read(message, method)?;
    in_dialog::deliver(&request, view, now)?;
    capabilities::check(&request)?;
    overload::shed(&request, view, now)?;
    capabilities::tell(&request)?;
    let home = tenancy::find(&request, view)?;
    let place = registration::place(&request, home, view)?;
    let proven = authentication::challenge(&request, home, view, now)?;
    match place {
        Some(key) => registration::bind(&request, home, key, proven, view, now),
        None => destination::connect(&request, home, proven, now, view),
    }
}

/// What is to be done about a message.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Nothing.
    Drop(Dropped),
    /// It belongs to a call: to the leg of this local tag.
    Deliver(CallId, Part),
    /// It is answered, and nothing is kept of it.
    Reply(Reply),
    /// Contacts of a user come and go.
    Bind(Box<registration::Bind>),
    /// A call begins.
    Begin(Box<destination::Begin>),
    /// Something must be known first; the answer enters the view, and the message is decided again.
    Ask(Question),
    /// The owner of this shard has to decide.
    Forward(Shard),
    /// The sender lives in another cell, which has to decide.
    Elsewhere(Elsewhere),
}

/// Which leg of a call: the `part` of the tag that we minted for it.
pub(crate) type Part = u16;

/// Why nothing is done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dropped {
    /// It is no SIP message, or one that can't be answered.
    Unreadable,
    /// A response that nobody waits for.
    Stray,
    /// An ACK of nothing that is kept.
    LostAck,
}

/// What must be known before a message can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which tenants are there?
    Tenants,
    /// Who is this?
    Account(LookUp),
}

/// An answer without state (RFC 3261 8.2.7).
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: Status,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) headers: Vec<(Name, Cow<'static, str>)>,
    /// It refuses credentials that were seen before.
    pub(crate) is_replay: bool,
}

impl Reply {
    pub(crate) const fn new(status: Status) -> Self {
        Reply { status, reason: None, headers: Vec::new(), is_replay: false }
    }

    pub(crate) fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(crate) fn with(mut self, name: Name, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Reply> for Decision {
    fn from(reply: Reply) -> Self {
        Decision::Reply(reply)
    }
}

impl From<Status> for Decision {
    fn from(status: Status) -> Self {
        Decision::Reply(Reply::new(status))
    }
}

impl Request<'_> {
    /// The answer `reply`; nothing to an ACK.
    pub(crate) fn refuse(&self, reply: impl Into<Decision>) -> Decision {
        if self.method == Method::Ack { Decision::Drop(Dropped::LostAck) } else { reply.into() }
    }
}
