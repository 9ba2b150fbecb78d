//! What is done to the platform, and what it may cost. `strike.rs` does it.

use std::time::Duration;

use crate::stage::Stage;

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// Edge, exchange and apps in one, where a host is alone.
    Signalling,
    /// Exchange and apps.
    Exchange,
    /// The edge that holds the address that phones speak to.
    Edge,
    /// Audio.
    Media,
    /// Billing and API.
    Office,
    /// A broker with a seat.
    Broker,
}

/// A kind of host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Exchange, media and office.
    Exchange,
    /// The edge that holds the address that phones speak to.
    Edge,
    /// A broker with a seat.
    Broker,
    /// The NATS server that leads.
    Nats,
    /// The PostgreSQL server that writes.
    Postgres,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: what the machine and the load itself do.
    None,
    /// A worker is killed with SIGKILL.
    Kill(Process),
    /// A worker is stopped with SIGSTOP, and left so.
    Pause(Process),
    /// The supervisor is killed with SIGKILL; its standby starts another.
    KillSupervisor,
    /// Every process of every host is replaced by another one of the same program, host by host.
    Upgrade,
    /// Every process of every host is replaced by one of the previous commit's program, host by host, and the next time
    /// by one of this: both run together until the last host.
    UpgradePrevious,
    /// A host with exchange and media is emptied while calls go on.
    Drain,
    /// A host is lost: cut off, killed, its files destroyed.
    Lose(Kind),
    /// A third cell joins two, and accounts move to it while they call.
    ThirdCell,
    /// The network between one cell and the others is cut, and made whole again.
    CutCell,
    /// The NATS server that leads is killed with SIGKILL, and started again.
    KillNatsLeader,
    /// The PostgreSQL server that writes is killed with SIGKILL, and its follower promoted.
    KillPrimary,
}

impl Process {
    fn name(self) -> &'static str {
        match self {
            Process::Signalling => "signalling",
            Process::Exchange => "exchange",
            Process::Edge => "edge",
            Process::Media => "media",
            Process::Office => "office",
            Process::Broker => "broker",
        }
    }

    /// What its supervisor calls it.
    pub(crate) fn worker(self) -> &'static str {
        match self {
            Process::Signalling | Process::Exchange | Process::Edge => "signalling",
            Process::Media => "media",
            Process::Office => "office",
            Process::Broker => "broker",
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Exchange => "exchange",
            Kind::Edge => "edge",
            Kind::Broker => "broker",
            Kind::Nats => "nats",
            Kind::Postgres => "postgres",
        }
    }
}

impl Fault {
    /// Those that a platform on one host can be made to bear.
    const ONE_HOST: &[Fault] = &[
        Fault::None,
        Fault::Kill(Process::Signalling),
        Fault::Kill(Process::Media),
        Fault::Kill(Process::Office),
        Fault::Pause(Process::Signalling),
        Fault::Pause(Process::Media),
        Fault::Pause(Process::Office),
        Fault::KillSupervisor,
        Fault::KillPrimary,
    ];

    /// Those that a platform on several hosts can be made to bear.
    const HOSTS: &[Fault] = &[
        Fault::None,
        Fault::Kill(Process::Exchange),
        Fault::Kill(Process::Edge),
        Fault::Kill(Process::Media),
        Fault::Kill(Process::Office),
        Fault::Kill(Process::Broker),
        Fault::KillSupervisor,
        Fault::Pause(Process::Exchange),
        Fault::Pause(Process::Edge),
        Fault::Pause(Process::Media),
        Fault::Pause(Process::Office),
        Fault::Pause(Process::Broker),
        Fault::Drain,
        Fault::Lose(Kind::Exchange),
        Fault::Lose(Kind::Edge),
        Fault::Lose(Kind::Broker),
        Fault::Lose(Kind::Nats),
        Fault::Lose(Kind::Postgres),
        Fault::KillNatsLeader,
        Fault::KillPrimary,
        Fault::Upgrade,
        Fault::UpgradePrevious,
    ];

    /// Those that several cells can be made to bear.
    const CELLS: &[Fault] = &[Fault::None, Fault::ThirdCell, Fault::CutCell];

