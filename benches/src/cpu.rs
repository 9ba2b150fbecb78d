//! Whose processor time was used between two moments.
//!
//! Rates by the wall clock say nothing on a machine that is shared; processor time does. Two figures are taken:
//! what the processes of a server used, by the scheduler's account, and what the whole machine used less what
//! the generator and everybody else did, so that work which the kernel does on nobody's account counts, too.

use std::fs;
use std::time::{Duration, Instant};

use crate::Trouble;

/// A process, and what it and its ended children have used.
struct Process {
    pid: u32,
    parent: u32,
    used: Duration,
}

/// So many servers can be told apart.
pub(crate) const APART: usize = 16;

/// Whose time is counted: first processes, each with all that descend from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whose {
    /// Of the server.
    pub(crate) server: Vec<u32>,
    /// Of what it works with, told apart and not added.
    pub(crate) beside: Vec<u32>,
}

impl From<u32> for Whose {
    fn from(first: u32) -> Self {
        Whose { server: vec![first], beside: Vec::new() }
    }
}

impl Whose {
    fn all(&self) -> impl Iterator<Item = u32> {
        self.server.iter().chain(&self.beside).copied()
    }
}

/// The state of the accounts at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    at: Instant,
    server: Duration,
    apart: [Duration; APART],
    generator: Duration,
    others: Duration,
    idle: Duration,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) span: Duration,
    /// By the server's processes.
    pub(crate) server: Duration,
    /// By each of its hosts, and then by each of what it works with.
    pub(crate) apart: [Duration; APART],
    /// By this process, which generates the load.
    pub(crate) generator: Duration,
    /// By the machine on nobody else's account: the server and the kernel's own work.
    pub(crate) machine: Duration,
    /// By processes that have nothing to do with the measurement.
    pub(crate) others: Duration,
}

impl Sample {
    /// Looks at those processes with all their descendants, and at everybody else.
    pub(crate) fn take(whose: &Whose) -> Result<Self, Trouble> {
        let processes = processes();
        let (mut apart, mut known) = ([Duration::ZERO; APART], vec![std::process::id()]);
        for (root, apart) in whose.all().zip(&mut apart) {
            let tree = descendants(root, &processes);
            if tree.is_empty() {
                return Err(format!("the server (process {root}) has ended").into());
            }
            *apart = tree.iter().map(|&pid| process_time(pid)).sum();
            known.extend(tree);
        }
        let foreign = |process: &&Process| !known.contains(&process.pid);
        Ok(Sample {
            others: processes.iter().filter(foreign).map(|process| process.used).sum(),
            server: apart[..whose.server.len()].iter().sum(),
            apart,
            generator: strowger_io::process_cpu_time(),
            idle: idle()?,
            at: Instant::now(),
        })
    }

    /// What was used from this moment to a later one.
    pub(crate) fn until(&self, later: &Sample) -> Used {
        let span = later.at - self.at;
        let all = span * u32::try_from(crate::machine::processors()).unwrap_or(1);
        let generator = later.generator.saturating_sub(self.generator);
        let others = later.others.saturating_sub(self.others);
        let idle = later.idle.saturating_sub(self.idle);
        Used {
            span,
            server: later.server.saturating_sub(self.server),
            apart: std::array::from_fn(|at| later.apart[at].saturating_sub(self.apart[at])),
            generator,
            machine: all.saturating_sub(idle).saturating_sub(generator).saturating_sub(others),
            others,
        }
    }
}

/// The process `root` and all that descend from it; none if it is gone.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    descendants(root, &processes())
}

/// The time that all threads of these processes, and of all that descend from them, ran.
pub(crate) fn tree_time(roots: &[u32]) -> Duration {
    roots.iter().flat_map(|&root| tree(root)).map(process_time).sum()
}

fn descendants(root: u32, processes: &[Process]) -> Vec<u32> {
    let mut found: Vec<u32> =
        processes.iter().filter(|process| process.pid == root).map(|process| process.pid).collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(processes.iter().filter(|process| process.parent == parent).map(|process| process.pid));
        next += 1;
    }
    found
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in brackets and may hold anything; behind it come state, parent ...
            let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks: u64 = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
            let parent = fields.get(1)?.parse().ok()?;
            Some(Process { pid, parent, used: Duration::from_millis(ticks * TICK_MS) })
        })
        .collect()
}

/// The kernel tells times in hundredths of a second.
const TICK_MS: u64 = 10;

/// The time that all threads of a process ran, to the nanosecond.
pub(crate) fn process_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    tasks.filter_map(time).sum()
}

/// The time that the processors have been idle, waiting for a disk, or taken away by the host. (The busy ticks
/// beside them alias with periodic load; these don't.)
pub(crate) fn idle() -> Result<Duration, Trouble> {
    let text = fs::read_to_string("/proc/stat")?;
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    let ticks: u64 = [3, 4, 7].iter().filter_map(|&field| fields.get(field)).sum();
    Ok(Duration::from_millis(ticks * TICK_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_works_is_charged_to_its_tree() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 5"])
            .spawn()
            .unwrap();
        let whose = Whose::from(child.id());
        let before = Sample::take(&whose).unwrap();
        std::thread::sleep(Duration::from_millis(600));
        let used = before.until(&Sample::take(&whose).unwrap());
        assert_eq!(tree(child.id())[0], child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(used.server > Duration::from_millis(20), "{used:?}");
        assert_eq!((used.apart[0], used.apart[1]), (used.server, Duration::ZERO));
        assert!(used.server + used.generator < used.span, "{used:?}");
        assert!(Sample::take(&Whose::from(u32::MAX)).is_err());
    }
}
