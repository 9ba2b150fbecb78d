//! One host: its signalling process with the threads that own shards, and its media process.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use contract::cluster::{Node, View};
use contract::query::{Calls, ListCalls};
use contract::{Envelope, NodeId, Role};
use edge::{Flow, Listener};
use exchange::kept;
use journal::{Blame, Damage, Journal, Shell, Turn};
use machine::{Key, KeyedHash, Machine as _, Moment, Outbox, Secret, Shard, Tag};
use peering::{Effect, Frame, Going, Hosts, Line, Neighbours, Peer, Wire, Wish as LineWish};
use sip::Transport;
use worker::{In, Out, Settings, Signalling};

use super::knowledge::Knowledge;
use crate::death::Death;
use crate::fault::Fault;
use crate::media::MediaProcess;

/// A journal's segment, and how many there are.
const SEGMENT: usize = 64 * 1024;
const SEGMENTS: usize = 40;
/// What waits in a process's sockets for as long as it does not read.
const SOCKET_ROOM: usize = 500;
/// Neighbours are looked after so often.
const TENDED: std::time::Duration = std::time::Duration::from_millis(10);

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

/// Who asked something.
#[derive(Clone, Copy, Debug)]
enum Asker {
    /// Somebody who does not wait for the answer.
    Nobody,
    Neighbour(Peer),
    /// Another thread of this host.
    Thread(usize),
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

/// One signalling thread.
#[derive(Debug)]
pub(crate) struct Thread {
    turn: Option<Box<Turn<Signalling, Vec<u8>>>>,
    hosts: Option<Box<Hosts>>,
    region: Vec<u8>,
    /// What its sockets hold.
    inbox: VecDeque<(Vec<u8>, Vec<u8>)>,
    heard: VecDeque<Heard>,
    direct: Vec<In>,
    askers: BTreeMap<u64, Asker>,
    next_asker: u64,
    tended: Moment,
}

/// What came on a line.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Line, Frame),
    Cut(Line),
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
            inbox.push_back((format!("{listener} {thread} {remote}").into_bytes(), bytes));
        }
        thread
    }

    /// Something came on a line, or became of it; lost if the process is dead.
    pub(crate) fn reads_line(&mut self, thread: usize, heard: Heard) {
        if self.is_alive {
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
                        view.nodes.iter_mut().for_each(|node| node.since = 0);
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
        if !thread.inbox.is_empty() || !thread.heard.is_empty() || !thread.direct.is_empty() {
            return Some(Moment::START);
        }
        let tended = Some(thread.tended.after(TENDED));
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

impl Thread {
    fn new() -> Self {
        Thread {
            turn: None,
            hosts: None,
            region: vec![0; 4096 + SEGMENT * SEGMENTS],
            inbox: VecDeque::new(),
            heard: VecDeque::new(),
            direct: Vec::new(),
            askers: BTreeMap::new(),
            next_asker: 0,
            tended: Moment::START,
        }
    }

    fn asker(&mut self, asker: Asker) -> u64 {
        self.next_asker += 1;
        self.askers.insert(self.next_asker, asker);
        self.next_asker
    }

    /// As the loop of a signalling thread does it: reads, decides, journals, tells, says, and looks after neighbours.
    /// Says whether it died.
    #[expect(clippy::too_many_arguments, reason = "one turn, and all around it")]
    fn turn(
        &mut self,
        at: At,
        now: Moment,
        doom: Option<Death>,
        fault: Option<Fault>,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
        posts: &mut Vec<(u16, Shard, Vec<u8>)>,
    ) -> bool {
        let Some(hosts) = &mut self.hosts else { return false };
        for heard in self.heard.drain(..) {
            match heard {
                Heard::Frame(line, frame) => hosts.read(now, line, frame),
                Heard::Cut(line) => hosts.neighbours_mut().cut(now, line),
            }
        }
        self.carry_out(at, said, posts);
        self.release(now);
        let inputs: Vec<_> = self.inbox.drain(..).collect();
        let mut direct = std::mem::take(&mut self.direct);
        if self.decide(at, now, &inputs, &mut direct, doom, known, said) {
            self.died_after(at, doom, known);
            if let Some(Death::Said(_)) = doom {
                self.carry_out(at, said, posts);
            }
            return true;
        }
        self.say_when_safe(at, now, fault, known);
        self.carry_out(at, said, posts);
        self.tend(at, now, known, said, posts);
        if let Some(hosts) = &mut self.hosts {
            hosts.neighbours_mut().acknowledge();
        }
        self.carry_out(at, said, posts);
        doom.is_some()
    }

    /// One turn of the machine, up to a death. Says whether it came to that.
    #[expect(clippy::too_many_arguments, reason = "one turn, and all around it")]
    fn decide(
        &mut self,
        at: At,
        now: Moment,
        inputs: &Vec<(Vec<u8>, Vec<u8>)>,
        direct: &mut Vec<In>,
        doom: Option<Death>,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
    ) -> bool {
        let Some(mut turn) = self.turn.take() else { return false };
        let mut mouth = Mouth::new(self, known);
        let died = steps(&mut turn, now, inputs, direct, doom, &mut mouth);
        let Mouth { bus, answers, .. } = mouth;
        said.extend(bus.into_iter().map(|envelope| Wish::Bus(at, envelope)));
        let of = |thread| At { thread, ..at };
        said.extend(answers.into_iter().map(|(thread, envelope)| Wish::Tell(of(thread), envelope)));
        self.turn = Some(turn);
        died
    }

    /// What was committed before a death counts.
    fn died_after(&mut self, at: At, doom: Option<Death>, known: &mut Knowledge) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &self.hosts) else { return };
        match doom {
            Some(Death::Unsaid | Death::Said(_)) => {
                known.changed(at, hosts.neighbours().owned(), &turn.take_changes());
            }
            _ => known.died(),
        }
    }

    /// What the turn changed is told, and what it said is said as soon as it may be.
    fn say_when_safe(&mut self, at: At, now: Moment, fault: Option<Fault>, known: &mut Knowledge) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        let mut changes = turn.take_changes();
        known.changed(at, hosts.neighbours().owned(), &changes);
        match fault {
            Some(Fault::SpeaksBeforeTheBuddyKnows) => changes.clear(),
            Some(Fault::CopiesStay) => changes.retain(|record| !record.body.is_empty()),
            _ => {}
        }
        hosts.say_when_safe(now, &changes, &mut turn.journal);
    }

    fn release(&mut self, now: Moment) {
        if let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) {
            hosts.release(now, &mut turn.journal);
        }
    }

    fn tend(
        &mut self,
        at: At,
        now: Moment,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
        posts: &mut Vec<(u16, Shard, Vec<u8>)>,
    ) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        if let Some(going) = hosts.believe(now, &mut turn.journal) {
            self.go(at, now, going, known, said);
        }
        self.release(now);
        self.carry_out(at, said, posts);
        if now.since(self.tended) < TENDED {
            return;
        }
        self.tended = now;
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        if let Some(going) = hosts.tend(now, &mut turn.journal, |_| false) {
            self.go(at, now, going, known, said);
        }
    }

    fn go(&mut self, at: At, now: Moment, going: Going, known: &mut Knowledge, said: &mut Vec<Wish>) {
        let nothing = Vec::new();
        self.decide(at, now, &nothing, &mut In::going(going), None, known, said);
        self.say_when_safe(at, now, None, known);
    }

    fn carry_out(&mut self, at: At, said: &mut Vec<Wish>, posts: &mut Vec<(u16, Shard, Vec<u8>)>) {
        let Some(hosts) = &mut self.hosts else { return };
        for effect in hosts.take_effects() {
            match effect {
                Effect::Line(wish) => said.push(Wish::Line(at, wish)),
                Effect::Arrived(bytes) => self.inbox.push_back((Vec::new(), bytes)),
                Effect::Post(thread, shard, bytes) => posts.push((thread, shard, bytes)),
                Effect::Send(wire, bytes) => {
                    let Wire { listener, remote, .. } = wire;
                    said.push(Wish::World { from: at.host, to: remote, listener, bytes });
                }
                Effect::Unsent(bytes) => self.direct.push(In::Unsent(bytes)),
                Effect::Heard(from, envelope) => {
                    let input = match envelope.kind {
                        contract::Kind::Request => {
                            self.next_asker += 1;
                            self.askers.insert(self.next_asker, Asker::Neighbour(from));
                            Some(In::Bus(self.next_asker, envelope))
                        }
                        _ => hosts.hear(envelope).map(|envelope| In::Bus(0, envelope)),
                    };
                    self.direct.extend(input);
                }
                // There are no other cells.
                Effect::Pass(_) | Effect::Cells(_) => {}
                Effect::Bus(envelope) => said.push(Wish::Bus(at, envelope)),
                Effect::Ask(envelope) => said.push(Wish::Ask(at, envelope)),
                Effect::Own(_, view) => said.push(Wish::Believes(at.host, view)),
            }
        }
    }
}

