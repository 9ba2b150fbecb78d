//! The loop: the next event of all, and whose it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use contract::cluster::{Node, View};
use contract::record::Keep;
use contract::{Conversation as _, Envelope, Role, TenantId};
use machine::{Moment, Secret};
use phone::{CallNo, Command};

use super::brokers::Brokers;
use super::host::{At, EDGES, Host, State, Wish};
use super::knowledge::Knowledge;
use super::wires::{End, Wires};
use crate::chance::Chance;
use crate::death::Death;
use crate::fault::Fault;
use crate::handset::{self, Handset, Kind, Noticed, Place};
use crate::media::{self, MediaProcess};
use crate::office::Office;
use crate::wire::Conditions;

/// How long a supervisor takes to start a process again.
const REBIRTH: Duration = Duration::from_millis(30);
/// How often seats look around.
const LOOK: Duration = Duration::from_millis(50);
/// How often nodes are told what they may know already.
const TOLD: Duration = Duration::from_secs(1);
/// How long things are not calm after somebody died or was cut off.
const UNREST: Duration = Duration::from_secs(4);
/// By then everybody has heard what was agreed on.
const LEARNS: Duration = Duration::from_secs(2);
/// How much is remembered of what happened last.
const MEMORY: usize = 100;
const RED: TenantId = TenantId(1);
const DOMAIN: &str = "red.example";

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A packet arrives.
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// Something happens to a line between hosts.
    Wire(super::wires::Event),
    /// An envelope arrives at the office, or at media.
    Asked { from: At, role: Role, envelope: Envelope },
    /// A thread asks another one of its host.
    AskedWithin { from: At, thread: usize, envelope: Envelope },
    /// An envelope arrives at a thread.
    Told { at: At, envelope: Envelope },
    /// A thread's proposal arrives at the brokers.
    Proposed { from: At, envelope: Envelope },
    /// What was agreed on arrives at a host.
    Agreed { host: usize, view: Arc<View> },
    /// Brokers look around.
    Look,
    /// Everybody is told again what was agreed on.
    Tell,
    /// Somebody may have something due.
    Wake(Who),
    /// A user does something with a phone.
    User { phone: usize, command: Command },
    /// A user puts the phone down.
    HangUp { phone: usize, call: CallNo },
    /// Somebody calls somebody.
    NextCall,
    /// Something goes wrong.
    Mishap(Mishap),
    /// A signalling process is started again.
    Start(usize),
    /// A media process is started again.
    StartMedia(usize),
    /// A host goes on that stood still.
    GoOn(usize),
    /// Those who were cut off can be reached again.
    Heal,
    /// The office is back.
    OfficeBack,
    /// Who minds the books looks after what is due.
    Books,
}

/// Who does something by himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Thread(At),
    Media(usize),
    Phone(usize),
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// A signalling process dies, somewhere in a thread's next turn.
    ProcessDies(At, Death),
    /// A media process dies.
    MediaDies(usize),
    /// A host is gone with all that it had.
    HostDies(usize),
    /// A host with nothing on it takes the place of one that is gone.
    HostIsReplaced(usize),
    /// A host stands still, and goes on.
    HostStops(usize, Duration),
    /// These are cut off from all others and from the world, and are back after a while.
    CutOff(Vec<usize>, Duration),
    /// All lines of a host break.
    LinesBreak(usize),
    /// A host shall own nothing any more; or it shall own again.
    Drain(usize, bool),
    /// The office is away for so long.
    OfficeIsAway(Duration),
    /// The bus stands still for so long; what was said meanwhile comes in any order.
    BusStalls(Duration),
    /// From now on the wire to phones is like that.
    Weather(Conditions),
}

/// How often which kind of fault has happened.
pub(crate) type Faults = BTreeMap<&'static str, u64>;

