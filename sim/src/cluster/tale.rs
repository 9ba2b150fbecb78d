use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use phone::Command;

use super::event::{Event, Faults, Mishap};
use super::host::{At, State};
use super::prose::Cluster;
use super::world::Plan;
use crate::chance::Chance;
use crate::death::Death;
use crate::fault::Fault;
use crate::platform::{millis, secs};
use crate::wire::Conditions;

/// Phones of one tale, and how often each of them calls somebody, in the mean.
const PHONES: usize = 200;
const CALLS_EACH: Duration = secs(20);
/// From one mishap to the next, in the mean.
const APART: Duration = secs(8);

/// What became of a tale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tale {
    /// Calls that left a record.
    pub calls: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that nobody knew any more after two faults at once, or since they were exposed.
    pub lost: usize,
    /// Messages in calls that phones were sent, and how many of them only their owner knew.
    pub heard: (u64, u64),
    /// How often which kind of fault has happened.
    pub faults: Vec<(&'static str, u64)>,
    /// How often brokers had another leader.
    pub elections: u64,
    /// Frames of ghosts.
    pub ghosts: u64,
    /// Steps.
    pub steps: u64,
    /// How long it took there.
    pub time: Duration,
    /// A sum over all that happened.
    pub trace: u64,
}

/// Tells the tale of so many calls on several hosts that follows from a seed.
///
/// # Errors
/// With the seed, the step and what happened last, if something does not hold.
pub fn narrate(seed: u64, calls: u64) -> Result<Tale, String> {
    narrate_with(seed, calls, None)
}

/// The same, with something wrong on purpose.
///
/// # Errors
/// With the seed, the step and what happened last, if something does not hold.
pub fn narrate_with(seed: u64, calls: u64, fault: Option<Fault>) -> Result<Tale, String> {
    match attempt(seed, calls, fault, false) {
        Ok(tale) => Ok(tale),
        // Once more, with open eyes.
        Err(_) => attempt(seed, calls, fault, true),
    }
}

fn attempt(seed: u64, calls: u64, fault: Option<Fault>, is_watched: bool) -> Result<Tale, String> {
    let mut chance = Chance::new(seed ^ 0x7a1e);
    let exchanges = chance.between(3, 5) as usize;
    let plan = Plan { exchanges, edges: 2, threads: chance.between(1, 3) as u16 };
    let cluster = Cluster::of(seed, plan);
    {
        let world = &mut *cluster.world.borrow_mut();
        world.plant(fault);
        world.is_watched = is_watched;
    }
    let told = catch_unwind(AssertUnwindSafe(|| play(&cluster, chance, calls)));
    told.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        match cluster.world.try_borrow() {
            Ok(world) => {
                let lately: Vec<&str> =
                    world.lately.iter().chain(&world.packets).map(String::as_str).collect();
                format!("hosts, seed {seed}, step {}: {text}\n{}", world.steps, lately.join("\n"))
            }
            Err(_) => format!("hosts, seed {seed}: {text}"),
        }
    })
}

fn play(cluster: &Cluster, mut chance: Chance, calls: u64) -> Tale {
    let begun = cluster.world.borrow().now;
    {
        let world = &mut *cluster.world.borrow_mut();
        for number in 0..PHONES {
            let phone = world.add_phone(&format!("user{number}"));
            world.plan(millis(10 * number as u64), Event::User { phone, command: Command::Register });
        }
    }
    cluster.advance(millis(10 * PHONES as u64) + secs(1));
    {
        let world = &mut *cluster.world.borrow_mut();
        assert!(world.phones.iter().all(|phone| phone.is_registered), "a phone is not registered");
        (world.users_act, world.to_begin) = (true, calls);
        world.apart = CALLS_EACH / PHONES as u32;
        world.plan(Duration::ZERO, Event::NextCall);
    }
    let weather = weather(&mut chance);
    cluster.world.borrow_mut().plan(Duration::ZERO, Event::Mishap(Mishap::Weather(weather)));
    while cluster.world.borrow().to_begin > 0 {
        let mishaps = mishaps(cluster, &mut chance);
        for (after, mishap) in mishaps {
            cluster.world.borrow_mut().plan(after, Event::Mishap(mishap));
        }
        let pause = Duration::from_micros(chance.between(0, 2 * APART.as_micros() as u64));
        cluster.advance(pause.max(millis(50)));
    }
    be_well(cluster);
    cluster.come_to_rest();
    told(cluster, begun)
}

