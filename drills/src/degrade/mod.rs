//! `degrade.path`: the path to one host with media gets worse while calls talk through it, and they are moved to others.
//! How good they sound before, meanwhile and after is what their phones heard.
//!
//! | file | job |
//! |---|---|
//! | `delayer.rs` | the worse path |
//! | this one | the drill |

pub(crate) mod delayer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use strowger_tests::{Peer, eventually};

use crate::Trouble;
use crate::host::Host;
use crate::load::{Load, Pace, Setting, Tally};
use crate::namespace::{command_in, full};
use crate::stage::{Runs, Stage, folders};
use delayer::{Delayer, Path};

/// The name of its row.
pub(crate) const NAME: &str = "degrade.path";
/// What becomes of the path.
const WORSE: Path = Path { delay_ms: 80.0, jitter_ms: 40.0, loss_percent: 8.0 };
/// The host that it leads to.
const STRUCK: (&str, u16) = ("m2", 2);
/// How long it is listened for each figure.
const LISTENED: Duration = Duration::from_secs(4);
/// And how long at a time over the worse path, which calls leave soon; a score needs a second of sound.
const LISTENED_BETWEEN: Duration = Duration::from_millis(1500);
/// From the worse path's first packet until nothing of the better one is heard any more.
const CLEARED: Duration = Duration::from_millis(500);
/// All that will move has moved by then.
const MOVED: Duration = Duration::from_secs(40);
/// The hosts have found each other by then.
const SETTLED: Duration = Duration::from_secs(40);
/// A call that was moved may sound worse by so much than before, by the mean: the machine's own unevenness.
const NEAR: f64 = 0.2;

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Degraded {
    /// [`NAME`].
    name: String,
    /// How often the path got worse.
    faults: usize,
    /// Calls that were talking through the host when it did. Those that are put on hold at some time do not count: while
    /// their callee's phone takes its time with that, nobody can tell it anything (RFC 3261 14.1), and they are moved
    /// when it is over.
    talking: usize,
    /// Of those, how many were moved.
    moved: usize,
    /// And how many neither were nor ended.
    stayed: usize,
    /// Until none of them was there any more, seconds.
    seconds_until_moved: f64,
    /// The mean opinion score of those calls, at the worse side of each: before,
    mos_before: f64,
    /// while they talked over the worse path and were not moved yet,
    mos_during: f64,
    /// and where they were moved to.
    mos_after: f64,
    /// Calls that missed their planned outcome, had no sound for over two seconds, or were refused, of `calls_made`.
    calls_lost: usize,
    /// All calls there were.
    calls_made: usize,
    /// Calls without a record.
    records_missing: usize,
    /// Calls with several.
    records_doubled: usize,
    /// Calls kept up.
    calls: usize,
    /// What the losses follow from.
    seeds: Vec<u64>,
    /// Processors of the machine.
    processors: usize,
}

impl Degraded {
    /// Whether nothing was lost, and calls sound as well as before.
    pub(crate) fn is_met(&self) -> bool {
        let is_whole = self.calls_lost + self.records_missing + self.records_doubled == 0;
        is_whole
            && self.moved > 0
            && self.stayed == 0
            && self.mos_after > self.mos_before - NEAR
            && (1.0..self.mos_after).contains(&self.mos_during)
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: of {} calls over the path {} were moved, the last {:.1} s after it got worse, {} stayed; MOS {:.2} before, \
             {:.2} meanwhile, {:.2} after; {} of {} calls lost, records {} missing {} doubled: {}",
            self.name,
            self.talking,
            self.moved,
            self.seconds_until_moved,
            self.stayed,
            self.mos_before,
            self.mos_during,
            self.mos_after,
            self.calls_lost,
            self.calls_made,
            self.records_missing,
            self.records_doubled,
            if self.is_met() { "met" } else { "not met" },
        )
    }
}

