//! The loop of one thread: receive a batch, decide, journal, send.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::Mailbox as _;
use edge_service::{Arrivals, Front, Limits, Source};
use exchange::{Cells, kept};
use exchange_service::LadderRing;
use host::follower::{Beside, Follower, FollowerSpec};
use host::{Inputs, Progress, Turn};
use journal::{Journal, Recovered};
use machine::{KeyedHash, Machine as _, Moment};
use peering::{Hosts, Neighbours, Peer, Said};
use strowger_io::{Clock, Event, Events, Interest, MappedFile, Poller};
use worker::{In, Signalling};

use super::gather::Gather;
use super::lines::Lines;
use super::mailbox::{Letter, Mailbox};
use super::voice::{Asker, Voice};
use super::{Given, WorkerError, settings, shards};
use crate::across::Postbox;
use crate::config::Hop;

const BUS: u64 = 0;
const MAIL: u64 = 1;
const INNER: u64 = 1 << 40;
const WORLD: u64 = 1 << 36;
/// Looked at once a second: idle connections.
const CHORES: Duration = Duration::from_secs(1);
/// What a power loss may cost at most, together with one sync.
const SYNC: Duration = Duration::from_millis(50);
/// A thread shows that it lives at least so often.
const BEAT: Duration = Duration::from_millis(50);
/// Waiting less than this is nothing to act upon.
const UNFELT: Duration = Duration::from_millis(2);
/// No message waits so long.
const UNBELIEVABLE: Duration = Duration::from_secs(30);
/// Rounds of answers to what a turn itself caused, before the world is looked at again.
const ROUNDS: usize = 8;

/// One signalling thread.
pub(crate) struct Thread {
    pub(super) turn: Turn<Signalling, MappedFile>,
    pub(super) voice: Voice,
    pub(super) arrivals: Arrivals,
    /// What came on the bus, and what this thread tells itself.
    direct: Vec<In>,
    letters: Vec<Letter>,
    mailboxes: Arc<Vec<Mailbox>>,
    pub(super) number: u16,
    /// When neighbours were looked after last.
    pub(super) tended: Moment,
    pub(super) clock: Clock,
    stop: Arc<AtomicBool>,
    turn_took: Duration,
    /// How long messages waited when it was last looked at.
    waited: Duration,
    follower: Option<Follower>,
    /// Records that went unprotected, as far as it was complained about.
    unprotected: u64,
}

struct Batch<'a> {
    arrivals: &'a Arrivals,
    sources: Vec<([u8; Source::LONGEST], usize)>,
}

impl Inputs for Batch<'_> {
    fn count(&self) -> usize {
        self.arrivals.len()
    }

    fn input(&self, number: usize) -> (&[u8], &[u8]) {
        let (source, length) = &self.sources[number];
        (&source[..*length], self.arrivals.get(number).map_or(&[], |(_, bytes)| bytes))
    }
}

