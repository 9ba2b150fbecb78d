use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bus::{Endpoint, Mailbox};
use contract::query::Gauges;
use host::worker::Worker;
use host::{Beat, Turn};
use journal::{Journal, OpenError, Recovered, TooSmall};
use machine::Moment;
use media::{Media, Sounds};
use strowger_io::{Clock, MappedFile, UdpSocket, Waker, start_thread};

use crate::config::Config;
use crate::desk::{Desk, desks};
use crate::pace::Pace;
use crate::perform::{Board, Hands};
use crate::ports::Ports;
use crate::probing::Probing;
use crate::prompts;
use crate::thread::PacketThread;

/// The label of the bus's listening socket.
const BUS: &str = "bus";
/// The labels of the pool's sockets begin so; RTP and RTCP in turn.
const PORT: &str = "port-";
/// The label of the socket that probes come to and go from.
const PROBE: &str = "probe";

/// Why a media worker does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The supervisor did not deal something.
    #[error("the supervisor did not deal {0:?}")]
    NotDealt(&'static str),
    /// The kernel refuses something.
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    /// The bus can't be heard.
    #[error("the bus: {0}")]
    Bus(io::Error),
    /// The journal can't be one.
    #[error("{}: {source}", path.display())]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: TooSmall,
    },
    /// A thread panicked where none may.
    #[error("a packet thread panicked")]
    Panicked,
}

/// What a media worker is dealt.
#[derive(Debug)]
pub struct Dealt {
    /// Where it hears the bus, of this host or of all.
    pub bus: Box<dyn Mailbox + Send>,
    /// The pool, RTP and RTCP in turn.
    pub ports: Vec<UdpSocket>,
    /// Where probes of other nodes come to; none: paths are not measured.
    pub probe: Option<UdpSocket>,
}

impl Dealt {
    /// Takes `bus` and all of `port-`; `join` makes of the bus of this host the one that is heard.
    pub fn take(dealt: &mut host::worker::Dealt, config: &Config, join: Join<'_>) -> Result<Self, RunError> {
        let listener: UnixListener = dealt.take(BUS).ok_or(RunError::NotDealt(BUS))?.into();
        let near = Endpoint::new(config.topology.clone(), listener).map_err(RunError::Bus)?;
        let bus = join(near).map_err(RunError::Bus)?;
        let ports = dealt.take_all(PORT).into_iter().map(|(_, fd): (_, OwnedFd)| UdpSocket::from(fd));
        let ports = ports.collect();
        Ok(Dealt { bus, ports, probe: dealt.take(PROBE).map(UdpSocket::from) })
    }
}

/// Joins the bus of this host with that of others, where there are some.
pub type Join<'a> = &'a dyn Fn(Endpoint) -> io::Result<Box<dyn Mailbox + Send>>;

/// Hears this host alone.
pub fn alone(near: Endpoint) -> io::Result<Box<dyn Mailbox + Send>> {
    Ok(Box::new(near))
}

/// Runs as `worker` until its supervisor says to stop.
pub fn run(worker: &mut Worker, config: &Config, join: Join<'_>) -> Result<(), RunError> {
    // As long as nobody forwards packets, whoever is about to comes first.
    strowger_io::come_first();
    let dealt = Dealt::take(&mut worker.dealt, config, join)?;
    let progress = worker.progress.clone();
    let service = Service::start(config, dealt, worker.clock(), || Some(progress.watch()))?;
    worker.ready()?;
    strowger_io::stand_in_line();
    worker.wait_for_stop()?;
    // So does whoever a successor waits for.
    strowger_io::come_first();
    service.stop()
}

/// Packet threads at work.
#[derive(Debug)]
pub struct Service {
    threads: Vec<JoinHandle<strowger_io::Result<()>>>,
    wakers: Vec<Waker>,
    stop: Arc<AtomicBool>,
}

