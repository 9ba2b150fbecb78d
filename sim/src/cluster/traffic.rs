//! Who hears what is said: packets of phones, envelopes on the bus, lines between hosts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use contract::cluster::{Agreed, Followed};
use contract::{Conversation as _, Envelope, Role};

use super::agreeing::reaches;
use super::event::{Event, Who};
use super::host::{At, EDGES, State, Wish};
use super::wires::{Done, End};
use super::world::{UNREST, World};
use crate::fault::Fault;
use crate::handset::{self, Noticed};
use crate::media;

impl World {
    pub(crate) fn packet(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
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
    pub(crate) fn hears_phones(&self, host: usize) -> bool {
        self.hosts[host].state != State::Gone && !self.cut_off.contains(&host)
    }

    pub(crate) fn carry_out(&mut self, said: Vec<Wish>) {
        for wish in said {
            match wish {
                Wish::World { from, to, listener, bytes } => self.says_to_phone(from, to, listener, bytes),
                Wish::Line(at, wish) => {
                    let planned = self.wires.carry_out(at, wish, self.now, &mut self.chance);
                    planned.into_iter().for_each(|(after, event)| self.plan(after, Event::Wire(event)));
                }
                Wish::Bus(at, envelope) => self.on_bus(at, envelope),
                Wish::Tell(at, envelope) => {
                    self.plan(Duration::from_micros(100), Event::Told { at, envelope });
                }
                Wish::Ask(at, envelope)
                    if self.fault == Some(Fault::SleepersAreSure) && is_standing(&envelope) =>
                {
                    let agreed = Agreed { version: self.hosts[at.host].view.version };
                    let envelope = Envelope::answer::<Followed>(envelope.id, &agreed);
                    self.plan(Duration::ZERO, Event::Told { at, envelope });
                }
                Wish::Ask(at, envelope) => {
                    let after = Duration::from_micros(self.chance.between(200, 5_000));
                    self.plan(after, Event::Proposed { from: at, envelope });
                }
                Wish::Believes(host, view) => self.believes(host, &view),
            }
        }
    }

    pub(crate) fn says_to_phone(&mut self, host: usize, to: SocketAddr, listener: u8, bytes: Vec<u8>) {
        if !self.hears_phones(host) {
            return;
        }
        let is_calm = self.now.since(self.unrest) > UNREST;
        self.known.is_heard(to, &bytes, is_calm, &self.hosts);
        let from = SocketAddr::from((EDGES[usize::from(listener)], 5060));
        self.send(from, to, bytes);
    }

    pub(crate) fn on_bus(&mut self, at: At, envelope: Envelope) {
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

    pub(crate) fn bus_delay(&mut self) -> Duration {
        let usual = Duration::from_micros(self.chance.between(100, 1_500));
        match self.bus_stalls > self.now {
            true => self.bus_stalls.since(self.now) + Duration::from_millis(self.chance.below(50)),
            false => usual,
        }
    }

    pub(crate) fn asked(&mut self, from: At, role: Role, envelope: &Envelope) {
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

    pub(crate) fn media_is_asked(&mut self, from: At, envelope: &Envelope) {
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

    pub(crate) fn carry_out_media(&mut self, host: usize, said: Vec<media::Wish>) {
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

    pub(crate) fn wire(&mut self, event: super::wires::Event) {
        let World { wires, hosts, cut_off, .. } = self;
        let reaches = |one: usize, other: usize| reaches(hosts, cut_off, one, other);
        let done = wires.happens(event, &reaches);
        match done {
            Done::Nothing => {}
            Done::Later(after, event) => self.plan(after, Event::Wire(event)),
            Done::Heard(at, heard, next) => {
                next.into_iter().for_each(|(after, event)| self.plan(after, Event::Wire(event)));
                self.hosts[at.host].reads_line(at.thread, heard);
                self.wake(Who::Thread(at));
            }
            Done::Calls(number, to) => self.calls_in(number, to),
        }
    }

    /// A connection arrives at a host.
    pub(crate) fn calls_in(&mut self, number: u64, to: At) {
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

    pub(crate) fn carry_out_phone(&mut self, phone: usize, said: Vec<handset::Wish>, noticed: Vec<Noticed>) {
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

    pub(crate) fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
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
}

/// Whether a thread that slept asks what the brokers have agreed on.
fn is_standing(envelope: &Envelope) -> bool {
    let asks_for_nothing = |asked: Followed| asked.shards.is_empty();
    envelope.subject == Followed::SUBJECT.to_string()
        && contract::decode(&envelope.body).is_ok_and(asks_for_nothing)
}