impl Thread {
    /// Takes up what a predecessor left, and goes on.
    pub(crate) fn open(given: Given, progress: &Progress) -> Result<Self, WorkerError> {
        // Everybody waits for a successor.
        strowger_io::come_first();
        let config = &given.config;
        let began = given.clock.now();
        let path = given.places.journal(given.number);
        let region = MappedFile::create(&path, config.signalling.journal_mb << 20)?;
        let (journal, mut recovered) = Journal::open(region, began)?;
        let view = shards::begin(config, &given.places)?;
        let mut settings = settings(config, given.number);
        if let Some(view) = &view {
            settings.exchange.call.media = peering::media(view);
            settings.exchange.owned = peering::owned(view, given.number, config.signalling.threads, &[]);
        }
        let beyond = shards::beyond(config, &given.places);
        settings.exchange.cells = Cells::of(beyond.iter().map(|it| it.cell));
        let listens = settings.listeners.iter().map(|listener| listener.local.ip()).collect();
        let machine = Signalling::new(settings, given.secret.clone(), began);
        let ladder =
            MappedFile::create(&given.places.ladder(given.number), config.signalling.ladder_mb << 20)?;
        let poller = Poller::new()?;
        let limits = Limits {
            message: sip::Limits { headers: config.sip.longest_message, body: config.sip.longest_message },
            connections: config.sip.most_connections,
            idle: Duration::from_secs(config.sip.idle_connection_seconds),
        };
        let mut front = Front::new(given.number as u8, given.ears, limits, &poller, WORLD)?;
        for (flow, stream) in given.connections {
            front.take_over(flow, stream, began, &poller);
        }
        let near = bus::Endpoint::new(given.topology.clone(), given.hearing).map_err(WorkerError::Bus)?;
        let bus = Postbox::of_thread(given.across.as_ref(), near, given.number)?;
        poller.add(&bus, BUS, Interest::READ)?;
        poller.add(given.mailboxes[usize::from(given.number)].waker(), MAIL, Interest::READ)?;
        let me = Peer { node: config.cluster.me(), thread: given.number };
        let by_wire = config.sip.hop == Hop::Tcp && !config.cluster.is_one_of_several();
        let hosts = given.inside.as_ref().map(|_| {
            let hash = KeyedHash::new(given.secret.clone());
            let neighbours = Neighbours::new(me, hash, listens, kept::followed);
            Hosts::new(neighbours, config.signalling.threads, by_wire)
        });
        let lines = given.inside.map(|listener| Lines::new(listener, INNER, &poller)).transpose()?;
        let voice = Voice {
            poller,
            front,
            bus,
            across: given.across,
            ladder: LadderRing::open(ladder),
            mailboxes: Arc::clone(&given.mailboxes),
            number: given.number,
            hosts,
            lines,
            quarantine: given.places.quarantine(),
            askers: Default::default(),
            next_asker: 0,
            own: Default::default(),
            set_aside: 0,
            // From here on it must go on; mapping the journal's memory takes as long as it takes.
            beat: progress.watch(),
            gauges: Vec::new(),
        };
        let mut thread = Thread {
            turn: Turn::new(machine, journal),
            voice,
            arrivals: Arrivals::default(),
            direct: Vec::new(),
            letters: Vec::new(),
            mailboxes: given.mailboxes,
            number: given.number,
            tended: began,
            clock: given.clock,
            stop: given.stop,
            turn_took: Duration::ZERO,
            waited: Duration::ZERO,
            follower: None,
            unprotected: 0,
        };
        if thread.voice.hosts.is_some() {
            thread.turn.follow();
            thread.believe(view, &given.inside_of);
            thread.learn_beyond(began, beyond);
        }
        thread.recover(began, &mut recovered, &given.places.disk_log(given.number))?;
        strowger_io::stand_in_line();
        thread.follower = Some(Follower::start(FollowerSpec {
            name: format!("follow-{}", given.number),
            ring: path,
            log: given.places.disk_log(given.number),
            durable: |tag| kept::DURABLE.contains(&tag),
            every: SYNC,
            after: SYNC,
        })?);
        Ok(thread)
    }

    fn recover(&mut self, began: Moment, recovered: &mut Recovered, log: &Path) -> Result<(), WorkerError> {
        let opened = self.clock.now().since(began);
        self.turn.restore(began, recovered, &mut self.voice);
        for damage in &recovered.damage {
            tracing::warn!(thread = self.number, ?damage, "the journal is damaged there; the rest was used");
        }
        let beside = Beside::of(&self.turn.journal, recovered, log).map_err(WorkerError::DiskLog)?;
        self.turn.recover(began, recovered, beside.entries(), &mut self.voice);
        self.say_when_safe(began);
        self.voice.front.flush();
        self.voice.bus.flush();
        let took = self.clock.now().since(began);
        let stats = self.turn.journal.stats();
        tracing::info!(
            thread = self.number,
            fresh = recovered.fresh,
            live_bytes = stats.live_bytes,
            sent_again = recovered.unsent.len(),
            decided_again = recovered.undecided.len(),
            opened_ms = opened.as_millis() as u64,
            took_ms = took.as_millis() as u64,
            "signalling goes on"
        );
        Ok(())
    }