/// All that is gone comes back, and the wire is good.
fn be_well(cluster: &Cluster) {
    cluster.advance(secs(12));
    let world = &mut *cluster.world.borrow_mut();
    world.plan(Duration::ZERO, Event::Mishap(Mishap::Weather(Conditions::GOOD)));
    for host in 0..world.hosts.len() {
        if world.hosts[host].state == State::Gone {
            world.plan(Duration::ZERO, Event::Mishap(Mishap::HostIsReplaced(host)));
        }
        world.plan(Duration::ZERO, Event::Mishap(Mishap::Drain(host, true)));
    }
}

fn weather(chance: &mut Chance) -> Conditions {
    Conditions {
        loss: *chance.pick(&[0, 0, 10, 50]),
        doubled: *chance.pick(&[0, 0, 50]),
        delay: millis(chance.between(1, 60)),
        jitter: millis(*chance.pick(&[0, 1, 20])),
    }
}

/// One mishap, or two that belong together: what is gone comes back some time later.
fn mishaps(cluster: &Cluster, chance: &mut Chance) -> Vec<(Duration, Mishap)> {
    let world = cluster.world.borrow();
    let all = world.hosts.len();
    let host = chance.below(all as u64) as usize;
    let (now, at) =
        (Duration::ZERO, At { host, thread: chance.below(world.hosts[host].threads.len() as u64) as usize });
    // One host at a time is away; what it had is copied before the next one goes.
    let is_calm = world.is_whole() && world.now.since(world.unrest) > secs(5);
    match chance.below(16) {
        0..=3 => vec![(now, Mishap::ProcessDies(at, Death::any(chance)))],
        4 => vec![(now, Mishap::MediaDies(host))],
        5 | 6 if is_calm => {
            let back = millis(chance.between(2_000, 15_000));
            vec![(now, Mishap::HostDies(host)), (back, Mishap::HostIsReplaced(host))]
        }
        7 | 8 if is_calm => vec![(now, Mishap::HostStops(host, millis(chance.between(100, 6_000))))],
        9 | 10 if is_calm => vec![(now, Mishap::CutOff(vec![host], millis(chance.between(100, 8_000))))],
        11 if is_calm => {
            let other = (host + 1) % all;
            vec![(now, Mishap::CutOff(vec![host, other], millis(chance.between(100, 4_000))))]
        }
        12 => vec![(now, Mishap::LinesBreak(host))],
        13 if world.hosts[host].media.is_some() => {
            let back = millis(chance.between(3_000, 12_000));
            vec![(now, Mishap::Drain(host, false)), (back, Mishap::Drain(host, true))]
        }
        14 => vec![(now, Mishap::OfficeIsAway(millis(chance.between(100, 4_000))))],
        15 => vec![(now, Mishap::BusStalls(millis(chance.between(50, 1_500))))],
        _ => Vec::new(),
    }
}

fn told(cluster: &Cluster, begun: machine::Moment) -> Tale {
    let world = cluster.world.borrow();
    let answered = |record: &&contract::record::CallRecord| record.answered.is_some();
    let faults: Faults = world.faults.clone();
    Tale {
        calls: world.office.records.len(),
        answered: world.office.records.values().filter(answered).count(),
        lost: world.known.lost(),
        heard: (world.known.heard, world.known.exposed),
        faults: faults.into_iter().collect(),
        elections: world.brokers.elections,
        ghosts: world.hosts.iter().map(|host| host.protection().2).sum(),
        steps: world.steps,
        time: world.now.since(begun),
        trace: world.trace,
    }
}
