//! What brokers agree on, and who hears of it when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contract::Envelope;
use contract::cluster::{Node, View};

use super::event::Event;
use super::host::{At, EDGES, Host, State};
use super::world::{World, remember};

/// How often seats look around.
const LOOK: Duration = Duration::from_millis(50);

impl World {
    /// All that is looked at now and then: what every step may break shows there at once, too.
    pub(crate) fn look(&mut self) {
        let (panics, unprotected) =
            self.hosts.iter().map(Host::troubles).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        assert_eq!((panics, unprotected), (0, 0), "a decision panicked, or a journal has no room");
        let counted = self.unprotected + self.hosts.iter().map(|host| host.protection().1).sum::<u64>();
        assert!(
            self.known.exposed <= counted,
            "{} messages were heard that only their owner knew, and {counted} are counted",
            self.known.exposed
        );
        let nodes: Vec<(usize, Node)> =
            self.hosts.iter().filter(|host| host.runs()).map(|it| (it.place, it.node.clone())).collect();
        let World { brokers, hosts, cut_off, chance, .. } = self;
        let reaches = |one: usize, other: usize| reaches(hosts, cut_off, one, other);
        let is_new = brokers.look(self.now, chance, &nodes, &reaches);
        if is_new {
            self.tell_all(true);
        }
        self.plan(LOOK, Event::Look);
    }

    /// Hosts are told what was agreed on, each after another time.
    pub(crate) fn tell_all(&mut self, is_new: bool) {
        let leader = self.leader();
        let Some(leader) = leader else { return };
        if is_new {
            let view = Arc::clone(&self.brokers.view);
            let nodes: Vec<_> = view.nodes.iter().map(|node| (node.node.0, node.since)).collect();
            let line = format!("version {}: nodes and since when {nodes:?}", view.version);
            remember(&mut self.lately, self.steps, self.now, &line);
        }
        for host in 0..self.hosts.len() {
            let knows = self.hosts[host].view.version >= self.brokers.view.version;
            if !self.reaches(leader, host) || !is_new && knows && self.chance.happens(800) {
                continue;
            }
            let after = match self.chance.below(10) {
                0 => Duration::from_millis(self.chance.between(50, 400)),
                _ => Duration::from_micros(self.chance.between(500, 8_000)),
            };
            let view = Arc::clone(&self.brokers.view);
            self.plan(after, Event::Agreed { host, view });
        }
    }

    pub(crate) fn leader(&self) -> Option<usize> {
        self.brokers.leader(&|one, other| reaches(&self.hosts, &self.cut_off, one, other))
    }

    /// Whether what one host says reaches another's sockets now.
    pub(crate) fn reaches(&self, one: usize, other: usize) -> bool {
        reaches(&self.hosts, &self.cut_off, one, other)
    }

    pub(crate) fn agreed(&mut self, host: usize, view: &Arc<View>) {
        if !self.hosts[host].runs() || self.cut_off.contains(&host) {
            return;
        }
        // A host that was taken for lost, and has media from before.
        let me = self.hosts[host].node.node;
        let since = |view: &View| view.node(me).map_or(0, |node| node.since);
        let (before, after) = (since(&self.hosts[host].view), since(view));
        if before != 0 && after > before {
            self.haunted.insert(host);
        }
        let is_first = self.hosts[host].view.version == 0;
        self.hosts[host].is_told(view);
        if is_first {
            self.plan(Duration::ZERO, Event::Start(host));
        }
        self.wake_threads(host);
    }

    pub(crate) fn proposed(&mut self, from: At, envelope: &Envelope) {
        let is_heard = self.leader().is_some_and(|leader| self.reaches(from.host, leader));
        if !is_heard {
            return;
        }
        if let Some((answer, is_new)) = self.brokers.propose(envelope) {
            let after = Duration::from_micros(self.chance.between(500, 30_000));
            self.plan(after, Event::Told { at: from, envelope: answer });
            if is_new {
                self.tell_all(true);
            }
        }
    }

    /// Whoever learns that an address is its own tells the link.
    pub(crate) fn believes(&mut self, host: usize, view: &View) {
        let node = self.hosts[host].node.node;
        for (place, &edge) in EDGES.iter().enumerate() {
            if view.holder(edge.into()) == Some(node) && self.hears_phones(host) {
                self.arp[place] = Some(host);
            }
        }
    }
}

pub(crate) fn reaches(hosts: &[Host], cut_off: &BTreeSet<usize>, one: usize, other: usize) -> bool {
    let is_there = |host: usize| hosts[host].state != State::Gone;
    if one == other {
        return hosts[one].state == State::Up;
    }
    is_there(one) && is_there(other) && cut_off.contains(&one) == cut_off.contains(&other)
}
