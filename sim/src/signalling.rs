use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use contract::query::{Calls, ListCalls, ListRegistrations, Registration, Registrations};
use contract::{CallId, Conversation, Envelope, NodeId};
use edge::{Flow, Listener};
use journal::{Blame, Damage, Journal, Recovered, Shell, Turn};
use machine::{Key, Machine as _, Moment, Owned, Secret, Shard, Tag};
use sip::Transport;
use worker::{In, Out, Settings, Signalling};

use crate::chance::Chance;
use crate::death::Death;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::in_journal;

/// A journal's segment, and how many there are: small, so that the ring turns often.
const SEGMENT: usize = 64 * 1024;
const SEGMENTS: usize = 24;
/// One turn in so many is looked at with the eyes of a successor.
const LOOKED_AT: u64 = 64;
/// What waits in a dead process's sockets.
const SOCKET_ROOM: usize = 500;

/// The edge's listener for datagrams.
pub(crate) const UDP: u8 = 0;
/// The edge's listener for connections.
pub(crate) const TCP: u8 = 1;
/// Where phones find the platform.
pub(crate) const EDGE: ([u8; 4], u16) = ([198, 51, 100, 1], 5060);

/// What a signalling process wants done.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To a phone.
    World { thread: usize, flow: Flow, otherwise: Option<SocketAddr>, bytes: Vec<u8>, call: Option<CallId> },
    /// To another thread of the same process.
    Hop { thread: usize, bytes: Vec<u8> },
    /// On the bus.
    Bus { thread: usize, envelope: Envelope },
    /// The answer to a question of thread `asker - 1`.
    Answer { asker: u64, envelope: Envelope },
}

/// The signalling process: its threads, and their journals, which outlive it.
#[derive(Debug)]
pub(crate) struct SignallingProcess {
    threads: Vec<Thread>,
    settings: exchange::Settings,
    secret: Secret,
    pub(crate) is_alive: bool,
    /// Where in its next turn it dies.
    pub(crate) doom: Option<Death>,
    /// How often it was born.
    pub(crate) lives: u32,
    /// Inputs that were put away.
    pub(crate) set_aside: u64,
    turns: u64,
    /// What is wrong with it, on purpose.
    pub(crate) fault: Option<Fault>,
}

#[derive(Debug)]
struct Thread {
    /// Alive.
    turn: Option<Box<Turn<Signalling, Vec<u8>>>>,
    /// What is left of it when it is dead.
    region: Vec<u8>,
    disk: Disk,
    /// What its sockets hold.
    inbox: VecDeque<(Vec<u8>, Vec<u8>)>,
    direct: Vec<In>,
}

/// Says what it is told to, up to a certain death.
struct Mouth<'a> {
    thread: usize,
    threads: u16,
    said: &'a mut Vec<Wish>,
    left: usize,
    set_aside: u64,
    /// What was put into the journal to be said, and was not said yet.
    kept: VecDeque<Vec<u8>>,
}

impl SignallingProcess {
    pub(crate) fn new(threads: u16, settings: exchange::Settings, secret: Secret) -> Self {
        let thread = || Thread {
            turn: None,
            region: vec![0; 4096 + SEGMENT * SEGMENTS],
            disk: Disk::default(),
            inbox: VecDeque::new(),
            direct: Vec::new(),
        };
        SignallingProcess {
            threads: (0..threads).map(|_| thread()).collect(),
            settings,
            secret,
            is_alive: false,
            doom: None,
            lives: 0,
            set_aside: 0,
            turns: 0,
            fault: None,
        }
    }

    /// The thread whose socket a phone's packets come to.
    pub(crate) fn thread_of(&self, from: SocketAddr) -> usize {
        usize::from(from.port()) % self.threads.len()
    }

    /// A message of a phone is in the socket.
    pub(crate) fn hears(&mut self, flow: Flow, bytes: Vec<u8>) -> usize {
        let thread = self.thread_of(flow.remote);
        let inbox = &mut self.threads[thread].inbox;
        if inbox.len() < SOCKET_ROOM {
            inbox.push_back((in_journal::source(flow), bytes));
        }
        thread
    }

