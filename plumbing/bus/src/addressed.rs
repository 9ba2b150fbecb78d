use contract::{Body, Conversation, Envelope, Kind, Notice, Subject, To};

/// A message and whom it is for, before it has a place on any wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Who is spoken to, about what.
    pub subject: Subject,
    /// Which of those who speak for the role.
    pub to: To,
    /// The message.
    pub body: Body,
}

impl Addressed {
    /// A request to `to`.
    pub fn request<C: Conversation>(to: To, conversation: &C) -> Self {
        Addressed { subject: C::SUBJECT, to, body: contract::encode(conversation) }
    }

    /// A notice to `to`.
    pub fn notice<N: Notice>(to: To, notice: &N) -> Self {
        Addressed { subject: N::SUBJECT, to, body: contract::encode(notice) }
    }

    /// The subject as one word with whom it is for in it: `exchange.17.locate`, `media.node-3.anchor`.
    pub fn name(&self) -> String {
        match self.to {
            To::Any | To::All => self.subject.to_string(),
            to => format!("{}.{to}.{}", self.subject.role.name(), self.subject.verb),
        }
    }

    /// The message as it goes on a wire.
    pub fn envelope(self, kind: Kind, id: u64) -> Envelope {
        let (shard, node) = (self.to.shard(), self.to.node());
        Envelope { kind, subject: self.subject.to_string(), id, shard, node, body: self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::NodeId;
    use contract::registration::Locate;
    use machine::Shard;

    #[test]
    fn a_subject_carries_whom_it_is_for() {
        let to_owner = Addressed::request(To::Owner(Shard::of(17)), &Locate::default());
        assert_eq!(to_owner.name(), "exchange.17.locate");
        let to_any = Addressed::request(To::Any, &contract::media::Anchor::default());
        assert_eq!(to_any.name(), "media.anchor");
        let to_one = Addressed::request(To::Node(NodeId(3)), &contract::media::Anchor::default());
        assert_eq!(to_one.name(), "media.node-3.anchor");
    }
}
