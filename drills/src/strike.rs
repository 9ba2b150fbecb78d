//! Faults: how they are done, and how what was lost comes back afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use strowger_tests::eventually;

use crate::Trouble;
use crate::cells;
use crate::fault::{Fault, Kind, Process};
use crate::ground::{Ground, previous};
use crate::host::Host;
use crate::stage::{Runs, SHARED};

/// A successor that isn't ready by then is none.
const SUCCESSOR: Duration = Duration::from_secs(10);

impl Fault {
    /// Does it, and waits until whoever it hit is back; who that was.
    pub(crate) fn strike(self, ground: &mut Ground) -> Result<String, Trouble> {
        ground.turn += 1;
        match self {
            Fault::None => Ok("nobody".into()),
            Fault::Kill(process) => struck(ground, process, libc::SIGKILL),
            Fault::Pause(process) => struck(ground, process, libc::SIGSTOP),
            Fault::KillSupervisor => kill_supervisor(ground),
            Fault::Drain => {
                let host = ground.next_of(Kind::Exchange)?;
                host.drained = host.node();
                host.drain(false).map(|()| host.name().to_owned())
            }
            Fault::Upgrade => upgrade(ground),
            Fault::UpgradePrevious => {
                let (now, previous) = (strowger_tests::strowger(), previous());
                let previous = previous.ok_or_else(|| Trouble::new("no previous program"))?;
                ground.program = if ground.program == previous { now } else { previous };
                upgrade(ground)
            }
            Fault::Lose(Kind::Nats) => ground.nats.as_mut().map_or(nobody(), |nats| nats.kill_leader(true)),
            Fault::Lose(Kind::Postgres) => {
                ground.pair.as_mut().map_or(nobody(), |pair| pair.kill_primary(true))
            }
            Fault::Lose(kind) => {
                let leads = ground.leading_broker().map(|host| host.name().to_owned());
                let host = ground.next_of(kind)?;
                host.lose()?;
                Ok(title(host, leads.as_deref()))
            }
            Fault::ThirdCell => cells::third(ground),
            Fault::CutCell => cells::cut(ground),
            Fault::KillNatsLeader => ground.nats.as_mut().map_or(nobody(), |nats| nats.kill_leader(false)),
            Fault::KillPrimary => ground.pair.as_mut().map_or(nobody(), |pair| pair.kill_primary(false)),
        }
    }

    /// Afterwards: what was lost is there again, for the next fault.
    pub(crate) fn mend(self, ground: &mut Ground) -> Result<(), Trouble> {
        match self {
            Fault::None | Fault::Kill(_) | Fault::Pause(_) | Fault::KillSupervisor => Ok(()),
            Fault::Upgrade | Fault::UpgradePrevious | Fault::ThirdCell => Ok(()),
            Fault::CutCell => cells::join_again(ground),
            Fault::Lose(Kind::Nats) | Fault::KillNatsLeader => {
                ground.nats.as_mut().map_or(Ok(()), |nats| nats.mend())
            }
            Fault::Lose(Kind::Postgres) | Fault::KillPrimary => {
                ground.pair.as_mut().map_or(Ok(()), |pair| pair.mend())
            }
            Fault::Lose(_) => ground.replace_lost(),
            Fault::Drain => {
                for host in ground.hosts.iter_mut().filter(|host| host.drained.is_some()) {
                    host.drain(true)?;
                    host.drained = None;
                }
                ground.settle()
            }
        }
    }
}