/// A turn, step by step, up to a death.
fn steps(
    turn: &mut Turn<Signalling, Vec<u8>>,
    now: Moment,
    inputs: &Vec<(Vec<u8>, Vec<u8>)>,
    direct: &mut Vec<In>,
    doom: Option<Death>,
    mouth: &mut Mouth<'_>,
) -> bool {
    let first = turn.receive(inputs);
    if doom == Some(Death::Received) {
        return true;
    }
    for (number, (source, bytes)) in (0..).zip(inputs) {
        if doom == Some(Death::Decided(number)) {
            return true;
        }
        turn.decide(now, first + number, (source, bytes), mouth);
    }
    for input in direct.drain(..) {
        turn.decide_direct(now, input, mouth);
    }
    turn.expire(now, mouth);
    match doom {
        Some(Death::Uncommitted | Death::Decided(_)) => return true,
        Some(Death::Unsaid) => {
            turn.commit(mouth);
            return true;
        }
        Some(Death::Said(count)) => {
            turn.commit(mouth);
            mouth.left = count;
            turn.perform(now, mouth);
            return true;
        }
        Some(Death::Received | Death::Done) | None => {}
    }
    turn.commit(mouth);
    turn.perform(now, mouth);
    turn.catch_up(now, mouth);
    false
}

