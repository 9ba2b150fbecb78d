//! The standby: holds a copy of every descriptor, and does nothing until the supervisor dies.
//!
//! Then it starts the next supervisor (or waits for the one that systemd starts), and hands everything to whoever
//! comes first. The connection over which it does that is from then on the one between supervisor and worker: there
//! is one standby all the time, so there is one successor. It understands nothing of what it keeps.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use strowger_io::{Events, Interest, Poller, Received, SeqListener, SeqSocket, Signal, Signals};

use crate::control;
use crate::estate::PLATFORM;
use crate::protocol::{LONGEST, Notice, YOURS};
use crate::worker::{BEAT, JoinError, Worker};

/// So long the standby leaves it to somebody else to start a supervisor.
const LOOKED_AFTER: Duration = Duration::from_secs(5);
/// A successor that has not come by then is taken not to come; twice as long after each.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// A supervisor that lived so long is no part of a storm.
const SETTLED: Duration = Duration::from_secs(1);
/// Before the second successor in a storm; twice as long before each further one, up to [`LONGEST_PATIENCE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

struct Kept {
    text: String,
    descriptors: Vec<OwnedFd>,
}

struct Standby {
    worker: Worker,
    kept: BTreeMap<String, Kept>,
    listener: SeqListener,
    /// What is started when the supervisor died, and when.
    program: PathBuf,
    due: Option<Instant>,
    patience: Duration,
    /// Since when there is this supervisor, and how long to wait if it dies at once.
    since: Instant,
    pause: Duration,
    started: Option<Child>,
}

/// Keeps everything until the supervisor says to stop. `path` is where a supervisor's successor finds us.
pub fn run(worker: Worker, path: &Path) -> Result<(), JoinError> {
    // A terminal and systemd mean the supervisor, who tells us.
    let _unheard = Signals::block(&[Signal::Terminate, Signal::Interrupt, Signal::Child])?;
    let standby = Standby {
        worker,
        kept: BTreeMap::new(),
        listener: control::listen(path)?,
        program: "/proc/self/exe".into(),
        due: None,
        patience: FIRST_PATIENCE,
        since: Instant::now(),
        pause: Duration::ZERO,
        started: None,
    };
    standby.run()
}

impl Standby {
    fn run(mut self) -> Result<(), JoinError> {
        let beat = self.worker.progress.watch();
        self.worker.ready()?;
        let mut events = Events::new(4);
        loop {
            let poller = Poller::new()?;
            poller.add(&self.listener, 0, Interest::READ)?;
            if self.due.is_none() {
                poller.add(&self.worker, 1, Interest::READ)?;
            }
            // For as long as it is the same supervisor, or none.
            let alive = self.due.is_none();
            while alive == self.due.is_none() {
                beat.tick();
                poller.wait(&mut events, Some(BEAT / 2))?;
                if alive && !self.obey()? {
                    return Ok(());
                }
                if let Some(connection) = self.listener.accept()? {
                    self.receive(connection);
                }
                self.start_successor();
            }
        }
    }

    /// Does what the supervisor says. False if that was to end.
    fn obey(&mut self) -> Result<bool, JoinError> {
        let (mut buffer, mut descriptors) = (vec![0; LONGEST], Vec::new());
        loop {
            match self.worker.control().receive(&mut buffer, &mut descriptors) {
                Ok(Received::Message(len)) => match Notice::decode(&buffer[..len]) {
                    Some(Notice::Keep(key, text)) => {
                        let kept = Kept { text, descriptors: std::mem::take(&mut descriptors) };
                        self.kept.insert(key, kept);
                    }
                    Some(Notice::Stop) => return Ok(false),
                    _ => descriptors.clear(),
                },
                Ok(Received::Nothing) => return Ok(true),
                // It died before it had told us all: what its workers do then is theirs to know.
                Ok(Received::Closed) | Err(_) if !self.kept.contains_key(PLATFORM) => return Ok(false),
                Ok(Received::Closed) | Err(_) => {
                    let pause = self.pause_after_death();
                    tracing::warn!(?pause, "the supervisor is dead; another one will follow");
                    self.due = Some(Instant::now() + pause);
                    self.patience = FIRST_PATIENCE;
                    return Ok(true);
                }
            }
        }
    }

    fn pause_after_death(&mut self) -> Duration {
        if self.worker.start.looked_after {
            return LOOKED_AFTER;
        }
        if self.since.elapsed() >= SETTLED {
            self.pause = Duration::ZERO;
        }
        let next = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PATIENCE);
        std::mem::replace(&mut self.pause, next)
    }

    /// Hands everything to whoever comes, if there is no supervisor.
    fn receive(&mut self, connection: SeqSocket) {
        if self.due.is_none() || !control::may_ask(&connection) {
            return;
        }
        match self.hand_over(&connection) {
            Ok(()) => {
                self.worker.follow(connection);
                self.since = Instant::now();
                self.due = None;
            }
            Err(error) => tracing::warn!(%error, "a successor did not take everything"),
        }
    }

    fn hand_over(&self, connection: &SeqSocket) -> strowger_io::Result<()> {
        let poller = Poller::new()?;
        poller.add(connection, 0, Interest::WRITE)?;
        let (mut events, until) = (Events::new(1), Instant::now() + LOOKED_AFTER);
        let all = self.kept.iter().map(|(key, kept)| {
            let descriptors = kept.descriptors.iter().map(|it| it.as_fd()).collect();
            (Notice::Keep(key.clone(), kept.text.clone()).encode(), descriptors)
        });
        for (bytes, descriptors) in all.chain([(YOURS.to_vec(), Vec::new())]) {
            while !connection.send(&bytes, &descriptors)? {
                if Instant::now() >= until {
                    let source = std::io::ErrorKind::TimedOut.into();
                    return Err(strowger_io::Error {
                        operation: "hand over",
                        about: "everything".into(),
                        source,
                    });
                }
                poller.wait(&mut events, Some(BEAT))?;
            }
        }
        Ok(())
    }

    /// Starts a supervisor if none came in time.
    fn start_successor(&mut self) {
        if self.started.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None))) {
            self.started = None;
        }
        let Some(due) = self.due.filter(|due| *due <= Instant::now()) else {
            return;
        };
        if let Some(mut late) = self.started.take() {
            tracing::warn!(pid = late.id(), "the successor did not come");
            drop(late.kill());
            drop(late.wait());
        }
        match Command::new(&self.program).args(&self.worker.start.successor).spawn() {
            Ok(child) => self.started = Some(child),
            Err(error) => tracing::error!(%error, "no successor can be started"),
        }
        self.due = Some(due + self.patience);
        self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
    }
}
