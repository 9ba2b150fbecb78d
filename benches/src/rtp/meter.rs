//! Whose time was used.

use std::fs;
use std::time::{Duration, Instant};

use crate::Trouble;
use crate::cpu::{idle, process_time};

/// What processes and the machine had used at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    at: Instant,
    server: Duration,
    generator: Duration,
    idle: Duration,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) span: Duration,
    pub(crate) server: Duration,
    pub(crate) generator: Duration,
    /// The machine's time that was neither idle nor taken away by the host.
    pub(crate) machine: Duration,
}

impl Sample {
    pub(crate) fn take(server: &[u32], generator: &[u32]) -> Result<Self, Trouble> {
        Ok(Sample {
            at: Instant::now(),
            server: server.iter().map(|&pid| process_time(pid)).sum(),
            generator: generator.iter().map(|&pid| process_time(pid)).sum(),
            idle: idle()?,
        })
    }

    pub(crate) fn until(&self, later: &Sample) -> Used {
        let span = later.at - self.at;
        let all = span * crate::machine::processors() as u32;
        Used {
            span,
            server: later.server.saturating_sub(self.server),
            generator: later.generator.saturating_sub(self.generator),
            machine: all.saturating_sub(later.idle.saturating_sub(self.idle)),
        }
    }
}

/// Resident memory of processes, kB.
pub(crate) fn resident(pids: &[u32]) -> f64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    pids.iter().filter_map(of).sum()
}