/// All there is, and what will happen.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) chance: Chance,
    pub(crate) weather: Conditions,
    pub(crate) hosts: Vec<Host>,
    pub(crate) brokers: Brokers,
    pub(crate) office: Office,
    pub(crate) phones: Vec<Handset>,
    pub(crate) known: Knowledge,
    pub(crate) wires: Wires,
    /// Who is cut off.
    cut_off: BTreeSet<usize>,
    /// Who hears what is sent to these addresses.
    arp: [Option<usize>; EDGES.len()],
    /// By which of them a phone speaks.
    ways: Vec<usize>,
    bus_stalls: Moment,
    queue: BTreeMap<(Moment, u64), Event>,
    serial: u64,
    wakes: BTreeMap<Who, Moment>,
    places: BTreeMap<SocketAddr, (usize, Place)>,
    users: Vec<String>,
    /// How many calls are still to begin, and how far apart.
    pub(crate) to_begin: u64,
    pub(crate) apart: Duration,
    /// When somebody died or was cut off last.
    pub(crate) unrest: Moment,
    /// Until when somebody may not have heard that all he had was given away while two exchanges were out of reach.
    split: Moment,
    /// Hosts whose media was taken for lost and did not hear of it.
    haunted: BTreeSet<usize>,
    pub(crate) faults: Faults,
    pub(crate) unprotected: u64,
    settings: exchange::Settings,
    secret: Secret,
    fault: Option<Fault>,
    pub(crate) steps: u64,
    pub(crate) trace: u64,
    /// What happened to hosts last, and what phones said and heard last.
    pub(crate) lately: VecDeque<String>,
    pub(crate) packets: VecDeque<String>,
    /// Whoever looks into a failure wants to see each packet.
    pub(crate) is_watched: bool,
    /// Users do what users do, without being told.
    pub(crate) users_act: bool,
}

