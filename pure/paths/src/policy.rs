//! Which calls move where. Each exchange thread asks it once a second about its own calls. Nobody agrees with anybody:
//! all threads know the same, and which of the calls are meant is drawn by the calls' own numbers.

use std::time::Duration;

use contract::moving::{Move, Reason};
use contract::paths::Conditions;
use contract::{CallId, NodeId};
use machine::Moment;

use crate::known::Known;
use crate::verdict::{Settings, Verdicts};

/// The part of what a full node has too much that goes in a second: what was moved is seen a second or two later.
const STEP: f64 = 0.25;

/// A call that could be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub call: CallId,
    /// The media node that has its audio.
    pub at: NodeId,
    /// When it was moved last.
    pub moved: Moment,
}

/// A call that shall be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub call: CallId,
    /// Where to, and why.
    pub how: Move,
}

/// What an exchange thread knows of the nodes, and what it makes of it.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    settings: Settings,
    known: Known,
    verdicts: Verdicts,
    /// Where media is.
    media: Vec<NodeId>,
    /// Until then nothing is moved.
    calm_until: Moment,
}

impl Policy {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Policy {
        Policy { settings, ..Policy::default() }
    }

    /// These media nodes are there, and no others.
    pub fn meet(&mut self, now: Moment, media: &[NodeId]) {
        if self.media.iter().any(|node| !media.contains(node)) {
            self.keep_calm(now);
        }
        self.media = media.to_vec();
    }

    /// Hosts are being lost, or what lives on them is moved: nothing is added to that.
    pub fn keep_calm(&mut self, now: Moment) {
        self.calm_until = now.after(self.settings.calm);
    }

    /// A node told this.
    pub fn hear(&mut self, now: Moment, conditions: Conditions) {
        self.known.hear(now, conditions);
    }

    /// What the nodes told.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Whether there is anything to think about.
    pub fn is_awake(&self, now: Moment) -> bool {
        self.settings.on && self.media.len() > 1 && self.known.fresh(now).next().is_some()
    }

    /// `media`, the best for new calls first: those that nothing speaks against, in the order that they have, then
    /// those that are full, then those whose paths are worse; those that shall have nothing new last.
    pub fn best_first(&self, now: Moment, media: &mut [NodeId]) {
        media.sort_by_key(|&node| {
            let is_draining = self.known.of(node, now).is_some_and(|it| it.draining);
            (is_draining, self.verdicts.poor_since(node).is_some(), self.verdicts.excess(node) > 0.0)
        });
    }

    /// Which of `calls` move now. To be asked once a second.
    pub fn plan<C: IntoIterator<Item = Candidate>>(
        &mut self,
        now: Moment,
        calls: impl FnOnce() -> C,
    ) -> Vec<Planned> {
        if !self.is_awake(now) {
            // Nobody is thought ill of for what nobody says any more.
            self.verdicts = Verdicts::default();
            return Vec::new();
        }
        if !self.verdicts.judge(now, &self.settings, &self.media, &self.known) {
            return Vec::new();
        }
        if now < self.calm_until || !self.verdicts.is_any() {
            return Vec::new();
        }
        let places = self.places(now);
        if places.is_empty() {
            return Vec::new();
        }
        let rests = |it: &Candidate| it.moved > Moment::START && now.since(it.moved) < self.settings.rest;
        let planned = calls().into_iter().filter(|it| !rests(it)).filter_map(|it| {
            let how = self.leaves(now, &it, &places)?;
            Some(Planned { call: it.call, how })
        });
        planned.take(self.settings.most as usize).collect()
    }

    /// Where calls can go, and how much room is there.
    fn places(&self, now: Moment) -> Vec<(NodeId, f64)> {
        let is_good =
            |node: NodeId| self.verdicts.poor_since(node).is_none() && self.verdicts.excess(node) == 0.0;
        let good =
            self.media.iter().filter(|node| is_good(**node)).filter_map(|&node| self.known.of(node, now));
        let open = good.filter(|it| it.ports > 0 && !it.draining && it.usage() < self.settings.full);
        open.map(|it| (it.node, 1.0 - it.usage())).collect()
    }