    /// What a successor can go on with that is in no journal: connections, by their names.
    pub(crate) fn leave(mut self) -> Vec<(String, OwnedFd)> {
        let all = self.voice.front.leave().into_iter();
        all.map(|(flow, stream)| (super::name_of(flow), stream.into())).collect()
    }

    /// Turns until told to stop.
    pub(crate) fn run(&mut self) -> Result<(), WorkerError> {
        let mut events = Events::new(256);
        let begun = self.clock.now();
        let mut chores = begun;
        let mut gather = Gather::new(chores);
        let mut behind = true;
        strowger_io::sleep_precisely();
        while !self.stop.load(Ordering::Relaxed) {
            self.voice.beat.tick();
            let now = self.clock.now();
            let due = self.turn.machine.next_deadline().filter(|_| !self.is_in_doubt());
            let wait = due.map_or(BEAT, |at| at.since(now).min(BEAT));
            behind = behind && self.turn.catch_up(now, &mut self.voice);
            let held = self.voice.hosts.as_ref().and_then(Hosts::next_deadline);
            let wait = held.map_or(wait, |until| until.since(now).min(wait));
            let is_quiet = (self.voice.own.is_empty() || self.is_in_doubt()) && !behind && !self.is_copying();
            let wait = if is_quiet { wait } else { Duration::ZERO };
            if let Some(pause) = gather.pause(now) {
                std::thread::sleep(pause);
            }
            self.voice.poller.wait(&mut events, Some(wait))?;
            let now = self.clock.now();
            self.receive(&events, now);
            // What a buddy knows by now goes out before the next is decided.
            self.release(now);
            gather.turn(now, self.arrivals.len() + self.direct.len());
            self.feel_pressure(now, begun);
            // Whoever slept may have been taken for lost: what came is decided once it is known by whom.
            if !self.is_in_doubt() {
                self.turn_once(now);
            }
            // What is done for neighbours between turns is no sign of too many messages.
            self.turn_took = self.clock.now().since(now);
            self.tend_neighbours(now);
            if now >= chores {
                chores = now.after(CHORES);
                self.chores(now);
            }
        }
        Ok(())
    }

    /// Tells the machine how long messages wait by now: what the kernel says of datagrams, and for what it says
    /// nothing of, how long the last turn took. What waited for somebody to begin (at `begun`), since the predecessor
    /// was dead or hung, says nothing of the load.
    fn feel_pressure(&mut self, now: Moment, begun: Moment) {
        let waited = self.voice.front.take_waited().max(self.turn_took);
        // A time of day that was set is no load.
        let waited = if waited > UNBELIEVABLE { Duration::ZERO } else { waited.min(now.since(begun)) };
        if waited > UNFELT || self.waited > UNFELT {
            self.turn.decide_direct(now, In::Pressure(waited), &mut self.voice);
        }
        self.waited = waited;
    }

    fn receive(&mut self, events: &Events, now: Moment) {
        for event in events.iter() {
            match event.token {
                BUS => {
                    self.voice.bus.ready();
                    while let Some(received) = self.voice.bus.receive() {
                        let exchange = self.turn.machine.exchange();
                        let asker = Asker::OnBus(received.from);
                        self.direct.extend(self.voice.hear(asker, received.envelope, exchange));
                    }
                }
                MAIL => {
                    self.mailboxes[usize::from(self.number)].take(&mut self.letters);
                    for letter in std::mem::take(&mut self.letters) {
                        self.open_letter(letter, now);
                    }
                }
                _ if event.token >= INNER => self.hear_neighbour(event, now),
                _ => {
                    let (arrivals, voice) = (&mut self.arrivals, &mut self.voice);
                    voice.front.ready(event, now, &voice.poller, &mut |flow, bytes| {
                        arrivals.push(Source::World(flow), bytes);
                    });
                }
            }
        }
        self.direct.extend(self.voice.own.drain(..));
    }

