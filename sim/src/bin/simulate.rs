//! Tells stories of one host, and tales of several: `simulate [FIRST..LAST]`, or `SEEDS=` in the environment; one
//! number is one seed. `hosts:FIRST..LAST` and `host:FIRST..LAST` tell only the one kind; `CALLS=` in the environment says
//! how many calls begin in each tale (`make simulate SEEDS=hosts:1..10 CALLS=200`). Every one whose end is not
//! as it must be is printed with its seed and step; the same seed comes to the same step again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::ExitCode;

/// Stories, and tales of a hundred thousand calls: about six minutes of a core.
const STORIES: RangeInclusive<u64> = 1..=500;
const TALES: RangeInclusive<u64> = 1..=100;
/// Calls that begin in one tale, unless somebody says otherwise.
const CALLS: u64 = 1000;

/// What is to be told.
struct Wanted {
    stories: Option<RangeInclusive<u64>>,
    tales: Option<RangeInclusive<u64>>,
}

fn main() -> ExitCode {
    let said = std::env::args().nth(1).or_else(|| std::env::var("SEEDS").ok());
    let said = said.filter(|text| !text.trim().is_empty());
    let Some(wanted) = wanted(said.as_deref()) else {
        eprintln!("simulate: expected [host:|hosts:]FIRST..LAST, and not {:?}", said.unwrap_or_default());
        return ExitCode::from(2);
    };
    let calls = match std::env::var("CALLS").map(|text| text.trim().parse()) {
        Ok(Ok(calls)) => calls,
        Ok(Err(_)) => {
            eprintln!("simulate: expected a number of calls in CALLS");
            return ExitCode::from(2);
        }
        Err(_) => CALLS,
    };
    let failed = wanted.stories.map_or(0, stories) + wanted.tales.map_or(0, |seeds| tales(seeds, calls));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wanted(said: Option<&str>) -> Option<Wanted> {
    let Some(said) = said else { return Some(Wanted { stories: Some(STORIES), tales: Some(TALES) }) };
    match said.trim().split_once(':') {
        Some(("hosts", seeds)) => Some(Wanted { stories: None, tales: Some(read(seeds)?) }),
        Some(("host", seeds)) => Some(Wanted { stories: Some(read(seeds)?), tales: None }),
        Some(_) => None,
        None => Some(Wanted { stories: Some(read(said)?), tales: Some(read(said)?) }),
    }
}

fn stories(seeds: RangeInclusive<u64>) -> u64 {
    let (mut told, mut failed, mut records, mut answered, mut deaths, mut steps) = (0u64, 0u64, 0, 0, 0, 0);
    for seed in seeds.clone() {
        told += 1;
        match strowger_sim::tell(seed) {
            Ok(told) => {
                records += told.records;
                answered += told.answered;
                deaths += told.lives - 1;
                steps += told.steps;
            }
            Err(why) => {
                failed += 1;
                eprintln!("{why}\n");
            }
        }
    }
    println!(
        "one host: {told} stories, seeds {}..{}: {records} calls, {answered} of them answered, \
         {deaths} deaths of signalling, {steps} steps; {failed} failed",
        seeds.start(),
        seeds.end()
    );
    failed
}

fn tales(seeds: RangeInclusive<u64>, begun: u64) -> u64 {
    let (mut told, mut failed, mut calls, mut answered, mut lost, mut steps) = (0u64, 0u64, 0, 0, 0, 0);
    let (mut heard, mut exposed, mut ghosts, mut elections, mut seconds) = (0, 0, 0, 0, 0);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        told += 1;
        match strowger_sim::narrate(seed, begun) {
            Ok(tale) => {
                calls += tale.calls;
                answered += tale.answered;
                lost += tale.lost;
                steps += tale.steps;
                (heard, exposed) = (heard + tale.heard.0, exposed + tale.heard.1);
                (ghosts, elections) = (ghosts + tale.ghosts, elections + tale.elections);
                seconds += tale.time.as_secs();
                tale.faults.iter().for_each(|(name, count)| *faults.entry(name).or_default() += count);
            }
            Err(why) => {
                failed += 1;
                eprintln!("{why}\n");
            }
        }
    }
    println!(
        "several hosts: {told} tales, seeds {}..{}: {calls} calls, {answered} of them answered, {lost} lost with \
         all who knew them; {heard} messages heard, {exposed} of them known to their owner alone; {ghosts} words of \
         ghosts unheard; {elections} leaders; {seconds} s of their time, {steps} steps; {failed} failed",
        seeds.start(),
        seeds.end()
    );
    let faults: Vec<String> = faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("  {}", faults.join(", "));
    failed
}

fn read(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.trim().split_once("..").unwrap_or((text.trim(), text.trim()));
    let (first, last) = (first.parse().ok()?, last.trim_start_matches('=').parse().ok()?);
    (first <= last).then_some(first..=last)
}
