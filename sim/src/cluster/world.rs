//! The loop: the next event of all, and whose it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use contract::record::Keep;
use contract::{Conversation as _, Role, TenantId};
use machine::{Moment, Secret};
use phone::Command;

use super::brokers::Brokers;
use super::event::{Event, Faults, Who};
use super::host::{At, EDGES, Host, State};
use super::knowledge::Knowledge;
use super::wires::Wires;
use crate::agenda::Agenda;
use crate::chance::Chance;
use crate::fault::Fault;
use crate::handset::{Handset, Kind, Place};
use crate::media::MediaProcess;
use crate::office::Office;
use crate::wire::Conditions;

/// How long a supervisor takes to start a process again.
pub(crate) const REBIRTH: Duration = Duration::from_millis(30);
/// How often nodes are told what they may know already.
const TOLD: Duration = Duration::from_secs(1);
/// How long things are not calm after somebody died or was cut off.
pub(crate) const UNREST: Duration = Duration::from_secs(4);
/// How much is remembered of what happened last.
const MEMORY: usize = 100;
const RED: TenantId = TenantId(1);
const DOMAIN: &str = "red.example";

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
    pub(crate) cut_off: BTreeSet<usize>,
    /// Who hears what is sent to these addresses.
    pub(crate) arp: [Option<usize>; EDGES.len()],
    /// By which of them a phone speaks.
    pub(crate) ways: Vec<usize>,
    pub(crate) bus_stalls: Moment,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) wakes: BTreeMap<Who, Moment>,
    pub(crate) places: BTreeMap<SocketAddr, (usize, Place)>,
    pub(crate) users: Vec<String>,
    /// How many calls are still to begin, and how far apart.
    pub(crate) to_begin: u64,
    pub(crate) apart: Duration,
    /// When somebody died or was cut off last.
    pub(crate) unrest: Moment,
    /// Hosts whose media was taken for lost and did not hear of it.
    pub(crate) haunted: BTreeSet<usize>,
    pub(crate) faults: Faults,
    pub(crate) unprotected: u64,
    pub(crate) settings: exchange::Settings,
    pub(crate) secret: Secret,
    pub(crate) fault: Option<Fault>,
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
            agenda: Agenda::default(),
            wakes: BTreeMap::new(),
            places: BTreeMap::new(),
            users: Vec::new(),
            to_begin: 0,
            apart: Duration::from_millis(100),
            unrest: Moment::START,
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

    pub(crate) fn add_host(&mut self, place: usize, roles: &[Role], threads: u16) {
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

    pub(crate) fn step(&mut self, event: Event) {
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

    pub(crate) fn wake_threads(&mut self, host: usize) {
        for thread in 0..self.hosts[host].threads.len() {
            self.wake(Who::Thread(At { host, thread }));
        }
    }

    pub(crate) fn wakes_up(&mut self, who: Who) {
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

    pub(crate) fn turn(&mut self, at: At) {
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

    pub(crate) fn process_died(&mut self, host: usize) {
        self.known.copies_are_lost(&self.hosts);
        self.unrest = self.now;
        self.plan(REBIRTH, Event::Start(host));
        for (after, event) in self.wires.process_died(host, &mut self.chance) {
            self.plan(after, Event::Wire(event));
        }
    }

    pub(crate) fn start(&mut self, host: usize) {
        if self.hosts[host].is_alive || !self.hosts[host].runs() {
            return;
        }
        let mut said = Vec::new();
        if self.hosts[host].start(self.now, &mut self.known, &mut said) {
            self.carry_out(said);
            self.wake_threads(host);
        }
    }

    pub(crate) fn start_media(&mut self, host: usize) {
        let (now, mut said) = (self.now, Vec::new());
        let is_there = self.hosts[host].state != State::Gone;
        let Some(media) = self.hosts[host].media.as_mut().filter(|it| is_there && !it.is_alive()) else {
            return;
        };
        media.start(now, &mut said);
        self.carry_out_media(host, said);
        self.wake(Who::Media(host));
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
        self.agenda.plan(due, Event::Wake(who));
    }

    /// Whose media nobody told that it was taken for lost.
    pub(crate) fn is_haunted(&self, host: usize) -> bool {
        self.haunted.contains(&host)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.cut_off.is_empty() && self.hosts.iter().all(|host| host.runs() && host.is_alive)
    }

    pub(crate) fn note(&mut self, event: &Event) {
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

pub(crate) fn remember(where_to: &mut VecDeque<String>, step: u64, now: Moment, line: &str) {
    if where_to.len() == MEMORY {
        where_to.pop_front();
    }
    where_to.push_back(format!("{step:>8} {now:?} {line}"));
}
