//! Which nodes should lose calls. A verdict comes and goes slowly, so that nothing flaps.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::NodeId;
use machine::Moment;

use crate::known::{Known, NOTHING, Pairs};

/// How calls in progress are moved by themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Whether they are at all.
    pub on: bool,
    /// How much lower the mean opinion score of a node's paths must be than that of the others' between each other.
    pub margin: f64,
    /// For how long, before calls leave it.
    pub patience: Duration,
    /// A node counts as good again when its paths were nearly as good as the others' for so long.
    pub relief: Duration,
    /// Within so long all calls leave a node with worse paths, if `most` lets them.
    pub spread: Duration,
    /// A node whose ports or processors are used so far (0 to 1) is full,
    pub full: f64,
    /// if another is used less by so much.
    pub gap: f64,
    /// It gives calls away until another is nearer than this.
    pub near: f64,
    /// A call that was moved is not moved again within so long.
    pub rest: Duration,
    /// An exchange thread moves at most so many calls a second.
    pub most: u32,
    /// After a media node has gone nothing is moved for so long.
    pub calm: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            on: true,
            margin: 0.3,
            patience: Duration::from_secs(3),
            relief: Duration::from_secs(15),
            spread: Duration::from_secs(4),
            full: 0.75,
            gap: 0.25,
            near: 0.1,
            rest: Duration::from_secs(60),
            most: 10,
            calm: Duration::from_secs(15),
        }
    }
}

/// What is thought of a node's paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Worse than others' since then; maybe it passes.
    Doubtful(Moment),
    /// Calls leave it since then; it has been better since the other moment, if it is.
    Poor(Moment, Option<Moment>),
}

/// What is thought of all nodes; of those that are not in it, nothing ill.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts {
    paths: BTreeMap<NodeId, Standing>,
    /// Nodes that give calls away because they are full, and which part of their calls that is.
    giving: BTreeMap<NodeId, f64>,
}

impl Verdicts {
    /// Since when calls should leave `node` because of its paths.
    pub(crate) fn poor_since(&self, node: NodeId) -> Option<Moment> {
        match self.paths.get(&node)? {
            Standing::Poor(since, _) => Some(*since),
            Standing::Doubtful(_) => None,
        }
    }

    /// Which part of its calls `node` should give away because it is full.
    pub(crate) fn excess(&self, node: NodeId) -> f64 {
        self.giving.get(&node).copied().unwrap_or(0.0)
    }

    /// Whether anybody should lose calls.
    pub(crate) fn is_any(&self) -> bool {
        !self.giving.is_empty() || self.paths.keys().any(|&node| self.poor_since(node).is_some())
    }

    /// Judges the nodes of `media`. False: somebody is being lost, and nobody is judged.
    pub(crate) fn judge(
        &mut self,
        now: Moment,
        settings: &Settings,
        media: &[NodeId],
        known: &Known,
    ) -> bool {
        let pairs = known.pairs(now);
        if media.iter().any(|&node| pairs.of(node).is_some_and(|score| score <= NOTHING)) {
            return false;
        }
        self.paths.retain(|node, _| media.contains(node));
        for &node in media {
            let standing = self.paths.get(&node).copied();
            match next(now, settings, standing, behind(&pairs, node)) {
                Some(standing) => self.paths.insert(node, standing),
                None => self.paths.remove(&node),
            };
        }
        self.weigh(now, settings, media, known);
        true
    }

    /// Who is full, and what it has more than its share.
    fn weigh(&mut self, now: Moment, settings: &Settings, media: &[NodeId], known: &Known) {
        let used: Vec<(NodeId, f64)> = media
            .iter()
            .filter_map(|&node| known.of(node, now).filter(|it| it.ports > 0 && !it.draining))
            .map(|it| (it.node, it.usage()))
            .filter(|(node, _)| self.poor_since(*node).is_none())
            .collect();
        let least = used.iter().map(|(_, usage)| *usage).fold(1.0, f64::min);
        let mean = used.iter().map(|(_, usage)| usage).sum::<f64>() / used.len().max(1) as f64;
        let before = std::mem::take(&mut self.giving);
        for (node, usage) in used {
            let is_full = match before.contains_key(&node) {
                true => usage - least > settings.near,
                false => usage >= settings.full && usage - least >= settings.gap,
            };
            if is_full && usage > mean {
                self.giving.insert(node, (usage - mean) / usage);
            }
        }
    }
}

/// How much worse the paths of `node` are than those of the others between each other.
fn behind(pairs: &Pairs, node: NodeId) -> Option<f64> {
    Some(pairs.without(node)? - pairs.of(node)?)
}

fn next(now: Moment, settings: &Settings, before: Option<Standing>, behind: Option<f64>) -> Option<Standing> {
    // What is not known does not count, neither way.
    let is_worse = behind.is_some_and(|behind| behind > settings.margin);
    let is_better = behind.is_some_and(|behind| behind < settings.margin / 2.0);
    match before {
        None => is_worse.then_some(Standing::Doubtful(now)),
        Some(Standing::Doubtful(_)) if !is_worse => None,
        Some(Standing::Doubtful(since)) if now.since(since) < settings.patience => {
            Some(Standing::Doubtful(since))
        }
        Some(Standing::Doubtful(_)) => Some(Standing::Poor(now, None)),
        Some(Standing::Poor(since, _)) if !is_better => Some(Standing::Poor(since, None)),
        Some(Standing::Poor(since, better)) => {
            let better = better.unwrap_or(now);
            (now.since(better) < settings.relief).then_some(Standing::Poor(since, Some(better)))
        }
    }
}
