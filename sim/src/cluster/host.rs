//! One host: its signalling process with the threads that own shards, and its media process.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use contract::cluster::{Node, View};
use contract::query::{Calls, ListCalls};
use contract::{Envelope, NodeId, Role};
use edge::{Flow, Listener};
use exchange::kept;
use journal::{Journal, Turn};
use machine::{Key, KeyedHash, Machine as _, Moment, Outbox, Secret, Shard, Tag};
use peering::{Frame, Hosts, Line, Neighbours, Peer, Wish as LineWish};
use sip::Transport;
use worker::{In, Out, Settings, Signalling};

use super::knowledge::Knowledge;
use super::mouth::Mouth;
use super::thread::{Asker, Heard, SEGMENT, TENDED, Thread};
use crate::death::Death;
use crate::fault::Fault;
use crate::in_journal;
use crate::media::MediaProcess;

/// What waits in a process's sockets for as long as it does not read.
const SOCKET_ROOM: usize = 500;

/// Where phones find the platform: whoever holds these addresses hears them.
pub(crate) const EDGES: [[u8; 4]; 2] = [[198, 51, 100, 201], [198, 51, 100, 202]];
const PORT: u16 = 5060;
/// The first thread of each host hears the others there.
const INSIDE: u16 = 7000;

/// Which thread of which host, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    pub(crate) host: usize,
    pub(crate) thread: usize,
}

/// What becomes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// It stands still: SIGSTOP, or a machine that sleeps.
    Stopped,
    /// It is gone with all that it had.
    Gone,
}

/// What a host wants done.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To a phone.
    World { from: usize, to: SocketAddr, listener: u8, bytes: Vec<u8> },
    /// With a line to another thread of another host.
    Line(At, LineWish),
    /// On the bus.
    Bus(At, Envelope),
    /// The answer to what another thread of the same host asked.
    Tell(At, Envelope),
    /// To the brokers.
    Ask(At, Envelope),
    /// A host goes by that view from now on.
    Believes(usize, Arc<View>),
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) place: usize,
    pub(crate) node: Node,
    pub(crate) state: State,
    pub(crate) threads: Vec<Thread>,
    pub(crate) media: Option<MediaProcess>,
    pub(crate) is_alive: bool,
    pub(crate) doom: Option<(usize, Death)>,
    /// What its broker told last, and wrote down.
    pub(crate) view: Arc<View>,
    settings: exchange::Settings,
    secret: Secret,
    pub(crate) fault: Option<Fault>,
    pub(crate) set_aside: u64,
}

impl Host {
    pub(crate) fn new(
        place: usize,
        roles: &[Role],
        threads: u16,
        settings: exchange::Settings,
        secret: Secret,
    ) -> Self {
        let number = place as u16 + 1;
        let ip = IpAddr::from([10, 0, 0, number as u8]);
        let is_edge = roles.contains(&Role::Edge);
        let mut floating: Vec<IpAddr> = EDGES.iter().map(|&it| it.into()).collect();
        floating.rotate_left(place % 2);
        let node = Node {
            node: NodeId(number),
            host: format!("host-{number}"),
            roles: roles.to_vec(),
            inside: (0..threads).map(|thread| (ip, INSIDE + thread).into()).collect(),
            floating: if is_edge { floating } else { Vec::new() },
            ..Node::default()
        };
        let media = roles.contains(&Role::Media);
        Host {
            place,
            node,
            state: State::Up,
            threads: (0..threads).map(|_| Thread::new()).collect(),
            media: media.then(|| MediaProcess::new(place as u16, 2, secret.clone())),
            is_alive: false,
            doom: None,
            view: Arc::default(),
            settings,
            secret,
            fault: None,
            set_aside: 0,
        }
    }

    /// Whether it does anything.
    pub(crate) fn runs(&self) -> bool {
        self.state == State::Up
    }

    /// The place of the host and the thread that hears others there.
    pub(crate) fn of_address(address: SocketAddr) -> At {
        let IpAddr::V4(ip) = address.ip() else { panic!("nobody is at {address}") };
        At { host: usize::from(ip.octets()[3]) - 1, thread: usize::from(address.port() - INSIDE) }
    }

