use contract::cluster::{Node, View};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A host of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Its number.
    pub node: u16,
    /// What would be lost together with it.
    pub host: String,
    /// What runs there.
    #[schema(example = json!(["exchange", "media"]))]
    pub roles: Vec<String>,
    /// It shall own nothing any more.
    pub draining: bool,
    /// How many of the 4,096 shards it owns.
    pub shards: usize,
    /// How many of those another host could go on with at once.
    pub protected: usize,
    /// The addresses that phones speak to and that it holds.
    pub addresses: Vec<String>,
}

impl NodeView {
    pub(crate) fn of(node: &Node, view: &View) -> Self {
        let owned = || view.owners.iter().filter(|owner| owner.node == Some(node.node));
        let held = view.holders.iter().filter(|(_, holder)| *holder == node.node);
        NodeView {
            node: node.node.0,
            host: node.host.clone(),
            roles: node.roles.iter().map(|role| role.name().to_owned()).collect(),
            draining: node.draining,
            shards: owned().count(),
            protected: owned().filter(|owner| owner.synced).count(),
            addresses: held.map(|(address, _)| address.to_string()).collect(),
        }
    }
}

/// Whether a host hands on what it owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Draining {
    /// It shall own again.
    pub back: bool,
}

/// Where a call's audio shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The number of a host with media.
    pub to: u16,
}
