//! A part of a drill: a platform of its own, calls, some faults, and what came of it all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::chance::Chance;
use crate::fault::Fault;
use crate::ground::Ground;
use crate::guests::{self, Guests};
use crate::host::{Host, Record};
use crate::load::{Attempt, Count, Load, Pace, Passing, Setting, Silence, Tally};
use crate::stage::{Stage, folders};

/// Between the end of one fault's window and the next fault.
const PAUSE: [Duration; 2] = [Duration::from_millis(800), Duration::from_millis(2000)];
/// So long records may take until they are in the store.
const RECORDS: Duration = Duration::from_secs(15);

/// What came of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The name of its row.
    pub(crate) name: String,
    /// What its random moments follow from.
    pub(crate) seed: u64,
    /// Calls kept up, and new ones in a second.
    pub(crate) calls: usize,
    /// See `calls`.
    pub(crate) rate: f64,
    /// Every fault.
    pub(crate) faults: Vec<Struck>,
    /// Calls made.
    pub(crate) attempts: usize,
    /// Calls lost.
    pub(crate) lost: Vec<Lost>,
    /// Calls without a record, of those that began.
    pub(crate) records_missing: usize,
    /// Lost calls that were refused with 503 before they began, as there was too much to do: those have no record.
    #[serde(default)]
    pub(crate) shed: usize,
    /// Calls with more than one.
    pub(crate) records_doubled: usize,
    /// Requests of the phones that got no final answer.
    pub(crate) unanswered: usize,
    /// Registrations refused or not answered.
    pub(crate) unregistered: usize,
    /// Packets that reached the wrong ear.
    pub(crate) crossed: usize,
    /// The longest that the load itself stood still, milliseconds.
    #[serde(default)]
    pub(crate) stalled_ms: f64,
    /// What the platform said without protection.
    pub(crate) unprotected: f64,
    /// How many wanted a processor of the machine when the part began (`/proc/loadavg`), most of them somebody else's.
    #[serde(default)]
    pub(crate) load_average: f64,
    /// The fewest calls there were in each passing state when a fault struck.
    pub(crate) passing: [usize; Passing::ALL.len()],
    /// The fewest that were answered by then.
    pub(crate) up: usize,
    /// How long the part took, and how much of it between its first fault and its last, seconds.
    #[serde(default)]
    pub(crate) took: [f64; 2],
}

/// A fault, and what was heard of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Struck {
    /// Which.
    pub(crate) fault: String,
    /// Whom it struck.
    #[serde(default)]
    pub(crate) whom: String,
    /// When, in milliseconds from the part's beginning.
    pub(crate) at: u64,
    /// The longest silence of each call that had sound: when it was over, and how long it was, milliseconds.
    pub(crate) silences: Vec<(u64, f64)>,
}

/// A lost call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lost {
    /// When the loss was noticed, in milliseconds from the part's beginning.
    pub(crate) at: u64,
    /// Its Call-ID.
    pub(crate) call: String,
    /// What was planned, and what went wrong.
    pub(crate) what: String,
}

/// What a part is made of.
pub(crate) struct Order<'a> {
    /// Who runs where.
    pub(crate) stage: &'a Stage,
    /// The drill's outer process.
    pub(crate) process: u32,
    /// How many calls, and how fast.
    pub(crate) pace: Pace,
    /// What its random moments follow from.
    pub(crate) seed: u64,
    /// Whether others' phones call, too.
    pub(crate) guests: bool,
}

/// A platform with its load.
struct Drilled {
    ground: Ground,
    load: Load,
    guests: Option<Guests>,
    part: Part,
    unprotected: BTreeMap<String, Counter>,
    began: machine::Moment,
}

