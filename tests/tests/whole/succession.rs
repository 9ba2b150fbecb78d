//! The supervisor is killed with SIGKILL in the middle of a call: another one adopts its workers, and nobody hears it.

use std::time::Duration;

use strowger_tests::{Platform, Worker, eventually};

use crate::deaths::{ended_well, longest_gap, talking};
use crate::furnished;

const ALL: [Worker; 3] = [Worker::Signalling, Worker::Media, Worker::Office];

fn pids(platform: &Platform) -> [u32; 3] {
    ALL.map(|worker| platform.worker(worker))
}

#[test]
fn a_call_goes_on_while_the_supervisor_is_killed_and_the_workers_are_adopted() {
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 4.0);
    let workers = pids(&platform);
    for _ in 0..3 {
        let took = platform.kill_supervisor();
        println!("another supervisor after {took:?}");
        assert_eq!(pids(&platform), workers, "{}", platform.log());
        std::thread::sleep(Duration::from_millis(300));
    }
    ended_well(&platform, &mut alice, &bob);
    for phone in [&alice, &bob] {
        let gap = longest_gap(phone);
        assert!(gap < 400.0, "a silence of {gap} ms");
    }
    // The adopted ones are watched, and their successors are dealt the same sockets.
    for worker in ALL {
        platform.kill(worker);
    }
    let (mut alice, _bob) = talking(&platform, 0.5);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
}

#[test]
fn a_supervisor_killed_while_a_worker_is_dead_and_both_come_back() {
    for worker in ALL {
        let platform = furnished("");
        let (mut alice, bob) = talking(&platform, 3.0);
        platform.kill_with_supervisor(worker);
        ended_well(&platform, &mut alice, &bob);
    }
}

#[test]
fn a_supervisor_started_by_hand_follows_when_nobody_stands_by() {
    let mut platform = furnished("");
    let (mut alice, bob) = talking(&platform, 6.0);
    let workers = pids(&platform);
    platform.kill_supervisor_and_standby();
    platform.run();
    // Those of before answer until they have been ended.
    let are_others = || pids(&platform).iter().zip(&workers).all(|(now, then)| now != then);
    assert!(eventually(Duration::from_secs(10), are_others), "{}", platform.log());
    ended_well(&platform, &mut alice, &bob);
}

#[test]
fn orphans_have_a_supervisor_started() {
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 6.0);
    let (supervisor, workers) = (platform.supervisor(), pids(&platform));
    platform.kill_supervisor_and_standby();
    assert_eq!(pids(&platform), workers);
    let came = eventually(Duration::from_secs(10), || platform.supervisor() != supervisor);
    assert!(came, "{}", platform.log());
    ended_well(&platform, &mut alice, &bob);
    assert!(!platform.log().contains("panicked"), "{}", platform.log());
}
