use async_nats::Subject;
use contract::{NodeId, To};

/// The last word of a subject that those of `node` don't hear.
pub(crate) fn but(node: NodeId) -> String {
    format!(".but-{}", node.0)
}

/// Writes every subject that this crate uses: `root.to.role.verb` for what roles say to each other
/// (`strowger.main.17.exchange.locate`, `strowger.main.node-3.media.anchor`, `strowger.main.any.api.look_up`),
/// `root.stream.tenant.topic` for what is kept.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    root: String,
}

impl Names {
    pub(crate) fn new(root: &str) -> Self {
        Names { root: root.to_owned() }
    }

    /// Where `role.verb` is said to `to`.
    pub(crate) fn said(&self, to: To, role_and_verb: &str) -> Subject {
        format!("{}.{to}.{role_and_verb}", self.root).into()
    }

    /// Where `role.verb` is said to all but those of `node`.
    pub(crate) fn said_beyond(&self, node: NodeId, role_and_verb: &str) -> Subject {
        format!("{}{}", self.said(To::All, role_and_verb), but(node)).into()
    }

    /// All that is said to `to`, whatever the role.
    pub(crate) fn all_said(&self, to: To) -> Subject {
        format!("{}.{to}.>", self.root).into()
    }

    /// All that is said to `to` in the role.
    pub(crate) fn said_to_role(&self, to: To, role: contract::Role) -> Subject {
        format!("{}.{to}.{}.>", self.root, role.name()).into()
    }

    /// Where members say that they are here.
    pub(crate) fn here(&self) -> Subject {
        format!("{}.here", self.root).into()
    }

    /// Where a newcomer asks who is here.
    pub(crate) fn who(&self) -> Subject {
        format!("{}.who", self.root).into()
    }

    /// The subject of a stream's entry.
    pub(crate) fn entry(&self, stream: contract::Stream, tenant: contract::TenantId, topic: &str) -> Subject {
        format!("{}.{}.{tenant}.{topic}", self.root, stream.name()).into()
    }

    /// The subjects of all entries of a stream.
    pub(crate) fn entries(&self, stream: contract::Stream) -> String {
        format!("{}.{}.*.*", self.root, stream.name())
    }

    /// What servers call a stream or a bucket: no dots there.
    pub(crate) fn kept(&self, name: &str) -> String {
        format!("{}_{name}", self.root.replace('.', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{NodeId, Role, Stream, TenantId};
    use machine::Shard;

    #[test]
    fn every_subject_says_whom_it_is_for() {
        let names = Names::new("strowger.main");
        let said = |to| names.said(to, "exchange.locate").to_string();
        assert_eq!(said(To::Owner(Shard::of(17))), "strowger.main.17.exchange.locate");
        assert_eq!(said(To::Node(NodeId(3))), "strowger.main.node-3.exchange.locate");
        let beyond = names.said_beyond(NodeId(3), "exchange.account_changed").to_string();
        assert_eq!(beyond, "strowger.main.all.exchange.account_changed.but-3");
        assert_eq!(names.all_said(To::Owner(Shard::of(17))).as_str(), "strowger.main.17.>");
        assert_eq!(names.said_to_role(To::Any, Role::Api).as_str(), "strowger.main.any.api.>");
        assert_eq!(names.entry(Stream::Events, TenantId(7), "call").as_str(), "strowger.main.events.7.call");
        assert_eq!(names.kept("events"), "strowger_main_events");
    }
}