impl Order<'_> {
    /// Plays a part with these faults.
    ///
    /// # Errors
    /// When the platform or the load can't be had at all; what goes wrong later is part of what came of it.
    pub(crate) fn play(&self, name: &str, faults: &[Fault]) -> Result<Part, Trouble> {
        let begun = Instant::now();
        let mut drilled = self.begin(name, faults)?;
        let striking = Instant::now();
        let mut chance = Chance::new(self.seed, name);
        for &fault in faults {
            sleep(chance.between(PAUSE[0], PAUSE[1]));
            if let Err(trouble) = drilled.strike(fault) {
                let (at, call) = (drilled.now(), String::new());
                drilled.part.lost.push(Lost { at, call, what: format!("{}: {trouble}", fault.name()) });
                break;
            }
        }
        let struck = striking.elapsed().as_secs_f64();
        let mut part = drilled.end()?;
        part.took = [begun.elapsed().as_secs_f64(), struck];
        Ok(part)
    }

    /// Starts the platform and its load, and waits until there are as many calls as there will be.
    fn begin(&self, name: &str, faults: &[Fault]) -> Result<Drilled, Trouble> {
        let Pace { calls, rate } = self.pace;
        let phones = 2 * self.pace.pairs();
        let mut ground = Ground::prepare(self.stage, (self.process, phones + 100), faults)?;
        let is_cut = faults.contains(&Fault::CutCell);
        ground.furnish(phones, is_cut)?;
        let servers: Vec<SocketAddr> =
            self.stage.servers().into_iter().map(|address| (address, 5060).into()).collect();
        let server = servers[0];
        let home = move |phone| crate::cells::home(phone, is_cut);
        let setting = Setting { me: self.stage.world, pace: self.pace, seed: self.seed };
        let load = Load::start(setting, |phone| servers[home(phone) % servers.len()])?;
        let registered = load.register()?;
        if registered < phones {
            return Err(Trouble::new(format!(
                "{registered} of {phones} phones are registered:\n{}",
                ground.log()
            )));
        }
        // As long as it would take if nothing were slow.
        let long =
            faults.iter().map(|fault| fault.window() + PAUSE[0]).sum::<Duration>() + self.pace.lifetime();
        // On no host: whoever loses its files must not lose theirs.
        let folder = folders(self.process)[0].join("guests");
        let guests = (self.guests && !self.stage.has_cells() && guests::are_here())
            .then(|| Guests::start(folder, self.stage.world, server, long))
            .transpose()?;
        let began = load.clock.now();
        load.call()?;
        sleep(self.pace.lifetime() + Duration::from_millis(500));
        let part = Part {
            name: name.to_owned(),
            seed: self.seed,
            calls,
            rate,
            faults: Vec::new(),
            attempts: 0,
            lost: Vec::new(),
            records_missing: 0,
            shed: 0,
            records_doubled: 0,
            unanswered: 0,
            unregistered: 0,
            crossed: 0,
            stalled_ms: 0.0,
            unprotected: 0.0,
            load_average: load_average(),
            passing: [usize::MAX; Passing::ALL.len()],
            up: usize::MAX,
            took: [0.0; 2],
        };
        Ok(Drilled { ground, load, guests, part, unprotected: BTreeMap::new(), began })
    }
}

impl Drilled {
    /// Milliseconds from the part's beginning.
    fn now(&self) -> u64 {
        self.since(self.load.clock.now())
    }

    fn since(&self, moment: machine::Moment) -> u64 {
        moment.since(self.began).as_millis() as u64
    }

    fn strike(&mut self, fault: Fault) -> Result<(), Trouble> {
        self.sample();
        let Count { up, passing } = self.load.count()?;
        self.part.up = self.part.up.min(up);
        self.part.passing.iter_mut().zip(passing).for_each(|(least, now)| *least = (*least).min(now));
        self.load.open()?;
        let (began, at) = (Instant::now(), self.now());
        let struck = fault.strike(&mut self.ground);
        let took = began.elapsed();
        sleep(fault.window().saturating_sub(took));
        let silences = self.load.close()?;
        let told = |silence: &Silence| (self.since(silence.until), silence.long.as_micros() as f64 / 1e3);
        let silences: Vec<(u64, f64)> = silences.iter().map(told).collect();
        let worst = silences.iter().map(|(_, long)| *long).fold(0.0, f64::max);
        let whom = struck.as_ref().cloned().unwrap_or_default();
        let mending = Instant::now();
        let mended = if struck.is_ok() { fault.mend(&mut self.ground) } else { Ok(()) };
        println!(
            "  {:.1} s: {}: {whom}; done in {took:.1?}, the worst silence {worst:.0} ms, mended in {:.1?}",
            at as f64 / 1e3,
            fault.name(),
            mending.elapsed()
        );
        self.part.faults.push(Struck { fault: fault.name(), whom, at, silences });
        struck.and(mended)
    }

    /// What was said without protection since the last time that it was looked at.
    fn sample(&mut self) {
        for host in self.ground.hosts.iter().filter(|host| host.has_api() && !host.is_lost()) {
            self.unprotected.entry(host.name().to_owned()).or_default().sample(host);
        }
    }

