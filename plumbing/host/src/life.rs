//! One life of a worker: its process, what it is still to be told, whether it makes progress.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use strowger_io::{Bond, Counters, Exit, Pidfd, Received, SeqSocket, Signal};

use crate::progress::Watch;
use crate::protocol::{JOINED, LONGEST, Notice, READY};

/// The label of the page of heartbeats.
pub(crate) const PROGRESS: &str = "progress";

/// A message that is still to be sent, with the descriptors that go with it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<Arc<OwnedFd>>,
}

/// What it was heard to say.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) joined: bool,
    pub(crate) ready: bool,
    /// What it leaves to its successor.
    pub(crate) left: Vec<Waiting>,
}

pub(crate) struct Life {
    pidfd: Pidfd,
    control: SeqSocket,
    waiting: VecDeque<Waiting>,
    watch: Watch,
    page: Arc<OwnedFd>,
    /// Somebody listens to it.
    listened: bool,
    pub(crate) began: Instant,
    pub(crate) ready: bool,
    /// Why we killed it.
    pub(crate) killed: Option<String>,
}

fn duplicate(descriptor: impl AsFd, about: &'static str) -> strowger_io::Result<OwnedFd> {
    let made = descriptor.as_fd().try_clone_to_owned();
    made.map_err(|source| strowger_io::Error { operation: "duplicate", about: about.to_owned(), source })
}

impl Life {
    /// Starts `command`, and will deal it the page of heartbeats first of all.
    pub(crate) fn begin(command: Command, bond: Bond) -> strowger_io::Result<Self> {
        let (control, theirs) = SeqSocket::pair()?;
        let page = Counters::new()?;
        let duplicate = Arc::new(duplicate(&page, "a page of counters")?);
        let pidfd = strowger_io::spawn(command, &theirs, bond)?;
        let mut life = Life {
            pidfd,
            control,
            waiting: VecDeque::new(),
            watch: Watch::over(page),
            page: duplicate,
            listened: false,
            began: Instant::now(),
            ready: false,
            killed: None,
        };
        let page = Arc::clone(&life.page);
        life.say(Notice::Deal(vec![PROGRESS.to_owned()]), vec![page]);
        Ok(life)
    }

    /// A life that somebody else began.
    pub(crate) fn adopt(pidfd: Pidfd, control: SeqSocket, page: OwnedFd) -> strowger_io::Result<Self> {
        let watch = Watch::over(Counters::over(duplicate(&page, "a page of counters")?)?);
        let ready = watch.is_ready();
        let (waiting, page) = (VecDeque::new(), Arc::new(page));
        let began = Instant::now();
        Ok(Life { pidfd, control, waiting, watch, page, listened: false, began, ready, killed: None })
    }

    /// What another supervisor needs to adopt it: its process, our end of its control socket, its page.
    pub(crate) fn handles(&self) -> strowger_io::Result<[OwnedFd; 3]> {
        let about = "what a worker is held by";
        Ok([duplicate(&self.pidfd, about)?, duplicate(&self.control, about)?, duplicate(&*self.page, about)?])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pidfd.pid()
    }

    /// What tells that it ended, and what it says; once.
    pub(crate) fn unheard(&mut self) -> Option<(BorrowedFd<'_>, BorrowedFd<'_>)> {
        let listened = std::mem::replace(&mut self.listened, true);
        (!listened).then(|| (self.pidfd.as_fd(), self.control.as_fd()))
    }

    /// Will tell it `notice`, as soon as it has heard everything before.
    pub(crate) fn say(&mut self, notice: Notice, descriptors: Vec<Arc<OwnedFd>>) {
        self.waiting.push_back(Waiting { bytes: notice.encode(), descriptors });
    }

    /// The same of many.
    pub(crate) fn say_all(&mut self, all: impl IntoIterator<Item = Waiting>) {
        self.waiting.extend(all);
    }

    /// Whether it has heard everything.
    pub(crate) fn has_heard(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self, worker: &str) {
        while let Some(next) = self.waiting.front() {
            let descriptors: Vec<BorrowedFd<'_>> = next.descriptors.iter().map(|it| it.as_fd()).collect();
            match self.control.send(&next.bytes, &descriptors) {
                Ok(true) => drop(self.waiting.pop_front()),
                Ok(false) => return,
                Err(error) => {
                    // It is about to die, or can never be served: then it is killed for not getting ready.
                    tracing::warn!(worker, %error, "can't be told");
                    self.waiting.clear();
                }
            }
        }
    }

    /// Hears what it says.
    pub(crate) fn hear(&mut self) -> Heard {
        let (mut buffer, mut descriptors) = (vec![0; LONGEST], Vec::new());
        let mut heard = Heard::default();
        while let Ok(Received::Message(len)) = self.control.receive(&mut buffer, &mut descriptors) {
            let with: Vec<_> = descriptors.drain(..).map(Arc::new).collect();
            match &buffer[..len] {
                JOINED => heard.joined = true,
                READY => heard.ready |= !self.ready,
                other => {
                    if let Some(Notice::Leave(labels)) = Notice::decode(other)
                        && labels.len() == with.len()
                    {
                        let bytes = Notice::Deal(labels).encode();
                        heard.left.push(Waiting { bytes, descriptors: with });
                    }
                }
            }
        }
        self.ready |= heard.ready;
        heard
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self, worker: &str) -> Option<String> {
        let exit = match self.pidfd.ended() {
            Ok(exit) => exit?,
            Err(error) => {
                tracing::error!(worker, %error, "lost sight of it");
                Exit::Status(-1)
            }
        };
        Some(match &self.killed {
            Some(why) => format!("{exit}: {why}"),
            None => exit.to_string(),
        })
    }

    /// The number of a thread that has made no progress for `looks` looks.
    pub(crate) fn hangs(&mut self, looks: u32) -> Option<usize> {
        self.watch.look(looks)
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self, worker: &str, why: String) {
        tracing::warn!(worker, why, "killed");
        if let Err(error) = self.pidfd.signal(Signal::Kill) {
            tracing::error!(worker, %error, "can't be killed");
        }
        self.killed = Some(why);
    }
}

/// The program at `program`, called `argv0`.
pub(crate) fn command(
    program: &std::path::Path,
    argv0: &std::ffi::OsStr,
    arguments: &[std::ffi::OsString],
) -> Command {
    let mut command = Command::new(program);
    command.arg0(argv0).args(arguments);
    command
}
