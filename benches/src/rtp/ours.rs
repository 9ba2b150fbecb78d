//! The media role alone under its supervisor, driven over the bus as an exchange does.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bus::{Endpoint, Member, Topology};
use contract::media::{Anchor, Anchored, LegWish, Payload};
use contract::{CallId, Conversation, Envelope};
use host::supervisor::{Options, Patience, State, Status, Supervisor, WorkerSpec};
use host::worker::Worker;
use machine::{Moment, Secret};
use media_service::Config;
use strowger_io::{Clock, Events, Interest, Poller, UdpOptions, UdpSocket};

use crate::Trouble;

const FIRST_PORT: u16 = 24_000;

/// Binds ports for `legs` legs and keeps a media worker alive on them.
pub(crate) fn supervise(folder: &Path, legs: u16) -> Result<(), Trouble> {
    let hearing = Topology::new(folder, 1).bind(Member::Media)?;
    let mut descriptors: Vec<(String, OwnedFd)> = vec![("bus".to_owned(), hearing.into())];
    let options = UdpOptions { receive_buffer: 0, ..UdpOptions::default() };
    for number in 0..2 * legs {
        let socket = UdpSocket::bind(([127, 0, 0, 1], FIRST_PORT + number).into(), &options)?;
        descriptors.push((format!("port-{number:05}"), socket.into()));
    }
    let arguments: Vec<OsString> = vec!["media-worker".into(), folder.into()];
    let worker = WorkerSpec {
        name: "media".to_owned(),
        argv0: "strowger-media".into(),
        arguments,
        environment: vec![],
        descriptors,
    };
    let options = Options {
        program: "/proc/self/exe".into(),
        status: folder.join("status.json"),
        patience: Patience { settled: Duration::ZERO, ..Patience::default() },
        clock: Clock::start(Moment::START),
    };
    Ok(Supervisor::new(options, vec![worker])?.run()?)
}

/// The media worker that it keeps alive.
pub(crate) fn work(folder: &Path) -> Result<(), Trouble> {
    let mut worker = Worker::join()?;
    let topology = Topology::new(folder, 1);
    let config = Config::new(Secret::new([3; 16]), topology, folder.to_path_buf());
    Ok(media_service::run(&mut worker, &config, &media_service::alone)?)
}

/// The media role at work, and the exchange's end of the bus.
#[derive(Debug)]
pub(crate) struct Ours {
    folder: PathBuf,
    supervisor: Child,
    endpoint: Endpoint,
    poller: Poller,
}

impl Ours {
    /// Starts it with ports for `legs` legs.
    pub(crate) fn start(legs: u32) -> Result<Self, Trouble> {
        let folder = PathBuf::from(format!("/dev/shm/strowger-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let _left_over = std::fs::remove_file(folder.join("media-0.journal"));
        let topology = Topology::new(&folder, 1);
        let endpoint = Endpoint::new(topology.clone(), topology.bind(Member::Signalling(0))?)?;
        let poller = Poller::new()?;
        poller.add(&endpoint, 0, Interest::READ)?;
        let supervisor = Command::new(std::env::current_exe()?)
            .args(["media-alone".into(), OsString::from(&folder), legs.to_string().into()])
            .spawn()?;
        let ours = Ours { folder, supervisor, endpoint, poller };
        ours.wait_until_running()?;
        Ok(ours)
    }

    fn status(&self) -> Option<Status> {
        Status::read(&self.folder.join("status.json")).ok()
    }

    fn wait_until_running(&self) -> Result<(), Trouble> {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            let status = self.status().filter(|it| it.pid == self.supervisor.id());
            if status.is_some_and(|it| it.workers.iter().all(|it| it.state == State::Running)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the media worker does not run".into())
    }

    /// Supervisor and worker.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let workers = self.status().map(|it| it.workers).unwrap_or_default();
        workers.iter().filter_map(|it| it.pid).chain([self.supervisor.id()]).collect()
    }

    /// Anchors a call for each two phones; where each phone sends to.
    pub(crate) fn connect(&mut self, phones: &[SocketAddr]) -> Result<Vec<SocketAddr>, Trouble> {
        let mut legs = Vec::with_capacity(phones.len());
        for (call, phones) in (1..).zip(phones.chunks_exact(2)) {
            match self.ask(call, &wish(CallId(call), phones))? {
                Anchored::Ready { legs: ports, .. } => legs.extend(ports.iter().map(|port| port.rtp)),
                other => return Err(format!("call {call} was not anchored: {other:?}").into()),
            }
        }
        Ok(legs)
    }

    fn ask<C: Conversation>(&mut self, id: u64, question: &C) -> Result<C::Answer, Trouble> {
        self.endpoint.send(&Envelope::request(id, None, question))?;
        self.endpoint.flush();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            self.poller.wait(&mut Events::new(4), Some(Duration::from_millis(100)))?;
            self.endpoint.ready();
            while let Some(received) = self.endpoint.receive() {
                if received.envelope.id == id {
                    return Ok(contract::decode(&received.envelope.body)?);
                }
            }
        }
        Err(format!("{} was not answered", C::SUBJECT).into())
    }
}

fn wish(call: CallId, phones: &[SocketAddr]) -> Anchor {
    let payload = |number, name: &str| Payload { number, name: name.into(), clock: 8000 };
    let leg = |leg: u8| LegWish {
        leg,
        peer: Some(1 - leg),
        remote_rtp: Some(phones[usize::from(leg)]),
        payloads: vec![payload(0, "PCMU"), payload(101, "telephone-event")],
        ..LegWish::default()
    };
    Anchor { call, version: 1, legs: vec![leg(0), leg(1)], inactivity_ms: 30_000, ..Anchor::default() }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.supervisor.id().to_string()]).status();
        let _ = self.supervisor.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
