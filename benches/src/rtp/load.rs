//! One server, one load, and what came of it.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::Server;
use super::meter::{Sample, resident};
use super::ours::Ours;
use super::peer::Rtpengine;
use super::plan::{Locals, Outcome, Remotes};
use crate::Trouble;

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) calls: u32,
    /// What is measured; the generator begins before and ends after.
    pub(crate) span: Duration,
}

/// What it cost: µs a packet, ms of delay (half and 99 of a hundred are below), kB a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) process: f64,
    /// Nothing, if the machine was busy with something else.
    pub(crate) machine: Option<f64>,
    pub(crate) delay: (f64, f64),
    pub(crate) lost: f64,
    pub(crate) behind: bool,
    pub(crate) memory: f64,
}

impl Figures {
    /// Each figure's median.
    pub(crate) fn median(all: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(all.iter().map(figure).collect());
        let all_of = |figure: fn(&Figures) -> Option<f64>| {
            all.iter().map(figure).collect::<Option<Vec<f64>>>().map(median)
        };
        Figures {
            process: of(|it| it.process),
            machine: all_of(|it| it.machine),
            delay: (of(|it| it.delay.0), of(|it| it.delay.1)),
            lost: of(|it| it.lost),
            behind: all.iter().any(|it| it.behind),
            memory: of(|it| it.memory),
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A process of ours that says a line, is told a line, and says another.
#[derive(Debug)]
pub(crate) struct Player {
    child: Child,
    told: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Player {
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, Trouble> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::of(command)
    }

    /// The same at real-time priority, if that is allowed, whatever priority the others have.
    pub(crate) fn start_urgently(arguments: &[&str]) -> Result<Self, Trouble> {
        if !super::may_be_urgent() {
            return Self::start(arguments);
        }
        let mut command = Command::new(super::CHRT[0]);
        command.args(&super::CHRT[1..]).arg(std::env::current_exe()?).args(arguments);
        Self::of(command)
    }

    fn of(mut command: Command) -> Result<Self, Trouble> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let told = child.stdin.take().ok_or("no way to tell it anything")?;
        let said = BufReader::new(child.stdout.take().ok_or("no way to hear it")?);
        Ok(Player { child, told, said })
    }

    pub(crate) fn hear<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) fn tell(&mut self, what: &impl serde::Serialize) -> Result<(), Trouble> {
        writeln!(self.told, "{}", serde_json::to_string(what)?)?;
        Ok(self.told.flush()?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server at work.
enum Running {
    Ours(Box<Ours>),
    Rtpengine(Rtpengine),
    Floor(Player),
}

impl Running {
    fn start(server: Server, load: Load) -> Result<Self, Trouble> {
        let legs = (load.calls * 2).to_string();
        Ok(match server {
            Server::Ours => Running::Ours(Box::new(Ours::start(load.calls * 2)?)),
            Server::Rtpengine => Running::Rtpengine(Rtpengine::start()?),
            Server::Floor => Running::Floor(Player::start(&["rtp-floor", &legs])?),
        })
    }

    /// Sets the calls up; where each leg sends to.
    fn connect(&mut self, phones: &[SocketAddr]) -> Result<Vec<SocketAddr>, Trouble> {
        match self {
            Running::Ours(ours) => ours.connect(phones),
            Running::Rtpengine(peer) => peer.connect(phones),
            Running::Floor(floor) => {
                let locals: Locals = floor.hear()?;
                floor.tell(&Remotes { legs: phones.to_vec(), millis: 0 })?;
                Ok(locals.legs)
            }
        }
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Running::Ours(ours) => ours.pids(),
            Running::Rtpengine(peer) => vec![peer.pid()],
            Running::Floor(floor) => vec![floor.pid()],
        }
    }
}

/// The generator's time before the measurement begins, and after it.
const WARM: Duration = Duration::from_millis(1_500);
const AFTER: Duration = Duration::from_millis(500);

/// A machine that uses more than this part of a processor for something else tells nothing as a whole.
const BUSY: f64 = 0.1;

/// Offers `load` to `server`.
pub(crate) fn run(server: Server, load: Load) -> Result<Figures, Trouble> {
    let empty = empty(server)?;
    let mut running = Running::start(server, load)?;
    let pids = running.pids();
    let mut generator = Player::start(&["rtp-generate", &(load.calls * 2).to_string()])?;
    let locals: Locals = generator.hear()?;
    let legs = running.connect(&locals.legs)?;
    let alone = alone(&pids, &generator)?;
    let span = WARM + load.span + AFTER;
    generator.tell(&Remotes { legs, millis: span.as_millis() as u64 })?;
    std::thread::sleep(WARM);
    let before = Sample::take(&pids, &[generator.pid()])?;
    std::thread::sleep(load.span);
    let used = before.until(&Sample::take(&pids, &[generator.pid()])?);
    let memory = (resident(&pids) - empty) / f64::from(load.calls);
    let outcome: Outcome = generator.hear()?;
    let packets = outcome.received as f64 / span.as_secs_f64() * used.span.as_secs_f64();
    let others = alone * used.span.as_secs_f64();
    let machine = used.machine.as_secs_f64() - used.generator.as_secs_f64() - others;
    Ok(Figures {
        process: used.server.as_secs_f64() * 1e6 / packets,
        machine: (alone < BUSY).then_some(machine * 1e6 / packets),
        delay: percentiles(outcome.delays),
        lost: 1.0 - outcome.received as f64 / outcome.sent.max(1) as f64,
        behind: outcome.behind,
        memory,
    })
}

/// The memory of a server that has no calls, and (where that is said at the start) room for one.
fn empty(server: Server) -> Result<f64, Trouble> {
    let running = Running::start(server, Load { calls: 1, span: Duration::ZERO })?;
    Ok(resident(&running.pids()))
}

/// The part of a processor that the machine uses while nothing is offered.
fn alone(pids: &[u32], generator: &Player) -> Result<f64, Trouble> {
    let before = Sample::take(pids, &[generator.pid()])?;
    std::thread::sleep(Duration::from_secs(1));
    let used = before.until(&Sample::take(pids, &[generator.pid()])?);
    Ok(used.machine.saturating_sub(used.server + used.generator).as_secs_f64() / used.span.as_secs_f64())
}

fn percentiles(mut delays: Vec<u32>) -> (f64, f64) {
    delays.sort_unstable();
    let at = |hundredth: usize| {
        let index = (delays.len() * hundredth / 100).min(delays.len().saturating_sub(1));
        delays.get(index).map_or(f64::NAN, |&micros| f64::from(micros) / 1e3)
    };
    (at(50), at(99))
}