/// What a platform consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) exchanges: usize,
    pub(crate) edges: usize,
    pub(crate) threads: u16,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, settings: exchange::Settings) -> Self {
        let mut chance = Chance::new(seed);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&chance.next().to_le_bytes());
        let secret = Secret::new(key);
        let seats = (0..3.min(plan.exchanges)).collect();
        let mut office = Office::new();
        office.add_tenant(RED, DOMAIN);
        let mut world = World {
            now: Moment::from_secs(1_800_000_000),
            weather: Conditions::GOOD,
            hosts: Vec::new(),
            brokers: Brokers::new(seats),
            office,
            phones: Vec::new(),
            known: Knowledge::new(),
            wires: Wires::default(),
            cut_off: BTreeSet::new(),
            arp: [None; EDGES.len()],
            ways: Vec::new(),
            bus_stalls: Moment::START,
            queue: BTreeMap::new(),
            serial: 0,
            wakes: BTreeMap::new(),
            places: BTreeMap::new(),
            users: Vec::new(),
            to_begin: 0,
            apart: Duration::from_millis(100),
            unrest: Moment::START,
            split: Moment::START,
            haunted: BTreeSet::new(),
            faults: Faults::new(),
            unprotected: 0,
            settings,
            secret,
            fault: None,
            steps: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            lately: VecDeque::new(),
            packets: VecDeque::new(),
            is_watched: false,
            users_act: false,
            chance,
        };
        for place in 0..plan.exchanges + plan.edges {
            let is_edge = place >= plan.exchanges;
            let roles: &[Role] = if is_edge { &[Role::Edge] } else { &[Role::Exchange, Role::Media] };
            world.add_host(place, roles, plan.threads);
        }
        world.plan(Duration::ZERO, Event::Look);
        world.plan(TOLD, Event::Tell);
        world.plan(Duration::from_millis(100), Event::Books);
        world
    }

    fn add_host(&mut self, place: usize, roles: &[Role], threads: u16) {
        let mut host = Host::new(place, roles, threads, self.settings.clone(), self.secret.clone());
        host.fault = self.fault;
        match self.hosts.get_mut(place) {
            Some(old) => *old = host,
            None => self.hosts.push(host),
        }
        self.plan(Duration::ZERO, Event::StartMedia(place));
        self.plan(REBIRTH, Event::Start(place));
    }

    pub(crate) fn plant(&mut self, fault: Option<Fault>) {
        (self.fault, self.office.fault) = (fault, fault);
        self.hosts.iter_mut().for_each(|host| host.fault = fault);
    }

    /// A new phone of a new user.
    pub(crate) fn add_phone(&mut self, user: &str) -> usize {
        let number = self.phones.len();
        self.office.add_user(RED, user, None);
        let timing = sip::leg::LegTiming { session_expires: None, ..Default::default() };
        let phone = Handset::mute(number as u16, user, DOMAIN, Kind::Udp, timing);
        for (address, place) in phone.addresses() {
            self.places.insert(address, (number, place));
        }
        self.phones.push(phone);
        self.users.push(user.to_owned());
        self.ways.push(number % EDGES.len());
        number
    }

    /// Something will happen after a while.
    pub(crate) fn plan(&mut self, after: Duration, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now.after(after), self.serial), event);
    }

    /// Lets everything happen until then.
    pub(crate) fn run_until(&mut self, end: Moment) {
        while let Some((&(at, serial), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            let Some(event) = self.queue.remove(&(at, serial)) else { break };
            self.now = at;
            self.step(event);
        }
        self.now = end;
    }

    fn step(&mut self, event: Event) {
        self.steps += 1;
        self.note(&event);
        match event {
            Event::Packet { from, to, bytes } => self.packet(from, to, bytes),
            Event::Wire(event) => self.wire(event),
            Event::Asked { from, role, envelope } => self.asked(from, role, &envelope),
            Event::AskedWithin { from, thread, envelope } => {
                self.hosts[from.host].asks_itself(from.thread, thread, envelope);
                self.wake(Who::Thread(At { thread, ..from }));
            }
            Event::Told { at, envelope } => {
                self.hosts[at.host].reads(at.thread, envelope);
                self.wake(Who::Thread(at));
            }
            Event::Proposed { from, envelope } => self.proposed(from, &envelope),
            Event::Agreed { host, view } => self.agreed(host, &view),
            Event::Look => self.look(),
            Event::Tell => {
                self.tell_all(false);
                self.plan(TOLD, Event::Tell);
            }
            Event::Wake(who) => self.wakes_up(who),
            Event::User { phone, command } => self.user(phone, command),
            Event::HangUp { phone, call } => {
                if self.phones[phone].lines.get(&call).is_some_and(|line| line.over.is_none()) {
                    self.user(phone, Command::HangUp(call));
                }
            }
            Event::NextCall => self.next_call(),
            Event::Mishap(mishap) => self.mishap(mishap),
            Event::Start(host) => self.start(host),
            Event::StartMedia(host) => self.start_media(host),
            Event::GoOn(host) => self.go_on(host),
            Event::Heal => self.heal(),
            Event::OfficeBack => self.office.is_there = true,
            Event::Books => {
                self.office.expire(self.now);
                self.plan(Duration::from_millis(500), Event::Books);
            }
        }
        self.office.fresh.clear();
    }

    /// All that is looked at now and then: what every step may break shows there at once, too.
    fn look(&mut self) {
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
        self.see_a_split(is_new);
        if is_new {
            self.tell_all(true);
        }
        self.plan(LOOK, Event::Look);
    }

    /// Two exchanges at once may be all who knew of a call. If the brokers take them for lost, and they live, they go on
    /// until they hear of it: who shall own it instead knows nothing of it.
    fn see_a_split(&mut self, is_new: bool) {
        let is_gone = |host: &&Host| {
            host.media.is_some() && self.brokers.cluster.member(host.node.node).is_none()
        };
        let gone: Vec<usize> = self.hosts.iter().filter(is_gone).map(|host| host.place).collect();
        if gone.len() < 2 || self.brokers.cluster.version == 0 {
            return;
        }
        self.split = self.now.after(LEARNS);
        if is_new {
            self.known.is_lost(&gone, true, &self.hosts);
        }
    }

    /// Hosts are told what was agreed on, each after another time.
    fn tell_all(&mut self, is_new: bool) {
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

    fn agreed(&mut self, host: usize, view: &Arc<View>) {
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

    fn wake_threads(&mut self, host: usize) {
        for thread in 0..self.hosts[host].threads.len() {
            self.wake(Who::Thread(At { host, thread }));
        }
    }

    fn proposed(&mut self, from: At, envelope: &Envelope) {
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

    fn packet(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if let Some(edge) = EDGES.iter().position(|&edge| IpAddr::from(edge) == to.ip()) {
            let holder = self.arp[edge].filter(|&host| self.hears_phones(host));
            let Some(host) = holder else { return };
            let thread = self.hosts[host].hears(edge as u8, from, bytes);
            return self.wake(Who::Thread(At { host, thread }));
        }
        let Some(&(phone, place)) = self.places.get(&to) else { return };
        let mut said = Vec::new();
        let noticed = self.phones[phone].hears(self.now, place, bytes, &mut said);
        self.carry_out_phone(phone, said, noticed);
    }

    /// Whether phones and a host reach each other.
    fn hears_phones(&self, host: usize) -> bool {
        self.hosts[host].state != State::Gone && !self.cut_off.contains(&host)
    }

    fn wakes_up(&mut self, who: Who) {
        // Whoever was woken earlier than it was planned first does not wake twice.
        if self.wakes.get(&who) != Some(&self.now) {
            return;
        }
        self.wakes.remove(&who);
        match who {
            Who::Thread(at) => self.turn(at),
            Who::Media(host) => {
                let mut said = Vec::new();
                if self.hosts[host].runs()
                    && let Some(media) = &mut self.hosts[host].media
                {
                    media.turn(self.now, &mut said);
                }
                self.carry_out_media(host, said);
            }
            Who::Phone(phone) => {
                let mut said = Vec::new();
                let noticed = self.phones[phone].expire(self.now, &mut said);
                self.carry_out_phone(phone, said, noticed);
            }
        }
        self.wake(who);
    }

    fn turn(&mut self, at: At) {
        if !self.hosts[at.host].runs() || !self.hosts[at.host].is_alive {
            return;
        }
        let mut said = Vec::new();
        let before = self.hosts[at.host].protection().1;
        self.hosts[at.host].turn(at.thread, self.now, &mut self.known, &mut said);
        self.carry_out(said);
        if !self.hosts[at.host].is_alive {
            self.unprotected += before;
            self.process_died(at.host);
        }
        // What one thread brought to another.
        let threads = self.hosts[at.host].threads.len();
        (0..threads).filter(|&thread| thread != at.thread).for_each(|thread| {
            self.wake(Who::Thread(At { thread, ..at }));
        });
    }

    fn process_died(&mut self, host: usize) {
        self.unrest = self.now;
        self.plan(REBIRTH, Event::Start(host));
        for (after, event) in self.wires.process_died(host, &mut self.chance) {
            self.plan(after, Event::Wire(event));
        }
    }

    fn start(&mut self, host: usize) {
        if self.hosts[host].is_alive || !self.hosts[host].runs() {
            return;
        }
        let mut said = Vec::new();
        if self.hosts[host].start(self.now, &mut self.known, &mut said) {
            self.carry_out(said);
            self.wake_threads(host);
        }
    }

    fn start_media(&mut self, host: usize) {
        let (now, mut said) = (self.now, Vec::new());
        let is_there = self.hosts[host].state != State::Gone;
        let Some(media) = self.hosts[host].media.as_mut().filter(|it| is_there && !it.is_alive()) else {
            return;
        };
        media.start(now, &mut said);
        self.carry_out_media(host, said);
        self.wake(Who::Media(host));
    }

    pub(crate) fn mishap(&mut self, mishap: Mishap) {
        let count = |faults: &mut Faults, name| *faults.entry(name).or_default() += 1;
        let faults = &mut self.faults;
        match mishap {
            Mishap::ProcessDies(at, death) => {
                if self.hosts[at.host].is_alive && self.hosts[at.host].runs() {
                    count(faults, "processes killed");
                    self.hosts[at.host].doom = Some((at.thread, death));
                    self.wake(Who::Thread(at));
                }
            }
            Mishap::MediaDies(host) => {
                let is_there = self.hosts[host].state != State::Gone;
                if let Some(media) = self.hosts[host].media.as_mut().filter(|_| is_there) {
                    count(faults, "media processes killed");
                    media.die();
                    self.plan(REBIRTH, Event::StartMedia(host));
                }
            }
            Mishap::HostDies(host) => self.host_dies(host),
            Mishap::HostIsReplaced(host) => {
                if self.hosts[host].state == State::Gone {
                    count(faults, "hosts replaced");
                    let (roles, threads) =
                        (self.hosts[host].node.roles.clone(), self.hosts[host].threads.len() as u16);
                    self.add_host(host, &roles, threads);
                }
            }
            Mishap::HostStops(host, time) => {
                if self.hosts[host].state == State::Up {
                    count(faults, "hosts stopped");
                    self.hosts[host].state = State::Stopped;
                    self.unrest = self.now;
                    self.plan(time, Event::GoOn(host));
                }
            }
            Mishap::CutOff(some, time) => {
                if self.cut_off.is_empty() {
                    count(faults, "partitions");
                    self.cut_off.extend(some);
                    self.unrest = self.now;
                    self.plan(time, Event::Heal);
                }
            }
            Mishap::LinesBreak(host) => {
                count(faults, "lines broken");
                self.unrest = self.now;
                self.break_lines(host);
            }
            Mishap::Drain(host, back) => {
                count(faults, if back { "hosts undrained" } else { "hosts drained" });
                let node = self.hosts[host].node.node;
                if self.leader().is_some() && self.brokers.drain(node, back) {
                    self.tell_all(true);
                }
            }
            Mishap::OfficeIsAway(time) => {
                count(faults, "offices away");
                self.office.is_there = false;
                self.plan(time, Event::OfficeBack);
            }
            Mishap::BusStalls(time) => {
                count(faults, "bus stalls");
                self.bus_stalls = self.now.after(time);
            }
            Mishap::Weather(conditions) => self.weather = conditions,
        }
    }

    fn host_dies(&mut self, host: usize) {
        if self.hosts[host].state == State::Gone {
            return;
        }
        *self.faults.entry("hosts lost").or_default() += 1;
        self.unprotected += self.hosts[host].protection().1;
        let may_lose = self.now.since(self.unrest) < UNREST || !self.cut_off.is_empty();
        self.known.is_lost(&[host], may_lose, &self.hosts);
        self.unrest = self.now;
        self.hosts[host].is_lost();
        self.haunted.remove(&host);
        self.wires.host_is_gone(host);
    }

    fn go_on(&mut self, host: usize) {
        if self.hosts[host].state == State::Stopped {
            self.hosts[host].state = State::Up;
            self.wake_threads(host);
            self.wake(Who::Media(host));
            if !self.hosts[host].is_alive {
                self.plan(REBIRTH, Event::Start(host));
            }
        }
    }

    fn heal(&mut self) {
        self.unrest = self.now;
        let back = std::mem::take(&mut self.cut_off);
        for event in self.wires.heal(&back, &mut self.chance) {
            let after = Duration::from_micros(self.chance.between(200, 800_000));
            self.plan(after, Event::Wire(event));
        }
    }

    /// A user does something now.
    pub(crate) fn user(&mut self, phone: usize, command: Command) {
        let mut said = Vec::new();
        let noticed = self.phones[phone].command(self.now, command, &mut said);
        self.carry_out_phone(phone, said, noticed);
        self.wake(Who::Phone(phone));
    }

    fn carry_out(&mut self, said: Vec<Wish>) {
        for wish in said {
            match wish {
                Wish::World { from, to, listener, bytes } => self.to_phone(from, to, listener, bytes),
                Wish::Line(at, wish) => {
                    let planned = self.wires.carry_out(at, wish, self.now, &mut self.chance);
                    planned.into_iter().for_each(|(after, event)| self.plan(after, Event::Wire(event)));
                }
                Wish::Bus(at, envelope) => self.on_bus(at, envelope),
                Wish::Tell(at, envelope) => {
                    self.plan(Duration::from_micros(100), Event::Told { at, envelope });
                }
                Wish::Ask(at, envelope) => {
                    let after = Duration::from_micros(self.chance.between(200, 5_000));
                    self.plan(after, Event::Proposed { from: at, envelope });
                }
                Wish::Believes(host, view) => self.believes(host, &view),
            }
        }
    }

    /// Whoever learns that an address is its own tells the link.
    fn believes(&mut self, host: usize, view: &View) {
        let node = self.hosts[host].node.node;
        for (place, &edge) in EDGES.iter().enumerate() {
            if view.holder(edge.into()) == Some(node) && self.hears_phones(host) {
                self.arp[place] = Some(host);
            }
        }
    }

    fn to_phone(&mut self, host: usize, to: SocketAddr, listener: u8, bytes: Vec<u8>) {
        if !self.hears_phones(host) {
            return;
        }
        let is_calm = self.now.since(self.unrest) > UNREST;
        let (cluster, is_split) = (&self.brokers.cluster, self.now < self.split);
        let is_stale = |shard, epoch| is_split && cluster.owner(shard).epoch > epoch;
        self.known.is_heard(to, &bytes, is_calm, &self.hosts, is_stale);
        let from = SocketAddr::from((EDGES[usize::from(listener)], 5060));
        self.send(from, to, bytes);
    }

    fn on_bus(&mut self, at: At, envelope: Envelope) {
        let Some(role) = Role::of(&envelope.subject) else { panic!("nobody hears {envelope:?}") };
        let after = self.bus_delay();
        match role {
            // To another thread here, or to nobody: whoever asks will ask again.
            Role::Exchange => {
                let threads = self.hosts[at.host].threads.len() as u16;
                if let Some(thread) = envelope.shard.map(|shard| usize::from(shard.thread(threads))) {
                    self.plan(after, Event::AskedWithin { from: at, thread, envelope });
                }
            }
            _ => self.plan(after, Event::Asked { from: at, role, envelope }),
        }
    }

    fn bus_delay(&mut self) -> Duration {
        let usual = Duration::from_micros(self.chance.between(100, 1_500));
        match self.bus_stalls > self.now {
            true => self.bus_stalls.since(self.now) + Duration::from_millis(self.chance.below(50)),
            false => usual,
        }
    }

    fn asked(&mut self, from: At, role: Role, envelope: &Envelope) {
        if self.cut_off.contains(&from.host) && role != Role::Media {
            return;
        }
        match role {
            Role::Media => self.media_is_asked(from, envelope),
            _ => {
                if let Some(answer) = self.office.reads(self.now, envelope) {
                    let after = self.bus_delay();
                    self.plan(after, Event::Told { at: from, envelope: answer });
                }
            }
        }
    }

    fn media_is_asked(&mut self, from: At, envelope: &Envelope) {
        let able: Vec<usize> = self.hosts.iter().filter(|it| it.media.is_some()).map(|it| it.place).collect();
        let host = match envelope.node {
            Some(node) => self.hosts.iter().position(|host| host.node.node == node),
            None => Some(*self.chance.pick(&able)),
        };
        let Some(host) = host.filter(|&host| self.reaches(from.host, host)) else { return };
        if let Some(media) = &mut self.hosts[host].media {
            media.reads(from.host * 64 + from.thread, envelope);
        }
        self.wake(Who::Media(host));
    }

    fn carry_out_media(&mut self, host: usize, said: Vec<media::Wish>) {
        for wish in said {
            let after = self.bus_delay();
            match wish {
                media::Wish::Audio { .. } => {}
                media::Wish::Answer { asker, envelope } => {
                    let at = At { host: asker / 64, thread: asker % 64 };
                    if self.reaches(host, at.host) {
                        self.plan(after, Event::Told { at, envelope });
                    }
                }
                media::Wish::Notice { shard, notice } => {
                    let view = Arc::clone(&self.hosts[host].view);
                    let owner = peering::Peer::of_owner(&view, shard);
                    let owner = owner
                        .map(|it| At { host: usize::from(it.node.0) - 1, thread: usize::from(it.thread) });
                    if let Some(at) = owner.filter(|at| self.reaches(host, at.host)) {
                        self.plan(
                            after,
                            Event::Told { at, envelope: Envelope::notice(Some(shard), &notice) },
                        );
                    }
                }
            }
        }
    }

    fn wire(&mut self, event: super::wires::Event) {
        let World { wires, hosts, cut_off, .. } = self;
        let reaches = |one: usize, other: usize| reaches(hosts, cut_off, one, other);
        let done = wires.happens(event, &reaches);
        match done {
            super::wires::Done::Nothing => {}
            super::wires::Done::Later(after, event) => self.plan(after, Event::Wire(event)),
            super::wires::Done::Heard(at, heard, next) => {
                next.into_iter().for_each(|(after, event)| self.plan(after, Event::Wire(event)));
                self.hosts[at.host].reads_line(at.thread, heard);
                self.wake(Who::Thread(at));
            }
            super::wires::Done::Calls(number, to) => self.calls_in(number, to),
        }
    }

    /// A connection arrives at a host.
    fn calls_in(&mut self, number: u64, to: At) {
        let nonce = self.chance.next();
        let host = &mut self.hosts[to.host];
        let line = if host.state == State::Up { host.is_called(to.thread, nonce) } else { None };
        let is_waiting = host.state == State::Stopped;
        let planned = match line {
            Some(line) => {
                self.wake(Who::Thread(to));
                self.wires.is_accepted(number, End { at: to, line }, self.now)
            }
            // The kernel takes it, and the process looks later.
            None if is_waiting => self.wires.call_again(number),
            None => self.wires.is_refused(number),
        };
        planned.into_iter().for_each(|(after, event)| self.plan(after, Event::Wire(event)));
    }

    fn break_lines(&mut self, host: usize) {
        for (after, event) in self.wires.lines_break(host, &mut self.chance) {
            self.plan(after, Event::Wire(event));
        }
    }

    fn carry_out_phone(&mut self, phone: usize, said: Vec<handset::Wish>, noticed: Vec<Noticed>) {
        for wish in said {
            if let handset::Wish::Sip(bytes) = wish {
                let edge = SocketAddr::from((EDGES[self.ways[phone]], 5060));
                self.send(self.phones[phone].sip, edge, bytes);
            }
        }
        if self.users_act {
            noticed.into_iter().for_each(|noticed| self.react(phone, noticed));
        }
        self.wake(Who::Phone(phone));
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let mut arrivals = self.weather.carry(&mut self.chance);
        let (first, second) = (arrivals.next(), arrivals.next());
        drop(arrivals);
        if let Some(after) = second {
            self.plan(after, Event::Packet { from, to, bytes: bytes.clone() });
        }
        if let Some(after) = first {
            self.plan(after, Event::Packet { from, to, bytes });
        }
    }

    /// What users do.
    fn react(&mut self, phone: usize, noticed: Noticed) {
        let millis = |chance: &mut Chance, from, to| Duration::from_millis(chance.between(from, to));
        match noticed {
            Noticed::Incoming(call) => {
                let (after, command) = match self.chance.below(12) {
                    0 => (millis(&mut self.chance, 100, 3000), Command::Refuse(call, sip::Status::BUSY_HERE)),
                    1 => {
                        (Duration::from_secs(40), Command::Refuse(call, sip::Status::TEMPORARILY_UNAVAILABLE))
                    }
                    _ => (millis(&mut self.chance, 100, 3000), Command::Answer(call)),
                };
                self.plan(after, Event::User { phone, command });
            }
            Noticed::Answered(call) => {
                if self.chance.happens(150) {
                    let after = millis(&mut self.chance, 100, 3000);
                    self.plan(after, Event::User { phone, command: Command::Hold(call) });
                    let after = after + millis(&mut self.chance, 100, 2000);
                    self.plan(after, Event::User { phone, command: Command::Resume(call) });
                }
                let after = millis(&mut self.chance, 1000, 16_000);
                self.plan(after, Event::HangUp { phone, call });
            }
            Noticed::Over(_) => {}
        }
    }

    fn next_call(&mut self) {
        if self.to_begin == 0 {
            return;
        }
        self.to_begin -= 1;
        let apart = self.apart.as_micros() as u64;
        let after = Duration::from_micros(self.chance.below(2 * apart));
        self.plan(after, Event::NextCall);
        let phone = self.chance.below(self.phones.len() as u64) as usize;
        let whom = self.chance.pick(&self.users).clone();
        if self.phones[phone].open_lines().count() > 0 {
            return;
        }
        self.user(phone, Command::Call(whom));
        // Some have enough before anybody answers.
        if let Some((call, _)) = self.phones[phone].open_lines().last()
            && self.chance.happens(100)
        {
            let after = Duration::from_millis(self.chance.between(20, 2500));
            self.plan(after, Event::HangUp { phone, call });
        }
    }

    /// Sees to it that somebody wakes up when something is due.
    pub(crate) fn wake(&mut self, who: Who) {
        let due = match who {
            Who::Thread(at) if !self.hosts[at.host].runs() => None,
            Who::Thread(at) => self.hosts[at.host].deadline(at.thread),
            Who::Media(host) if !self.hosts[host].runs() => None,
            Who::Media(host) => self.hosts[host].media.as_ref().and_then(MediaProcess::deadline),
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
        self.serial += 1;
        self.queue.insert((due, self.serial), Event::Wake(who));
    }

    /// Whose media nobody told that it was taken for lost.
    pub(crate) fn is_haunted(&self, host: usize) -> bool {
        self.haunted.contains(&host)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.cut_off.is_empty() && self.hosts.iter().all(|host| host.runs() && host.is_alive)
    }

    fn note(&mut self, event: &Event) {
        let mut mix = |word: u64| self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01b3);
        mix(self.now.as_micros());
        if let Event::Packet { bytes, .. } = event {
            mix(super::knowledge::sum(bytes));
        }
        let line = match event {
            Event::Packet { from, to, bytes } if self.is_watched => {
                let first = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
                let line = format!("{from} -> {to} {}", String::from_utf8_lossy(first));
                let (steps, now) = (self.steps, self.now);
                return remember(&mut self.packets, steps, now, &line);
            }
            Event::Mishap(mishap) => format!("{mishap:?}"),
            Event::Start(host) => format!("host {host}'s signalling starts"),
            Event::GoOn(host) => format!("host {host} goes on"),
            Event::Heal => "all reach each other again".to_owned(),
            Event::Asked { from, role: Role::Api, envelope } if self.is_watched => {
                if envelope.subject != Keep::SUBJECT.to_string() {
                    return;
                }
                let Ok(Keep { records }) = contract::decode(&envelope.body) else { return };
                let ends = records.iter().map(|it| (it.id, it.ended, it.cause.as_str()));
                format!("{from:?} records {:?}", ends.collect::<Vec<_>>())
            }
            _ => return,
        };
        remember(&mut self.lately, self.steps, self.now, &line);
    }
}

fn remember(where_to: &mut VecDeque<String>, step: u64, now: Moment, line: &str) {
    if where_to.len() == MEMORY {
        where_to.pop_front();
    }
    where_to.push_back(format!("{step:>8} {now:?} {line}"));
}

fn reaches(hosts: &[Host], cut_off: &BTreeSet<usize>, one: usize, other: usize) -> bool {
    let is_there = |host: usize| hosts[host].state != State::Gone;
    if one == other {
        return hosts[one].state == State::Up;
    }
    is_there(one) && is_there(other) && cut_off.contains(&one) == cut_off.contains(&other)
}
