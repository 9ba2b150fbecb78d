//! How the paths between nodes are, and how full they are: each tells all exchanges, which move calls by it.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Conversation, NodeId, Notice, Repeat, Role, Subject};

/// How often a node tells its [`Conditions`].
pub const EVERY: Duration = Duration::from_secs(1);

/// A node that can be probed, as the view names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Which one.
    pub node: NodeId,
    /// Where its media hears probes.
    pub at: SocketAddr,
}

/// What a node knows of itself and of its paths to others. One that was not heard is followed by the next.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Who says so.
    pub node: NodeId,
    /// It shall have nothing new.
    pub draining: bool,
    /// Port pairs of its media; 0: it has no media.
    pub ports: u32,
    /// Those of them that legs have.
    pub lent: u32,
    /// How far its packet threads use the processors that they can have: 0 to 1.
    pub cpu: f32,
    /// To those that it probes.
    pub paths: Vec<Path>,
}

impl Conditions {
    /// How far it is used, by ports or by processors: 0 to 1.
    pub fn usage(&self) -> f64 {
        let ports = if self.ports == 0 { 0.0 } else { f64::from(self.lent) / f64::from(self.ports) };
        ports.max(f64::from(self.cpu)).clamp(0.0, 1.0)
    }
}

/// A path, as the one at its near end measured it within the last seconds.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Path {
    /// To whom.
    pub to: NodeId,
    /// The part of the packets that is lost on the way there: 0 to 1.
    pub lost_there: f32,
    /// And on the way back.
    pub lost_back: f32,
    /// One way, microseconds: half of the round trip, smoothed.
    pub delay_us: u32,
    /// How much the delay of one way varies (mean deviation), microseconds.
    pub jitter_us: u32,
    /// How many probes that is from; a few say nothing.
    pub probes: u32,
}

impl Notice for Conditions {
    const SUBJECT: Subject = Subject::new(Role::Exchange, "conditions");
}

/// What do exchanges know of the nodes? Any of them answers.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShowConditions {}

/// The answer to [`ShowConditions`].
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownConditions {
    /// What each node said within the last seconds, by their numbers.
    pub nodes: Vec<Conditions>,
}

impl Conversation for ShowConditions {
    type Answer = KnownConditions;
    const SUBJECT: Subject = Subject::new(Role::Exchange, "show_conditions");
    const WITHIN: Duration = Duration::from_secs(1);
    const REPEATED: Repeat = Repeat::Fresh;
}
