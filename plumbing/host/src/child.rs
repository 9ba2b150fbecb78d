//! One worker as its supervisor sees it, through all its lives.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use strowger_io::{Counters, Exit, MOST_DESCRIPTORS, Pidfd, Received, SeqSocket, Signal};

use crate::progress::Watch;
use crate::protocol::{Notice, READY, Start};
use crate::status::{State, WorkerStatus};
use crate::supervisor::{Patience, WorkerSpec};

/// The label of the page of heartbeats.
pub(crate) const PROGRESS: &str = "progress";

/// A message that is still to be sent, with the range of the worker's descriptors that go with it.
struct Waiting {
    bytes: Vec<u8>,
    first: usize,
    count: usize,
}

/// One life of a worker.
struct Life {
    pidfd: Pidfd,
    control: SeqSocket,
    waiting: VecDeque<Waiting>,
    watch: Watch,
    page: OwnedFd,
    began: Instant,
    ready: bool,
    /// Why we killed it.
    killed: Option<String>,
}

pub(crate) struct Child {
    spec: WorkerSpec,
    life: Option<Life>,
    /// When to start it again.
    due: Option<Instant>,
    stopping: bool,
    quick_deaths: u32,
    seen_dead: Option<Instant>,
    status: WorkerStatus,
}

impl Child {
    pub(crate) fn new(spec: WorkerSpec, now: Instant) -> Self {
        let status = WorkerStatus {
            name: spec.name.clone(),
            state: State::Waiting,
            pid: None,
            restarts: 0,
            last_death: None,
            last_gap: None,
        };
        Child { spec, life: None, due: Some(now), stopping: false, quick_deaths: 0, seen_dead: None, status }
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        self.status.clone()
    }

