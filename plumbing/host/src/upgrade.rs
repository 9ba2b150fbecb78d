//! Replaces every process of a platform by another program, one after another, from outside.
//!
//! First the supervisor, in place; then worker by worker, each only when the one before is ready; the standby last,
//! so that until then it would bring the program from before back if the new supervisor died.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use strowger_io::{Events, Interest, Poller, Received, SeqSocket};

use crate::child::STANDBY;
use crate::control::{Answer, Request};
use crate::status::Status;

/// So long may a supervisor take to be there again.
const TO_RETURN: Duration = Duration::from_secs(10);
/// So long may a worker take to be replaced, in whatever number of lives.
const TO_REPLACE: Duration = Duration::from_secs(60);
/// So long may workers take to become ready that are not when the upgrade begins.
const TO_SETTLE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(50);

/// Why a platform was not upgraded.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// There is no platform, or it can't be asked.
    #[error("no platform can be asked here: {0}")]
    Nobody(String),
    /// The program is not there.
    #[error("{0}: {1}")]
    Program(PathBuf, io::Error),
    /// The new program did not do, and the one from before runs again (if no second problem is told).
    #[error("{what}; {back}")]
    Back {
        /// What did not do.
        what: String,
        /// What came of going back.
        back: String,
    },
}

/// Where a platform is asked and tells.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The socket on which its supervisor hears operators.
    pub control: PathBuf,
    /// Its status.
    pub status: PathBuf,
}

/// Which file a program is.
type Identity = (u64, u64);

impl Upgrade {
    /// The path of the program that the supervisor runs, even if its file was replaced or deleted meanwhile.
    pub fn running(&self) -> Result<PathBuf, UpgradeError> {
        let path = std::fs::read_link(format!("/proc/{}/exe", self.supervisor()?));
        let path = path.map_err(|error| UpgradeError::Nobody(error.to_string()))?;
        let text = path.to_string_lossy();
        Ok(text.strip_suffix(" (deleted)").map_or(path.clone(), PathBuf::from))
    }

    /// Has every process run `program`; `tell` hears of each step. With an error, all run the one from before.
    pub fn run(&self, program: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), UpgradeError> {
        let wrong = |error| UpgradeError::Program(program.to_owned(), error);
        let new = File::open(program).map_err(wrong)?;
        let old = File::open(format!("/proc/{}/exe", self.supervisor()?));
        let old = old.map_err(|error| UpgradeError::Nobody(error.to_string()))?;
        if let Err(what) = self.execute(&new) {
            return Err(UpgradeError::Back { what, back: "the supervisor from before goes on".into() });
        }
        tell(&format!("supervisor: goes on as {}", program.display()));
        for name in self.names()? {
            match self.replace(&name) {
                Ok(gap) if name == STANDBY => tell(&format!("{name}: replaced within {:.1} ms", millis(gap))),
                Ok(gap) => tell(&format!("{name}: replaced, with a gap of {:.1} ms", millis(gap))),
                Err(what) => {
                    tell(&format!("{what}; going back"));
                    let back = self.go_back(&old, tell).err();
                    let back = back.unwrap_or_else(|| "all run the program from before".into());
                    return Err(UpgradeError::Back { what, back });
                }
            }
        }
        Ok(())
    }

    fn go_back(&self, old: &File, tell: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.execute(old)?;
        tell("supervisor: the program from before");
        let old = identity(old.metadata());
        let status = self.status().map_err(|error| error.to_string())?;
        for worker in status.workers.into_iter().chain(status.standby) {
            if worker.pid.is_none_or(|pid| program_of(pid) != old) {
                self.replace(&worker.name)?;
                tell(&format!("{}: the program from before", worker.name));
            }
        }
        Ok(())
    }

    fn status(&self) -> Result<Status, UpgradeError> {
        Status::read(&self.status).map_err(|error| UpgradeError::Nobody(error.to_string()))
    }

    fn supervisor(&self) -> Result<u32, UpgradeError> {
        Ok(self.status()?.pid)
    }