impl Ground {
    /// Whose turn it is. Of the edges it is the one that phones speak to; of the brokers each second time the one that
    /// leads.
    fn next_of(&mut self, kind: Kind) -> Result<&mut Host, Trouble> {
        let is_of = |host: &Host| match host.runs() {
            Runs::Alone | Runs::Exchange(_) => kind == Kind::Exchange,
            Runs::Edge(_) => kind == Kind::Edge && host.holds(SHARED[0]),
            Runs::Broker(_) => kind == Kind::Broker,
            Runs::Core(_) | Runs::Media(_) | Runs::Cell(_) | Runs::Nats | Runs::Postgres => false,
        };
        let all: Vec<usize> = (0..self.hosts.len()).filter(|&at| is_of(&self.hosts[at])).collect();
        let leads = self.leading_broker().map(|host| host.name().to_owned());
        let leading = all.iter().find(|&&at| Some(self.hosts[at].name()) == leads.as_deref());
        let at = match leading.filter(|_| self.turn % 2 == 1) {
            Some(&leading) => Some(leading),
            None => all.get(self.turn % all.len().max(1)).copied(),
        };
        at.map(|at| &mut self.hosts[at]).ok_or_else(|| Trouble::new(format!("there is no host of {kind:?}")))
    }

    /// The host of the broker that leads.
    fn leading_broker(&self) -> Option<&Host> {
        let brokers =
            self.hosts.iter().filter(|host| matches!(host.runs(), Runs::Broker(_)) && !host.is_lost());
        let led = brokers.filter_map(|host| Some((host.led_since()?, host)));
        led.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, host)| host)
    }
}

fn nobody() -> Result<String, Trouble> {
    Err(Trouble::new("there is no such server"))
}

fn title(host: &Host, leads: Option<&str>) -> String {
    let is_broker = matches!(host.runs(), Runs::Broker(_));
    let name = host.name();
    match (is_broker, leads == Some(name)) {
        (true, true) => format!("{name}, the leader of the brokers"),
        (true, false) => format!("{name}, not the leader ({})", leads.unwrap_or("unknown")),
        (false, _) => name.to_owned(),
    }
}

fn struck(ground: &mut Ground, process: Process, signal: i32) -> Result<String, Trouble> {
    let leads = ground.leading_broker().map(|host| host.name().to_owned());
    let kind = match process {
        Process::Signalling | Process::Exchange | Process::Media | Process::Office => Kind::Exchange,
        Process::Edge => Kind::Edge,
        Process::Broker => Kind::Broker,
    };
    let (host, worker) = (ground.next_of(kind)?, process.worker());
    let before = host.signal(worker, signal)?;
    match host.successor(worker, before, SUCCESSOR) {
        Some(_) => Ok(title(host, leads.as_deref())),
        None => Err(Trouble::new(format!("{worker} has no successor:\n{}", host.log()))),
    }
}

/// Hosts of every kind take turns.
fn kill_supervisor(ground: &mut Ground) -> Result<String, Trouble> {
    let at = ground.turn % ground.hosts.len();
    let host = &mut ground.hosts[at];
    let before = host.supervisor();
    host.kill_supervisor();
    match eventually(SUCCESSOR, || host.supervisor().is_some_and(|now| Some(now) != before)) {
        true => Ok(host.name().to_owned()),
        false => Err(Trouble::new(format!("the supervisor has no successor:\n{}", host.log()))),
    }
}

fn upgrade(ground: &mut Ground) -> Result<String, Trouble> {
    let program = &ground.program;
    let mut longest: BTreeMap<String, f64> = BTreeMap::new();
    for host in &mut ground.hosts {
        for (worker, gap) in gaps(&host.upgrade(program)?) {
            let known = longest.entry(worker).or_default();
            *known = known.max(gap);
        }
    }
    let longest: Vec<_> = longest.iter().map(|(worker, gap)| format!("{worker} {gap} ms")).collect();
    Ok(format!("all hosts, to {}; the longest gaps as told: {}", program.display(), longest.join(", ")))
}

/// For how long each worker was not there, in milliseconds, as `strowger upgrade` tells it.
fn gaps(told: &str) -> Vec<(String, f64)> {
    let gap = |line: &str| {
        let (worker, rest) = line.split_once(": replaced, with a gap of ")?;
        Some((worker.trim().to_owned(), rest.strip_suffix(" ms")?.parse().ok()?))
    };
    told.lines().filter_map(gap).collect()
}