    /// What was to go out by a connection did not.
    pub(crate) fn could_not_send(&mut self, thread: usize, bytes: Vec<u8>) {
        if self.is_alive {
            self.threads[thread].direct.push(In::Unsent(bytes));
        }
    }

    /// Another thread has a message for this one; lost if the process is dead.
    pub(crate) fn gets(&mut self, thread: usize, bytes: Vec<u8>) {
        if self.is_alive {
            self.threads[thread].inbox.push_back((Vec::new(), bytes));
        }
    }

    /// An envelope came on the bus; lost if the process is dead.
    pub(crate) fn reads(&mut self, thread: usize, asker: u64, envelope: Envelope) {
        if self.is_alive {
            self.threads[thread].direct.push(In::Bus(asker, envelope));
        }
    }

    /// These media hosts are there. A process that is started later knows it, too.
    pub(crate) fn hears_of_media(&mut self, there: &[NodeId]) {
        self.settings.call.media = there.to_vec();
        for thread in self.threads.iter_mut().filter(|thread| thread.turn.is_some()) {
            thread.direct.push(In::Media(there.to_vec()));
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    pub(crate) fn deadline(&self, thread: usize) -> Option<Moment> {
        let thread = &self.threads[thread];
        if !thread.inbox.is_empty() || !thread.direct.is_empty() {
            return Some(Moment::START);
        }
        thread.turn.as_ref()?.machine.next_deadline()
    }

    /// One turn of a thread.
    pub(crate) fn turn(&mut self, thread: usize, now: Moment, said: &mut Vec<Wish>) {
        if !self.is_alive {
            return;
        }
        let doom = self.doom.take();
        let threads = self.threads.len() as u16;
        let Thread { turn, inbox, direct, .. } = &mut self.threads[thread];
        let Some(turn) = turn.as_deref_mut() else { return };
        let inputs: Vec<_> = inbox.drain(..).collect();
        let mut mouth = Mouth::new(thread, threads, said);
        self.turns += 1;
        let is_looked_at = self.turns.is_multiple_of(LOOKED_AT) || doom.is_some();
        let steps = Steps { doom, is_looked_at, fault: self.fault };
        let end = run(turn, now, &inputs, direct, steps, &mut mouth);
        self.set_aside += mouth.set_aside;
        if let Some(left) = end {
            self.die();
            if let Some(region) = left {
                self.threads[thread].region = region;
            }
        }
    }

    /// SIGKILL.
    pub(crate) fn die(&mut self) {
        self.is_alive = false;
        self.doom = None;
        for thread in &mut self.threads {
            thread.direct.clear();
            thread.inbox.retain(|(source, _)| !source.is_empty());
            thread.disk.end();
            if let Some(turn) = thread.turn.take() {
                thread.region = turn.journal.into_region();
            }
        }
    }

    /// The followers bring to their disks what is new.
    pub(crate) fn sync(&mut self) {
        if self.fault == Some(Fault::DiskIsNotWritten) {
            return;
        }
        for thread in &mut self.threads {
            if let Some(turn) = &thread.turn {
                thread.disk.sync(turn.journal.region());
            }
        }
    }

    /// The power goes: journals and sockets are gone, the disks are there. Says of which calls they have a record.
    pub(crate) fn lose_power(&mut self, chance: &mut Chance) -> BTreeSet<CallId> {
        for thread in &mut self.threads {
            if let Some(turn) = &thread.turn {
                thread.disk.tear(turn.journal.region(), chance);
            }
        }
        self.die();
        let mut recorded = BTreeSet::new();
        for thread in &mut self.threads {
            thread.region.fill(0);
            thread.inbox.clear();
            let keys = thread.disk.keys(exchange::kept::CALL_RECORD);
            recorded.extend(keys.map(|key| CallId(key.0 as u64)));
        }
        recorded
    }

    /// The supervisor starts it (again).
    pub(crate) fn start(&mut self, now: Moment, said: &mut Vec<Wish>) {
        self.is_alive = true;
        self.lives += 1;
        let threads = self.threads.len() as u16;
        for number in 0..threads {
            let thread = &mut self.threads[usize::from(number)];
            let region = std::mem::take(&mut thread.region);
            let (journal, mut recovered) = open(region, now);
            let beside = if recovered.fresh { thread.disk.entries() } else { Vec::new() };
            let settings = self.settings.clone();
            let machine = Signalling::new(settings_of(settings, number, threads), self.secret.clone(), now);
            let mut turn = Box::new(Turn::new(machine, journal));
            let mut mouth = Mouth::new(number.into(), threads, said);
            turn.restore(now, &mut recovered, &mut mouth);
            turn.recover(now, &recovered, beside, &mut mouth);
            self.set_aside += mouth.set_aside;
            thread.disk.begin(turn.journal.region());
            thread.turn = Some(turn);
        }
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
        self.ask(now, &all).into_iter().flat_map(|found: Calls| found.calls).collect()
    }

    /// The phones that are registered.
    pub(crate) fn registrations(&mut self, now: Moment) -> Vec<Registration> {
        let all = ListRegistrations { limit: u32::MAX, ..ListRegistrations::default() };
        self.ask(now, &all).into_iter().flat_map(|found: Registrations| found.registrations).collect()
    }

    /// Asks all threads.
    fn ask<C: Conversation>(&mut self, now: Moment, question: &C) -> Vec<C::Answer> {
        let mut answers = Vec::new();
        for turn in self.threads.iter_mut().filter_map(|thread| thread.turn.as_mut()) {
            let mut out = machine::Outbox::new();
            turn.machine.handle(now, In::Bus(1, Envelope::request(1, None, question)), &mut out);
            for said in out.emit {
                if let Out::Answer(_, envelope) = said {
                    answers.extend(contract::decode::<C::Answer>(&envelope.body));
                }
            }
        }
        answers
    }
}

fn open(region: Vec<u8>, now: Moment) -> (Journal<Vec<u8>>, Recovered) {
    match Journal::open_with(region, now, SEGMENT) {
        Ok(opened) => opened,
        Err(error) => panic!("a journal that nobody harmed can't be opened: {error}"),
    }
}

/// How a turn goes.
#[derive(Clone, Copy, Debug)]
struct Steps {
    /// Where it ends.
    doom: Option<Death>,
    /// A successor's eyes are on it.
    is_looked_at: bool,
    fault: Option<Fault>,
}

/// What is about to be said, and all that lives, is what a successor would find if this process died now.
fn would_be_known(turn: &Turn<Signalling, Vec<u8>>, now: Moment, mouth: &Mouth<'_>) {
    let (journal, recovered) = open(turn.journal.region().clone(), now);
    assert!(recovered.damage.is_empty(), "a journal that nobody harmed is broken: {:?}", recovered.damage);
    assert_eq!(recovered.unsent.len(), mouth.kept.len(), "what is about to be said is not in the journal");
    assert!(
        recovered.unsent.iter().eq(&mouth.kept),
        "something else is about to be said than the journal has"
    );
    let mut count = 0;
    for entry in turn.journal.live() {
        count += 1;
        let known = journal.latest(entry.tag, entry.key);
        assert_eq!(known, Some(entry.body), "{:?} {:?} would be lost", entry.tag, entry.key);
    }
    assert_eq!(journal.live().count(), count, "something that is over would live again");
}

/// One turn, up to a death. If it came to that: what is left of the journal, if that is not what it was last.
fn run(
    turn: &mut Turn<Signalling, Vec<u8>>,
    now: Moment,
    inputs: &Vec<(Vec<u8>, Vec<u8>)>,
    direct: &mut Vec<In>,
    steps: Steps,
    mouth: &mut Mouth<'_>,
) -> Option<Option<Vec<u8>>> {
    let Steps { doom, is_looked_at, fault } = steps;
    let first = turn.receive(inputs);
    if doom == Some(Death::Received) {
        return Some(None);
    }
    for (number, (source, bytes)) in (0..).zip(inputs) {
        if doom == Some(Death::Decided(number)) {
            return Some(None);
        }
        turn.decide(now, first + number, (source, bytes), mouth);
    }
    for input in direct.drain(..) {
        turn.decide_direct(now, input, mouth);
    }
    turn.expire(now, mouth);
    match doom {
        Some(Death::Uncommitted | Death::Decided(_)) => return Some(None),
        Some(Death::Unsaid) => {
            turn.commit(mouth);
            return Some(None);
        }
        Some(Death::Said(count)) => {
            turn.commit(mouth);
            // That all was said is not noted any more.
            let left = turn.journal.region().clone();
            mouth.left = count;
            turn.perform(now, mouth);
            return Some(Some(left));
        }
        Some(Death::Received | Death::Done) | None => {}
    }
    if fault == Some(Fault::SaysBeforeItKeeps) {
        turn.perform(now, mouth);
    }
    turn.commit(mouth);
    if is_looked_at {
        would_be_known(turn, now, mouth);
    }
    turn.perform(now, mouth);
    // A successor's first turn was without what could wait.
    turn.catch_up(now, mouth);
    doom.map(|_| None)
}

fn settings_of(mut exchange: exchange::Settings, thread: u16, threads: u16) -> Settings {
    exchange.owned = Owned::of_thread(thread, threads);
    let local = EDGE.into();
    let listener = |transport| Listener { transport, local, public: local.to_string() };
    let listeners = vec![listener(Transport::Udp), listener(Transport::Tcp)];
    Settings { listeners, exchange, hop: worker::Hop::Pipe }
}

impl<'a> Mouth<'a> {
    fn new(thread: usize, threads: u16, said: &'a mut Vec<Wish>) -> Self {
        Mouth { thread, threads, said, left: usize::MAX, set_aside: 0, kept: VecDeque::new() }
    }

    fn say(&mut self, wish: Wish) {
        if self.left > 0 {
            self.left -= 1;
            self.said.push(wish);
        }
    }
}

impl Shell<Signalling> for Mouth<'_> {
    fn decode(&mut self, _: Moment, source: &[u8], bytes: &[u8]) -> Option<In> {
        in_journal::input(source, bytes)
    }

    fn encode(&mut self, out: &Out, journal: &mut Vec<u8>) {
        if let Out::World { flow, bytes, .. } = out {
            let unsaid = in_journal::unsaid(*flow, bytes);
            journal.extend_from_slice(&unsaid);
            self.kept.push_back(unsaid);
        }
    }

    fn perform(&mut self, _: Moment, out: Out) {
        let thread = self.thread;
        match out {
            Out::World { flow, otherwise, bytes, said } => {
                let kept = self.kept.pop_front();
                let unsaid = Some(in_journal::unsaid(flow, &bytes));
                assert_eq!(kept, unsaid, "something is said that was not kept before");
                // Who is asked who it is has begun no call yet; its ladder begins there all the same.
                let is_asked = bytes.starts_with(b"SIP/2.0 407");
                let call = said.filter(|_| !is_asked).map(|said| said.call);
                self.say(Wish::World { thread, flow, otherwise, bytes, call });
            }
            // There is one cell.
            Out::Through { .. } => {}
            Out::Hop { shard, bytes } => {
                self.say(Wish::Hop { thread: owner(shard, self.threads), bytes });
            }
            Out::Bus(envelope) => self.say(Wish::Bus { thread, envelope }),
            Out::Answer(asker, envelope) => self.say(Wish::Answer { asker, envelope }),
            Out::Heard { .. } | Out::Moving { .. } => {}
        }
    }

    fn perform_again(&mut self, _: Moment, unsaid: &[u8]) {
        let (flow, bytes) = in_journal::read_unsaid(unsaid);
        let (thread, bytes) = (self.thread, bytes.to_vec());
        self.say(Wish::World { thread, flow, otherwise: None, bytes, call: None });
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

fn owner(shard: Shard, threads: u16) -> usize {
    shard.thread(threads).into()
}

/// How long a supervisor takes to start a process again.
pub(crate) const REBIRTH: Duration = Duration::from_millis(30);