/// A platform whose path to one host can get worse, and its load.
struct Ground {
    core: Host,
    _others: Vec<Host>,
    _bus: Peer,
    delayer: Delayer,
}

/// Plays it, with so many calls.
pub(crate) fn play(stage: &Stage, process: u32, seed: u64, calls: usize) -> Result<Degraded, Trouble> {
    // Each lasts long enough to talk before, meanwhile and after.
    let pace = Pace { calls, rate: calls as f64 / 40.0 };
    let mut ground = prepare(stage, (process, 2 * pace.pairs() + 100), seed)?;
    let phones = 2 * pace.pairs();
    ground.core.furnish(phones)?;
    let server = SocketAddr::from((stage.servers()[0], 5060));
    let load = Load::start(Setting { me: stage.world, pace, seed }, |_| server)?;
    let registered = load.register()?;
    if registered < phones {
        return Err(Trouble::new(format!(
            "{registered} of {phones} phones are registered:\n{}",
            ground.log()
        )));
    }
    load.call()?;
    sleep(pace.lifetime() + Duration::from_secs(1));
    let mut row = ground.degrade(&load, calls, seed)?;
    let tally = load.finish()?;
    count(&ground.core, &tally, &mut row)?;
    if !row.is_met() {
        println!("{}", ground.log());
    }
    Ok(row)
}

/// Starts all hosts, and waits until those with media know their paths to each other.
fn prepare(stage: &Stage, (process, legs): (u32, usize), seed: u64) -> Result<Ground, Trouble> {
    let [folder, _] = folders(process);
    let secret = folder.join("secret");
    let _ = std::fs::create_dir_all(&folder);
    std::fs::write(&secret, [7; 16]).map_err(|error| Trouble::file(&secret, &error))?;
    let delayer = Delayer::start(process, STRUCK.0, seed)?;
    let shared = stage.shared(&folder);
    let (mut hosts, mut bus) = (Vec::new(), None);
    for plan in &stage.hosts {
        if plan.runs != Runs::Nats {
            hosts.push(Host::start(plan, (process, legs), None, &shared)?);
            continue;
        }
        let mut command = command_in(&full(process, &plan.name), FilePath::new("nats-server"));
        command.args(["-a", &plan.address.to_string(), "-p", "4222", "-js", "-sd"]).arg(folder.join("nats"));
        bus = Some(Peer::start("nats", command, &folder));
    }
    let mut core = hosts.remove(0);
    core.come_up()?;
    let bus = bus.ok_or_else(|| Trouble::new("the stage has no bus"))?;
    let ground = Ground { core, _others: hosts, _bus: bus, delayer };
    let knows = || {
        let nodes = ground.core.get("/v1/nodes").unwrap_or_default();
        let paths = |node: &serde_json::Value| node["paths"].as_array().map_or(0, Vec::len);
        nodes.as_array().is_some_and(|nodes| nodes.iter().filter(|node| paths(node) == 2).count() == 3)
    };
    match eventually(SETTLED, knows) {
        true => Ok(ground),
        false => Err(Trouble::new(format!("the hosts do not find each other:\n{}", ground.log()))),
    }
}

impl Ground {
    /// Everybody's log.
    fn log(&self) -> String {
        let hosts = std::iter::once(&self.core).chain(&self._others);
        hosts.map(|host| format!("==== {}\n{}", host.name(), host.log())).collect()
    }

    /// The media node of each answered call, by its Call-ID.
    fn places(&self) -> Result<BTreeMap<String, u64>, Trouble> {
        let page = self.core.get("/v1/calls?limit=1000")?;
        let calls = page["items"].as_array().into_iter().flatten();
        let answered = calls.filter(|call| call["state"] == "answered");
        let placed = answered
            .filter_map(|call| Some((call["sip_call_id"].as_str()?.to_owned(), call["media"].as_u64()?)));
        Ok(placed.collect())
    }