    /// Lets all calls end, and compares what the phones know with what the platform has recorded.
    fn end(mut self) -> Result<Part, Trouble> {
        self.sample();
        let Drilled { ground, load, guests, mut part, unprotected, began } = self;
        let clock = load.clock;
        let mut tally = load.finish()?;
        let ended = clock.now();
        let mut farewell = guests.map(Guests::finish);
        let records = settled_records(&ground, &tally)?;
        for attempt in &mut tally.attempts {
            let kept = records.get(&attempt.call_id).map(Vec::as_slice).unwrap_or_default();
            match kept {
                [] if attempt.was_turned_away => part.shed += 1,
                [] => part.records_missing += 1,
                [record] => note_record(attempt, record, ended),
                [_, _, ..] => part.records_doubled += 1,
            }
        }
        if let Some(farewell) = &mut farewell {
            let [missing, doubled] = farewell.compare(&records);
            part.records_missing += missing;
            part.shed += farewell.turned_away;
            part.records_doubled += doubled;
            let at = ended.since(began).as_millis() as u64;
            let lost = |what: &String| Lost { at, call: "a guest's".into(), what: what.clone() };
            part.lost.extend(farewell.wrong.iter().map(lost));
        }
        let lost = tally.attempts.iter().filter_map(|attempt| lost(attempt, began));
        let lost: Vec<Lost> = lost.map(|lost| after_fault(lost, &part.faults)).collect();
        part.lost.extend(lost);
        part.attempts = tally.attempts.len();
        (part.unanswered, part.unregistered) = (tally.unanswered, tally.unregistered);
        part.crossed = tally.crossed;
        part.stalled_ms = tally.stalled.as_micros() as f64 / 1e3;
        part.unprotected = unprotected.values().map(|counter| counter.total).sum();
        if !part.lost.is_empty() || part.records_missing + part.records_doubled > 0 {
            keep_log(&ground, &part)?;
        }
        Ok(part)
    }
}

/// What the platform logged while something was lost is kept beside the drill's own binary.
fn keep_log(ground: &Ground, part: &Part) -> Result<(), Trouble> {
    let own = std::env::current_exe().map_err(|error| Trouble::new(error.to_string()))?;
    let path = own.with_file_name(format!("drill-{}-{:x}.log", part.name, part.seed));
    std::fs::write(&path, ground.log()).map_err(|error| Trouble::file(&path, &error))?;
    println!("drill: the platform's log of {} is kept in {}", part.name, path.display());
    Ok(())
}

/// A record that says something else than what was planned is a loss, too, and may tell why another call was lost.
fn note_record(attempt: &mut Attempt, record: &Record, now: machine::Moment) {
    if record.outcome != attempt.plan.outcome() {
        attempt.wrong.push((now, format!("its record says {}: {}", record.outcome, record.cause)));
    }
}

fn lost(attempt: &Attempt, began: machine::Moment) -> Option<Lost> {
    let (first, _) = attempt.wrong.first()?;
    let causes: Vec<&str> = attempt.wrong.iter().map(|(_, what)| what.as_str()).collect();
    let age = first.since(attempt.began).as_secs_f64();
    let what = format!("{:?}, {age:.1} s old: {}", attempt.plan, causes.join("; "));
    Some(Lost { at: first.since(began).as_millis() as u64, call: attempt.call_id.clone(), what })
}

/// Says which fault a loss came after.
fn after_fault(mut lost: Lost, faults: &[Struck]) -> Lost {
    if let Some(before) = faults.iter().rfind(|struck| struck.at <= lost.at) {
        let after = (lost.at - before.at) as f64 / 1e3;
        lost.what = format!("{after:.1} s after {}: {}", before.fault, lost.what);
    }
    lost
}

/// The records, once there is one of each call, or it can be waited for no longer.
fn settled_records(ground: &Ground, tally: &Tally) -> Result<BTreeMap<String, Vec<Record>>, Trouble> {
    let until = Instant::now() + RECORDS;
    loop {
        let records = ground.records();
        let is_there = |attempt: &Attempt| {
            let is_kept = records.as_ref().is_ok_and(|records| records.contains_key(&attempt.call_id));
            is_kept || attempt.was_turned_away
        };
        if tally.attempts.iter().all(is_there) || Instant::now() > until {
            // What would be doubled comes late, too.
            sleep(Duration::from_millis(500));
            return ground.records();
        }
        sleep(Duration::from_millis(250));
    }
}

/// The machine's load, over the last minute.
fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// A count of the platform that begins anew with each of its processes.
#[derive(Debug, Default)]
struct Counter {
    last: f64,
    total: f64,
}

impl Counter {
    fn sample(&mut self, host: &Host) {
        if let Some(now) = host.unprotected() {
            self.total += if now >= self.last { now - self.last } else { now };
            self.last = now;
        }
    }
}
