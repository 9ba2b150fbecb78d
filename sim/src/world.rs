use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use contract::{CallId, Envelope, Role};
use edge::Flow;
use machine::{Moment, Secret};
use phone::{CallNo, Command};

use crate::agenda::Agenda;
use crate::chance::Chance;
use crate::death::Death;
use crate::fault::Fault;
use crate::handset::{self, Handset, Noticed, Place};
use crate::hosts::OPERATOR;
use crate::media::{self, MediaProcess};
use crate::office::Office;
use crate::power;
use crate::signalling::{self, EDGE, REBIRTH, SignallingProcess, TCP, UDP};
use crate::wire::Conditions;
use crate::witness::Witness;

/// How long an envelope travels on the bus.
const BUS: Duration = Duration::from_micros(200);
/// How long a phone rings before its user has had enough.
const PATIENCE: Duration = Duration::from_secs(70);
/// How much is remembered of what happened last, for whoever looks into a failure.
const MEMORY: usize = 60;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A packet arrives.
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// Bytes arrive over a connection.
    Stream { life: u64, remote: SocketAddr, is_inward: bool, bytes: Vec<u8> },
    /// A phone whose connection was cut makes another one.
    Reconnect(usize),
    /// An envelope arrives at the office, or at media.
    Asked { role: Role, thread: usize, envelope: Envelope },
    /// An envelope arrives at a signalling thread; a request comes from thread `asker - 1`.
    Told { thread: usize, asker: u64, envelope: Envelope },
    /// A thread has a message for another.
    Hop { thread: usize, bytes: Vec<u8> },
    /// Somebody may have something due.
    Wake(Who),
    /// A user does something with a phone.
    User { phone: usize, command: Command },
    /// A user puts the phone down, whatever it is at.
    HangUp { phone: usize, call: CallNo },
    /// Something goes wrong.
    Mishap(Mishap),
    /// A process is started again.
    Start(Process),
    /// The disks are written.
    Sync,
    /// Exchanges are told which media hosts are there.
    Roll,
}

/// Who does something by himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Signalling(usize),
    Media(usize),
    Phone(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Signalling,
    /// Of a media host.
    Media(usize),
    Office,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The signalling process dies, somewhere in its next turn.
    SignallingDies(Death),
    /// The media process of a host dies.
    MediaDies(usize),
    /// A media host dies with all that it has, for ever.
    MediaHostDies(usize),
    /// A call is moved to another media host; which and where follows from the number.
    CallMoves(u64),
    /// The office is away for so long.
    OfficeIsAway(Duration),
    /// The signalling process stands still for so long.
    SignallingStands(Duration),
    /// From now on the wire is like that.
    Weather(Conditions),
    /// When the signalling process is born next, its clock is off by so many microseconds.
    ClockStep(i64),
    /// The power fails, and is back after a while.
    PowerFails,
    /// A phone dies.
    PhoneDies(usize),
}

/// All there is, and what will happen.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) chance: Chance,
    pub(crate) weather: Conditions,
    pub(crate) signalling: SignallingProcess,
    pub(crate) media: Vec<MediaProcess>,
    pub(crate) office: Office,
    pub(crate) phones: Vec<Handset>,
    pub(crate) witness: Witness,
    /// Answers on the bus that get lost, in a thousand.
    pub(crate) bus_loss: u32,
    /// How a phone's user reacts.
    pub(crate) habits: BTreeMap<usize, Habits>,
    agenda: Agenda<Event>,
    wakes: BTreeMap<Who, Moment>,
    places: BTreeMap<SocketAddr, (usize, Place)>,
    /// By the phone's end.
    connections: BTreeMap<SocketAddr, Connection>,
    /// How far the signalling process's clock is ahead.
    ahead: i64,
    next_ahead: i64,
    /// Until when the signalling process stands still.
    stands_until: Moment,
    /// When the power failed, if signalling has not begun again since.
    pub(crate) power_failed: Option<Moment>,
    /// What is wrong on purpose.
    pub(crate) fault: Option<Fault>,
    pub(crate) steps: u64,
    /// A sum over all that happened.
    pub(crate) trace: u64,
    pub(crate) lately: VecDeque<String>,
}

