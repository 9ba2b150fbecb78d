use contract::{Body, Conversation, Envelope, Kind, Notice, Subject};
use machine::Shard;

/// A message and whom it is for, before it has a place on any wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Who is spoken to, about what.
    pub subject: Subject,
    /// The shard whose owner is meant; none: whoever answers for the role.
    pub shard: Option<Shard>,
    /// The message.
    pub body: Body,
}

impl Addressed {
    /// A request to the owner of `shard`.
    pub fn request<C: Conversation>(shard: Option<Shard>, conversation: &C) -> Self {
        Addressed { subject: C::SUBJECT, shard, body: contract::encode(conversation) }
    }

    /// A notice to the owner of `shard`, or to all of the role.
    pub fn notice<N: Notice>(shard: Option<Shard>, notice: &N) -> Self {
        Addressed { subject: N::SUBJECT, shard, body: contract::encode(notice) }
    }

    /// The subject as one word with the shard in it: `exchange.17.locate`, or `media.anchor`.
    pub fn name(&self) -> String {
        match self.shard {
            Some(shard) => format!("{}.{shard}.{}", self.subject.role.name(), self.subject.verb),
            None => self.subject.to_string(),
        }
    }

    pub(crate) fn envelope(self, kind: Kind, id: u64) -> Envelope {
        Envelope { kind, subject: self.subject.to_string(), id, shard: self.shard, body: self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::registration::Locate;

    #[test]
    fn a_subject_carries_its_shard() {
        let to_owner = Addressed::request(Some(Shard::of(17)), &Locate::default());
        assert_eq!(to_owner.name(), "exchange.17.locate");
        let to_any = Addressed::request(None, &contract::media::Anchor::default());
        assert_eq!(to_any.name(), "media.anchor");
    }
}