    /// All workers, the standby last.
    fn names(&self) -> Result<Vec<String>, UpgradeError> {
        let status = self.status()?;
        Ok(status.workers.into_iter().chain(status.standby).map(|worker| worker.name).collect())
    }

    /// Has the supervisor go on as `program`, and waits until it is there again.
    fn execute(&self, program: &File) -> Result<(), String> {
        let file = program.try_clone().map_err(|error| error.to_string())?;
        let until = Instant::now() + TO_SETTLE;
        let request = Request::Execute(OwnedFd::from(file));
        loop {
            match self.ask(&request, TO_RETURN)? {
                // An exec closes the connection.
                None => break,
                Some(Answer::Failed(why)) if why.ends_with("not ready") && Instant::now() < until => {
                    std::thread::sleep(SOON);
                }
                Some(Answer::Failed(why)) => return Err(format!("supervisor: {why}")),
                Some(other) => return Err(format!("supervisor: said {other:?}")),
            }
        }
        let until = Instant::now() + TO_RETURN;
        let wanted = identity(program.metadata());
        loop {
            let here = matches!(self.ask(&Request::Ping, SOON * 10), Ok(Some(Answer::Here)));
            let runs = self.supervisor().ok().and_then(program_of);
            if here && runs.is_some() {
                return if runs == wanted { Ok(()) } else { Err("supervisor: it did not start".to_owned()) };
            }
            if Instant::now() >= until {
                return Err(format!("supervisor: it was not there within {TO_RETURN:?}"));
            }
            std::thread::sleep(SOON);
        }
    }

    /// Has a worker replaced; says for how long nobody did its work, in microseconds.
    fn replace(&self, name: &str) -> Result<u64, String> {
        let until = Instant::now() + TO_SETTLE;
        loop {
            match self.ask(&Request::Replace(name.to_owned()), TO_REPLACE)? {
                Some(Answer::Done(gap)) => return Ok(gap),
                Some(Answer::Failed(why))
                    if why.ends_with("not ready to be replaced") && Instant::now() < until =>
                {
                    std::thread::sleep(SOON);
                }
                Some(Answer::Failed(why)) => return Err(why),
                Some(Answer::Here) => return Err(format!("{name}: no answer to that")),
                None => return Err(format!("{name}: the supervisor was lost meanwhile")),
            }
        }
    }

    /// Asks the supervisor. `None` if it closed the connection.
    fn ask(&self, request: &Request, patience: Duration) -> Result<Option<Answer>, String> {
        let failed = |error: strowger_io::Error| error.to_string();
        let socket = SeqSocket::connect(&self.control).map_err(failed)?;
        let (bytes, descriptors) = request.write();
        socket.send(&bytes, &descriptors).map_err(failed)?;
        let poller = Poller::new().map_err(failed)?;
        poller.add(&socket, 0, Interest::READ).map_err(failed)?;
        let (mut events, until) = (Events::new(1), Instant::now() + patience);
        let (mut buffer, mut unwanted) = (vec![0; 4096], Vec::new());
        loop {
            match socket.receive(&mut buffer, &mut unwanted).map_err(failed)? {
                Received::Message(len) => {
                    return Answer::read(&buffer[..len]).map(Some).ok_or("an answer that is none".to_owned());
                }
                Received::Closed => return Ok(None),
                Received::Nothing if Instant::now() >= until => {
                    return Err(format!("the supervisor does not answer within {patience:?}"));
                }
                Received::Nothing => {
                    let rest = until.saturating_duration_since(Instant::now());
                    poller.wait(&mut events, Some(rest)).map_err(failed)?;
                }
            }
        }
    }
}

fn identity(metadata: io::Result<std::fs::Metadata>) -> Option<Identity> {
    metadata.ok().map(|it| (it.dev(), it.ino()))
}

fn program_of(pid: u32) -> Option<Identity> {
    identity(std::fs::metadata(format!("/proc/{pid}/exe")))
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
