//! Holds the sockets, starts workers, and starts them again when the kernel says that one died.
//!
//! It parses nothing that comes from outside, so there is nothing in it to crash.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use strowger_io::{Bond, Clock, Events, Interest, Poller, SeqSocket, Signal, Signals};

pub use crate::status::{State, Status, WorkerStatus};
pub use crate::succession::Succession;

use crate::child::{Child, STANDBY, Terms};
use crate::control::{self, Asked};
use crate::succession::Heirs;

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

/// Where the events of signals, of those who want to ask, of worker `n` and of those who do ask are.
const SIGNALS: u64 = 0;
const CONTROL: u64 = 1;
const CHILDREN: u64 = 2;
const ASKERS: u64 = 1 << 32;

/// Starts and watches workers until it is told to stop.
pub struct Supervisor {
    pub(crate) terms: Terms,
    status: PathBuf,
    clock: Clock,
    poller: Poller,
    signals: Signals,
    pub(crate) children: Vec<Child>,
    /// What makes workers outlive it.
    pub(crate) heirs: Option<Heirs>,
    askers: BTreeMap<u64, SeqSocket>,
    next_asker: u64,
    pub(crate) stop_by: Option<Instant>,
    next_look: Instant,
}

impl Supervisor {
    /// A supervisor of `workers`, which end with it. Call it and [`Supervisor::run`] on the main thread, before
    /// there is any other: workers die with the thread that started them.
    pub fn new(options: Options, workers: Vec<WorkerSpec>) -> strowger_io::Result<Self> {
        let signals = Signals::block(&[Signal::Terminate, Signal::Interrupt, Signal::Child])?;
        let poller = Poller::new()?;
        poller.add(&signals, SIGNALS, Interest::READ)?;
        let now = Instant::now();
        let terms = Terms {
            program: options.program,
            previous: None,
            clock_anchor: options.clock.anchor(),
            patience: options.patience,
            bond: Bond::Killed,
            successor: Vec::new(),
            looked_after: false,
            at: 0,
        };
        Ok(Supervisor {
            terms,
            status: options.status,
            clock: options.clock,
            poller,
            signals,
            children: workers.into_iter().map(|spec| Child::new(spec, now)).collect(),
            heirs: None,
            askers: BTreeMap::new(),
            next_asker: 0,
            stop_by: None,
            next_look: now + options.patience.look_every,
        })
    }

    /// The same of workers that outlive it, and of those that a predecessor left.
    pub fn in_succession(
        options: Options,
        mut workers: Vec<WorkerSpec>,
        succession: Succession,
    ) -> strowger_io::Result<Self> {
        let Succession { standby, legacy, control, successor } = succession;
        workers.push(WorkerSpec { name: STANDBY.to_owned(), ..standby });
        let mut supervisor = Supervisor::new(options, workers)?;
        let heirs = Heirs::of(legacy, &control, successor, &mut supervisor)?;
        supervisor.poller.add(heirs.listener(), CONTROL, Interest::READ)?;
        supervisor.heirs = Some(heirs);
        Ok(supervisor)
    }

    /// Runs until all workers have ended because a SIGTERM or a SIGINT said so.
    pub fn run(mut self) -> strowger_io::Result<()> {
        let mut events = Events::new(64);
        self.terms.at = self.clock.now().as_micros();
        self.tell();
        loop {
            self.start_due();
            if self.stop_by.is_some() && self.children.iter().all(Child::has_ended) {
                self.tell();
                return Ok(());
            }
            self.poller.wait(&mut events, Some(self.pause()))?;
            self.terms.at = self.clock.now().as_micros();
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
        for child in self.children.iter_mut().filter(|child| child.due().is_some_and(|due| due <= now)) {
            child.start(&self.terms);
        }
        self.listen_to_fresh();
        self.bequeath();
    }

    fn listen_to_fresh(&mut self) {
        for (token, child) in (CHILDREN..).zip(&mut self.children) {
            let mut failed = None;
            for (end, words) in child.unheard() {
                // Once each: the standby's copies keep what ended in the poller.
                let added = self.poller.add(end, token, Interest::READ.edge());
                let added = added.and_then(|()| self.poller.add(words, token, Interest::BOTH.edge()));
                failed = added.err().or(failed);
            }
            if let Some(error) = failed {
                child.kill(error.to_string());
            }
        }
    }

    /// Whether there are news.
    fn on_event(&mut self, token: u64) -> bool {
        match token {
            SIGNALS => self.on_signals(),
            CONTROL => self.on_control(),
            ASKERS.. => self.on_asker(token),
            _ => {
                let Some(child) = self.children.get_mut((token - CHILDREN) as usize) else {
                    return false;
                };
                child.flush();
                child.hear() | child.check(&self.terms)
            }
        }
    }

    fn on_signals(&mut self) -> bool {
        let mut changed = false;
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                Signal::Child | Signal::Kill => {
                    for child in &mut self.children {
                        changed |= child.check(&self.terms);
                    }
                    let own: Vec<u32> = self.children.iter().flat_map(Child::pids).collect();
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

    /// Somebody wants to ask for something.
    fn on_control(&mut self) -> bool {
        while let Some(asker) = self.heirs.as_ref().and_then(Heirs::accept) {
            let token = ASKERS + self.next_asker;
            self.next_asker += 1;
            let welcome = control::may_ask(&asker) && self.askers.len() < control::MOST;
            if welcome && self.poller.add(&asker, token, Interest::READ).is_ok() {
                self.askers.insert(token, asker);
            }
        }
        false
    }

    fn on_asker(&mut self, token: u64) -> bool {
        let Some(asker) = self.askers.remove(&token) else {
            return false;
        };
        match control::hear(&asker) {
            Asked::NothingYet => drop(self.askers.insert(token, asker)),
            // One request a connection: what comes of it is no longer waited for here.
            Asked::Request(request) => {
                drop(self.poller.remove(&asker));
                self.grant(request, asker);
                return true;
            }
            Asked::Nonsense => {}
        }
        false
    }

    /// The first time all workers are told to end; the second time they are killed.
    fn stop(&mut self) {
        if self.stop_by.is_some() {
            self.children.iter_mut().for_each(|child| child.kill("asked to stop twice".to_owned()));
            return;
        }
        tracing::info!("stopping");
        self.stop_by = Some(Instant::now() + self.terms.patience.to_end);
        self.children.iter_mut().for_each(Child::stop);
    }

    fn look(&mut self) {
        let patience = self.terms.patience;
        self.next_look = Instant::now() + patience.look_every;
        if self.stop_by.is_some_and(|by| Instant::now() >= by) {
            let why = format!("did not end within {:?}", patience.to_end);
            self.children.iter_mut().for_each(|child| child.kill(why.clone()));
        }
        for child in &mut self.children {
            child.flush();
            child.watch(&patience);
        }
    }

    fn tell(&self) {
        let (standby, workers): (Vec<_>, Vec<_>) =
            self.children.iter().map(Child::status).partition(|status| status.name == STANDBY);
        let status = Status {
            pid: std::process::id(),
            at: self.clock.now().as_micros(),
            workers,
            standby: standby.into_iter().next(),
        };
        if let Err(error) = status.write(&self.status) {
            tracing::warn!(path = %self.status.display(), %error, "can't tell the status");
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Supervisor({} workers)", self.children.len())
    }
}
