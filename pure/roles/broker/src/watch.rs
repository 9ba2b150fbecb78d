use std::collections::BTreeMap;
use std::time::Duration;

use contract::NodeId;
use machine::Moment;

/// Who was heard when, as the leader of the brokers sees it.
#[derive(Clone, Debug)]
pub struct Watch {
    patience: Duration,
    heard: BTreeMap<NodeId, Moment>,
    looked: Option<Moment>,
}

impl Watch {
    /// Takes a node for lost that was silent for longer than `patience`.
    pub fn new(patience: Duration) -> Self {
        Watch { patience, heard: BTreeMap::new(), looked: None }
    }

    /// `node` said that it is there.
    pub fn heard(&mut self, now: Moment, node: NodeId) {
        self.heard.insert(node, now);
    }

    /// Those of `members` that are lost. To be asked several times within the patience: whoever has slept for half
    /// of it himself, or has just become the leader, can't judge others, and begins to wait anew.
    pub fn lost(&mut self, now: Moment, members: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let was_awake = self.looked.is_some_and(|looked| now.since(looked) < self.patience / 2);
        self.looked = Some(now);
        let members: Vec<NodeId> = members.into_iter().collect();
        self.heard.retain(|node, _| members.contains(node));
        if !was_awake {
            self.heard = members.iter().map(|&node| (node, now)).collect();
        }
        let silent = |node: &NodeId| now.since(*self.heard.entry(*node).or_insert(now)) > self.patience;
        members.into_iter().filter(silent).collect()
    }
}
