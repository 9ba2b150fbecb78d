use contract::NodeId;
use contract::cluster::{Cell, Node};
use machine::{Epoch, Shard};
use serde::{Deserialize, Serialize};

/// Something that the brokers agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A node is there, or there as another than before; shards that nobody owns are its own from now on.
    Join(Node),
    /// A node is no more: its shards go to their buddies at once.
    Lost {
        /// Which one.
        node: NodeId,
    },
    /// A node shall own nothing any more, and goes on until all its shards have moved; or it shall own again. It is
    /// remembered even if the node is lost and comes back.
    Drain {
        /// Which one.
        node: NodeId,
        /// It shall own again.
        back: bool,
    },
    /// An owner has handed shards on, with all that lives in them.
    Moved {
        /// Which, and under which epoch: those that have another by now come too late.
        shards: Vec<(Shard, Epoch)>,
        /// To whom.
        to: NodeId,
    },
    /// An owner says whether somebody has all that lives in its shards.
    Followed {
        /// Which, and under which epoch: of those that have another by now nothing is said.
        shards: Vec<(Shard, Epoch)>,
        /// Who follows.
        by: NodeId,
        /// Whether it has it all.
        whole: bool,
    },
    /// A cell is there, or there as another than before. Of two words about it the later counts.
    Cell(Cell),
    /// What only a later release knows. It changes nothing here.
    #[serde(other)]
    Unknown,
}

/// A shard that should be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub shard: Shard,
    /// Whose it is,
    pub from: NodeId,
    /// since when,
    pub epoch: Epoch,
    /// and whose it should be.
    pub to: NodeId,
}
