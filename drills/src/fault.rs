//! What is done to the platform, and what it may cost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use strowger_tests::{Peer, eventually};

use crate::Trouble;
use crate::host::Host;
use crate::namespace::{command_in, full};
use crate::stage::{HostPlan, Runs, SHARED, Stage, folders};

/// A successor that isn't ready by then is none.
const SUCCESSOR: Duration = Duration::from_secs(10);

/// Hosts that have not agreed by then never will.
const SETTLED: Duration = Duration::from_secs(20);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: what the machine and the load itself do.
    None,
    /// A worker is killed with SIGKILL.
    Kill(&'static str),
    /// A worker is stopped with SIGSTOP, and left so.
    Pause(&'static str),
    /// The supervisor is killed with SIGKILL; its standby starts another.
    KillSupervisor,
    /// Every process of every host is replaced by another one of the same program, host by host.
    Upgrade,
    /// A host with exchange and media is emptied while calls go on.
    Drain,
    /// A host with exchange and media is lost: cut off, killed, its files destroyed.
    LoseExchange,
    /// The edge that phones speak to is lost in the same way.
    LoseEdge,
    /// The NATS server is killed with SIGKILL, and started again.
    KillBus,
    /// The PostgreSQL server that writes is killed with SIGKILL, and its follower promoted.
    #[cfg(postgres)]
    KillPrimary,
}

/// What a fault can strike.
pub(crate) struct Ground {
    /// The hosts.
    hosts: Vec<Host>,
    /// The NATS server, if there is one.
    bus: Option<Bus>,
    /// How many faults there were: the next one strikes the next host.
    turn: usize,
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

    /// Those that a platform on several hosts can be made to bear.
    pub(crate) const HOSTS: &[Fault] = &[
        Fault::None,
        Fault::Kill("signalling"),
        Fault::Kill("media"),
        Fault::Kill("broker"),
        Fault::Kill("office"),
        Fault::Pause("signalling"),
        Fault::Pause("media"),
        Fault::KillSupervisor,
        Fault::Upgrade,
        Fault::Drain,
        Fault::LoseExchange,
        Fault::LoseEdge,
        Fault::KillBus,
        #[cfg(postgres)]
        Fault::KillPrimary,
    ];

    /// Those that a stage has.
    pub(crate) fn of(stage: &Stage) -> &'static [Fault] {
        if stage.is_of_several() { Fault::HOSTS } else { Fault::ONE_HOST }
    }

    /// The name of its row.
    pub(crate) fn name(self) -> String {
        match self {
            Fault::None => "baseline".into(),
            Fault::Kill(worker) => format!("kill.process.{worker}"),
            Fault::Pause(worker) => format!("pause.process.{worker}"),
            Fault::KillSupervisor => "kill.process.supervisor".into(),
            Fault::Upgrade => "upgrade.rolling".into(),
            Fault::Drain => "drain.host".into(),
            Fault::LoseExchange => "cut.host.exchange".into(),
            Fault::LoseEdge => "cut.host.edge".into(),
            Fault::KillBus => "kill.nats".into(),
            #[cfg(postgres)]
            Fault::KillPrimary => "kill.postgres.primary".into(),
        }
    }

    /// The silence that may be heard at the 99th percentile, milliseconds.
    pub(crate) fn goal_ms(self) -> f64 {
        match self {
            Fault::None => 40.0,
            Fault::Kill("broker") | Fault::KillBus => 20.0,
            Fault::Kill(_) | Fault::KillSupervisor => 200.0,
            Fault::Upgrade | Fault::Drain => 100.0,
            Fault::LoseExchange | Fault::LoseEdge => 2000.0,
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
            Fault::KillSupervisor | Fault::LoseExchange | Fault::LoseEdge | Fault::Drain => {
                Duration::from_millis(3500)
            }
            Fault::KillBus => Duration::from_millis(2500),
            Fault::Upgrade => Duration::from_millis(1500),
            #[cfg(postgres)]
            Fault::KillPrimary => Duration::from_millis(2500),
        }
    }

    /// Whether it needs a store on servers.
    pub(crate) fn needs_servers(self) -> bool {
        match self {
            Fault::None | Fault::Kill(_) | Fault::Pause(_) | Fault::KillSupervisor => false,
            Fault::LoseExchange | Fault::LoseEdge | Fault::KillBus | Fault::Upgrade | Fault::Drain => false,
            #[cfg(postgres)]
            Fault::KillPrimary => true,
        }
    }

    /// Does it, and waits until whoever it hit is back.
    pub(crate) fn strike(self, ground: &mut Ground) -> Result<(), Trouble> {
        ground.turn += 1;
        match self {
            Fault::None => Ok(()),
            Fault::Kill(worker) => back(ground.next_exchange(), worker, libc::SIGKILL),
            Fault::Pause(worker) => back(ground.next_exchange(), worker, libc::SIGSTOP),
            Fault::KillSupervisor => {
                let host = ground.next_exchange();
                let before = host.supervisor();
                host.kill_supervisor();
                match eventually(SUCCESSOR, || host.supervisor().is_some_and(|now| Some(now) != before)) {
                    true => Ok(()),
                    false => Err(Trouble::new(format!("the supervisor has no successor:\n{}", host.log()))),
                }
            }
            Fault::Drain => {
                let host = ground.next_exchange();
                host.drained = host.node();
                host.drain(false)
            }
            Fault::Upgrade => ground.hosts.iter_mut().try_for_each(Host::upgrade),
            Fault::LoseExchange => ground.next_exchange().lose(),
            Fault::LoseEdge => {
                let edge = ground.hosts.iter_mut().find(|host| host.holds(SHARED[0]));
                edge.ok_or_else(|| Trouble::new("nobody holds the platform's address"))?.lose()
            }
            Fault::KillBus => {
                ground.bus.iter_mut().for_each(Bus::kill);
                Ok(())
            }
            #[cfg(postgres)]
            Fault::KillPrimary => {
                ground.pair.iter_mut().for_each(crate::pair::Pair::kill_primary);
                Ok(())
            }
        }
    }

    /// Afterwards: what was lost is there again, for the next fault.
    pub(crate) fn mend(self, ground: &mut Ground) -> Result<(), Trouble> {
        match self {
            Fault::None | Fault::Kill(_) | Fault::Pause(_) | Fault::KillSupervisor | Fault::Upgrade => Ok(()),
            Fault::LoseExchange | Fault::LoseEdge => ground.replace_lost(),
            Fault::Drain => {
                for host in ground.hosts.iter_mut().filter(|host| host.drained.is_some()) {
                    host.drain(true)?;
                    host.drained = None;
                }
                ground.settle()
            }
            Fault::KillBus => {
                ground.bus.iter_mut().for_each(Bus::start_again);
                Ok(())
            }
            #[cfg(postgres)]
            Fault::KillPrimary => {
                ground.pair.iter_mut().for_each(crate::pair::Pair::mend);
                Ok(())
            }
        }
    }
}