    /// The score of `calls` over a while from now on, by the mean, and which calls had a score.
    fn listen(&self, load: &Load, calls: &BTreeSet<String>) -> Result<(f64, BTreeSet<String>), Trouble> {
        load.sounds()?;
        sleep(LISTENED);
        let heard = load.sounds()?;
        let own: Vec<f64> = heard.iter().filter(|(id, _)| calls.contains(*id)).map(|(_, mos)| *mos).collect();
        Ok((mean(&own), heard.into_keys().collect()))
    }

    fn degrade(&mut self, load: &Load, calls: usize, seed: u64) -> Result<Degraded, Trouble> {
        let there = |places: &BTreeMap<String, u64>| -> BTreeSet<String> {
            let struck = places.iter().filter(|(_, node)| **node == u64::from(STRUCK.1));
            struck.map(|(id, _)| id.clone()).collect()
        };
        let before = there(&self.places()?);
        let (mos_before, steady) = self.listen(load, &before)?;
        let talking: BTreeSet<String> = there(&self.places()?).intersection(&steady).cloned().collect();
        self.delayer.set(WORSE)?;
        let began = Instant::now();
        sleep(CLEARED);
        load.sounds()?;
        let (mut listened, mut during) = (Instant::now(), Vec::new());
        let (mut moved, mut last, mut stayed) = (BTreeSet::new(), Duration::ZERO, talking.len());
        while began.elapsed() < MOVED {
            let places = self.places()?;
            let elsewhere =
                talking.iter().filter(|id| places.get(*id).is_some_and(|node| *node != u64::from(STRUCK.1)));
            for id in elsewhere {
                if moved.insert(id.clone()) {
                    last = began.elapsed();
                }
            }
            let staying: BTreeSet<String> = talking.intersection(&there(&places)).cloned().collect();
            if listened.elapsed() >= LISTENED_BETWEEN {
                let heard = load.sounds()?;
                during.extend(heard.iter().filter(|(id, _)| staying.contains(*id)).map(|(_, mos)| *mos));
                listened = Instant::now();
            }
            stayed = staying.len();
            if stayed == 0 {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        self.tell();
        // Both phones have heard of it by then.
        sleep(Duration::from_secs(1));
        let (mos_after, _) = self.listen(load, &moved)?;
        Ok(Degraded {
            name: NAME.to_owned(),
            faults: 1,
            talking: talking.len(),
            moved: moved.len(),
            stayed,
            seconds_until_moved: (last.as_secs_f64() * 10.0).round() / 10.0,
            mos_before: rounded(mos_before),
            mos_during: rounded(mean(&during)),
            mos_after: rounded(mos_after),
            calls_lost: 0,
            calls_made: 0,
            records_missing: 0,
            records_doubled: 0,
            calls,
            seeds: vec![seed],
            processors: std::thread::available_parallelism().map_or(0, usize::from),
        })
    }

    /// Prints what an operator sees.
    fn tell(&self) {
        let said = self.core.nodes().unwrap_or_else(|trouble| trouble.to_string());
        println!("strowger nodes:\n{said}");
    }
}

/// Counts what was lost.
fn count(core: &Host, tally: &Tally, row: &mut Degraded) -> Result<(), Trouble> {
    let is_kept =
        || core.records().is_ok_and(|kept| tally.attempts.iter().all(|it| kept.contains_key(&it.call_id)));
    eventually(Duration::from_secs(15), is_kept);
    let records = core.records()?;
    for attempt in &tally.attempts {
        let kept = records.get(&attempt.call_id).map_or(0, Vec::len);
        row.records_missing += usize::from(kept == 0);
        row.records_doubled += usize::from(kept > 1);
        if let Some((_, what)) = attempt.wrong.first() {
            println!("  lost: {:?}: {what} ({})", attempt.plan, attempt.call_id);
            row.calls_lost += 1;
        }
    }
    row.calls_made = tally.attempts.len();
    Ok(())
}

/// 0 of none.
fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

fn rounded(mos: f64) -> f64 {
    (mos * 100.0).round() / 100.0
}