    fn open_letter(&mut self, letter: Letter, now: Moment) {
        match letter {
            Letter::Inward(shard, bytes) => match &mut self.voice.hosts {
                Some(hosts) => hosts.do_as_said(now, Said::Inward(shard, bytes)),
                None => self.arrivals.push(Source::Hop, &bytes),
            },
            Letter::Outward(wire, bytes) => self.voice.send_here(now, wire, bytes),
        }
    }

    fn hear_neighbour(&mut self, event: Event, now: Moment) {
        let Voice { hosts, lines, poller, .. } = &mut self.voice;
        if let (Some(hosts), Some(lines)) = (hosts, lines) {
            lines.ready(event, now, hosts, poller);
        }
        self.carry_out(now);
    }

    fn turn_once(&mut self, now: Moment) {
        let sources = (0..self.arrivals.len()).filter_map(|number| self.arrivals.get(number));
        let sources = sources.map(|(source, _)| source.write()).collect();
        let batch = Batch { arrivals: &self.arrivals, sources };
        self.turn.run(now, &batch, &mut self.direct, &mut self.voice);
        self.arrivals.clear();
        self.say_when_safe(now);
        for _ in 0..ROUNDS {
            if self.voice.own.is_empty() {
                break;
            }
            self.direct.extend(self.voice.own.drain(..));
            let nothing = &[(&[] as &[u8], &[] as &[u8]); 0][..];
            self.turn.run(now, nothing, &mut self.direct, &mut self.voice);
            self.say_when_safe(now);
        }
        if let Some(hosts) = &mut self.voice.hosts {
            hosts.neighbours_mut().acknowledge();
        }
        self.carry_out(now);
        self.flush_lines(now);
        self.voice.front.flush();
        self.voice.bus.flush();
    }

    fn chores(&mut self, now: Moment) {
        self.voice.front.close_idle(now, &self.voice.poller);
        let (stats, turn, tally) = (self.turn.journal.stats(), self.turn.stats(), self.voice.front.tally());
        if stats.unprotected > self.unprotected {
            let (more, live, capacity) =
                (stats.unprotected - self.unprotected, stats.live_bytes, stats.capacity);
            let thread = self.number;
            tracing::error!(
                thread,
                more,
                live,
                capacity,
                "the journal is full: a death now would lose this; raise signalling.journal_mb"
            );
            self.unprotected = stats.unprotected;
        }
        let follower = self.follower.as_ref().map(Follower::stats).unwrap_or_default();
        let gauge = |name: &str, value: f64| (name.to_owned(), value);
        let mut among_hosts = self.neighbour_gauges();
        self.voice.gauges = vec![
            gauge("journal_live_bytes", stats.live_bytes as f64),
            gauge("journal_unprotected_total", stats.unprotected as f64),
            gauge("panics_total", turn.panics as f64),
            gauge("set_aside_total", self.voice.set_aside as f64),
            gauge("disk_failures_total", follower.failures as f64),
            gauge("disk_slowest_sync_seconds", follower.slowest_us as f64 / 1e6),
            gauge("turn_seconds", self.turn_took.as_secs_f64()),
            gauge("sip_waited_seconds", self.waited.as_secs_f64()),
            gauge("sip_received_total", tally.received as f64),
            gauge("sip_sent_total", tally.sent as f64),
            gauge("sip_connections", self.voice.front.connections() as f64),
            gauge("sip_dropped_total", self.turn.machine.dropped() as f64),
        ];
        self.voice.gauges.append(&mut among_hosts);
    }
}