    /// A message of a phone is in the socket.
    pub(crate) fn hears(&mut self, listener: u8, remote: SocketAddr, bytes: Vec<u8>) -> usize {
        let thread = usize::from(remote.port()) % self.threads.len();
        let inbox = &mut self.threads[thread].inbox;
        if inbox.len() < SOCKET_ROOM {
            let flow = Flow { listener, thread: thread as u8, remote };
            inbox.push_back((in_journal::source(flow), bytes));
        }
        thread
    }

    /// Something came on a line, or became of it; lost if the process is dead.
    pub(crate) fn reads_line(&mut self, thread: usize, mut heard: Heard) {
        if self.fault == Some(Fault::GhostsAreHeard)
            && let Heard::Frame(_, Frame::Outward { of, .. }) = &mut heard
        {
            *of = None;
        }
        let is_kept_back = self.fault == Some(Fault::GhostsGiveNothing)
            && matches!(heard, Heard::Frame(_, Frame::Estate { .. }));
        if self.is_alive && !is_kept_back {
            self.threads[thread].heard.push_back(heard);
        }
    }

    /// Somebody calls: which line that is, if the process is there.
    pub(crate) fn is_called(&mut self, thread: usize, nonce: u64) -> Option<Line> {
        let hosts = self.threads[thread].hosts.as_mut()?;
        Some(hosts.neighbours_mut().called(nonce))
    }

    /// An envelope came on the bus; lost if the process is dead.
    pub(crate) fn reads(&mut self, thread: usize, envelope: Envelope) {
        if !self.is_alive {
            return;
        }
        let thread = &mut self.threads[thread];
        let envelope = match envelope.kind {
            contract::Kind::Request => Some((thread.asker(Asker::Nobody), envelope)),
            _ => thread.hosts.as_mut().and_then(|hosts| hosts.hear(envelope)).map(|it| (0, it)),
        };
        thread.direct.extend(envelope.map(|(asker, envelope)| In::Bus(asker, envelope)));
    }

    /// Another thread of this host asks; lost if the process is dead.
    pub(crate) fn asks_itself(&mut self, from: usize, thread: usize, envelope: Envelope) {
        if self.is_alive {
            let thread = &mut self.threads[thread];
            let asker = thread.asker(Asker::Thread(from));
            thread.direct.push(In::Bus(asker, envelope));
        }
    }

    /// The broker of this host has heard what was agreed on.
    pub(crate) fn is_told(&mut self, view: &Arc<View>) {
        if view.version > self.view.version {
            self.view = Arc::clone(view);
        }
        if self.is_alive {
            for thread in &mut self.threads {
                if let Some(hosts) = &mut thread.hosts
                    && view.version > hosts.neighbours().view().version
                {
                    let mut view = View { me: self.node.node, ..View::clone(view) };
                    if self.fault == Some(Fault::GhostsAreHeard) {
                        let others = view.nodes.iter_mut().filter(|node| node.node != view.me);
                        others.for_each(|node| node.since = 0);
                    }
                    hosts.is_told(view);
                }
            }
        }
    }

    /// When a thread has something to do.
    pub(crate) fn deadline(&self, thread: usize) -> Option<Moment> {
        let thread = &self.threads[thread];
        let (turn, hosts) = (thread.turn.as_ref()?, thread.hosts.as_ref()?);
        let tended = Some(thread.tended.after(TENDED));
        if thread.heard.is_empty() && hosts.is_in_doubt() {
            return hosts.next_deadline().min(tended);
        }
        if !thread.inbox.is_empty() || !thread.heard.is_empty() || !thread.direct.is_empty() {
            return Some(Moment::START);
        }
        [turn.machine.next_deadline(), hosts.next_deadline(), tended].into_iter().flatten().min()
    }

