use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use phone::Command;
use sip::Status;

use crate::chance::Chance;
use crate::death::Death;
use crate::fault::Fault;
use crate::platform::{Phone, Platform, millis, secs};
use crate::wire::Conditions;
use crate::world::{Event, Mishap, Reaction};

/// How long things keep beginning.
const BUSY: Duration = secs(20);

/// What became of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Calls that left a record.
    pub records: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// How often the signalling process was born.
    pub lives: u32,
    /// Steps.
    pub steps: u64,
    /// A sum over all that happened.
    pub trace: u64,
}

/// Tells the story that follows from a seed: phones, calls and mishaps, until all is over.
///
/// # Errors
/// With the seed, the step and what happened last, if something does not hold.
pub fn tell(seed: u64) -> Result<Told, String> {
    tell_with(seed, None)
}

/// The same, with something wrong on purpose.
///
/// # Errors
/// With the seed, the step and what happened last, if something does not hold.
pub fn tell_with(seed: u64, fault: Option<Fault>) -> Result<Told, String> {
    let (threads, hosts) = (1 + (seed % 2) as u16, 1 + (seed / 2 % 3) as u16);
    let platform = Platform::with_media(seed, threads, hosts);
    platform.plant(fault);
    let told = catch_unwind(AssertUnwindSafe(|| play(&platform, seed)));
    told.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_default();
        let steps = platform.steps();
        match platform.world.try_borrow() {
            Ok(world) => {
                let lately: Vec<&str> = world.lately.iter().map(String::as_str).collect();
                format!("seed {seed}, step {steps}: {text}\n{}", lately.join("\n"))
            }
            Err(_) => format!("seed {seed}, step {steps}: {text}"),
        }
    })
}

fn play(platform: &Platform, seed: u64) -> Told {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let phones = people(platform, &mut chance);
    platform.plan(Duration::ZERO, Mishap::Weather(weather(&mut chance)));
    platform.world.borrow_mut().bus_loss = *chance.pick(&[0, 0, 20, 200]);
    for _ in 0..chance.between(3, 9) {
        a_call(platform, &phones, &mut chance);
    }
    for _ in 0..chance.below(6) {
        let hosts = platform.sessions().len();
        let mishap = mishap(&mut chance, phones.len(), hosts);
        platform.plan(within(&mut chance, BUSY), mishap);
    }
    platform.advance(BUSY + secs(20));
    platform.plan(Duration::ZERO, Mishap::Weather(Conditions::GOOD));
    platform.world.borrow_mut().bus_loss = 0;
    platform.come_to_rest();
    let records = platform.records();
    let answered = |record: &&contract::record::CallRecord| record.answered.is_some();
    Told {
        answered: records.iter().filter(answered).count(),
        records: records.len(),
        lives: platform.signalling_lives(),
        steps: platform.steps(),
        trace: platform.trace(),
    }
}

fn people(platform: &Platform, chance: &mut Chance) -> Vec<Phone> {
    let mut phones = vec![platform.phone("alice"), platform.phone("bob")];
    if chance.happens(700) {
        phones.push(platform.phone_behind_nat("bob"));
    }
    match chance.below(4) {
        0 => phones.push(platform.phone_behind_nat("carol")),
        1 => phones.push(platform.tcp_phone("carol")),
        2 => phones.push(platform.tcp_phone_behind_nat("carol")),
        _ => {}
    }
    if chance.happens(500) {
        phones.push(platform.prepaid_phone("dave", *chance.pick(&[0, 5_000, 100_000])));
    }
    if chance.happens(300) {
        phones.push(platform.blue_phone("bob"));
    }
    phones
}

fn weather(chance: &mut Chance) -> Conditions {
    let jitter = millis(*chance.pick(&[0, 1, 20, 150]));
    Conditions {
        loss: *chance.pick(&[0, 0, 10, 100, 250]),
        doubled: *chance.pick(&[0, 0, 50, 300]),
        delay: millis(chance.between(1, 80)),
        jitter,
    }
}

fn within(chance: &mut Chance, time: Duration) -> Duration {
    Duration::from_micros(chance.below(time.as_micros() as u64))
}

/// Somebody calls somebody, and both do what people do.
fn a_call(platform: &Platform, phones: &[Phone], chance: &mut Chance) {
    let begins = within(chance, BUSY);
    let caller = chance.below(phones.len() as u64) as usize;
    let whom = *chance.pick(&["alice", "bob", "bob", "carol", "dave", "1002", "600", "nobody"]);
    platform.plan_event(begins, Event::User { phone: caller, command: Command::Call(whom.into()) });
    for phone in phones {
        phone.will(within(chance, secs(4)), reaction(chance));
    }
    // The caller's calls are numbered from 1; what does not exist then is not done.
    let call = phone::CallNo(chance.between(1, 4) as u32);
    let later = begins + within(chance, secs(8));
    let command = match chance.below(5) {
        0 => Command::Hold(call),
        1 => Command::Press(call, "5#".into()),
        _ => Command::Resume(call),
    };
    platform.plan_event(later, Event::User { phone: caller, command });
    platform.plan_event(later + secs(1), Event::User { phone: caller, command: Command::Resume(call) });
    for number in 1..=12 {
        let phone = caller;
        let ends = begins + secs(4) + within(chance, secs(30));
        platform.plan_event(ends, Event::HangUp { phone, call: phone::CallNo(number) });
    }
}

fn reaction(chance: &mut Chance) -> Reaction {
    match chance.below(8) {
        0 => Reaction::Ignore,
        1 => Reaction::Refuse(Status::BUSY_HERE),
        2 => {
            Reaction::Refuse(*chance.pick(&[Status::DECLINE, Status::NOT_FOUND, Status::SERVICE_UNAVAILABLE]))
        }
        3 | 4 => Reaction::Chat(within(chance, secs(15))),
        _ => Reaction::Answer,
    }
}

fn mishap(chance: &mut Chance, phones: usize, hosts: usize) -> Mishap {
    if hosts > 1 && chance.happens(400) {
        return match chance.below(3) {
            0 => Mishap::MediaHostDies(chance.below(hosts as u64) as usize),
            _ => Mishap::CallMoves(chance.next()),
        };
    }
    match chance.below(10) {
        0..=3 => Mishap::SignallingDies(Death::any(chance)),
        4 | 5 => Mishap::MediaDies(chance.below(hosts as u64) as usize),
        6 => Mishap::OfficeIsAway(within(chance, secs(5))),
        7 => Mishap::PowerFails,
        8 => Mishap::SignallingStands(within(chance, secs(2))),
        _ if chance.happens(500) => Mishap::ClockStep(chance.below(6_000_000) as i64 - 3_000_000),
        _ => Mishap::PhoneDies(chance.below(phones as u64) as usize),
    }
}
