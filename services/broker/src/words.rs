//! What nodes and seats say to each other, besides Raft.

use broker::Change;
use contract::cluster::{Cell, Node, View};
use serde::{Deserialize, Serialize};

/// A node to a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ToSeat {
    /// It is there.
    Here(Node),
    /// The brokers shall agree on this. Whoever leads them answers; repeats do no harm.
    Propose {
        /// Comes back with the answer.
        id: u64,
        /// On what.
        change: Change,
    },
    /// A node of another cell says again and again what that is.
    Knock(Cell),
    #[serde(other)]
    Unknown,
}

/// A seat to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum FromSeat {
    /// What was agreed on last, as far as the seat knows.
    View(View),
    /// The seat is there.
    Pulse {
        /// Whether it leads the brokers, as far as it knows.
        leads: bool,
    },
    /// The brokers agreed on what was proposed.
    Agreed {
        /// Which proposal.
        id: u64,
        /// The version of the first view that has it.
        version: u64,
    },
    #[serde(other)]
    Unknown,
}