/// Says what it is told to, up to a certain death.
struct Mouth<'a> {
    hosts: &'a mut Hosts,
    askers: &'a mut BTreeMap<u64, Asker>,
    known: &'a mut Knowledge,
    bus: Vec<Envelope>,
    answers: Vec<(usize, Envelope)>,
    left: usize,
    set_aside: u64,
}

impl<'a> Mouth<'a> {
    fn new(thread: &'a mut Thread, known: &'a mut Knowledge) -> Self {
        let Thread { hosts, askers, .. } = thread;
        let Some(hosts) = hosts else { panic!("a thread that is not there speaks") };
        Mouth { hosts, askers, known, bus: Vec::new(), answers: Vec::new(), left: usize::MAX, set_aside: 0 }
    }
}

fn read(source: &[u8]) -> Option<Flow> {
    let mut words = std::str::from_utf8(source).ok()?.split(' ');
    let (listener, thread) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Flow { listener, thread, remote: words.next()?.parse().ok()? })
}

fn wire(flow: Flow, otherwise: Option<SocketAddr>) -> Wire {
    let Flow { listener, thread, remote } = flow;
    Wire { listener, thread, remote, otherwise, cell: machine::CellId::HOME }
}

impl Shell<Signalling> for Mouth<'_> {
    fn decode(&mut self, _: Moment, source: &[u8], bytes: &[u8]) -> Option<In> {
        if source.is_empty() {
            return Some(In::Hop(bytes.to_vec()));
        }
        Some(In::World { flow: read(source)?, bytes: bytes.to_vec() })
    }

    fn encode(&mut self, out: &Out, kept: &mut Vec<u8>) {
        if let Out::World { flow, bytes, .. } = out {
            let to = format!("{} {} {}", flow.listener, flow.thread, flow.remote);
            kept.push(to.len() as u8);
            kept.extend_from_slice(to.as_bytes());
            kept.extend_from_slice(bytes);
        }
    }

    fn perform(&mut self, now: Moment, out: Out) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        match out {
            Out::World { flow, otherwise, bytes, said } => {
                // Who is asked who it is has begun no call yet.
                let is_asked = bytes.starts_with(b"SIP/2.0 407");
                let said = said.filter(|_| !is_asked);
                let shard = said.as_ref().and_then(|said| said.shard);
                if let Some(said) = said {
                    self.known.says(said.call, &bytes);
                }
                self.hosts.say(wire(flow, otherwise), shard, bytes);
            }
            Out::Hop { shard, bytes } => self.hosts.send_inward(now, shard, bytes),
            Out::Bus(envelope) => self.bus.extend(self.hosts.ask(envelope)),
            Out::Answer(asker, envelope) => match self.askers.remove(&asker) {
                Some(Asker::Neighbour(peer)) => {
                    self.hosts.neighbours_mut().ask(peer, envelope);
                }
                Some(Asker::Thread(thread)) => self.answers.push((thread, envelope)),
                Some(Asker::Nobody) | None => {}
            },
            Out::Heard { .. } | Out::Through { .. } | Out::Moving { .. } => {}
        }
    }

    fn perform_again(&mut self, _: Moment, kept: &[u8]) {
        let read = kept.split_first().and_then(|(&length, rest)| {
            let (to, bytes) = rest.split_at_checked(length.into())?;
            Some((read(to)?, bytes))
        });
        let Some((flow, bytes)) = read else { panic!("outgoing bytes that nobody wrote: {kept:?}") };
        self.hosts.say(wire(flow, None), None, bytes.to_vec());
    }

    fn set_aside(&mut self, _: &[u8], _: &[u8], _: Blame) {
        self.set_aside += 1;
    }

    fn lost(&mut self, tag: Tag, key: Key, message: String) {
        panic!("a record of ours can't be restored: {tag:?} {key:?}: {message}");
    }

    fn damaged(&mut self, damage: Damage) {
        panic!("nobody harmed this journal: {damage:?}");
    }
}
