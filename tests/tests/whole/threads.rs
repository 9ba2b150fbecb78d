//! The platform is started again with another number of signalling threads: nothing of what was is lost.

use std::fs;

use strowger_tests::{Phone, Platform, eventually};

use crate::furnished;

/// Stops the platform, and starts it with so many threads.
fn begin_again_with(platform: &mut Platform, threads: u16) {
    platform.stop();
    let path = platform.folder().join("strowger.toml");
    let config = fs::read_to_string(&path).expect("its configuration");
    let kept = config.lines().filter(|line| !line.starts_with("threads"));
    let config: Vec<String> = kept
        .flat_map(|line| match line {
            "[signalling]" => vec![line.to_owned(), format!("threads = {threads}")],
            _ => vec![line.to_owned()],
        })
        .collect();
    fs::write(&path, config.join("\n")).expect("a new configuration");
    platform.run();
}

#[test]
fn phones_stay_registered_and_a_call_goes_on_with_more_threads_and_with_fewer() {
    let mut platform = furnished("");
    let bob = Phone::answering(&platform, "bob", 100);
    let mut alice = Phone::calling(&platform, "alice", "1002", 8.0);
    alice.wait_for("answered");
    for threads in [3, 2, 1] {
        begin_again_with(&mut platform, threads);
        let there = eventually(std::time::Duration::from_secs(5), || platform.registrations().len() == 2);
        assert!(there, "{threads} threads: {:?}\n{}", platform.registrations(), platform.log());
        assert_eq!(platform.calls().len(), 1, "{threads} threads: {}", platform.log());
    }
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    assert_eq!(bob.wait_for("over")["by_us"], false);
    let records = platform.records_of(1);
    assert_eq!(records[0]["outcome"], "answered", "{}", records[0]);
    let mut again = Phone::calling(&platform, "alice", "1002", 0.5);
    assert!(again.went_well(), "{}\n{}", again.said(), platform.log());
}
