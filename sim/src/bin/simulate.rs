//! Tells stories: `simulate [FIRST..LAST]`, or `SEEDS=` in the environment; one number is one story. Every story
//! whose end is not as it must be is printed with its seed and step; the same seed comes to the same step again.

use std::ops::RangeInclusive;
use std::process::ExitCode;

/// They take about a minute.
const USUAL: RangeInclusive<u64> = 1..=2000;

fn main() -> ExitCode {
    let said = std::env::args().nth(1).or_else(|| std::env::var("SEEDS").ok());
    let said = said.filter(|text| !text.trim().is_empty());
    let Some(seeds) = said.as_deref().map_or(Some(USUAL), read) else {
        eprintln!(
            "simulate: expected FIRST..LAST, as in SEEDS=1..1000, and not {:?}",
            said.unwrap_or_default()
        );
        return ExitCode::from(2);
    };
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
        "{told} stories, seeds {}..{}: {records} calls, {answered} of them answered, \
         {deaths} deaths of signalling, {steps} steps; {failed} failed",
        seeds.start(),
        seeds.end()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.trim().split_once("..").unwrap_or((text.trim(), text.trim()));
    let (first, last) = (first.parse().ok()?, last.trim_start_matches('=').parse().ok()?);
    (first <= last).then_some(first..=last)
}