/// A stream: nothing is lost and nothing overtakes, until it is cut.
#[derive(Clone, Copy, Debug)]
struct Connection {
    life: u64,
    phone: usize,
    /// When what was sent last arrives, inward and outward.
    busy_until: [Moment; 2],
}

/// What a user does when the phone rings, and when the call is up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    /// What is done to each call that comes in, one after another: how long after it rings, and what.
    pub(crate) on_incoming: VecDeque<(Duration, Reaction)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    Answer,
    Refuse(sip::Status),
    Ignore,
    /// Answers, and hangs up after a while.
    Chat(Duration),
}

impl World {
    pub(crate) fn new(seed: u64, threads: u16, hosts: u16, settings: exchange::Settings) -> Self {
        let mut chance = Chance::new(seed);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&chance.next().to_le_bytes());
        let secret = Secret::new(key);
        let mut world = World {
            now: Moment::from_secs(1_800_000_000),
            weather: Conditions::GOOD,
            signalling: SignallingProcess::new(threads, settings, secret.clone()),
            media: (0..hosts).map(|host| MediaProcess::new(host, hosts, secret.clone())).collect(),
            office: Office::new(),
            phones: Vec::new(),
            witness: Witness::new(secret),
            bus_loss: 0,
            habits: BTreeMap::new(),
            agenda: Agenda::default(),
            wakes: BTreeMap::new(),
            places: BTreeMap::new(),
            connections: BTreeMap::new(),
            ahead: 0,
            next_ahead: 0,
            stands_until: Moment::START,
            power_failed: None,
            fault: None,
            steps: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            lately: VecDeque::new(),
            chance,
        };
        for host in 0..world.media.len() {
            world.plan(Duration::ZERO, Event::Start(Process::Media(host)));
        }
        world.tell_who_is_there();
        world.plan(Duration::from_millis(1), Event::Start(Process::Signalling));
        world.plan(power::LAG, Event::Sync);
        world
    }

    pub(crate) fn add_phone(&mut self, phone: Handset) -> usize {
        let number = self.phones.len();
        for (address, place) in phone.addresses() {
            self.places.insert(address, (number, place));
        }
        self.phones.push(phone);
        if self.phones[number].is_connected {
            self.connect(number, self.phones[number].sip);
        }
        number
    }

    /// Something will happen after a while.
    pub(crate) fn plan(&mut self, after: Duration, event: Event) {
        self.agenda.plan(self.now.after(after), event);
    }

    /// Lets everything happen until then.
    pub(crate) fn run_until(&mut self, end: Moment) {
        while let Some((at, event)) = self.agenda.next_until(end) {
            self.now = at;
            self.step(event);
        }
        self.now = end;
    }

    /// One step: one thing happens, and all that must hold is looked at.
    fn step(&mut self, event: Event) {
        self.steps += 1;
        self.note(&event);
        match event {
            Event::Packet { from, to, bytes } => self.packet(from, to, bytes),
            Event::Stream { life, remote, is_inward, bytes } => self.stream(life, remote, is_inward, bytes),
            Event::Reconnect(phone) => self.reconnect(phone),
            Event::Asked { role, thread, envelope } => self.asked(role, thread, envelope),
            Event::Told { thread, asker, envelope } => {
                self.signalling.reads(thread, asker, envelope);
                self.wake(Who::Signalling(thread));
            }
            Event::Hop { thread, bytes } => {
                self.signalling.gets(thread, bytes);
                self.wake(Who::Signalling(thread));
            }
            Event::Wake(who) => self.wakes_up(who),
            Event::User { phone, command } => self.user(phone, command),
            Event::HangUp { phone, call } => {
                if self.phones[phone].lines.get(&call).is_some_and(|line| line.over.is_none()) {
                    self.user(phone, Command::HangUp(call));
                }
            }
            Event::Mishap(mishap) => self.mishap(mishap),
            Event::Start(process) => self.start(process),
            Event::Sync => self.sync(),
            Event::Roll => self.tell_who_is_there(),
        }
        self.look();
    }

    /// All that must hold after each step.
    fn look(&mut self) {
        let (panics, unprotected) = self.signalling.troubles();
        let all = self.media.iter().map(MediaProcess::troubles);
        let (panics, unprotected) = all.fold((panics, unprotected), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        assert!(panics <= self.witness.panics_allowed, "a decision panicked");
        assert_eq!(unprotected, 0, "a journal has no room");
        if !self.office.fresh.is_empty() {
            let clock = self.clock();
            let views = self.signalling.calls(clock);
            for call in std::mem::take(&mut self.office.fresh) {
                self.witness.recorded(self.now, &self.office.records[&call], &views, &self.phones);
            }
        }
        self.witness.watch.check(self.now, &self.phones);
    }

    fn note(&mut self, event: &Event) {
        let mut mix = |word: u64| self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01b3);
        mix(self.now.as_micros());
        if let Event::Stream { bytes, .. } = event {
            bytes.iter().for_each(|byte| mix(u64::from(*byte)));
        }
        if let Event::Packet { to, bytes, .. } = event {
            mix(u64::from(to.port()));
            bytes.iter().for_each(|byte| mix(u64::from(*byte)));
            if *to != EDGE.into() && !matches!(self.places.get(to), Some((_, Place::Sip))) {
                return;
            }
        }
        if matches!(event, Event::Wake(_) | Event::Sync | Event::Roll) {
            return;
        }
        if self.lately.len() == MEMORY {
            self.lately.pop_front();
        }
        let line = format!("{:>8} {:?} {}", self.steps, self.now, brief(event));
        self.lately.push_back(line);
    }

    fn packet(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if to == EDGE.into() {
            let thread = self.signalling.hears(Flow { listener: UDP, thread: 0, remote: from }, bytes);
            return self.wake(Who::Signalling(thread));
        }
        if let Some(host) = self.media_at(&to) {
            let mut said = Vec::new();
            self.media[host].hears(self.now, from, to, bytes, &mut said);
            self.carry_out_media(said);
            return self.wake(Who::Media(host));
        }
        // Nobody else is there: a packet to the private address of a phone behind a NAT, say.
        let Some(&(phone, place)) = self.places.get(&to) else { return };
        let mut said = Vec::new();
        let noticed = self.phones[phone].hears(self.now, place, bytes, &mut said);
        self.carry_out_phone(phone, said, noticed);
    }

    fn asked(&mut self, role: Role, thread: usize, envelope: Envelope) {
        match role {
            Role::Media => {
                let Some(host) = self.media_meant(&envelope) else { return };
                self.media[host].reads(thread, &envelope);
                self.wake(Who::Media(host));
            }
            Role::Billing | Role::Api => {
                let Some(envelope) = self.office.reads(self.now, &envelope) else { return };
                if !self.chance.happens(self.bus_loss) {
                    self.tell(thread, envelope);
                }
            }
            Role::Exchange | Role::Edge | Role::Apps | Role::Broker => panic!("nobody hears {envelope:?}"),
        }
    }

    fn wakes_up(&mut self, who: Who) {
        self.wakes.remove(&who);
        match who {
            Who::Signalling(thread) => self.turn(thread),
            Who::Media(host) => {
                let mut said = Vec::new();
                self.media[host].turn(self.now, &mut said);
                self.carry_out_media(said);
            }
            Who::Phone(phone) => {
                let mut said = Vec::new();
                let noticed = self.phones[phone].expire(self.now, &mut said);
                self.carry_out_phone(phone, said, noticed);
            }
        }
        self.wake(who);
    }

    fn turn(&mut self, thread: usize) {
        if self.now < self.stands_until || !self.signalling.is_alive {
            return;
        }
        let mut said = Vec::new();
        self.signalling.turn(thread, self.clock(), &mut said);
        self.carry_out_signalling(said);
        if !self.signalling.is_alive {
            self.plan(REBIRTH, Event::Start(Process::Signalling));
            self.witness.watch.outage(self.now, REBIRTH);
            self.cut_connections();
        }
    }

    fn start(&mut self, process: Process) {
        match process {
            Process::Signalling if !self.signalling.is_alive => {
                self.ahead = self.next_ahead;
                let mut said = Vec::new();
                self.signalling.start(self.clock(), &mut said);
                self.carry_out_signalling(said);
                (0..self.signalling.threads()).for_each(|thread| self.wake(Who::Signalling(thread)));
                self.has_begun();
            }
            Process::Media(host) => self.start_media(host),
            Process::Office => self.office.is_there = true,
            Process::Signalling => {}
        }
    }

    pub(crate) fn mishap(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::SignallingDies(death) => self.signalling.doom = Some(death),
            Mishap::MediaDies(host) => self.media_dies(host),
            Mishap::MediaHostDies(host) => self.media_host_dies(host),
            Mishap::CallMoves(which) => self.move_a_call(which),
            Mishap::OfficeIsAway(time) => {
                self.office.is_there = false;
                self.plan(time, Event::Start(Process::Office));
            }
            Mishap::SignallingStands(time) => {
                self.stands_until = self.now.after(time);
                self.witness.watch.outage(self.now, time);
                for thread in 0..self.signalling.threads() {
                    self.plan(time, Event::Wake(Who::Signalling(thread)));
                }
            }
            Mishap::Weather(conditions) => {
                self.weather = conditions;
                self.witness.is_wire_good &= conditions.is_good();
                self.witness.watch.weather(conditions);
            }
            Mishap::ClockStep(ahead) => {
                self.next_ahead = ahead;
                self.witness.is_clock_right = false;
            }
            Mishap::PowerFails => self.power_fails(),
            Mishap::PhoneDies(number) => {
                self.phones[number].is_alive = false;
                self.witness.watch.is_silent(|(phone, _)| phone == number);
            }
        }
    }

    /// A user does something now.
    pub(crate) fn user(&mut self, phone: usize, command: Command) {
        if !self.phones[phone].is_alive {
            return;
        }
        let mut said = Vec::new();
        let noticed = self.phones[phone].command(self.now, command, &mut said);
        self.carry_out_phone(phone, said, noticed);
        self.wake(Who::Phone(phone));
    }

    fn carry_out_signalling(&mut self, said: Vec<signalling::Wish>) {
        for wish in said {
            match wish {
                signalling::Wish::World { thread, flow, otherwise, bytes, call } => {
                    self.witness.said(call);
                    if self.is_held_back(call, &bytes) {
                        continue;
                    }
                    match flow.listener {
                        UDP => self.send(EDGE.into(), flow.remote, bytes),
                        _ => self.send_by_connection(thread, flow.remote, otherwise, bytes),
                    }
                }
                signalling::Wish::Hop { thread, bytes } => self.plan(BUS, Event::Hop { thread, bytes }),
                signalling::Wish::Bus { thread, envelope } => match Role::of(&envelope.subject) {
                    Some(Role::Exchange) => {
                        let owner = self.owner(&envelope).unwrap_or(thread);
                        let asker = thread as u64 + 1;
                        self.plan(BUS, Event::Told { thread: owner, asker, envelope });
                    }
                    Some(role) => self.plan(BUS, Event::Asked { role, thread, envelope }),
                    None => panic!("nobody hears {envelope:?}"),
                },
                signalling::Wish::Answer { asker: OPERATOR, .. } => {}
                signalling::Wish::Answer { asker, envelope } => self.tell(asker as usize - 1, envelope),
            }
        }
    }

    /// Whether a message does not go out because something is wrong on purpose.
    fn is_held_back(&self, call: Option<CallId>, bytes: &[u8]) -> bool {
        let is_ending = bytes.starts_with(b"BYE ") || bytes.starts_with(b"CANCEL ");
        match self.fault {
            Some(Fault::NobodyIsTold) => is_ending,
            Some(Fault::LosersAreNotTold) => {
                let is_recorded = call.is_some_and(|call| self.office.records.contains_key(&call));
                is_ending && !is_recorded && call.is_some_and(|call| self.witness.watch.is_double(call))
            }
            _ => false,
        }
    }

    /// An answer or a notice for a thread.
    fn tell(&mut self, thread: usize, envelope: Envelope) {
        self.plan(BUS, Event::Told { thread, asker: 0, envelope });
    }

    fn owner(&self, envelope: &Envelope) -> Option<usize> {
        Some(envelope.shard?.thread(self.signalling.threads() as u16).into())
    }

    pub(crate) fn carry_out_media(&mut self, said: Vec<media::Wish>) {
        for wish in said {
            match wish {
                media::Wish::Audio { from, to, bytes } => self.send(from, to, bytes),
                media::Wish::Answer { asker, envelope } => {
                    if !self.chance.happens(self.bus_loss) {
                        self.tell(asker, envelope);
                    }
                }
                media::Wish::Notice { shard, notice } => {
                    let envelope = Envelope::notice(Some(shard), &notice);
                    self.tell(self.owner(&envelope).unwrap_or(0), envelope);
                }
            }
        }
    }

    fn carry_out_phone(&mut self, phone: usize, said: Vec<handset::Wish>, noticed: Vec<Noticed>) {
        for wish in said {
            match wish {
                handset::Wish::Sip(bytes) if self.phones[phone].is_connected => {
                    // What is said while there is no connection is lost.
                    self.push(self.phones[phone].sip, true, bytes);
                }
                handset::Wish::Sip(bytes) => self.send(self.phones[phone].sip, EDGE.into(), bytes),
                handset::Wish::Audio { from, to, bytes } => {
                    self.check_audio(phone, &to);
                    self.send(from, to, bytes);
                }
            }
        }
        for noticed in noticed {
            let (Noticed::Incoming(call) | Noticed::Answered(call) | Noticed::Over(call)) = noticed;
            if let Some(line) = self.phones[phone].lines.get(&call) {
                self.witness.noticed(self.now, phone, noticed.clone(), &self.office, line);
            }
            self.react(phone, noticed);
        }
        self.wake(Who::Phone(phone));
    }

    fn react(&mut self, phone: usize, noticed: Noticed) {
        let Noticed::Incoming(call) = noticed else { return };
        // Nobody lets a phone ring for ever.
        let command = Command::Refuse(call, sip::Status::TEMPORARILY_UNAVAILABLE);
        self.plan(PATIENCE, Event::User { phone, command });
        let Some((after, reaction)) = self.habits.entry(phone).or_default().on_incoming.pop_front() else {
            return;
        };
        let command = match reaction {
            Reaction::Ignore => return,
            Reaction::Answer | Reaction::Chat(_) => Command::Answer(call),
            Reaction::Refuse(status) => Command::Refuse(call, status),
        };
        self.plan(after, Event::User { phone, command });
        if let Reaction::Chat(time) = reaction {
            self.plan(after + time, Event::HangUp { phone, call });
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let arrivals: Vec<Duration> = self.weather.carry(&mut self.chance).collect();
        for after in arrivals {
            self.plan(after, Event::Packet { from, to, bytes: bytes.clone() });
        }
    }

    fn connect(&mut self, phone: usize, remote: SocketAddr) {
        let connection = Connection { life: self.agenda.number(), phone, busy_until: [Moment::START; 2] };
        self.connections.insert(remote, connection);
    }

    /// The process that held them is dead: phones notice, and connect again.
    pub(crate) fn cut_connections(&mut self) {
        for (remote, connection) in std::mem::take(&mut self.connections) {
            self.phones[connection.phone].was_cut = true;
            if self.phones[connection.phone].sip == remote {
                let after = Duration::from_millis(self.chance.between(40, 1000));
                self.plan(after, Event::Reconnect(connection.phone));
            }
        }
    }

    fn reconnect(&mut self, phone: usize) {
        if !self.phones[phone].is_alive {
            return;
        }
        let mut said = Vec::new();
        let noticed = self.phones[phone].reconnects(self.now, &mut said);
        self.connect(phone, self.phones[phone].sip);
        self.carry_out_phone(phone, said, noticed);
    }

    fn send_by_connection(
        &mut self,
        thread: usize,
        remote: SocketAddr,
        otherwise: Option<SocketAddr>,
        bytes: Vec<u8>,
    ) {
        if !self.connections.contains_key(&remote) {
            let listens = |phone: &Handset| {
                phone.is_alive && phone.listens_at.is_some() && phone.listens_at == otherwise
            };
            match (self.phones.iter().position(listens), otherwise) {
                (Some(phone), Some(address)) => {
                    if !self.connections.contains_key(&address) {
                        self.connect(phone, address);
                    }
                    return self.push(address, false, bytes);
                }
                _ => {
                    self.signalling.could_not_send(thread, bytes);
                    return self.wake(Who::Signalling(thread));
                }
            }
        }
        self.push(remote, false, bytes);
    }

    /// Puts bytes into a connection, if there is one.
    fn push(&mut self, remote: SocketAddr, is_inward: bool, bytes: Vec<u8>) {
        let Some(connection) = self.connections.get_mut(&remote) else { return };
        let busy = &mut connection.busy_until[usize::from(is_inward)];
        *busy = self.now.after(self.weather.delay).max(*busy);
        let (at, life) = (*busy, connection.life);
        self.plan(at.since(self.now), Event::Stream { life, remote, is_inward, bytes });
    }

    fn stream(&mut self, life: u64, remote: SocketAddr, is_inward: bool, bytes: Vec<u8>) {
        let Some(connection) = self.connections.get(&remote).filter(|it| it.life == life) else { return };
        if is_inward {
            let thread = self.signalling.hears(Flow { listener: TCP, thread: 0, remote }, bytes);
            return self.wake(Who::Signalling(thread));
        }
        let phone = connection.phone;
        let mut said = Vec::new();
        let noticed = self.phones[phone].hears(self.now, Place::Sip, bytes, &mut said);
        self.carry_out_phone(phone, said, noticed);
    }

    /// Sees to it that somebody wakes up when something is due.
    pub(crate) fn wake(&mut self, who: Who) {
        let due = match who {
            Who::Signalling(_) if !self.signalling.is_alive => None,
            Who::Signalling(thread) => self.signalling.deadline(thread).map(|at| self.true_time(at)),
            Who::Media(host) => self.media[host].deadline(),
            Who::Phone(phone) => self.phones[phone].deadline(),
        };
        let Some(due) = due else { return };
        // Who is at it now takes a moment before it looks again: so batches come about.
        let soonest = self.now.after(Duration::from_micros(self.chance.between(20, 300)));
        let due = if matches!(who, Who::Phone(_)) { due.max(self.now) } else { due.max(soonest) };
        if self.wakes.get(&who).is_some_and(|planned| *planned <= due && *planned >= self.now) {
            return;
        }
        self.wakes.insert(who, due);
        self.agenda.plan(due, Event::Wake(who));
    }

    /// What the signalling process takes for the time.
    pub(crate) fn clock(&self) -> Moment {
        Moment::from_micros(self.now.as_micros().saturating_add_signed(self.ahead))
    }

    fn true_time(&self, clock: Moment) -> Moment {
        Moment::from_micros(clock.as_micros().saturating_add_signed(-self.ahead))
    }
}

