//! Holds the sockets, starts workers, and starts them again when the kernel says that one died.
//!
//! It parses nothing that comes from outside, so there is nothing in it to crash.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use strowger_io::{Clock, Events, Interest, Poller, Signal, Signals};

pub use crate::status::{State, Status, WorkerStatus};

use crate::child::Child;

/// A worker: what to run, and what it is dealt each time it starts.
#[derive(Debug)]
pub struct WorkerSpec {
    /// Its name, for people.
    pub name: String,
    /// What it is called in the system's list of processes.
    pub argv0: OsString,
    /// What the program is given.
    pub arguments: Vec<OsString>,
    /// What is added to the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Descriptors of which it gets a copy, each under a label without line breaks.
    pub descriptors: Vec<(String, OwnedFd)>,
}

/// How long the supervisor waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a thread that makes no progress, before its worker is killed.
    pub with_threads: Duration,
    /// Between two looks.
    pub look_every: Duration,
    /// For a worker to get ready after its start.
    pub to_get_ready: Duration,
    /// For all workers to end when they were told to.
    pub to_end: Duration,
    /// A worker that lived so long is no part of a storm.
    pub settled: Duration,
    /// Before the second restart in a storm; twice as long before each further one.
    pub first_pause: Duration,
    /// But never longer than this.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            with_threads: Duration::from_millis(800),
            look_every: Duration::from_millis(50),
            to_get_ready: Duration::from_secs(30),
            to_end: Duration::from_secs(10),
            settled: Duration::from_secs(1),
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(5),
        }
    }
}

impl Patience {
    /// How many looks at a thread that stands still it takes to give up.
    pub(crate) fn looks(&self) -> u32 {
        let looks = self.with_threads.as_micros() / self.look_every.as_micros().max(1);
        u32::try_from(looks).unwrap_or(u32::MAX).max(1)
    }
}

/// How a supervisor works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that workers run; `/proc/self/exe` is this one, even if its file was replaced meanwhile.
    pub program: PathBuf,
    /// Where it tells how its workers are; see [`Status::read`].
    pub status: PathBuf,
    /// How long it waits for what.
    pub patience: Patience,
    /// The clock that all workers share.
    pub clock: Clock,
}

/// Where the events of worker `n` are: its end at `2n + 1`, its words at `2n + 2`.
const SIGNALS: u64 = 0;

/// Starts and watches workers until it is told to stop.
pub struct Supervisor {
    options: Options,
    poller: Poller,
    signals: Signals,
    children: Vec<Child>,
    stop_by: Option<Instant>,
    next_look: Instant,
}

impl Supervisor {
    /// A supervisor of `workers`. Call it and [`Supervisor::run`] on the main thread, before there is any other:
    /// workers die with the thread that started them.
    pub fn new(options: Options, workers: Vec<WorkerSpec>) -> strowger_io::Result<Self> {
        let signals = Signals::block(&[Signal::Terminate, Signal::Interrupt, Signal::Child])?;
        let poller = Poller::new()?;
        poller.add(&signals, SIGNALS, Interest::READ)?;
        let now = Instant::now();
        let children = workers.into_iter().map(|spec| Child::new(spec, now)).collect();
        let next_look = now + options.patience.look_every;
        Ok(Supervisor { options, poller, signals, children, stop_by: None, next_look })
    }

    /// Runs until all workers have ended because a SIGTERM or a SIGINT said so.
    pub fn run(mut self) -> strowger_io::Result<()> {
        let mut events = Events::new(64);
        loop {
            self.start_due();
            if self.stop_by.is_some() && self.children.iter().all(Child::has_ended) {
                self.tell();
                return Ok(());
            }
            self.poller.wait(&mut events, Some(self.pause()))?;
            let mut changed = false;
            for event in events.iter() {
                changed |= self.on_event(event.token);
            }
            if Instant::now() >= self.next_look {
                self.look();
            }
            if changed {
                // First the successors, then the news.
                self.start_due();
                self.tell();
            }
        }
    }

    fn pause(&self) -> Duration {
        let now = Instant::now();
        let due = self.children.iter().filter_map(Child::due).min();
        due.map_or(self.next_look, |due| due.min(self.next_look)).saturating_duration_since(now)
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        let at = self.options.clock.now().as_micros();
        for (number, child) in self.children.iter_mut().enumerate() {
            if child.due().is_none_or(|due| due > now) {
                continue;
            }
            child.start(&self.options.program, self.options.clock.anchor(), &self.options.patience, at);
            let token = 2 * number as u64 + 1;
            let Some((end, words)) = child.descriptors() else {
                continue;
            };
            let added = self.poller.add(end, token, Interest::READ);
            if let Err(error) = added.and_then(|()| self.poller.add(words, token + 1, Interest::BOTH.edge()))
            {
                child.kill(error.to_string());
            }
        }
    }

    /// Whether there are news.
    fn on_event(&mut self, token: u64) -> bool {
        let Some(number) = token.checked_sub(1) else {
            return self.on_signals();
        };
        let at = self.options.clock.now().as_micros();
        let Some(child) = self.children.get_mut(number as usize / 2) else {
            return false;
        };
        if number.is_multiple_of(2) {
            return child.check(&self.options.patience, at);
        }
        child.flush();
        child.hear()
    }

    fn on_signals(&mut self) -> bool {
        let mut changed = false;
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                Signal::Child | Signal::Kill => {
                    let at = self.options.clock.now().as_micros();
                    for child in &mut self.children {
                        changed |= child.check(&self.options.patience, at);
                    }
                    let own: Vec<u32> = self.children.iter().filter_map(Child::pid).collect();
                    strowger_io::bury_strangers(&own);
                }
                Signal::Terminate | Signal::Interrupt => {
                    self.stop();
                    changed = true;
                }
            }
        }
        changed
    }

    /// The first time all workers are told to end; the second time they are killed.
    fn stop(&mut self) {
        if self.stop_by.is_some() {
            self.children.iter_mut().for_each(|child| child.kill("asked to stop twice".to_owned()));
            return;
        }
        tracing::info!("stopping");
        self.stop_by = Some(Instant::now() + self.options.patience.to_end);
        self.children.iter_mut().for_each(Child::stop);
    }

    fn look(&mut self) {
        let patience = self.options.patience;
        self.next_look = Instant::now() + patience.look_every;
        if self.stop_by.is_some_and(|by| Instant::now() >= by) {
            let why = format!("did not end within {:?}", patience.to_end);
            self.children.iter_mut().for_each(|child| child.kill(why.clone()));
        }
        self.children.iter_mut().for_each(|child| child.watch(&patience));
    }

    fn tell(&self) {
        let status = Status {
            pid: std::process::id(),
            at: self.options.clock.now().as_micros(),
            workers: self.children.iter().map(Child::status).collect(),
        };
        if let Err(error) = status.write(&self.options.status) {
            tracing::warn!(path = %self.options.status.display(), %error, "can't tell the status");
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Supervisor({} workers)", self.children.len())
    }
}