    /// One turn of a thread.
    pub(crate) fn turn(&mut self, thread: usize, now: Moment, known: &mut Knowledge, said: &mut Vec<Wish>) {
        if !self.is_alive || !self.runs() {
            return;
        }
        let doom = self.doom.take_if(|(of, _)| *of == thread).map(|(_, death)| death);
        let at = At { host: self.place, thread };
        let mut posts = Vec::new();
        self.threads[thread].is_hasty = self.fault == Some(Fault::EndsAreSaidAtOnce);
        let died = self.threads[thread].turn(at, now, doom, self.fault, known, said, &mut posts);
        self.post(now, posts);
        if died {
            self.die();
        }
    }

    /// Messages for other threads of this host.
    fn post(&mut self, now: Moment, posts: Vec<(u16, Shard, Vec<u8>)>) {
        for (thread, shard, bytes) in posts {
            if let Some(hosts) = &mut self.threads[usize::from(thread)].hosts {
                hosts.do_as_said(now, peering::Said::Inward(shard, bytes));
            }
        }
    }

    /// SIGKILL of the signalling process.
    pub(crate) fn die(&mut self) {
        self.is_alive = false;
        self.doom = None;
        for thread in &mut self.threads {
            thread.direct.clear();
            thread.heard.clear();
            thread.askers.clear();
            thread.inbox.retain(|(source, _)| !source.is_empty());
            thread.hosts = None;
            if let Some(turn) = thread.turn.take() {
                thread.region = turn.journal.into_region();
            }
        }
    }

    /// All that it has is gone.
    pub(crate) fn is_lost(&mut self) {
        self.die();
        for thread in &mut self.threads {
            thread.region.fill(0);
            thread.inbox.clear();
        }
        if let Some(media) = &mut self.media {
            media.lose_power();
        }
        self.view = Arc::default();
        self.state = State::Gone;
    }

    /// The supervisor starts the signalling process (again); not before somebody said what is ours.
    pub(crate) fn start(&mut self, now: Moment, known: &mut Knowledge, said: &mut Vec<Wish>) -> bool {
        if self.view.version == 0 {
            return false;
        }
        self.is_alive = true;
        let mut all = Vec::new();
        for number in 0..self.threads.len() {
            let region = std::mem::take(&mut self.threads[number].region);
            let (journal, mut recovered) = match Journal::open_with(region, now, SEGMENT) {
                Ok(opened) => opened,
                Err(error) => panic!("a journal that nobody harmed can't be opened: {error}"),
            };
            let view = View { me: self.node.node, ..View::clone(&self.view) };
            let (me, threads) = (self.node.node, self.threads.len() as u16);
            let settings = self.settings_of(&view, number as u16);
            let machine = Signalling::new(settings, self.secret.clone(), now);
            let mut turn = Box::new(Turn::new(machine, journal));
            let peer = Peer { node: me, thread: number as u16 };
            let hash = KeyedHash::new(self.secret.clone());
            let listens = EDGES.iter().map(|&edge| edge.into()).collect();
            let neighbours = Neighbours::new(peer, hash, listens, kept::followed);
            let mut hosts = Box::new(Hosts::new(neighbours, threads, false));
            turn.follow();
            hosts.begin(view);
            let thread = &mut self.threads[number];
            thread.hosts = Some(hosts);
            let at = At { host: self.place, thread: number };
            let mut mouth = Mouth::new(thread, known);
            turn.restore(now, &mut recovered, &mut mouth);
            turn.recover(now, &recovered, [], &mut mouth);
            let Mouth { bus, set_aside, .. } = mouth;
            self.set_aside += set_aside;
            said.extend(bus.into_iter().map(|envelope| Wish::Bus(at, envelope)));
            thread.turn = Some(turn);
            thread.say_when_safe(at, now, None, known);
            let mut posts = Vec::new();
            thread.carry_out(at, said, &mut posts);
            all.append(&mut posts);
        }
        self.post(now, all);
        true
    }

    fn settings_of(&self, view: &View, number: u16) -> Settings {
        let mut exchange = self.settings.clone();
        exchange.owned = peering::owned(view, number, self.threads.len() as u16, &[]);
        exchange.call.media = peering::media(view);
        let listener = |edge: [u8; 4]| {
            let local = SocketAddr::from((edge, PORT));
            Listener { transport: Transport::Udp, local, public: local.to_string() }
        };
        Settings { listeners: EDGES.map(listener).to_vec(), exchange, hop: worker::Hop::Pipe }
    }

