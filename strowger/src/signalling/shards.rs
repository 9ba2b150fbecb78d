//! Which shards this thread owns: what the brokers said last. What comes is adopted, what goes is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::Mailbox as _;
use contract::cluster::{Node, Owner, View};
use contract::{NodeId, Role};
use exchange::settings::Owned;
use machine::{Epoch, Moment, Record, SHARDS, Shard};
use worker::In;

use super::WorkerError;
use super::loops::Thread;
use super::neighbours::copying;
use crate::config::Config;
use crate::places::Places;

/// A view is looked for so often, and so many times: the brokers may have to find each other first.
const LOOK: Duration = Duration::from_millis(20);
const FIRST_TIME: usize = 500;
/// Neighbours are looked after so often, and whenever something is copied.
const TENDED: Duration = Duration::from_millis(5);

/// What the brokers said last, as the broker of this host wrote it down; none if this host is alone. The first time
/// of all it is waited for: nobody knows yet what is ours.
pub(super) fn begin(config: &Config, places: &Places) -> Result<Option<View>, WorkerError> {
    if !config.cluster.is_one_of_several() {
        return Ok(None);
    }
    for _ in 0..FIRST_TIME {
        if let Some(view) = read(places).filter(|view| view.version > 0 && view.me == config.cluster.me()) {
            return Ok(Some(view));
        }
        std::thread::sleep(LOOK);
    }
    Err(WorkerError::NoBroker)
}

fn read(places: &Places) -> Option<View> {
    contract::decode(&fs::read(places.view()).ok()?).ok()
}

/// A host that is alone and speaks to itself over the wire.
pub(super) fn alone(inside: &[SocketAddr]) -> View {
    let node = Node { inside: inside.to_vec(), ..Node::default() };
    let owner = Owner { node: Some(node.node), ..Owner::default() };
    View { nodes: vec![node], owners: vec![owner; usize::from(SHARDS)], ..View::default() }
}

/// The shards of thread `number` by `view`, without those that it is about to hand on.
pub(super) fn owned(view: &View, number: u16, threads: u16, without: &[(Shard, Epoch)]) -> Owned {
    let mine = |shard: Shard| {
        let owner = view.owner(shard);
        let is_ours = owner.node == Some(view.me) && shard.thread(threads) == number;
        (is_ours && !without.contains(&(shard, owner.epoch))).then_some(owner.epoch)
    };
    Owned::of(mine)
}

/// Where calls can have their audio, the best place first: here, then on the other hosts, each host in another order,
/// and at last where nothing new should be.
pub(super) fn media(view: &View) -> Vec<NodeId> {
    let is_media = |node: &&Node| node.roles.contains(&Role::Media);
    let mut nodes: Vec<&Node> = view.nodes.iter().filter(is_media).collect();
    nodes.sort_by_key(|node| (node.draining, node.node.0.wrapping_sub(view.me.0)));
    nodes.into_iter().map(|node| node.node).collect()
}

fn shards() -> impl Iterator<Item = Shard> {
    (0..SHARDS).map(|number| Shard::of(number.into()))
}

impl Thread {
    /// Begins with `view`: what is ours by it is in our journal.
    pub(super) fn believe(&mut self, view: View) {
        let owned = self.turn.machine.owned().clone();
        self.voice.own_on_bus(&owned, &view);
        if let Some(neighbours) = &mut self.voice.neighbours {
            neighbours.go_by(Arc::new(view), owned);
        }
    }

    pub(super) fn is_copying(&self) -> bool {
        self.voice.neighbours.as_ref().is_some_and(|it| it.is_copying())
    }

    /// Between turns: does what the brokers say, calls neighbours, copies, hands on.
    pub(super) fn tend_neighbours(&mut self, now: Moment) {
        if self.voice.neighbours.is_none() {
            return;
        }
        if let Some(view) = self.voice.questions.take_view() {
            self.go_by(now, view);
        }
        self.release(now);
        if now.since(self.tended) < TENDED && !self.is_copying() {
            return;
        }
        self.tended = now;
        let Some(neighbours) = &mut self.voice.neighbours else { return };
        neighbours.tend(now, &mut self.turn.journal, &self.voice.poller);
        for (node, shards) in neighbours.take_news() {
            self.voice.questions.followed(node, &shards);
        }
        self.hand_on(now);
        for envelope in self.voice.questions.due(now) {
            if let Err(error) = self.voice.bus.send(&envelope) {
                tracing::debug!(%error, "the broker of this host is not reached");
            }
        }
        self.voice.bus.flush();
        if let Some(neighbours) = &mut self.voice.neighbours {
            neighbours.flush(now, &self.voice.poller);
        }
    }