/// An event in one line, for people.
fn brief(event: &Event) -> String {
    match event {
        Event::Packet { from, to, bytes } => {
            let first = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            format!("{from} -> {to} {}", String::from_utf8_lossy(first))
        }
        Event::Stream { remote, is_inward, bytes, .. } => {
            let first = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let arrow = if *is_inward { "->" } else { "<-" };
            format!("{remote} {arrow} edge, tcp, {}", String::from_utf8_lossy(first))
        }
        Event::Reconnect(phone) => format!("phone {phone} connects again"),
        Event::Asked { thread, envelope, .. } => format!("thread {thread} asks {}", envelope.subject),
        Event::Told { thread, envelope, .. } => {
            format!("thread {thread} is told {:?} {}", envelope.kind, envelope.id)
        }
        Event::Hop { thread, .. } => format!("a message for thread {thread}"),
        Event::Wake(who) => format!("{who:?} wakes"),
        Event::User { phone, command } => format!("phone {phone}: {command:?}"),
        Event::HangUp { phone, call } => format!("phone {phone}: hangs up {call:?}"),
        Event::Mishap(mishap) => format!("{mishap:?}"),
        Event::Start(process) => format!("{process:?} starts"),
        Event::Roll => "the roll of media hosts is told".to_owned(),
        Event::Sync => "the disks are written".to_owned(),
    }
}