    /// Those that a stage has, the first being [`Fault::None`].
    pub(crate) fn of(stage: &Stage) -> &'static [Fault] {
        match stage.has_cells() {
            true => Fault::CELLS,
            false if stage.is_of_several() => Fault::HOSTS,
            false => Fault::ONE_HOST,
        }
    }

    /// Those of all stages, in the order of their rows.
    pub(crate) fn all() -> impl Iterator<Item = Fault> {
        let others = Fault::ONE_HOST.iter().filter(|fault| !Fault::HOSTS.contains(fault));
        Fault::HOSTS.iter().chain(others).chain(&Fault::CELLS[1..]).copied()
    }

    /// Why it can't be done here, in words; none if it can.
    pub(crate) fn obstacle(self) -> Option<&'static str> {
        match self {
            Fault::UpgradePrevious if crate::ground::previous().is_none() => {
                Some("no previous program (PREVIOUS=$(scripts/previous.sh) builds and names it)")
            }
            Fault::CutCell if !crate::namespace::can_cut() => Some("nft is not installed"),
            fault if fault.needs_servers() && !crate::pair::is_here() => Some("PostgreSQL is not installed"),
            _ => None,
        }
    }

    /// The name of its row.
    pub(crate) fn name(self) -> String {
        match self {
            Fault::None => "baseline".into(),
            Fault::Kill(process) => format!("kill.process.{}", process.name()),
            Fault::Pause(process) => format!("pause.process.{}", process.name()),
            Fault::KillSupervisor => "kill.process.supervisor".into(),
            Fault::Upgrade => "upgrade.rolling".into(),
            Fault::UpgradePrevious => "upgrade.previous".into(),
            Fault::Drain => "drain.host".into(),
            Fault::Lose(kind) => format!("cut.host.{}", kind.name()),
            Fault::ThirdCell => "cells.third".into(),
            Fault::CutCell => "cut.cell".into(),
            Fault::KillNatsLeader => "kill.nats.leader".into(),
            Fault::KillPrimary => "kill.postgres.primary".into(),
        }
    }

    /// The silence that may be heard at the 99th percentile, milliseconds. Nobody who talks needs a broker, the bus or the
    /// store: of those the machine alone is heard.
    pub(crate) fn goal_ms(self) -> f64 {
        match self {
            Fault::None | Fault::CutCell => 40.0,
            Fault::Kill(Process::Broker) | Fault::KillNatsLeader | Fault::KillPrimary => 20.0,
            Fault::Kill(_) | Fault::KillSupervisor => 200.0,
            Fault::Upgrade | Fault::UpgradePrevious | Fault::Drain | Fault::ThirdCell => 100.0,
            Fault::Lose(_) => 2000.0,
            Fault::Pause(_) => 1500.0,
        }
    }

    /// How long its silence is watched: longer than the goal, as what lasts counts with what it has lasted by then.
    pub(crate) fn window(self) -> Duration {
        let millis = match self {
            Fault::None | Fault::Kill(_) | Fault::Upgrade | Fault::UpgradePrevious => 1500,
            Fault::Pause(_) | Fault::KillNatsLeader | Fault::KillPrimary => 2500,
            Fault::KillSupervisor | Fault::Lose(_) | Fault::Drain => 3500,
            Fault::ThirdCell | Fault::CutCell => 3500,
        };
        Duration::from_millis(millis)
    }

    /// Whether it needs a store on servers.
    pub(crate) fn needs_servers(self) -> bool {
        matches!(self, Fault::KillPrimary | Fault::Lose(Kind::Postgres))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_goals_are_those_that_were_promised() {
        let of = |stage| Fault::of(&Stage::named(stage).unwrap());
        let goals: Vec<(String, f64)> =
            of("hosts").iter().map(|fault| (fault.name(), fault.goal_ms())).collect();
        for (name, goal) in [
            ("kill.process.media", 200.0),
            ("pause.process.edge", 1500.0),
            ("cut.host.exchange", 2000.0),
            ("cut.host.broker", 2000.0),
            ("kill.process.broker", 20.0),
            ("kill.nats.leader", 20.0),
            ("kill.postgres.primary", 20.0),
            ("upgrade.rolling", 100.0),
            ("upgrade.previous", 100.0),
        ] {
            assert!(goals.contains(&(name.into(), goal)), "{name}: {goals:?}");
        }
        for stage in ["hosts", "one-host", "cells"] {
            assert_eq!(of(stage)[0], Fault::None);
            let mut names: Vec<String> = of(stage).iter().map(|fault| fault.name()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), of(stage).len(), "a row each");
            assert!(of(stage).iter().all(|fault| fault.window().as_secs_f64() * 1e3 > fault.goal_ms()));
        }
    }
}
