//! Supervisor and standby died in the same moment: workers go on, and see to it that somebody comes.
//!
//! Nobody holds copies of their descriptors any more, and they don't give theirs away. So the next supervisor ends
//! them, binds everything anew, and their successors go on from the journals, as after a death.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use strowger_io::{Pidfd, Signal};

use crate::protocol::Start;
use crate::status::Status;

/// Between two attempts to have a supervisor started.
const BETWEEN: Duration = Duration::from_secs(5);
/// So long systemd or an operator may take to start one, before the first.
const AT_FIRST: Duration = Duration::from_secs(1);
/// So long may orphans take to end.
const TO_END: Duration = Duration::from_secs(2);

/// A worker that nobody watches over.
#[derive(Debug)]
pub(crate) struct Orphan {
    successor: Vec<OsString>,
    pause: Duration,
    started: Option<Child>,
}

impl Orphan {
    pub(crate) fn new(start: &Start) -> Self {
        Orphan { successor: start.successor.clone(), pause: AT_FIRST, started: None }
    }

    /// Waits a while, then has a supervisor started. All orphans do; the lock of the platform's data lets one be.
    pub(crate) fn wait(&mut self) {
        std::thread::sleep(std::mem::replace(&mut self.pause, BETWEEN));
        if self.started.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return;
        }
        match Command::new("/proc/self/exe").args(&self.successor).spawn() {
            Ok(child) => self.started = Some(child),
            Err(error) => tracing::error!(%error, "no supervisor can be started"),
        }
    }
}

/// Ends workers that a supervisor and its standby left behind, as the status at `path` tells of them. To be called
/// by whoever has the platform's lock and no legacy.
pub fn end_orphans(path: &Path) {
    let Ok(status) = Status::read(path) else {
        return;
    };
    let mut ended = Vec::new();
    for worker in status.workers {
        let Some(process) = worker.pid.and_then(|pid| Pidfd::of_child(pid).ok()) else {
            continue;
        };
        // Looked at after the handle was opened: from then on the number can't become somebody else's.
        if is_worker(process.pid(), &worker.name) && process.signal(Signal::Terminate).is_ok() {
            tracing::warn!(worker = worker.name, pid = process.pid(), "an orphan is ended");
            ended.push(process);
        }
    }
    let until = Instant::now() + TO_END;
    while ended.iter().any(|process| matches!(process.ended(), Ok(None))) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process is the worker that is called `name`.
fn is_worker(pid: u32, name: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.next() == Some(format!("strowger-{name}").as_bytes()) && words.any(|word| word == name.as_bytes())
}
