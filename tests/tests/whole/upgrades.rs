//! `strowger upgrade` while phones talk, call and register. A copy of the program under another name stands for the next
//! version. Where `PREVIOUS` names the program of another commit (`scripts/previous.sh` builds it), the real thing is done
//! as well: to that one and back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use strowger_tests::{Crowd, Phone, Platform, TcpPhone, strowger};

use crate::deaths::{ended_well, longest_gap, talking};
use crate::furnished;

fn newer(platform: &Platform) -> PathBuf {
    let copy = platform.folder().join("strowger-newer");
    // As packages do: the file is another one, and what runs keeps the one from before.
    drop(std::fs::remove_file(&copy));
    std::fs::copy(strowger(), &copy).expect("a copy of the program");
    copy.canonicalize().expect("where it is")
}

fn upgraded(platform: &Platform) {
    let newer = newer(platform);
    let runs_it = platform.programs().iter().all(|program| program.starts_with(platform.folder()));
    let output = platform.upgrade(Some(newer.as_path()).filter(|_| !runs_it));
    let said = format!(
        "{}{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        platform.log()
    );
    assert!(output.status.success(), "{said}");
    let programs = platform.programs();
    assert!(programs.len() == 5 && programs.iter().all(|program| *program == newer), "{programs:?}\n{said}");
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_call_goes_on_while_everything_is_upgraded() {
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 4.0);
    let supervisor = platform.supervisor();
    upgraded(&platform);
    assert_eq!(platform.supervisor(), supervisor, "it goes on in the same process");
    ended_well(&platform, &mut alice, &bob);
    for phone in [&alice, &bob] {
        let gap = longest_gap(phone);
        println!("the longest silence: {gap} ms");
        assert!(gap < 400.0, "a silence of {gap} ms");
    }
}

#[test]
fn a_phone_on_tcp_is_upgraded_without_a_cut() {
    let platform = furnished("");
    let mut bob = TcpPhone::registered(&platform, "bob");
    let mut alice = Phone::calling(&platform, "alice", "1002", 60.0);
    bob.answers();
    alice.wait_for("answered");
    upgraded(&platform);
    upgraded(&platform);
    // On the connection that it had all the time.
    bob.hangs_up();
    assert_eq!(alice.wait_for("over")["by_us"], false);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    assert_eq!(platform.records_of(1)[0]["outcome"], "answered");
}

#[test]
fn calls_begin_and_phones_register_while_everything_is_upgraded() {
    let platform = furnished("");
    let crowd = Crowd::of(&platform, 300);
    let _bob = Phone::answering(&platform, "bob", 100);
    let over = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let registering = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                crowd.register();
                rounds += 1;
            }
            rounds
        });
        let mut calls: Vec<Phone> = Vec::new();
        for _ in 0..3 {
            calls.push(Phone::calling(&platform, "alice", "600", 1.0));
            calls.push(Phone::calling(&platform, "alice", "600", 1.0));
            upgraded(&platform);
        }
        for call in &mut calls {
            assert!(call.went_well(), "{}\n{}", call.said(), platform.log());
        }
        over.store(true, Ordering::Relaxed);
        registering.join().expect("every registration was taken")
    });
    println!("{rounds} rounds of 300 registrations");
    let records = platform.records_of(6);
    assert!(records.iter().all(|record| record["outcome"] == "answered"), "{records:#?}");
}

/// Back to the version before, and on to this one again, while two talk, one waits and one calls at each step.
#[test]
#[ignore = "PREVIOUS must name another version's program: PREVIOUS=$(scripts/previous.sh)"]
fn calls_and_bindings_of_one_version_are_carried_on_by_the_other() {
    let previous = PathBuf::from(std::env::var_os("PREVIOUS").expect("PREVIOUS=$(scripts/previous.sh)"));
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 15.0);
    let carol = Phone::calling(&platform, "alice", "600", 60.0);
    carol.wait_for("answered");
    for binary in [previous.clone(), strowger(), previous] {
        let output = platform.upgrade(Some(&binary));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{}", platform.log());
        assert!(
            platform.programs().iter().all(|program| *program == binary.canonicalize().expect("its path"))
        );
        println!("{}", String::from_utf8_lossy(&output.stdout));
        let mut call = Phone::calling(&platform, "alice", "600", 0.3);
        assert!(call.went_well(), "{}\n{}", call.said(), platform.log());
    }
    assert_eq!(platform.calls_under_way().len(), 2);
    assert!(alice.went_well(), "{}\n{}", alice.said(), platform.log());
    assert_eq!(bob.wait_for("over")["by_us"], false);
    assert!(longest_gap(&bob) < 400.0, "a silence of {} ms", longest_gap(&bob));
    assert_eq!(platform.records_of(4).len(), 4);
}

#[test]
fn a_binary_that_does_not_start_is_not_upgraded_to() {
    let platform = furnished("");
    let (mut alice, bob) = talking(&platform, 2.0);
    let before = platform.programs();
    // The second one reads the configuration well, and is no supervisor.
    let script = platform.folder().join("half-a-program");
    std::fs::write(&script, "#!/bin/sh\ncase \"$*\" in *check-config*) exit 0;; esac\nexit 1\n")
        .expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    for (binary, expected) in [
        (PathBuf::from("/bin/false"), "nothing was replaced"),
        (script, "the supervisor from before goes on"),
    ] {
        let output = platform.upgrade(Some(&binary));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(platform.programs(), before, "{}", platform.log());
    }
    ended_well(&platform, &mut alice, &bob);
}