    /// When it is to be started again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Its process, until its end was seen.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.life.as_ref().map(|life| life.pidfd.pid())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.life.is_none() && self.due.is_none()
    }

    /// What tells that it ended, and what it says.
    pub(crate) fn descriptors(&self) -> Option<(BorrowedFd<'_>, BorrowedFd<'_>)> {
        self.life.as_ref().map(|life| (life.pidfd.as_fd(), life.control.as_fd()))
    }

    /// Starts it. What fails counts as a death.
    pub(crate) fn start(&mut self, program: &Path, clock_anchor: u64, patience: &Patience, at: u64) {
        self.due = None;
        match self.begin(program, clock_anchor) {
            Ok(life) => {
                self.status.pid = Some(life.pidfd.pid());
                self.status.state = State::Starting;
                tracing::info!(worker = self.spec.name, pid = life.pidfd.pid(), "started");
                self.life = Some(life);
                self.flush();
            }
            Err(error) => self.died(error.to_string(), Duration::ZERO, patience, at),
        }
    }

    fn begin(&self, program: &Path, clock_anchor: u64) -> strowger_io::Result<Life> {
        let (control, theirs) = SeqSocket::pair()?;
        let page = Counters::new()?;
        let mut command = Command::new(program);
        command.arg0(&self.spec.argv0).args(&self.spec.arguments).envs(self.spec.environment.iter().cloned());
        let duplicate = page.as_fd().try_clone_to_owned();
        let duplicate = duplicate.map_err(|source| strowger_io::Error {
            operation: "duplicate",
            about: "a page of counters".to_owned(),
            source,
        })?;
        let pidfd = strowger_io::spawn(command, &theirs)?;
        Ok(Life {
            pidfd,
            control,
            waiting: self.notices(clock_anchor),
            watch: Watch::over(page),
            page: duplicate,
            began: Instant::now(),
            ready: false,
            killed: None,
        })
    }

    /// Everything it is told at first. Descriptor 0 is the page of heartbeats, the others are the spec's.
    fn notices(&self, clock_anchor: u64) -> VecDeque<Waiting> {
        let labels =
            || std::iter::once(PROGRESS).chain(self.spec.descriptors.iter().map(|(label, _)| label.as_str()));
        let all: Vec<&str> = labels().collect();
        let deals = all.chunks(MOST_DESCRIPTORS).enumerate().map(|(number, labels)| Waiting {
            bytes: Notice::Deal(labels.iter().map(|&label| label.to_owned()).collect()).encode(),
            first: number * MOST_DESCRIPTORS,
            count: labels.len(),
        });
        let start = Start {
            name: self.spec.name.clone(),
            restarts: self.status.restarts,
            clock_anchor,
            last_death: self.status.last_death.as_ref().map(|(cause, _)| cause.clone()),
        };
        let start = Waiting { bytes: Notice::Start(start).encode(), first: 0, count: 0 };
        deals.chain([start]).collect()
    }

    /// Sends what waits, as far as the socket takes it. Whether something is left.
    pub(crate) fn flush(&mut self) -> bool {
        let Some(life) = &mut self.life else {
            return false;
        };
        while let Some(next) = life.waiting.front() {
            let descriptors: Vec<BorrowedFd<'_>> = (next.first..next.first + next.count)
                .map(|number| match number {
                    0 => life.page.as_fd(),
                    number => self.spec.descriptors[number - 1].1.as_fd(),
                })
                .collect();
            match life.control.send(&next.bytes, &descriptors) {
                Ok(true) => drop(life.waiting.pop_front()),
                Ok(false) => return true,
                Err(error) => {
                    // It is about to die, or can never be served: then it is killed for not getting ready.
                    tracing::warn!(worker = self.spec.name, %error, "can't be told");
                    life.waiting.clear();
                }
            }
        }
        false
    }

    /// Hears what it says. Whether anything changed.
    pub(crate) fn hear(&mut self) -> bool {
        let Some(life) = &mut self.life else {
            return false;
        };
        let (mut buffer, mut unwanted) = ([0; 16], Vec::new());
        let mut changed = false;
        while let Ok(Received::Message(len)) = life.control.receive(&mut buffer, &mut unwanted) {
            if &buffer[..len] == READY && !life.ready {
                life.ready = true;
                changed = true;
            }
            unwanted.clear();
        }
        if changed {
            self.became_ready();
        }
        changed
    }

    fn became_ready(&mut self) {
        if !self.stopping {
            self.status.state = State::Running;
        }
        let gap = self.seen_dead.take().map(|seen| seen.elapsed());
        if let Some(gap) = gap {
            self.status.last_gap = Some(gap.as_micros() as u64);
        }
        tracing::info!(worker = self.spec.name, gap_us = self.status.last_gap, "ready");
    }

    /// Sees whether it has ended. Whether it has.
    pub(crate) fn check(&mut self, patience: &Patience, at: u64) -> bool {
        let Some(life) = &self.life else {
            return false;
        };
        let exit = match life.pidfd.ended() {
            Ok(None) => return false,
            Ok(Some(exit)) => exit,
            Err(error) => {
                tracing::error!(worker = self.spec.name, %error, "lost sight of it");
                Exit::Status(-1)
            }
        };
        let cause = match &life.killed {
            Some(why) => format!("{exit}: {why}"),
            None => exit.to_string(),
        };
        let lived = life.began.elapsed();
        self.life = None;
        self.died(cause, lived, patience, at);
        true
    }

    /// It is no more: the first time it is started again at once, in a storm after a while.
    fn died(&mut self, cause: String, lived: Duration, patience: &Patience, at: u64) {
        self.status.pid = None;
        if self.stopping {
            tracing::info!(worker = self.spec.name, cause, "ended");
            self.status.state = State::Ended;
            return;
        }
        let now = Instant::now();
        self.seen_dead.get_or_insert(now);
        self.quick_deaths = if lived >= patience.settled { 0 } else { self.quick_deaths + 1 };
        let pause = match self.quick_deaths {
            0 | 1 => Duration::ZERO,
            deaths => {
                patience.first_pause.saturating_mul(1 << (deaths - 2).min(20)).min(patience.longest_pause)
            }
        };
        tracing::warn!(worker = self.spec.name, cause, ?pause, "died");
        self.due = Some(now + pause);
        self.status.state = State::Waiting;
        self.status.restarts += 1;
        self.status.last_death = Some((cause, at));
    }

    /// Looks whether it makes progress, and kills it if it does not. Called at a steady pace.
    pub(crate) fn watch(&mut self, patience: &Patience) {
        let Some(life) = self.life.as_mut().filter(|life| life.killed.is_none()) else {
            return;
        };
        // A thread may be watched before the worker is ready: while it takes up what a predecessor left.
        if let Some(thread) = life.watch.look(patience.looks()) {
            self.kill(format!("thread {thread} made no progress for {:?}", patience.with_threads));
        } else if !life.ready && life.began.elapsed() >= patience.to_get_ready {
            self.kill(format!("was not ready after {:?}", patience.to_get_ready));
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self, why: String) {
        let Some(life) = &mut self.life else {
            return;
        };
        tracing::warn!(worker = self.spec.name, why, "killed");
        if let Err(error) = life.pidfd.signal(Signal::Kill) {
            tracing::error!(worker = self.spec.name, %error, "can't be killed");
        }
        life.killed = Some(why);
    }

    /// Tells it to end; it is not started again.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.due = None;
        if let Some(life) = &mut self.life {
            life.waiting.push_back(Waiting { bytes: Notice::Stop.encode(), first: 0, count: 0 });
            self.status.state = State::Stopping;
        } else {
            self.status.state = State::Ended;
        }
        self.flush();
    }
}
