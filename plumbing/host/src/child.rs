//! One worker as its supervisor sees it, through all its lives.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strowger_io::{Bond, MOST_DESCRIPTORS, Pidfd, SeqSocket};

use crate::estate::{AboutLife, Bundle, Legacy, deal_key};
use crate::life::{self, Heard, Life, Waiting};
use crate::protocol::{Notice, Start};
use crate::replacement::Replacement;
use crate::status::{State, WorkerStatus};
use crate::supervisor::{Patience, WorkerSpec};

/// What the worker is called that keeps everything for the supervisor's successor.
pub(crate) const STANDBY: &str = "standby";

/// What is the same for all workers of a supervisor.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The program that workers run.
    pub(crate) program: PathBuf,
    /// The one that ran before it, if it was replaced.
    pub(crate) previous: Option<Arc<OwnedFd>>,
    pub(crate) clock_anchor: u64,
    pub(crate) patience: Patience,
    pub(crate) bond: Bond,
    /// What the program is given to be our successor.
    pub(crate) successor: Vec<OsString>,
    /// Whether somebody else starts us again.
    pub(crate) looked_after: bool,
    /// Microseconds since 1970.
    pub(crate) at: u64,
}

impl Terms {
    /// The file to execute.
    fn program(&self, previous: bool) -> PathBuf {
        match &self.previous {
            Some(file) if previous => {
                format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&**file)).into()
            }
            _ => self.program.clone(),
        }
    }
}

