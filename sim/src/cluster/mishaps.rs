//! What goes wrong, and what becomes of it.

use std::time::Duration;

use super::event::{Event, Faults, Mishap, Who};
use super::host::State;
use super::world::{REBIRTH, UNREST, World};

impl World {
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

    pub(crate) fn host_dies(&mut self, host: usize) {
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

    pub(crate) fn go_on(&mut self, host: usize) {
        if self.hosts[host].state == State::Stopped {
            self.hosts[host].state = State::Up;
            self.wake_threads(host);
            self.wake(Who::Media(host));
            if !self.hosts[host].is_alive {
                self.plan(REBIRTH, Event::Start(host));
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.unrest = self.now;
        let back = std::mem::take(&mut self.cut_off);
        for event in self.wires.heal(&back, &mut self.chance) {
            let after = Duration::from_micros(self.chance.between(200, 800_000));
            self.plan(after, Event::Wire(event));
        }
    }

    pub(crate) fn break_lines(&mut self, host: usize) {
        for (after, event) in self.wires.lines_break(host, &mut self.chance) {
            self.plan(after, Event::Wire(event));
        }
    }
}
