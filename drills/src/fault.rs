//! What is done to the platform, and what it may cost.

use std::time::Duration;

use crate::Trouble;
use crate::host::Host;

/// A successor that isn't ready by then is none.
const SUCCESSOR: Duration = Duration::from_secs(10);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: what the machine and the load itself do.
    None,
    /// A worker is killed with SIGKILL.
    Kill(&'static str),
    /// A worker is stopped with SIGSTOP, and left so.
    Pause(&'static str),
    /// The supervisor is killed with SIGKILL, and started again at once, as a service manager does.
    KillSupervisor,
}

impl Fault {
    /// Those that a platform on one host can be made to bear.
    pub(crate) const ONE_HOST: [Fault; 8] = [
        Fault::None,
        Fault::Kill("signalling"),
        Fault::Kill("media"),
        Fault::Kill("office"),
        Fault::Pause("signalling"),
        Fault::Pause("media"),
        Fault::Pause("office"),
        Fault::KillSupervisor,
    ];

    /// The name of its row.
    pub(crate) fn name(self) -> String {
        match self {
            Fault::None => "baseline".into(),
            Fault::Kill(worker) => format!("kill.process.{worker}"),
            Fault::Pause(worker) => format!("pause.process.{worker}"),
            Fault::KillSupervisor => "kill.process.supervisor".into(),
        }
    }

    /// The silence that may be heard at the 99th percentile, milliseconds.
    pub(crate) fn goal_ms(self) -> f64 {
        match self {
            Fault::None => 40.0,
            Fault::Kill(_) | Fault::KillSupervisor => 200.0,
            Fault::Pause(_) => 1500.0,
        }
    }

    /// How long its silence is watched.
    pub(crate) fn window(self) -> Duration {
        match self {
            Fault::None | Fault::Kill(_) => Duration::from_millis(2500),
            Fault::Pause(_) | Fault::KillSupervisor => Duration::from_millis(4000),
        }
    }

    /// Does it to `host`, and waits until whoever it hit is back.
    pub(crate) fn strike(self, host: &mut Host) -> Result<(), Trouble> {
        match self {
            Fault::None => Ok(()),
            Fault::Kill(worker) => back(host, worker, libc::SIGKILL),
            Fault::Pause(worker) => back(host, worker, libc::SIGSTOP),
            Fault::KillSupervisor => {
                let before = host.worker("signalling").map_or(0, |(process, _)| process);
                host.kill_supervisor();
                host.supervise();
                arrived(host, "signalling", before)
            }
        }
    }
}

fn back(host: &Host, worker: &str, signal: i32) -> Result<(), Trouble> {
    let process = host.signal(worker, signal)?;
    arrived(host, worker, process)
}

fn arrived(host: &Host, worker: &str, before: u32) -> Result<(), Trouble> {
    let after = host.successor(worker, before, SUCCESSOR);
    after.map(drop).ok_or_else(|| Trouble::new(format!("{worker} has no successor:\n{}", host.log())))
}
