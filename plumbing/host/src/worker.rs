//! The worker's side: what it was dealt, its heartbeat, the notice to stop.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use strowger_io::{CONTROL, Clock, Counters, Events, Interest, Poller, Received, SeqSocket, take_inherited};

pub use crate::progress::{BEAT, Beat, Progress};
pub use crate::protocol::Start;

use crate::life::PROGRESS;
use crate::orphan::Orphan;
use crate::protocol::{JOINED, LONGEST, Notice, READY};

/// How long a worker waits for what it is dealt.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long may the supervisor take to take what a worker leaves.
const TO_LEAVE: Duration = Duration::from_secs(1);
/// So many descriptors are left in one message.
const MOST_LEFT: usize = 200;

/// Why a process can't be a worker.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody left it a control socket.
    #[error("a worker is started by its supervisor, not by hand: {0}")]
    NoSupervisor(strowger_io::Error),
    /// The kernel refuses something.
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    /// The supervisor is gone, or says nothing we understand.
    #[error("the supervisor did not deal everything")]
    Undealt,
}

/// The descriptors that the supervisor dealt, by their labels.
#[derive(Debug, Default)]
pub struct Dealt {
    descriptors: BTreeMap<String, OwnedFd>,
}

impl Dealt {
    /// Takes the descriptor called `label`.
    pub fn take(&mut self, label: &str) -> Option<OwnedFd> {
        self.descriptors.remove(label)
    }

    /// Takes all whose labels start with `prefix`, in the order of their labels, each with the rest of its label.
    pub fn take_all(&mut self, prefix: &str) -> Vec<(String, OwnedFd)> {
        let mut rest = self.descriptors.split_off(prefix);
        let after = rest.keys().find(|label| !label.starts_with(prefix)).cloned();
        if let Some(after) = after {
            self.descriptors.append(&mut rest.split_off(&after));
        }
        rest.into_iter().map(|(label, descriptor)| (label[prefix.len()..].to_owned(), descriptor)).collect()
    }

    /// The labels that nobody has taken yet.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.descriptors.keys().map(String::as_str)
    }
}

/// A worker that was started by a supervisor.
#[derive(Debug)]
pub struct Worker {
    /// Who it is.
    pub start: Start,
    /// What it was dealt.
    pub dealt: Dealt,
    /// Where its threads show that they are alive.
    pub progress: Progress,
    control: SeqSocket,
    told_to_stop: bool,
    /// The supervisor and its standby are gone.
    orphan: Option<Orphan>,
}

impl Worker {
    /// Takes what the supervisor deals. To be called first thing in the process, once.
    pub fn join() -> Result<Self, JoinError> {
        if let Err(error) = strowger_io::shroud() {
            tracing::warn!(%error, "a death of this worker will be told late");
        }
        let control = take_inherited(CONTROL).map_err(JoinError::NoSupervisor)?;
        Self::over(SeqSocket::from(control))
    }

    fn over(control: SeqSocket) -> Result<Self, JoinError> {
        let poller = Poller::new()?;
        poller.add(&control, 0, Interest::READ)?;
        control.send(JOINED, &[])?;
        let (mut events, until) = (Events::new(1), Instant::now() + PATIENCE);
        let (mut buffer, mut descriptors) = (vec![0; LONGEST], Vec::new());
        let mut dealt = Dealt::default();
        loop {
            let notice = match control.receive(&mut buffer, &mut descriptors)? {
                Received::Message(len) => Notice::decode(&buffer[..len]),
                Received::Nothing if Instant::now() < until => {
                    poller.wait(&mut events, Some(until.saturating_duration_since(Instant::now())))?;
                    continue;
                }
                Received::Nothing | Received::Closed => None,
            };
            match notice {
                Some(Notice::Deal(labels)) if labels.len() == descriptors.len() => {
                    dealt.descriptors.extend(labels.into_iter().zip(descriptors.drain(..)));
                }
                Some(Notice::Start(start)) => {
                    let page = dealt.take(PROGRESS).ok_or(JoinError::Undealt)?;
                    let progress = Progress::over(Counters::over(page)?);
                    return Ok(Worker { start, dealt, progress, control, told_to_stop: false, orphan: None });
                }
                _ => return Err(JoinError::Undealt),
            }
        }
    }

    /// The clock that all workers of this platform share.
    pub fn clock(&self) -> Clock {
        Clock::anchored(self.start.clock_anchor)
    }

    /// Tells the supervisor that everything is taken up again. From now on every watched thread must show
    /// progress.
    pub fn ready(&self) -> strowger_io::Result<()> {
        self.progress.ready();
        self.control.send(READY, &[]).map(drop)
    }

    /// Leaves descriptors to the successor, which is dealt them under these labels if it waits already: when a worker
    /// is replaced on purpose. To be called when nobody uses them any more, right before the end.
    pub fn leave(&self, left: Vec<(String, OwnedFd)>) -> strowger_io::Result<()> {
        let poller = Poller::new()?;
        poller.add(&self.control, 0, Interest::WRITE)?;
        let (mut events, until) = (Events::new(1), Instant::now() + TO_LEAVE);
        for some in left.chunks(MOST_LEFT) {
            let labels = some.iter().map(|(label, _)| label.clone()).collect();
            let descriptors: Vec<BorrowedFd<'_>> = some.iter().map(|(_, it)| it.as_fd()).collect();
            let bytes = Notice::Leave(labels).encode();
            while !self.control.send(&bytes, &descriptors)? {
                if Instant::now() >= until {
                    return Ok(());
                }
                poller.wait(&mut events, Some(TO_LEAVE))?;
            }
        }
        Ok(())
    }

    /// Whether the supervisor said to stop (or is gone, if the worker is not to outlive it). To be asked whenever
    /// the worker's descriptor is readable, or now and then.
    pub fn must_stop(&mut self) -> bool {
        let (mut buffer, mut unwanted) = ([0; 64], Vec::new());
        while !self.told_to_stop && self.orphan.is_none() {
            match self.control.receive(&mut buffer, &mut unwanted) {
                Ok(Received::Nothing) => break,
                Ok(Received::Message(len)) => {
                    self.told_to_stop = Notice::decode(&buffer[..len]) == Some(Notice::Stop);
                }
                Ok(Received::Closed) | Err(_) if self.start.successor.is_empty() => self.told_to_stop = true,
                Ok(Received::Closed) | Err(_) => {
                    tracing::warn!("nobody watches over this worker any more; it goes on");
                    self.orphan = Some(Orphan::new(&self.start));
                }
            }
        }
        self.told_to_stop
    }

    /// Waits until the supervisor says to stop. Without a supervisor and a standby it goes on, and tries to have
    /// another one started.
    pub fn wait_for_stop(&mut self) -> strowger_io::Result<()> {
        let poller = Poller::new()?;
        poller.add(&self.control, 0, Interest::READ)?;
        let mut events = Events::new(1);
        while !self.must_stop() {
            match &mut self.orphan {
                Some(orphan) => orphan.wait(),
                None => poller.wait(&mut events, None)?,
            }
        }
        Ok(())
    }

    pub(crate) fn control(&self) -> &SeqSocket {
        &self.control
    }

    /// Another supervisor is at the other end of `control`.
    pub(crate) fn follow(&mut self, control: SeqSocket) {
        self.control = control;
    }
}

impl AsFd for Worker {
    /// Readable when the supervisor has something to say.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}
