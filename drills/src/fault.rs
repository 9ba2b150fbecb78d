//! What is done to the platform, and what it may cost.

use std::time::Duration;

use crate::Trouble;
use crate::host::Host;
use crate::stage::HostPlan;

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
    /// The PostgreSQL server that writes is killed with SIGKILL, and its follower promoted.
    #[cfg(postgres)]
    KillPrimary,
}

/// What a fault can strike.
pub(crate) struct Ground {
    /// The host.
    pub(crate) host: Host,
    /// Its store, if that is on servers.
    #[cfg(postgres)]
    pub(crate) pair: Option<crate::pair::Pair>,
}

impl Fault {
    /// Those that a platform on one host can be made to bear.
    pub(crate) const ONE_HOST: &[Fault] = &[
        Fault::None,
        Fault::Kill("signalling"),
        Fault::Kill("media"),
        Fault::Kill("office"),
        Fault::Pause("signalling"),
        Fault::Pause("media"),
        Fault::Pause("office"),
        Fault::KillSupervisor,
        #[cfg(postgres)]
        Fault::KillPrimary,
    ];

    /// The name of its row.
    pub(crate) fn name(self) -> String {
        match self {
            Fault::None => "baseline".into(),
            Fault::Kill(worker) => format!("kill.process.{worker}"),
            Fault::Pause(worker) => format!("pause.process.{worker}"),
            Fault::KillSupervisor => "kill.process.supervisor".into(),
            #[cfg(postgres)]
            Fault::KillPrimary => "kill.postgres.primary".into(),
        }
    }

    /// The silence that may be heard at the 99th percentile, milliseconds.
    pub(crate) fn goal_ms(self) -> f64 {
        match self {
            Fault::None => 40.0,
            Fault::Kill(_) | Fault::KillSupervisor => 200.0,
            Fault::Pause(_) => 1500.0,
            // Nobody who talks needs the store: the machine alone is heard.
            #[cfg(postgres)]
            Fault::KillPrimary => 20.0,
        }
    }

    /// How long its silence is watched.
    pub(crate) fn window(self) -> Duration {
        match self {
            Fault::None | Fault::Kill(_) => Duration::from_millis(1500),
            Fault::Pause(_) => Duration::from_millis(2500),
            Fault::KillSupervisor => Duration::from_millis(3500),
            #[cfg(postgres)]
            Fault::KillPrimary => Duration::from_millis(2500),
        }
    }

    /// Whether it needs a store on servers.
    pub(crate) fn needs_servers(self) -> bool {
        match self {
            Fault::None | Fault::Kill(_) | Fault::Pause(_) | Fault::KillSupervisor => false,
            #[cfg(postgres)]
            Fault::KillPrimary => true,
        }
    }

    /// Does it, and waits until whoever it hit is back.
    pub(crate) fn strike(self, ground: &mut Ground) -> Result<(), Trouble> {
        let host = &mut ground.host;
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
            #[cfg(postgres)]
            Fault::KillPrimary => {
                ground.pair.iter_mut().for_each(crate::pair::Pair::kill_primary);
                Ok(())
            }
        }
    }

    /// Afterwards: what was lost is there again, for the next fault.
    pub(crate) fn mend(self, ground: &mut Ground) {
        match self {
            Fault::None | Fault::Kill(_) | Fault::Pause(_) | Fault::KillSupervisor => {}
            #[cfg(postgres)]
            Fault::KillPrimary => ground.pair.iter_mut().for_each(crate::pair::Pair::mend),
        }
        let _ = ground;
    }
}

impl Ground {
    /// A host, and servers for its store if one of `faults` strikes them.
    pub(crate) fn prepare(
        plan: &HostPlan,
        (process, legs): (u32, usize),
        faults: &[Fault],
    ) -> Result<Ground, Trouble> {
        #[cfg(postgres)]
        {
            let pair = faults.iter().any(|fault| fault.needs_servers()).then(crate::pair::Pair::start);
            let host = Host::start(plan, (process, legs), pair.as_ref().map(crate::pair::Pair::address))?;
            Ok(Ground { host, pair })
        }
        #[cfg(not(postgres))]
        {
            debug_assert!(!faults.iter().any(|fault| fault.needs_servers()), "there are no servers");
            Ok(Ground { host: Host::start(plan, (process, legs), None)? })
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