    fn leaves(&self, now: Moment, it: &Candidate, places: &[(NodeId, f64)]) -> Option<Move> {
        if let Some(since) = self.verdicts.poor_since(it.at) {
            let part = now.since(since).as_secs_f64()
                / self.settings.spread.max(Duration::from_millis(1)).as_secs_f64();
            return (lot(it.call, 0) < part)
                .then(|| Move { to: drawn(it.call, places), reason: Reason::Path });
        }
        let part = self.verdicts.excess(it.at) * STEP;
        (lot(it.call, now.as_secs()) < part)
            .then(|| Move { to: drawn(it.call, places), reason: Reason::Full })
    }
}

/// One of the places, each as often as it has room.
fn drawn(call: CallId, places: &[(NodeId, f64)]) -> NodeId {
    let room: f64 = places.iter().map(|(_, room)| room).sum();
    let mut left = lot(call, u64::MAX) * room;
    let found = places.iter().find(|(_, room)| {
        left -= room;
        left < 0.0
    });
    found.or(places.last()).map_or(NodeId(0), |(node, _)| *node)
}

/// A number from 0 to 1 that is a call's own in each round (the finalizer of SplitMix64).
fn lot(call: CallId, round: u64) -> f64 {
    let mut mixed = call.0 ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::paths::Path;
    use std::collections::BTreeMap;

    const PORTS: u32 = 1000;

    /// A platform of media nodes with calls, whose exchange threads go by the policy; a second at a time.
    struct Platform {
        now: Moment,
        threads: Vec<Policy>,
        /// Where each call is, and when it moved last; the thread that owns it is its number's.
        calls: BTreeMap<CallId, (NodeId, Moment)>,
        /// What a path is like, by one of its ends.
        bad: BTreeMap<NodeId, Path>,
        nodes: Vec<NodeId>,
        draining: Vec<NodeId>,
        moves: Vec<(Moment, CallId, Move)>,
    }

    const BAD: Path = Path {
        to: NodeId(0),
        lost_there: 0.08,
        lost_back: 0.08,
        delay_us: 80_000,
        jitter_us: 20_000,
        probes: 50,
    };
    const GOOD: Path =
        Path { to: NodeId(0), lost_there: 0.0, lost_back: 0.0, delay_us: 500, jitter_us: 50, probes: 50 };

    impl Platform {
        fn of(nodes: u16, threads: usize) -> Platform {
            let nodes: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
            let mut platform = Platform {
                now: Moment::from_secs(1000),
                threads: vec![Policy::new(Settings::default()); threads],
                calls: BTreeMap::new(),
                bad: BTreeMap::new(),
                nodes,
                draining: Vec::new(),
                moves: Vec::new(),
            };
            platform.meet();
            platform
        }

        fn meet(&mut self) {
            let (now, nodes) = (self.now, self.nodes.clone());
            self.threads.iter_mut().for_each(|thread| thread.meet(now, &nodes));
        }

        fn call(&mut self, node: u16, count: usize) {
            for _ in 0..count {
                let id = CallId(0x1234_5678_9abc * (self.calls.len() as u64 + 1));
                self.calls.insert(id, (NodeId(node), Moment::START));
            }
        }

        fn at(&self, node: u16) -> usize {
            self.calls.values().filter(|(at, _)| *at == NodeId(node)).count()
        }

        fn conditions(&self, node: NodeId) -> Conditions {
            let path = |to: NodeId| {
                let path = self.bad.get(&node).or(self.bad.get(&to)).copied().unwrap_or(GOOD);
                Path { to, ..path }
            };
            let paths = self.nodes.iter().filter(|to| **to != node).map(|to| path(*to)).collect();
            let lent = 2 * self.at(node.0) as u32;
            let draining = self.draining.contains(&node);
            Conditions { node, draining, ports: PORTS, lent, cpu: 0.0, paths }
        }

        /// What was told at the end of a second is gone by in the next.
        fn second(&mut self) {
            let told: Vec<Conditions> = self.nodes.iter().map(|node| self.conditions(*node)).collect();
            self.now = self.now.after(Duration::from_secs(1));
            let (now, count) = (self.now, self.threads.len());
            for (number, thread) in self.threads.iter_mut().enumerate() {
                told.iter().for_each(|it| thread.hear(now, it.clone()));
                let own = self.calls.iter().filter(|(id, _)| id.0 as usize / 4 % count == number);
                let own: Vec<Candidate> =
                    own.map(|(&call, &(at, moved))| Candidate { call, at, moved }).collect();
                for Planned { call, how } in thread.plan(now, || own) {
                    self.moves.push((now, call, how));
                    self.calls.insert(call, (how.to, now));
                }
            }
        }

        fn seconds(&mut self, count: usize) -> usize {
            let before = self.moves.len();
            (0..count).for_each(|_| self.second());
            self.moves.len() - before
        }
    }

    #[test]
    fn where_all_is_well_nobody_moves() {
        let mut platform = Platform::of(3, 4);
        platform.call(1, 100);
        assert_eq!(platform.seconds(120), 0);
    }

    #[test]
    fn calls_leave_a_node_whose_paths_are_worse_once_and_in_both_directions() {
        let mut platform = Platform::of(3, 8);
        platform.call(1, 90);
        platform.call(2, 30);
        assert_eq!(platform.seconds(10), 0);
        platform.bad.insert(NodeId(1), BAD);
        assert_eq!(platform.seconds(3), 0, "it may pass");
        platform.seconds(8);
        assert_eq!(platform.at(1), 0);
        assert!(platform.at(2) > 50 && platform.at(3) > 20, "{} {}", platform.at(2), platform.at(3));
        assert!(platform.moves.iter().all(|(_, _, how)| how.reason == Reason::Path));
        assert_eq!(platform.moves.len(), 90);
        platform.bad.clear();
        assert_eq!(platform.seconds(300), 0, "nobody goes back only because it is better there again");
    }

    #[test]
    fn threads_move_a_bounded_number_and_not_all_at_once() {
        let mut platform = Platform::of(3, 2);
        platform.call(1, 200);
        platform.bad.insert(NodeId(1), BAD);
        platform.seconds(30);
        let mut each: BTreeMap<Moment, usize> = BTreeMap::new();
        platform.moves.iter().for_each(|(at, _, _)| *each.entry(*at).or_default() += 1);
        assert!(each.values().all(|count| *count <= 20), "{each:?}");
        assert_eq!(platform.at(1), 0);
    }

    #[test]
    fn a_path_that_flaps_moves_nobody() {
        let mut platform = Platform::of(3, 4);
        platform.call(1, 100);
        for _ in 0..50 {
            platform.bad.insert(NodeId(1), BAD);
            assert_eq!(platform.seconds(2), 0);
            platform.bad.clear();
            assert_eq!(platform.seconds(1), 0);
        }
    }

    #[test]
    fn after_a_verdict_a_path_that_flaps_gets_no_new_calls_until_it_was_good_for_long() {
        let mut platform = Platform::of(3, 1);
        platform.bad.insert(NodeId(1), BAD);
        platform.seconds(6);
        let order = |platform: &Platform| {
            let mut media = platform.nodes.clone();
            platform.threads[0].best_first(platform.now, &mut media);
            media
        };
        assert_eq!(order(&platform), [NodeId(2), NodeId(3), NodeId(1)]);
        for _ in 0..5 {
            platform.bad.clear();
            platform.seconds(10);
            assert_eq!(order(&platform)[2], NodeId(1));
            platform.bad.insert(NodeId(1), BAD);
            platform.seconds(2);
        }
        platform.bad.clear();
        platform.seconds(17);
        assert_eq!(order(&platform), [NodeId(1), NodeId(2), NodeId(3)]);
    }

    #[test]
    fn where_all_paths_are_bad_nobody_moves() {
        let mut platform = Platform::of(4, 4);
        platform.call(1, 100);
        platform.bad.extend((1..=4).map(|node| (NodeId(node), BAD)));
        assert_eq!(platform.seconds(60), 0);
        platform.bad.remove(&NodeId(4));
        assert_eq!(platform.seconds(60), 0, "one that would be good can't be told from those around it");
    }

    #[test]
    fn of_two_nodes_with_a_bad_path_nobody_knows_whose_fault_it_is() {
        let mut platform = Platform::of(2, 1);
        platform.call(1, 10);
        platform.bad.insert(NodeId(1), BAD);
        assert_eq!(platform.seconds(60), 0);
    }

    #[test]
    fn one_bad_path_of_several_is_nobody_s() {
        let mut platform = Platform::of(3, 1);
        platform.call(1, 10);
        for _ in 0..30 {
            let mut told: Vec<Conditions> =
                platform.nodes.iter().map(|it| platform.conditions(*it)).collect();
            told[0].paths[0] = Path { to: NodeId(2), ..BAD };
            told[1].paths[0] = Path { to: NodeId(1), ..BAD };
            platform.now = platform.now.after(Duration::from_secs(1));
            let (now, thread) = (platform.now, &mut platform.threads[0]);
            told.into_iter().for_each(|it| thread.hear(now, it));
            let all = [Candidate { call: CallId(4), at: NodeId(1), moved: Moment::START }];
            assert_eq!(thread.plan(now, || all), []);
        }
    }

    #[test]
    fn a_full_node_gives_calls_away_until_they_are_near_each_other() {
        let mut platform = Platform::of(3, 8);
        platform.call(1, 430);
        platform.call(2, 50);
        platform.call(3, 50);
        platform.seconds(60);
        let used = [1, 2, 3].map(|node| platform.at(node));
        assert!(used.iter().max().unwrap() - used.iter().min().unwrap() <= 60, "{used:?}");
        assert!(used[0] >= *used[1..].iter().max().unwrap(), "nothing swings back: {used:?}");
        assert!(platform.moves.iter().all(|(_, _, how)| how.reason == Reason::Full));
        assert_eq!(platform.seconds(600), 0);
    }

    #[test]
    fn where_two_nodes_are_full_nobody_moves() {
        let mut platform = Platform::of(2, 4);
        platform.call(1, 470);
        platform.call(2, 420);
        assert_eq!(platform.seconds(60), 0);
    }

    #[test]
    fn the_storm_of_a_conference_day_swings_nowhere() {
        // All new calls of a minute come to one node; then they end; then they come to another.
        let mut platform = Platform::of(3, 8);
        for round in 0..6_u16 {
            for _ in 0..40 {
                platform.call(round % 3 + 1, 10);
                platform.second();
            }
            let used = [1, 2, 3].map(|node| platform.at(node));
            assert!(used.iter().all(|used| *used < 440), "{used:?} in round {round}");
            platform.seconds(60);
            platform.calls.clear();
            platform.seconds(20);
        }
        let mut often: BTreeMap<CallId, Vec<Moment>> = BTreeMap::new();
        platform.moves.iter().for_each(|(at, call, _)| often.entry(*call).or_default().push(*at));
        let is_rare = |moments: &Vec<Moment>| {
            moments.windows(2).all(|two| two[1].since(two[0]) >= Duration::from_secs(60))
        };
        assert!(often.values().all(is_rare), "a call moved twice within a minute");
    }

    #[test]
    fn nobody_moves_to_a_host_that_is_emptied() {
        let mut platform = Platform::of(3, 1);
        platform.call(1, 40);
        platform.draining.push(NodeId(3));
        platform.bad.insert(NodeId(1), BAD);
        platform.seconds(20);
        assert_eq!((platform.at(1), platform.at(2), platform.at(3)), (0, 40, 0));
    }

    #[test]
    fn while_hosts_are_being_lost_nobody_moves() {
        let mut platform = Platform::of(4, 1);
        platform.call(1, 10);
        platform.bad.insert(NodeId(1), BAD);
        platform.seconds(2);
        platform.nodes.pop();
        platform.meet();
        assert_eq!(platform.seconds(14), 0);
        assert_eq!(platform.seconds(10), 10);
        let cut = Path { lost_there: 1.0, lost_back: 1.0, ..BAD };
        platform.bad = BTreeMap::from([(NodeId(2), cut)]);
        platform.call(2, 10);
        assert_eq!(platform.seconds(30), 0, "the brokers say what becomes of it");
    }

    #[test]
    fn what_is_turned_off_does_nothing() {
        let mut platform = Platform::of(3, 1);
        platform.threads = vec![Policy::new(Settings { on: false, ..Settings::default() })];
        platform.meet();
        platform.call(1, 480);
        platform.bad.insert(NodeId(1), BAD);
        assert_eq!(platform.seconds(60), 0);
    }

    #[test]
    fn without_news_nobody_moves() {
        let mut platform = Platform::of(3, 1);
        platform.bad.insert(NodeId(1), BAD);
        platform.seconds(10);
        let call = [Candidate { call: CallId(4), at: NodeId(1), moved: Moment::START }];
        let late = platform.now.after(Duration::from_secs(6));
        assert_eq!(platform.threads[0].plan(late, || call), []);
    }
}
