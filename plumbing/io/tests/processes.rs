//! Memory, processes and signals.

#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use strowger_io::{
    Bond, Counters, Events, Exit, Interest, MappedFile, Poller, ReadMap, Received, SeqSocket, Signal,
    Signals, process_cpu_time, spawn, start_thread, thread_cpu_time,
};

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("strowger-io-{}-{name}", std::process::id()))
}

#[test]
fn a_mapped_file_is_memory_for_one_and_can_be_looked_at_by_others() {
    let path = path("ring");
    let mut file = MappedFile::create(&path, 10_000).unwrap();
    file.as_mut()[4093..4107].copy_from_slice(b"fourteen bytes");
    let error = MappedFile::create(&path, 10_000).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    let look = ReadMap::open(&path).unwrap();
    assert_eq!(look.len(), 10_000);
    let mut seen = [0; 14];
    look.copy(4093, &mut seen);
    assert_eq!(&seen, b"fourteen bytes");
    look.copy(9_990, &mut seen);
    assert_eq!(&seen[10..], b"ytes", "beyond the end nothing is copied");
    drop(file);
    let longer = MappedFile::create(&path, 20_000).unwrap();
    assert_eq!(longer.as_ref().len(), 20_000);
    assert_eq!(&longer.as_ref()[4093..4107], b"fourteen bytes");
    drop(longer);
    assert_eq!(MappedFile::create(&path, 100).unwrap().as_ref().len(), 20_000);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn counters_are_shared_through_their_descriptor() {
    let counters = Counters::new().unwrap();
    let fd = std::os::fd::AsFd::as_fd(&counters).try_clone_to_owned().unwrap();
    let same = Counters::over(fd).unwrap();
    counters.at(5).fetch_add(7, Ordering::Relaxed);
    assert_eq!(same.at(5).load(Ordering::Relaxed), 7);
    same.at(usize::MAX).store(1, Ordering::Relaxed);
    assert_eq!(counters.at(Counters::COUNT - 1).load(Ordering::Relaxed), 1);
}

#[test]
fn a_child_gets_its_control_socket_and_its_end_is_seen() {
    let (ours, theirs) = SeqSocket::pair().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo here >&3; exit 7"]);
    let child = spawn(command, &theirs, Bond::Killed).unwrap();
    drop(theirs);
    let poller = Poller::new().unwrap();
    poller.add(&child, 1, Interest::READ).unwrap();
    poller.wait(&mut Events::new(1), Some(Duration::from_secs(5))).unwrap();
    assert_eq!(child.ended().unwrap(), Some(Exit::Status(7)));
    let mut buffer = [0; 16];
    assert_eq!(ours.receive(&mut buffer, &mut Vec::new()).unwrap(), Received::Message(5));
    assert_eq!(ours.receive(&mut buffer, &mut Vec::new()).unwrap(), Received::Closed);
}

#[test]
fn a_child_can_be_killed_by_its_handle_and_its_end_is_read_as_a_signal() {
    // In a thread of its own, since the signals stay blocked in it.
    let check = || {
        let signals = Signals::block(&[Signal::Child, Signal::Terminate]).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        let (_ours, theirs) = SeqSocket::pair().unwrap();
        let mut command = Command::new("/bin/sleep");
        command.arg("60");
        let child = spawn(command, &theirs, Bond::Killed).unwrap();
        assert_eq!(child.ended().unwrap(), None);
        child.signal(Signal::Kill).unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&child, 1, Interest::READ).unwrap();
        poller.wait(&mut Events::new(1), Some(Duration::from_secs(5))).unwrap();
        assert_eq!(child.ended().unwrap(), Some(Exit::Signal(9)));
        child.signal(Signal::Kill).unwrap();
    };
    start_thread("signals", check).unwrap().join().unwrap();
}

#[test]
fn what_cannot_be_started_is_named() {
    let (_ours, theirs) = SeqSocket::pair().unwrap();
    let error = spawn(Command::new("/nonexistent/strowger"), &theirs, Bond::Killed).unwrap_err();
    assert!(error.to_string().starts_with("start /nonexistent/strowger: "), "{error}");
}

#[test]
fn work_is_seen_in_the_processor_time() {
    let (process, thread) = (process_cpu_time(), thread_cpu_time());
    let mut sum = 0u64;
    while thread_cpu_time() - thread < Duration::from_millis(5) {
        sum = std::hint::black_box(sum + 1);
    }
    assert!(process_cpu_time() - process >= Duration::from_millis(5));
    strowger_io::pin_to(&[0]).unwrap();
}