impl Ground {
    /// The hosts of `stage`, and servers for their store if one of `faults` strikes them or several share it.
    pub(crate) fn prepare(
        stage: &Stage,
        (process, legs): (u32, usize),
        faults: &[Fault],
    ) -> Result<Ground, Trouble> {
        let [folder, _] = folders(process);
        let secret = folder.join("secret");
        let _ = std::fs::create_dir_all(&folder);
        std::fs::write(&secret, [7; 16]).map_err(|error| Trouble::file(&secret, &error))?;
        let needs_servers = stage.is_of_several() || faults.iter().any(|fault| fault.needs_servers());
        #[cfg(postgres)]
        let pair = needs_servers.then(crate::pair::Pair::start);
        #[cfg(postgres)]
        let store = pair.as_ref().map(crate::pair::Pair::address);
        #[cfg(not(postgres))]
        let store = None;
        if needs_servers && store.is_none() {
            return Err(Trouble::new("PostgreSQL is not here"));
        }
        let bus = stage.hosts.iter().find(|host| host.runs == Runs::Bus);
        let bus = bus.map(|plan| Bus::start(process, plan, &folder));
        let (mut hosts, shared) = (Vec::new(), stage.shared(&folder));
        for plan in stage.hosts.iter().filter(|host| host.runs != Runs::Bus) {
            hosts.push(Host::start(plan, (process, legs), store, &shared)?);
        }
        hosts.iter_mut().try_for_each(Host::come_up)?;
        let ground = Ground {
            hosts,
            bus,
            turn: 0,
            #[cfg(postgres)]
            pair,
        };
        ground.settle()?;
        Ok(ground)
    }