impl Service {
    /// Takes up what a predecessor left, and starts the threads. When this returns, sound flows. `beat` gives each
    /// thread its heartbeat.
    pub fn start(
        config: &Config,
        dealt: Dealt,
        clock: Clock,
        mut beat: impl FnMut() -> Option<Beat>,
    ) -> Result<Service, RunError> {
        let count = config.threads.max(1);
        let wakers = (0..count).map(|_| Waker::new()).collect::<Result<Vec<_>, _>>()?;
        let board: Board = Arc::new((0..count).map(|_| Mutex::new(Gauges::default())).collect());
        let mut service = Service { threads: Vec::new(), wakers, stop: Arc::new(AtomicBool::new(false)) };
        let mut learners = Vec::new();
        let mut probing = dealt.probe.zip(config.around.clone()).map(|(socket, around)| {
            Probing::new((config.node, config.secret.clone()), socket, around, count, clock.now())
        });
        let places = desks(dealt.bus, &service.wakers)?.into_iter().zip(share(dealt.ports, count));
        for (number, (desk, ports)) in places.enumerate() {
            let (sounds, learned) = channel();
            learners.push((sounds, service.wakers[number].duplicate()?));
            let (turn, hands) = recover(config, clock, number, ports, desk, Arc::clone(&board))?;
            let thread = PacketThread {
                turn,
                hands,
                clock,
                pace: Pace::new(config.gather),
                waker: service.wakers[number].duplicate()?,
                beat: beat(),
                stop: Arc::clone(&service.stop),
                sounds: learned,
                // By the thread that has the bus.
                probing: probing.take(),
            };
            service.threads.push(start_thread(&format!("media-{number}"), move || thread.run())?);
        }
        teach(config.prompts.clone(), learners)?;
        Ok(service)
    }

    /// Ends the threads.
    pub fn stop(self) -> Result<(), RunError> {
        self.stop.store(true, Ordering::Relaxed);
        self.wakers.iter().for_each(Waker::wake);
        for thread in self.threads {
            thread.join().map_err(|_| RunError::Panicked)??;
        }
        Ok(())
    }
}

/// Prompts are read beside, so that sound that needs none flows at once.
fn teach(folder: Option<PathBuf>, learners: Vec<(Sender<Sounds>, Waker)>) -> Result<(), RunError> {
    start_thread("media-prompts", move || {
        strowger_io::stand_in_line();
        let sounds = prompts::load(folder.as_deref());
        for (learner, waker) in learners {
            // It fails only if the thread has left already.
            let _ = learner.send(sounds.clone());
            waker.wake();
        }
    })?;
    Ok(())
}

/// Each thread's part of the pool: whole pairs.
fn share(ports: Vec<UdpSocket>, threads: usize) -> Vec<Vec<UdpSocket>> {
    let mut parts: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, socket) in ports.into_iter().enumerate() {
        parts[number / 2 % threads].push(socket);
    }
    parts
}

fn recover(
    config: &Config,
    clock: Clock,
    number: usize,
    ports: Vec<UdpSocket>,
    desk: Desk,
    board: Board,
) -> Result<(Turn<Media, MappedFile>, Hands), RunError> {
    let ports = Ports::new(ports)?;
    let pairs = ports.pairs(&config.advertised)?;
    let machine = Media::new(config.node, config.secret.clone(), pairs, config.settings.clone());
    let path = config.runtime.join(format!("media-{number}.journal"));
    let (journal, mut recovered) = open(&path, config.journal, clock.now())?;
    let mut turn = Turn::new(machine, journal);
    let mut hands = Hands { number, ports, desk, board, extra: Vec::new() };
    turn.restore(clock.now(), &mut recovered, &mut hands);
    for damage in &recovered.damage {
        tracing::warn!(journal = %path.display(), ?damage, "the journal is broken there; the rest was used");
    }
    turn.recover(clock.now(), &recovered, [], &mut hands);
    hands.desk.flush();
    if !recovered.fresh {
        tracing::info!(thread = number, calls = turn.machine.calls(), "went on where the predecessor was");
    }
    Ok((turn, hands))
}

/// The journal at `path`; one that another release wrote is begun anew.
fn open(path: &Path, bytes: usize, now: Moment) -> Result<(Journal<MappedFile>, Recovered), RunError> {
    let small = |source| RunError::Journal { path: path.to_owned(), source };
    match Journal::open(MappedFile::create(path, bytes)?, now) {
        Ok(opened) => Ok(opened),
        Err(OpenError::TooSmall(source)) => Err(small(source)),
        Err(OpenError::Version(version)) => {
            tracing::warn!(journal = %path.display(), version, "another release wrote it; it begins anew");
            let journal = Journal::create(MappedFile::create(path, bytes)?, now).map_err(small)?;
            Ok((journal, Recovered { fresh: true, ..Recovered::default() }))
        }
    }
}