pub(crate) struct Child {
    pub(crate) name: String,
    argv0: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    labels: Vec<String>,
    descriptors: Vec<Arc<OwnedFd>>,
    pub(crate) life: Option<Life>,
    /// Its replacement by another life, while that lasts.
    pub(crate) replacement: Option<Replacement>,
    /// Whether it runs the program from before.
    pub(crate) previous: bool,
    /// Its life is one that the poller and the standby have not heard of.
    pub(crate) fresh: bool,
    /// When to start it again.
    pub(crate) due: Option<Instant>,
    pub(crate) stopping: bool,
    quick_deaths: u32,
    pub(crate) seen_dead: Option<Instant>,
    pub(crate) status: WorkerStatus,
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
            last_start: None,
        };
        let (labels, descriptors) =
            spec.descriptors.into_iter().map(|(label, descriptor)| (label, Arc::new(descriptor))).unzip();
        Child {
            name: spec.name,
            argv0: spec.argv0,
            arguments: spec.arguments,
            environment: spec.environment,
            labels,
            descriptors,
            life: None,
            replacement: None,
            previous: false,
            fresh: false,
            due: Some(now),
            stopping: false,
            quick_deaths: 0,
            seen_dead: None,
            status,
        }
    }

    /// The worker that a predecessor had, alive or not.
    pub(crate) fn adopt(&mut self, legacy: &mut Legacy) {
        let Some((about, handles)) = legacy.life(&self.name) else {
            return;
        };
        self.quick_deaths = about.quick_deaths;
        self.status.restarts = about.restarts;
        self.status.last_death = about.last_death;
        self.status.last_gap = about.last_gap;
        let Some([process, control, page]) = handles else {
            return;
        };
        let adopted = Life::adopt(Pidfd::over(process, about.pid), SeqSocket::from(control), page);
        let mut life = match adopted {
            Ok(life) => life,
            Err(error) => {
                tracing::error!(worker = self.name, %error, "can't be adopted");
                return;
            }
        };
        self.due = None;
        self.previous = runs_something_else(about.pid);
        self.status.pid = Some(about.pid);
        self.status.state = if life.ready { State::Running } else { State::Starting };
        if !life.ready {
            // Perhaps it was told only half of what it must know.
            life.kill(&self.name, "was not ready when its supervisor was lost".to_owned());
        }
        tracing::info!(worker = self.name, pid = about.pid, "adopted");
        self.fresh = true;
        self.life = Some(life);
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        self.status.clone()
    }

    /// When it is to be started again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Its processes, until their end was seen.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.lives().map(Life::pid)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.life.is_none() && self.due.is_none()
    }

    /// It runs, and has heard all that there is to say.
    pub(crate) fn is_settled(&self) -> bool {
        self.replacement.is_none() && self.life.as_ref().is_some_and(|life| life.ready && life.has_heard())
    }

    fn lives(&self) -> impl Iterator<Item = &Life> {
        self.life.iter().chain(self.replacement.iter().filter_map(|it| it.life.as_ref()))
    }

    /// Of each life that nobody listens to yet: what tells that it ended, and what it says.
    pub(crate) fn unheard(&mut self) -> impl Iterator<Item = (BorrowedFd<'_>, BorrowedFd<'_>)> {
        let next = self.replacement.iter_mut().filter_map(|it| it.life.as_mut());
        self.life.iter_mut().chain(next).filter_map(Life::unheard)
    }

    /// Starts it. What fails counts as a death.
    pub(crate) fn start(&mut self, terms: &Terms) {
        self.due = None;
        match self.begin(terms, self.previous) {
            Ok(mut life) => {
                let start = self.start_notice(terms);
                life.say(start, Vec::new());
                self.status.pid = Some(life.pid());
                self.status.state = State::Starting;
                self.status.last_start = self.seen_dead.map(|seen| seen.elapsed().as_micros() as u64);
                tracing::info!(worker = self.name, pid = life.pid(), "started");
                self.fresh = true;
                self.life = Some(life);
                self.flush();
            }
            Err(error) => self.died(error.to_string(), Duration::ZERO, terms),
        }
    }

    /// A new life, which is dealt everything, and not yet told to begin.
    pub(crate) fn begin(&self, terms: &Terms, previous: bool) -> strowger_io::Result<Life> {
        let mut command = life::command(&terms.program(previous), &self.argv0, &self.arguments);
        command.envs(self.environment.iter().cloned());
        let mut life = Life::begin(command, terms.bond)?;
        life.say_all(self.deals().map(|(_, deal)| Waiting {
            bytes: Notice::Deal(deal.text.split('\n').map(str::to_owned).collect()).encode(),
            descriptors: deal.descriptors,
        }));
        Ok(life)
    }

    pub(crate) fn start_notice(&self, terms: &Terms) -> Notice {
        Notice::Start(Start {
            name: self.name.clone(),
            restarts: self.status.restarts,
            clock_anchor: terms.clock_anchor,
            last_death: self.status.last_death.as_ref().map(|(cause, _)| cause.clone()),
            successor: terms.successor.clone(),
            looked_after: terms.looked_after,
        })
    }

    /// Everything it is dealt, as far as one message carries it.
    fn deals(&self) -> impl Iterator<Item = (String, Bundle)> {
        let labels = self.labels.chunks(MOST_DESCRIPTORS);
        let all = labels.zip(self.descriptors.chunks(MOST_DESCRIPTORS)).enumerate();
        all.map(|(number, (labels, descriptors))| {
            let bundle = Bundle { text: labels.join("\n"), descriptors: descriptors.to_vec() };
            (deal_key(&self.name, number), bundle)
        })
    }

    /// Everything that a supervisor needs to have this worker instead of us.
    pub(crate) fn bequeathed(&self) -> impl Iterator<Item = (String, Bundle)> {
        self.deals().chain([(crate::estate::life_key(&self.name), self.life_bequeathed())])
    }

    /// Of that, what changes with each life.
    pub(crate) fn life_bequeathed(&self) -> Bundle {
        let about = AboutLife {
            pid: self.life.as_ref().map_or(0, Life::pid),
            restarts: self.status.restarts,
            quick_deaths: self.quick_deaths,
            last_death: self.status.last_death.clone(),
            last_gap: self.status.last_gap,
        };
        let handles = self.life.as_ref().and_then(|life| life.handles().ok());
        Bundle {
            text: serde_json::to_string(&about).unwrap_or_default(),
            descriptors: handles.into_iter().flatten().map(Arc::new).collect(),
        }
    }

    /// Will tell it (the standby) to keep this.
    pub(crate) fn tell_to_keep(&mut self, key: &str, bundle: Bundle) {
        if let Some(life) = &mut self.life {
            life.say(Notice::Keep(key.to_owned(), bundle.text), bundle.descriptors);
        }
    }

    /// Sends what waits, as far as the sockets take it.
    pub(crate) fn flush(&mut self) {
        let next = self.replacement.iter_mut().filter_map(|it| it.life.as_mut());
        self.life.iter_mut().chain(next).for_each(|life| life.flush(&self.name));
    }

    /// Hears what it says. Whether anything changed.
    pub(crate) fn hear(&mut self) -> bool {
        let Heard { ready, left, .. } = self.life.as_mut().map(Life::hear).unwrap_or_default();
        if ready {
            self.became_ready();
        }
        self.hear_replacement(left) | ready
    }

    fn became_ready(&mut self) {
        if !self.stopping {
            self.status.state = State::Running;
        }
        let gap = self.seen_dead.take().map(|seen| seen.elapsed());
        if let Some(gap) = gap {
            self.status.last_gap = Some(gap.as_micros() as u64);
        }
        tracing::info!(worker = self.name, gap_us = self.status.last_gap, "ready");
        self.replaced();
    }

    /// Sees whether it has ended. Whether it has.
    pub(crate) fn check(&mut self, terms: &Terms) -> bool {
        let replacement_died = self.check_replacement();
        let ended = self.life.as_ref().and_then(|life| Some((life.ended(&self.name)?, life.began.elapsed())));
        let Some((cause, lived)) = ended else {
            return replacement_died;
        };
        // Its last words.
        self.hear();
        self.life = None;
        if !self.take_turns(&cause, terms) {
            self.died(cause, lived, terms);
        }
        true
    }

    /// It is no more: the first time it is started again at once, in a storm after a while.
    fn died(&mut self, cause: String, lived: Duration, terms: &Terms) {
        self.status.pid = None;
        self.fresh = true;
        if self.stopping {
            tracing::info!(worker = self.name, cause, "ended");
            self.status.state = State::Ended;
            return;
        }
        let now = Instant::now();
        self.seen_dead.get_or_insert(now);
        self.fall_back(&cause);
        let patience = &terms.patience;
        self.quick_deaths = if lived >= patience.settled { 0 } else { self.quick_deaths + 1 };
        let pause = match self.quick_deaths {
            0 | 1 => Duration::ZERO,
            deaths => {
                patience.first_pause.saturating_mul(1 << (deaths - 2).min(20)).min(patience.longest_pause)
            }
        };
        tracing::warn!(worker = self.name, cause, ?pause, "died");
        self.due = Some(now + pause);
        self.status.state = State::Waiting;
        self.status.restarts += 1;
        self.status.last_death = Some((cause, terms.at));
    }

    /// Looks whether it makes progress, and kills it if it does not. Called at a steady pace.
    pub(crate) fn watch(&mut self, patience: &Patience) {
        self.watch_replacement(patience);
        let Some(life) = self.life.as_mut().filter(|life| life.killed.is_none()) else {
            return;
        };
        // A thread may be watched before the worker is ready: while it takes up what a predecessor left.
        if let Some(thread) = life.hangs(patience.looks()) {
            self.kill(format!("thread {thread} made no progress for {:?}", patience.with_threads));
        } else if !life.ready && life.began.elapsed() >= patience.to_get_ready {
            self.kill(format!("was not ready after {:?}", patience.to_get_ready));
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self, why: String) {
        if let Some(life) = &mut self.life {
            life.kill(&self.name, why);
        }
    }

    /// Tells it to end; it is not started again.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.due = None;
        self.give_up_replacement("the platform is stopped");
        if let Some(life) = &mut self.life {
            life.say(Notice::Stop, Vec::new());
            self.status.state = State::Stopping;
        } else {
            self.status.state = State::Ended;
        }
        self.flush();
    }
}

/// Whether the process `pid` runs another program than we do.
fn runs_something_else(pid: u32) -> bool {
    let identity = |path: String| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata)))
    };
    identity(format!("/proc/{pid}/exe")) != identity("/proc/self/exe".to_owned())
}