    /// Whom to ask about the platform.
    pub(crate) fn host(&self) -> &Host {
        let first = self.hosts.iter().find(|host| host.has_api() && host.is_well());
        first.unwrap_or(&self.hosts[0])
    }

    /// Everybody's log.
    pub(crate) fn log(&self) -> String {
        self.hosts.iter().map(|host| format!("==== {}\n{}", host.name(), host.log())).collect()
    }

    fn next_exchange(&mut self) -> &mut Host {
        let count = self.hosts.iter().filter(|host| host.has_api()).count();
        let at = self.turn % count.max(1);
        &mut self.hosts[at]
    }

    fn replace_lost(&mut self) -> Result<(), Trouble> {
        self.hosts.iter_mut().filter(|host| host.is_lost()).try_for_each(Host::replace)?;
        self.settle()
    }

    /// Waits until every shard has an owner and a buddy that knows all of it, and an edge holds the addresses.
    fn settle(&self) -> Result<(), Trouble> {
        if self.bus.is_none() {
            return Ok(());
        }
        let sum = |name: &str| {
            let figures = self.hosts.iter().filter(|host| host.has_api()).map(|host| host.figure(name));
            figures.map(Option::unwrap_or_default).sum::<f64>() as usize
        };
        let is_settled = || {
            let is_held = self.hosts.iter().any(|host| host.holds(SHARED[0]));
            let all = usize::from(machine::SHARDS);
            let is_still = sum("strowger_broker_shards_to_move{") == 0;
            is_held
                && is_still
                && sum("strowger_shards_owned{") == all
                && sum("strowger_shards_protected{") == all
        };
        // What is to be handed on is, and what was is not to be handed on again.
        let settled = (0..3).all(|_| {
            let settled = eventually(SETTLED, is_settled);
            std::thread::sleep(Duration::from_millis(300));
            settled
        });
        if settled { Ok(()) } else { Err(Trouble::new(format!("the hosts do not agree:\n{}", self.log()))) }
    }
}

/// A NATS server with JetStream.
pub(crate) struct Bus {
    process: u32,
    plan: HostPlan,
    folder: PathBuf,
    server: Option<Peer>,
    starts: u32,
}

impl Bus {
    fn start(process: u32, plan: &HostPlan, folder: &Path) -> Bus {
        let mut bus =
            Bus { process, plan: plan.clone(), folder: folder.join(&plan.name), server: None, starts: 0 };
        bus.start_again();
        bus
    }

    fn start_again(&mut self) {
        self.starts += 1;
        let _ = std::fs::create_dir_all(&self.folder);
        let mut command = command_in(&full(self.process, &self.plan.name), Path::new("nats-server"));
        let address = self.plan.address.to_string();
        command.args(["-a", &address, "-p", "4222", "-js", "-sd"]).arg(&self.folder);
        self.server = Some(Peer::start(&format!("nats-{}", self.starts), command, &self.folder));
    }

    fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal(libc::SIGKILL);
            server.ended(Duration::from_secs(2));
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
