//! This thread among those of other hosts: [`Hosts`] decides, what it wants done is done here.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use bus::Mailbox as _;
use contract::CellId;
use contract::cluster::{Beyond, View};
use edge_service::Source;
use exchange::Cells;
use machine::Moment;
use peering::{Effect, Going, Hosts};
use worker::In;

use super::WorkerError;
use super::loops::Thread;
use super::voice::Asker;
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

/// What was known of the other cells. They are taken to be there until the broker of this host says something else.
pub(super) fn beyond(config: &Config, places: &Places) -> Vec<Beyond> {
    let own = config.cell.id();
    if own.is_home() {
        return Vec::new();
    }
    let others = (1..=CellId::MOST.0).map(CellId).filter(|&cell| cell != own);
    let known = others.filter_map(|cell| {
        let view: View = contract::decode(&fs::read(places.view_of(cell)).ok()?).ok()?;
        (view.cell == cell).then_some(Beyond { cell, reachable: true, view: Some(view) })
    });
    known.collect()
}

impl Thread {
    /// Begins with `view`, or alone on a host that hears itself at `inside`: what is ours by it is in our journal.
    pub(super) fn believe(&mut self, view: Option<View>, inside: &[SocketAddr]) {
        if let Some(hosts) = &mut self.voice.hosts {
            hosts.begin(view.unwrap_or_else(|| peering::alone(inside)));
        }
        self.carry_out(self.clock.now());
    }

    /// Begins with what was known of other cells.
    pub(super) fn learn_beyond(&mut self, now: Moment, beyond: Vec<Beyond>) {
        if let Some(hosts) = &mut self.voice.hosts {
            hosts.learn_beyond(now, beyond);
        }
        self.carry_out(now);
    }

    pub(super) fn is_copying(&self) -> bool {
        self.voice.hosts.as_ref().is_some_and(|hosts| hosts.neighbours().is_copying())
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.voice.hosts.as_ref().is_some_and(Hosts::is_in_doubt)
    }

    /// The journal has what the turn decided: it is told to whoever follows, and said to the world when it may be.
    pub(super) fn say_when_safe(&mut self, now: Moment) {
        if let Some(hosts) = &mut self.voice.hosts {
            hosts.say_when_safe(now, &self.turn.take_changes(), &mut self.turn.journal);
        }
        self.carry_out(now);
    }

    /// Says what was held back and need not be any more.
    pub(super) fn release(&mut self, now: Moment) {
        if let Some(hosts) = &mut self.voice.hosts {
            hosts.release(now, &mut self.turn.journal);
        }
        self.carry_out(now);
    }

    /// Between turns: does what the brokers say, calls neighbours, copies, hands on.
    pub(super) fn tend_neighbours(&mut self, now: Moment) {
        let Some(hosts) = &mut self.voice.hosts else { return };
        if let Some(going) = hosts.believe(now, &mut self.turn.journal) {
            let (thread, version) = (self.number, hosts.neighbours().view().version);
            let ((shards, half), things) = (going.gained, going.adopted.len());
            if shards > 0 {
                tracing::info!(thread, version, shards, half, things, "shards are adopted");
            }
            self.go(now, going);
        }
        self.release(now);
        if now.since(self.tended) < TENDED && !self.is_copying() {
            return;
        }
        self.tended = now;
        let (Some(hosts), Some(lines)) = (&mut self.voice.hosts, &self.voice.lines) else { return };
        let going = hosts.tend(now, &mut self.turn.journal, |line| lines.is_busy(line));
        if let Some(going) = going {
            if going.media.is_some() {
                let thread = self.number;
                tracing::warn!(thread, "the brokers did not agree in time: shards stay here");
            }
            self.go(now, going);
        }
        self.carry_out(now);
        self.voice.bus.flush();
        self.flush_lines(now);
    }

    /// Other shards are ours from now on.
    fn go(&mut self, now: Moment, going: Going) {
        self.turn.run(now, &[(&[] as &[u8], &[] as &[u8]); 0][..], &mut In::going(going), &mut self.voice);
        self.say_when_safe(now);
    }

    /// Does what is to be done for other hosts, and on their behalf.
    pub(super) fn carry_out(&mut self, now: Moment) {
        let Some(hosts) = &mut self.voice.hosts else { return };
        for effect in hosts.take_effects() {
            self.carry_out_one(now, effect);
        }
    }

    fn carry_out_one(&mut self, now: Moment, effect: Effect) {
        match effect {
            Effect::Line(wish) => {
                let (hosts, lines) = (&mut self.voice.hosts, &mut self.voice.lines);
                if let (Some(hosts), Some(lines)) = (hosts, lines) {
                    lines.carry_out(wish, now, hosts, &self.voice.poller);
                }
            }
            Effect::Arrived(bytes) => self.arrivals.push(Source::Hop, &bytes),
            Effect::Post(thread, shard, bytes) => self.voice.post(thread, shard, bytes),
            Effect::Send(wire, bytes) => self.voice.send_here(now, wire, bytes),
            Effect::Unsent(bytes) => self.voice.own.push_back(In::Unsent(bytes)),
            Effect::Pass(bytes) => self.voice.own.push_back(In::Through(bytes)),
            Effect::Cells(cells) => self.voice.own.push_back(In::Cells(Cells::of(cells))),
            Effect::Heard(from, envelope) => {
                let input = self.voice.hear(Asker::Neighbour(from), envelope, self.turn.machine.exchange());
                self.voice.own.extend(input);
            }
            Effect::Ask(envelope) => {
                if let Err(error) = self.voice.bus.send(&envelope) {
                    tracing::debug!(%error, "the broker of this host is not reached");
                }
            }
            Effect::Bus(envelope) => self.voice.send_on_bus(&envelope),
            Effect::Own(owned, view) => self.voice.own_on_bus(&owned, &view),
        }
    }

    pub(super) fn flush_lines(&mut self, now: Moment) {
        if let (Some(hosts), Some(lines)) = (&mut self.voice.hosts, &mut self.voice.lines) {
            lines.flush(now, hosts, &self.voice.poller);
        }
    }

    /// How shards of ours are protected, and what became of messages between hosts.
    pub(super) fn neighbour_gauges(&self) -> Vec<(String, f64)> {
        let Some(hosts) = &self.voice.hosts else { return Vec::new() };
        let (protected, whole, things) = hosts.neighbours().protection();
        let (counts, answers) = (hosts.neighbours().counts(), hosts.answers());
        let beyond = hosts.neighbours().beyond();
        let gauges = [
            ("shards_owned", self.turn.machine.owned().count() as f64),
            ("shards_protected", protected as f64),
            ("shards_followed", whole as f64),
            ("replica_things", things as f64),
            ("answers_protected_total", answers.protected as f64),
            ("answers_unprotected_total", answers.unprotected as f64),
            ("neighbours_ghosts_total", counts.ghosts as f64),
            ("neighbours_cut_total", counts.cut as f64),
            ("neighbours_lost_total", counts.lost as f64),
            ("cells_known", beyond.count() as f64),
            ("cells_reachable", beyond.reachable().count() as f64),
            ("neighbours_said_total", counts.said as f64),
            ("neighbours_heard_total", counts.heard as f64),
        ];
        gauges.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
