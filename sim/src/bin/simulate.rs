//! Tells stories: `simulate [FIRST [COUNT]]`, or `SEED=` and `COUNT=` in the environment. Every story whose end is
//! not as it must be is printed with its seed, which comes to the same step again.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut number = |name: &str, usual: u64| {
        let said = words.next().or_else(|| std::env::var(name).ok());
        said.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (first, count) = (number("SEED", 1), number("COUNT", 100));
    let (mut failed, mut records, mut answered, mut deaths, mut steps) = (0u64, 0, 0, 0, 0);
    for seed in first..first + count {
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
        "{count} stories from seed {first}: {records} calls, {answered} of them answered, \
         {deaths} deaths of signalling, {steps} steps; {failed} failed"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
