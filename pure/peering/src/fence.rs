use contract::NodeId;
use contract::cluster::View;

/// Whether what a node says under its view counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It does.
    Yes,
    /// The sender was taken for lost, and did not know it when it said this: others have gone on in its place.
    Ghost,
    /// The sender knows more than we do: it may have just come. To be looked at again when we know as much.
    Later,
}

/// Whether `view` hears what `node` says, who said it by a view of version `theirs`.
pub fn hears(view: &View, node: NodeId, theirs: u64) -> Heard {
    match view.node(node) {
        Some(known) if theirs >= known.since => Heard::Yes,
        None if theirs > view.version => Heard::Later,
        Some(_) | None => Heard::Ghost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::cluster::Node;

    #[test]
    fn a_ghost_is_not_heard_until_it_has_learned_that_it_was_lost() {
        let back = Node { node: NodeId(1), since: 7, ..Node::default() };
        let before = View { version: 5, ..View::default() };
        let after = View { version: 7, nodes: vec![back], ..View::default() };
        assert_eq!(hears(&before, NodeId(1), 4), Heard::Ghost);
        assert_eq!(hears(&before, NodeId(1), 7), Heard::Later);
        assert_eq!(hears(&after, NodeId(1), 4), Heard::Ghost);
        assert_eq!(hears(&after, NodeId(1), 7), Heard::Yes);
    }
}