    /// The brokers have agreed on something new.
    fn go_by(&mut self, now: Moment, view: View) {
        let known = self.voice.neighbours.as_ref().map(|it| it.view().version);
        if known.is_some_and(|known| view.version > known) {
            self.settle_handing(&view);
            self.own_by(now, view);
        }
    }

    /// Owns what `view` says, without what is on its way to another: what comes is adopted, what goes is forgotten.
    pub(super) fn own_by(&mut self, now: Moment, view: View) {
        let handing = self.handing.as_ref().map(|it| it.shards()).unwrap_or_default();
        let owned = owned(&view, self.number, self.threads, &handing);
        let media = media(&view);
        let (gained, version) = (self.gained(&owned), view.version);
        self.voice.own_on_bus(&owned, &view);
        let Some(neighbours) = &mut self.voice.neighbours else { return };
        let (mut adopted, mut half) = (Vec::new(), 0);
        for &shard in &gained {
            let (records, whole) = neighbours.take_replica(shard);
            adopted.extend(records);
            half += usize::from(!whole);
        }
        let back = neighbours.go_by(Arc::new(view), owned.clone());
        adopted.extend(self.left_over(&gained, &adopted));
        if !gained.is_empty() {
            let (thread, shards, things) = (self.number, gained.len(), adopted.len());
            tracing::info!(thread, version, shards, half, things, "shards are adopted");
        }
        let mut direct = vec![In::Media(media), In::Owned(owned)];
        direct.extend(adopted.into_iter().map(In::Adopt));
        self.turn.run(now, &[(&[] as &[u8], &[] as &[u8]); 0][..], &mut direct, &mut self.voice);
        self.say_when_safe(now);
        let mut said = Vec::new();
        if let Some(neighbours) = &mut self.voice.neighbours {
            neighbours.take_later(now, &mut |it| said.push(it));
        }
        said.into_iter().for_each(|it| self.do_as_said(now, it));
        for it in back {
            self.do_as_said(now, super::neighbours::Said::Inward(it.shard, it.bytes));
        }
    }

    /// Shards that are ours by `view` and are not, or not under this epoch, as far as our machine knows: somebody else
    /// kept what lives in them.
    fn gained(&self, owned: &Owned) -> Vec<Shard> {
        let has = self.turn.machine.owned();
        let is_known = |shard: Shard| has.owns(shard) && has.epoch(shard) == owned.epoch(shard);
        shards().filter(|&shard| owned.owns(shard) && !is_known(shard)).collect()
    }

    /// What our journal has in `gained`, from the last time that they were ours, and nobody has any more.
    fn left_over(&mut self, gained: &[Shard], adopted: &[Record]) -> Vec<Record> {
        if gained.is_empty() {
            return Vec::new();
        }
        let gained: BTreeSet<Shard> = gained.iter().copied().collect();
        let known: BTreeSet<_> = adopted.iter().map(|record| (record.tag, record.key)).collect();
        let mut left = Vec::new();
        let _broken = self.turn.journal.show(
            |tag| copying::FOLLOWED.contains(&tag),
            |entry| {
                let shard = copying::shard_of(entry.tag, entry.shard, entry.key);
                if gained.contains(&shard) && !known.contains(&(entry.tag, entry.key)) {
                    left.push(Record { tag: entry.tag, shard, key: entry.key, body: Vec::new() });
                }
            },
        );
        left
    }

    /// How shards of ours are protected, and what became of messages between hosts.
    pub(super) fn neighbour_gauges(&self) -> Vec<(String, f64)> {
        let Some(neighbours) = &self.voice.neighbours else { return Vec::new() };
        let (protected, whole, things) = neighbours.protection();
        let counts = neighbours.counts();
        let gauges = [
            ("shards_owned", self.turn.machine.owned().count() as f64),
            ("shards_protected", protected as f64),
            ("shards_followed", whole as f64),
            ("replica_things", things as f64),
            ("answers_protected_total", self.held.protected as f64),
            ("answers_unprotected_total", self.held.unprotected as f64),
            ("neighbours_ghosts_total", counts.ghosts as f64),
            ("neighbours_cut_total", counts.cut as f64),
            ("neighbours_lost_total", counts.lost as f64),
        ];
        gauges.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