    /// Decisions that panicked, and records that found no room in a journal.
    pub(crate) fn troubles(&self) -> (u64, u64) {
        let turns = self.threads.iter().filter_map(|thread| thread.turn.as_ref());
        turns.fold((0, 0), |(panics, unprotected), turn| {
            (panics + turn.stats().panics, unprotected + turn.journal.stats().unprotected)
        })
    }

    /// The calls there are.
    pub(crate) fn calls(&mut self, now: Moment) -> Vec<contract::query::CallView> {
        let all = ListCalls { limit: u32::MAX, ..ListCalls::default() };
        let mut calls = Vec::new();
        for turn in self.threads.iter_mut().filter_map(|thread| thread.turn.as_mut()) {
            let mut out = Outbox::new();
            turn.machine.handle(now, In::Bus(1, Envelope::request(1, None, &all)), &mut out);
            for said in out.emit {
                if let Out::Answer(_, envelope) = said {
                    let found: Option<Calls> = contract::decode(&envelope.body).ok();
                    calls.extend(found.into_iter().flat_map(|found| found.calls));
                }
            }
        }
        calls
    }

    /// What it still has of any call; nothing, when all is over.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (number, thread) in self.threads.iter().enumerate() {
            let (Some(turn), Some(hosts)) = (&thread.turn, &thread.hosts) else { continue };
            let what = |tag| [kept::CALL, kept::CALL_RECORD].contains(&tag);
            let entries = turn.journal.live().filter(|entry| what(entry.tag));
            left.extend(entries.map(|it| format!("{number}: {:?} {:?} in the journal", it.tag, it.key)));
            let copies = hosts.neighbours().replica().all().filter(|(_, tag, _)| what(*tag));
            left.extend(
                copies.map(|(shard, tag, key)| format!("{number}: a copy of {tag:?} {key:?} of {shard:?}")),
            );
            if hosts.is_busy() {
                left.push(format!("{number}: something waits: {:?}", hosts.neighbours().waiting()));
            }
        }
        left
    }

    /// Whether its signalling process is there.
    pub(crate) fn has_process(&self) -> bool {
        self.is_alive && self.state != State::Gone
    }

    fn hosts(&self) -> impl Iterator<Item = &Hosts> {
        self.threads.iter().filter_map(|thread| thread.hosts.as_deref())
    }

    /// Whether it owns `shard`, as far as it knows.
    pub(crate) fn owns(&self, shard: Shard) -> bool {
        self.hosts().any(|hosts| hosts.neighbours().owned().owns(shard))
    }

    /// Whether it knows anything of `shard` as a follower.
    pub(crate) fn follows(&self, shard: Shard) -> bool {
        self.hosts().any(|hosts| hosts.neighbours().replica().has(shard))
    }

    /// What this host knows of a thing of another's shard.
    pub(crate) fn copy_of(&self, shard: Shard, tag: Tag, key: Key) -> Option<&[u8]> {
        self.hosts().filter_map(|hosts| hosts.neighbours().replica().find(shard, tag, key)).next()
    }

    /// What this host's own journal has of a thing.
    pub(crate) fn own_of(&self, tag: Tag, key: Key) -> Option<&[u8]> {
        let all = self.threads.iter().filter_map(|thread| thread.turn.as_ref());
        all.filter_map(|turn| turn.journal.latest(tag, key)).next()
    }

    pub(crate) fn protection(&self) -> (u64, u64, u64) {
        self.hosts().fold((0, 0, 0), |(protected, unprotected, ghosts), hosts| {
            let (answers, counts) = (hosts.answers(), hosts.neighbours().counts());
            (protected + answers.protected, unprotected + answers.unprotected, ghosts + counts.ghosts)
        })
    }

    /// Whether all shards that it owns have a buddy that knows all.
    pub(crate) fn is_protected(&self) -> bool {
        self.hosts().all(|hosts| {
            let (protected, ..) = hosts.neighbours().protection();
            protected == hosts.neighbours().owned().count()
        })
    }
}
