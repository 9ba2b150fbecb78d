use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use contract::NodeId;
use contract::cluster::{Cell, Node};
use machine::Secret;

/// What a broker needs to know.
#[derive(Debug)]
pub struct Config {
    /// What this node says of itself.
    pub me: Node,
    /// The brokers that agree, all of them, and where each is heard. The same on all nodes.
    pub seats: Vec<(NodeId, SocketAddr)>,
    /// Where this node's broker is heard, if it has a seat.
    pub listener: Option<TcpListener>,
    /// What the seat must not forget lies here: on a disk, not on tmpfs.
    pub folder: PathBuf,
    /// Where the newest view is written for this host's other processes.
    pub view_file: PathBuf,
    /// Who was silent for so long is lost.
    pub patience: Duration,
    /// Who does not know it is not heard.
    pub secret: Secret,
    /// This cell, if there are several, as it is now; its stamp is of when the broker starts.
    pub cell: Cell,
    /// Where brokers of other cells are heard.
    pub known: Vec<SocketAddr>,
}

impl Config {
    /// Whether this node's broker is one of those that agree.
    pub(crate) fn is_seated(&self) -> bool {
        self.seats.iter().any(|&(node, _)| node == self.me.node)
    }
}
