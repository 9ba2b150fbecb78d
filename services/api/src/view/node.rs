use contract::cluster::{Node, View};
use contract::paths::{Conditions, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A host of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// How far its media is used, by ports or by processors, percent; none: it has no media, or has not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<f64>,
    /// Its paths to other hosts, as it measured them within the last seconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathView>,
}

/// A path from a host to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PathView {
    /// The other host's number.
    pub to: u16,
    /// Packets lost on the way there, percent.
    pub lost_there_percent: f64,
    /// Packets lost on the way back, percent.
    pub lost_back_percent: f64,
    /// One way, milliseconds: half of the round trip.
    pub delay_ms: f64,
    /// How much that varies (mean deviation), milliseconds.
    pub jitter_ms: f64,
    /// How good a call would be over it: the mean opinion score of G.711 by the E-model (ITU-T G.107).
    pub mos: f64,
}

impl PathView {
    fn of(path: &Path) -> Self {
        let rounded = |value: f64, by: f64| (value * by).round() / by;
        PathView {
            to: path.to.0,
            lost_there_percent: rounded(f64::from(path.lost_there) * 100.0, 10.0),
            lost_back_percent: rounded(f64::from(path.lost_back) * 100.0, 10.0),
            delay_ms: rounded(f64::from(path.delay_us) / 1e3, 1000.0),
            jitter_ms: rounded(f64::from(path.jitter_us) / 1e3, 1000.0),
            mos: rounded(paths::score(path), 100.0),
        }
    }
}

impl NodeView {
    pub(crate) fn of(node: &Node, view: &View, known: &[Conditions]) -> Self {
        let said = known.iter().find(|it| it.node == node.node);
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
            used_percent: said.filter(|it| it.ports > 0).map(|it| (it.usage() * 1000.0).round() / 10.0),
            paths: said.map(|it| it.paths.iter().map(PathView::of).collect()).unwrap_or_default(),
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
