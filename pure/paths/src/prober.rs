//! Asks the others, and answers them. Sans-IO: datagrams in, datagrams out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use contract::NodeId;
use contract::paths::{Neighbour, Path};
use machine::{KeyedHash, Moment, Secret};

use crate::measure::Measure;
use crate::probe::{Kind, Probe};

/// Between two asks of one other.
const EVERY: Duration = Duration::from_millis(100);
/// So many asks of each count: five seconds of them.
const WINDOW: usize = 50;
/// With more others than these, some are chosen: who measures whom is the same from both ends.
const MOST: usize = 16;
/// Those who are asked are chosen with it.
const CHOICE: u8 = 0xB1;
/// An asker that is not heard for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub to: SocketAddr,
    /// The bytes.
    pub datagram: Vec<u8>,
}

/// Measures the paths of one node.
#[derive(Debug)]
pub struct Prober {
    me: NodeId,
    life: u64,
    hash: KeyedHash,
    others: BTreeMap<NodeId, Other>,
    askers: BTreeMap<NodeId, Asker>,
}

#[derive(Debug)]
struct Other {
    at: SocketAddr,
    due: Moment,
    measure: Measure,
}

/// What came of one who asks us.
#[derive(Clone, Copy, Debug, Default)]
struct Asker {
    life: u64,
    heard: u32,
    newest: u32,
    /// Bit `n`: the ask `n` before the newest came.
    came: u64,
    at: Moment,
}

impl Prober {
    /// Of the node `me`, that begins `now`.
    pub fn new(me: NodeId, secret: Secret, now: Moment) -> Prober {
        let (others, askers) = (BTreeMap::new(), BTreeMap::new());
        Prober { me, life: now.as_micros(), hash: KeyedHash::new(secret), others, askers }
    }

    /// These nodes are there, and no others.
    pub fn meet(&mut self, now: Moment, there: &[Neighbour]) {
        let mut chosen: Vec<&Neighbour> = there.iter().filter(|it| it.node != self.me).collect();
        if chosen.len() > MOST {
            chosen.sort_by_key(|it| self.lot(it.node));
            chosen.truncate(MOST);
        }
        self.others.retain(|node, other| chosen.iter().any(|it| it.node == *node && it.at == other.at));
        let count = chosen.len().max(1) as u32;
        for (place, it) in (0..).zip(chosen) {
            // They are asked one after another, not all at once.
            let due = now.after(EVERY / count * place);
            self.others.entry(it.node).or_insert(Other { at: it.at, due, measure: Measure::default() });
        }
        self.askers.retain(|_, asker| now.since(asker.at) < FORGOTTEN);
    }

    fn lot(&self, other: NodeId) -> u64 {
        let (low, high) = (self.me.min(other), self.me.max(other));
        self.hash.sum64(CHOICE, &[&low.0.to_be_bytes(), &high.0.to_be_bytes()])
    }

    /// A datagram came; what is to be said to it.
    pub fn receive(&mut self, now: Moment, from: SocketAddr, datagram: &[u8]) -> Option<Outgoing> {
        let probe = Probe::read(datagram, &self.hash).filter(|probe| probe.to == self.me)?;
        match probe.kind {
            Kind::Ask => {
                let heard = self.askers.entry(probe.from).or_default().hear(&probe, now)?;
                Some(Outgoing { to: from, datagram: probe.echo(heard).write(&self.hash) })
            }
            Kind::Echo => {
                let other = self.others.get_mut(&probe.from).filter(|_| probe.life == self.life)?;
                other.measure.echoed(now, probe.serial, probe.heard);
                None
            }
        }
    }

    /// Asks whoever is due.
    pub fn ask(&mut self, now: Moment, mut say: impl FnMut(Outgoing)) {
        for (&to, other) in self.others.iter_mut().filter(|(_, other)| other.due <= now) {
            // What was missed is not made up for.
            other.due = other.due.after(EVERY).max(now.after(EVERY / 2));
            let serial = other.measure.ask(now, WINDOW);
            let (from, life, heard) = (self.me, self.life, 0);
            let probe = Probe { kind: Kind::Ask, from, to, life, serial, sent: now, heard };
            say(Outgoing { to: other.at, datagram: probe.write(&self.hash) });
        }
    }

    /// When somebody is due.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.others.values().map(|other| other.due).min()
    }

    /// How the paths are, by the numbers of those at their ends.
    pub fn paths(&self, now: Moment) -> Vec<Path> {
        self.others.iter().map(|(&to, other)| other.measure.path(to, now)).collect()
    }
}

impl Asker {
    /// How many came, this one included; none if it came before, or is of an earlier life.
    fn hear(&mut self, ask: &Probe, now: Moment) -> Option<u32> {
        if ask.life < self.life {
            return None;
        }
        if ask.life > self.life {
            *self = Asker { life: ask.life, newest: ask.serial.wrapping_sub(1), ..Asker::default() };
        }
        let ahead = ask.serial.wrapping_sub(self.newest).cast_signed();
        if ahead > 0 {
            self.came = self.came.checked_shl(ahead.unsigned_abs()).unwrap_or(0) | 1;
            self.newest = ask.serial;
        } else {
            let bit = 1_u64.checked_shl(ahead.unsigned_abs())?;
            if self.came & bit != 0 {
                return None;
            }
            self.came |= bit;
        }
        self.heard = self.heard.wrapping_add(1);
        self.at = now;
        Some(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + millis * 1000)
    }

