use std::fmt;
use std::time::Duration;

use machine::Shard;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::NodeId;

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The SIP front door.
    Edge,
    /// Registrar, routing, calls.
    Exchange,
    /// RTP anchors.
    Media,
    /// Call control.
    Apps,
    /// Reservations and settlement.
    Billing,
    /// Accounts, records, the REST API.
    Api,
    /// Who is there, and who owns what.
    Broker,
}

impl Role {
    /// The first word of the role's subjects.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Edge => "edge",
            Role::Exchange => "exchange",
            Role::Media => "media",
            Role::Apps => "apps",
            Role::Billing => "billing",
            Role::Api => "api",
            Role::Broker => "broker",
        }
    }

    /// The role that a subject's first word names.
    pub fn of(subject: &str) -> Option<Role> {
        let name = subject.split('.').next()?;
        use Role::{Api, Apps, Billing, Broker, Edge, Exchange, Media};
        [Edge, Exchange, Media, Apps, Billing, Api, Broker].into_iter().find(|role| role.name() == name)
    }
}

/// Where a conversation is held: `media.anchor`, or, directed to a shard's owner, `exchange.17.locate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Who is spoken to.
    pub role: Role,
    /// About what.
    pub verb: &'static str,
}

impl Subject {
    /// `role.verb`.
    pub const fn new(role: Role, verb: &'static str) -> Self {
        Subject { role, verb }
    }
}

/// Whom of its role a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// Whoever owns the shard.
    Owner(Shard),
    /// Those of that node, and no others.
    Node(NodeId),
    /// One of them, whichever.
    Any,
    /// Every one of them.
    All,
}

impl To {
    /// The node that is meant.
    pub fn node(self) -> Option<NodeId> {
        match self {
            To::Node(node) => Some(node),
            To::Owner(_) | To::Any | To::All => None,
        }
    }

    /// The shard whose owner is meant.
    pub fn shard(self) -> Option<Shard> {
        match self {
            To::Owner(shard) => Some(shard),
            To::Node(_) | To::Any | To::All => None,
        }
    }
}

impl fmt::Display for To {
    /// The word of a subject between role and verb: `17`, `node-3`, `any`, `all`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            To::Owner(shard) => shard.fmt(f),
            To::Node(node) => write!(f, "node-{}", node.0),
            To::Any => f.write_str("any"),
            To::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.role.name(), self.verb)
    }
}

/// What happens when a request comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing happens again; the same answer comes back.
    SameAnswer,
    /// It is only a question; the answer is today's.
    Fresh,
}

/// A request and its answer.
pub trait Conversation: Serialize + DeserializeOwned {
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
    /// Where it is held.
    const SUBJECT: Subject;
    /// How long the asker waits before it asks again.
    const WITHIN: Duration;
    /// What a repeat does.
    const REPEATED: Repeat;
}

/// Something told without an answer.
pub trait Notice: Serialize + DeserializeOwned {
    /// Where it is told.
    const SUBJECT: Subject;
}

/// What an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A request, to be answered under the same `id`.
    #[default]
    Request,
    /// The answer to the request `id`.
    Answer,
    /// A notice; `id` means nothing.
    Notice,
}

/// One message on the wire of the bus.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// Request, answer or notice.
    pub kind: Kind,
    /// `role.verb`; empty in an answer.
    pub subject: String,
    /// Chosen by the asker, returned with the answer.
    pub id: u64,
    /// The shard whose owner is meant, if it matters which member of the role hears it.
    pub shard: Option<Shard>,
    /// The node that is meant, if it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The message.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Envelope {
    /// Whom it is for: the node that it names, else its shard's owner; without either, a request is for anyone of
    /// the role, and a notice for all.
    pub fn to(&self) -> To {
        match (self.node, self.shard, self.kind) {
            (Some(node), _, _) => To::Node(node),
            (None, Some(shard), _) => To::Owner(shard),
            (None, None, Kind::Notice) => To::All,
            (None, None, Kind::Request | Kind::Answer) => To::Any,
        }
    }

    /// A request of `conversation`'s kind.
    pub fn request<C: Conversation>(id: u64, shard: Option<Shard>, conversation: &C) -> Self {
        Envelope {
            kind: Kind::Request,
            subject: C::SUBJECT.to_string(),
            id,
            shard,
            node: None,
            body: crate::encode(conversation),
        }
    }

    /// The answer to the request `id`.
    pub fn answer<C: Conversation>(id: u64, answer: &C::Answer) -> Self {
        Envelope { kind: Kind::Answer, id, body: crate::encode(answer), ..Envelope::default() }
    }

    /// A notice to the owner of `shard`, or to all.
    pub fn notice<N: Notice>(shard: Option<Shard>, notice: &N) -> Self {
        Envelope {
            kind: Kind::Notice,
            subject: N::SUBJECT.to_string(),
            id: 0,
            shard,
            node: None,
            body: crate::encode(notice),
        }
    }
}
