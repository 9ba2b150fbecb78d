//! What all nodes said within the last seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::NodeId;
use contract::paths::{Conditions, Path};
use machine::Moment;
use rtp::quality::{self, Impairment};

/// What was said longer ago is not gone by. Where a path is bad, what is said comes late.
const FRESH: Duration = Duration::from_secs(5);
/// A path that was probed less often says nothing: two seconds of probes.
const ENOUGH: u32 = 20;

/// Who loses more than this loses everything.
const CUT: f64 = 0.95;
/// The score of that.
pub(crate) const NOTHING: f64 = 1.0;

/// How good a call would be over `path`: the mean opinion score of G.711 by the E-model (G.107), from the delay, a
/// player's buffer of twice its variation, and the loss of the worse way. Of a path on which nothing arrives: 1.
pub fn score(path: &Path) -> f64 {
    let loss = f64::from(path.lost_there.max(path.lost_back));
    if loss > CUT {
        return NOTHING;
    }
    let micros = |us: u32| Duration::from_micros(us.into());
    let conditions = quality::Conditions {
        delay: micros(path.delay_us) + micros(path.jitter_us) * 2,
        loss,
        burst_ratio: 1.0,
        codec: Impairment::G711_CONCEALED,
    };
    quality::Score::of(&conditions).mos
}

/// What is known of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Known {
    nodes: BTreeMap<NodeId, (Moment, Conditions)>,
}

impl Known {
    /// A node has said this.
    pub(crate) fn hear(&mut self, now: Moment, conditions: Conditions) {
        self.nodes.retain(|_, (at, _)| now.since(*at) <= FRESH);
        self.nodes.insert(conditions.node, (now, conditions));
    }

    /// What was said lately, by the nodes' numbers.
    pub fn fresh(&self, now: Moment) -> impl Iterator<Item = &Conditions> {
        self.nodes.values().filter(move |(at, _)| now.since(*at) <= FRESH).map(|(_, said)| said)
    }

    /// What `node` said lately.
    pub(crate) fn of(&self, node: NodeId, now: Moment) -> Option<&Conditions> {
        self.fresh(now).find(|said| said.node == node)
    }

    /// How good each path is, as its ends say; a path that both measured, in the mean.
    pub(crate) fn pairs(&self, now: Moment) -> Pairs {
        let mut told: BTreeMap<(NodeId, NodeId), Vec<f64>> = BTreeMap::new();
        for said in self.fresh(now) {
            for path in said.paths.iter().filter(|path| path.probes >= ENOUGH) {
                let ends = (said.node.min(path.to), said.node.max(path.to));
                told.entry(ends).or_default().push(score(path));
            }
        }
        let mean = |scores: Vec<f64>| scores.iter().sum::<f64>() / scores.len() as f64;
        Pairs(told.into_iter().map(|(ends, scores)| (ends, mean(scores))).collect())
    }
}

/// The score of each path, by its ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(BTreeMap<(NodeId, NodeId), f64>);

impl Pairs {
    /// What the majority of `node`'s paths is at most; none if there are too few to say whose fault it is.
    pub(crate) fn of(&self, node: NodeId) -> Option<f64> {
        let own = self.0.iter().filter(|((one, other), _)| *one == node || *other == node);
        let sorted = sorted(own.map(|(_, score)| *score));
        (sorted.len() >= 2).then(|| sorted[sorted.len() / 2])
    }

    /// What the majority of the paths between all others is at least; none if there is none.
    pub(crate) fn without(&self, node: NodeId) -> Option<f64> {
        let others = self.0.iter().filter(|((one, other), _)| *one != node && *other != node);
        let sorted = sorted(others.map(|(_, score)| *score));
        sorted.get((sorted.len().max(1) - 1) / 2).copied()
    }
}

fn sorted(scores: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = scores.collect();
    all.sort_by(f64::total_cmp);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(delay_ms: u32, jitter_ms: u32, loss: f32) -> Path {
        let (delay_us, jitter_us) = (delay_ms * 1000, jitter_ms * 1000);
        Path { to: NodeId(2), lost_there: loss, lost_back: 0.0, delay_us, jitter_us, probes: 50 }
    }

    #[test]
    fn a_path_is_worth_what_a_call_over_it_is() {
        let scores =
            [path(1, 0, 0.0), path(80, 0, 0.0), path(80, 20, 0.0), path(80, 20, 0.08)].map(|it| score(&it));
        assert!(scores.is_sorted_by(|one, next| one > next), "{scores:?}");
        assert!(scores[0] > 4.3 && scores[3] < 3.6, "{scores:?}");
    }

    #[test]
    fn the_loss_of_the_worse_way_counts() {
        let there = path(1, 0, 0.1);
        let back = Path { lost_there: 0.0, lost_back: 0.1, ..there };
        assert!((score(&there) - score(&back)).abs() < 1e-9);
    }

    #[test]
    fn what_is_old_or_of_few_probes_is_not_known() {
        let at = Moment::from_secs(1000);
        let mut known = Known::default();
        let few = Path { probes: 5, ..path(1, 0, 0.0) };
        known.hear(at, Conditions { node: NodeId(1), paths: vec![few], ..Conditions::default() });
        assert!(known.pairs(at).0.is_empty());
        known.hear(at, Conditions { node: NodeId(1), paths: vec![path(1, 0, 0.0)], ..Conditions::default() });
        assert_eq!(known.pairs(at).0.len(), 1);
        assert_eq!(known.fresh(Moment::from_secs(1006)).count(), 0);
    }
}