    fn address(node: u16) -> SocketAddr {
        ([192, 0, 2, node as u8], 7100).into()
    }

    fn platform(nodes: u16) -> Vec<Prober> {
        let there: Vec<Neighbour> =
            (1..=nodes).map(|node| Neighbour { node: NodeId(node), at: address(node) }).collect();
        let made = there.iter().map(|it| {
            let mut prober = Prober::new(it.node, Secret::new([7; 16]), at(0));
            prober.meet(at(0), &there);
            prober
        });
        made.collect()
    }

    /// Runs for so long; `path` says how long a datagram takes from one to another, if it arrives.
    fn run(all: &mut [Prober], millis: u64, path: impl Fn(u16, u16, u64) -> Option<u64>) {
        let mut flying: Vec<(u64, u16, u16, Vec<u8>)> = Vec::new();
        for now in 0..millis {
            let mut said = Vec::new();
            for prober in all.iter_mut() {
                let from = prober.me.0;
                prober.ask(at(now), |out| said.push((from, out)));
            }
            let (due, rest) = flying.into_iter().partition(|(when, ..)| *when <= now);
            flying = rest;
            for (_, from, to, datagram) in due {
                let answer = all[usize::from(to) - 1].receive(at(now), address(from), &datagram);
                said.extend(answer.map(|out| (to, out)));
            }
            for (count, (from, out)) in (0..).zip(said) {
                let to = (1..=all.len() as u16).find(|to| address(*to) == out.to).unwrap();
                if let Some(long) = path(from, to, now + count) {
                    flying.push((now + long, from, to, out.datagram));
                }
            }
        }
    }

    #[test]
    fn everybody_knows_the_path_to_everybody() {
        let mut all = platform(3);
        run(&mut all, 6000, |from, to, _| Some(if from == 1 || to == 1 { 40 } else { 5 }));
        for prober in &all {
            let paths = prober.paths(at(6000));
            assert_eq!(paths.len(), 2);
            for path in paths {
                let far = prober.me == NodeId(1) || path.to == NodeId(1);
                let expected = if far { 40_000 } else { 5_000 };
                assert!(path.delay_us.abs_diff(expected) <= 1_000, "{:?} {path:?}", prober.me);
                assert_eq!((path.lost_there, path.lost_back), (0.0, 0.0));
                assert!(path.probes >= 45);
            }
        }
    }

    #[test]
    fn a_path_that_loses_one_way_is_told_from_both_ends() {
        let mut all = platform(2);
        run(&mut all, 10_000, |from, to, now| ((from, to) != (1, 2) || now % 1000 >= 200).then_some(3));
        let [there, back] = [0, 1].map(|of: usize| all[of].paths(at(10_000))[0]);
        assert!((0.1..0.3).contains(&there.lost_there) && there.lost_back < 0.06, "{there:?}");
        assert!((0.1..0.3).contains(&back.lost_back) && back.lost_there < 0.06, "{back:?}");
    }

    #[test]
    fn of_many_a_bounded_number_is_asked_and_those_ask_back() {
        let all = platform(60);
        for prober in &all {
            assert_eq!(prober.others.len(), MOST);
        }
        let mutual =
            |one: &Prober, other: &NodeId| all[usize::from(other.0) - 1].others.contains_key(&one.me);
        let pairs = all.iter().flat_map(|one| one.others.keys().map(move |other| (one, other)));
        let (both, count) = pairs
            .fold((0, 0), |(both, count), (one, other)| (both + usize::from(mutual(one, other)), count + 1));
        assert!(both * 2 > count, "{both} of {count} measured from both ends");
    }

    #[test]
    fn an_ask_that_came_twice_is_answered_once_and_a_new_life_begins_anew() {
        let mut all = platform(2);
        let mut said = Vec::new();
        all[0].ask(at(100), |out| said.push(out));
        let ask = &said[0].datagram;
        assert!(all[1].receive(at(101), address(1), ask).is_some());
        assert!(all[1].receive(at(102), address(1), ask).is_none());
        let there = [Neighbour { node: NodeId(2), at: address(2) }];
        let mut again = Prober::new(NodeId(1), Secret::new([7; 16]), at(200));
        again.meet(at(200), &there);
        let mut second = Vec::new();
        again.ask(at(300), |out| second.push(out));
        let echo = all[1].receive(at(301), address(1), &second[0].datagram).unwrap();
        assert!(all[1].receive(at(302), address(1), ask).is_none(), "of the life before");
        assert!(again.receive(at(302), address(2), &echo.datagram).is_none());
        assert_eq!(again.paths(at(302))[0].probes, 1);
    }

    #[test]
    fn who_is_gone_is_asked_no_more() {
        let mut all = platform(3);
        all[0].meet(at(1000), &[Neighbour { node: NodeId(3), at: address(3) }]);
        assert_eq!(all[0].paths(at(1000)).iter().map(|path| path.to).collect::<Vec<_>>(), [NodeId(3)]);
    }
}
