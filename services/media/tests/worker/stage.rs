//! An exchange's side of the bus, phones, and the worker between them.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bus::{Endpoint, Member, Topology};
use contract::media::{
    Anchor, Anchored, Gauge, Happening, LegPort, LegWish, Noticed, Payload, Release, Released,
};
use contract::{CallId, Conversation, Envelope, Kind};
use host::supervisor::{State, Status};
use rtp::{Header, Sender};
use strowger_io::{Events, Interest, Poller};

/// Each stage of this process gets ports of its own.
fn first_port(name: &str) -> u16 {
    let number = ["talk", "threads", "hijack", "prompt", "digit", "kill"].iter().position(|it| *it == name);
    21_000 + number.unwrap() as u16 * 1_000
}

pub(crate) struct Stage {
    folder: PathBuf,
    supervisor: Child,
    endpoint: Endpoint,
    poller: Poller,
    next: u64,
    noticed: Vec<Noticed>,
    taken: usize,
}

impl Stage {
    pub(crate) fn new(name: &str, threads: usize) -> Self {
        let folder = PathBuf::from(format!("/dev/shm/strowger-media-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let topology = Topology::new(&folder, 1);
        let listener = topology.bind(Member::Signalling(0)).unwrap();
        let endpoint = Endpoint::new(topology, listener).unwrap();
        let supervisor = Command::new(env!("CARGO_BIN_EXE_strowger-media-alone"))
            .arg("supervise")
            .arg(&folder)
            .args([first_port(name).to_string(), "400".into(), threads.to_string()])
            .spawn()
            .unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&endpoint, 0, Interest::READ).unwrap();
        let mut stage =
            Stage { folder, supervisor, endpoint, poller, next: 0, noticed: Vec::new(), taken: 0 };
        stage.wait_until_running(0);
        stage
    }

    fn status(&self) -> Option<Status> {
        Status::read(&self.folder.join("status.json")).ok()
    }

    fn wait_until_running(&mut self, restarts: u64) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let status = self.status();
            let worker = status.as_ref().and_then(|status| status.workers.first());
            if worker.is_some_and(|it| it.state == State::Running && it.restarts >= restarts) {
                return;
            }
            assert!(Instant::now() < until, "the worker does not run: {status:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.status().unwrap().workers[0].restarts
    }

    pub(crate) fn kill_worker(&mut self) {
        let pid = self.status().unwrap().workers[0].pid.unwrap();
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    }

    fn ask<C: Conversation>(&mut self, question: &C) -> C::Answer {
        self.next += 1;
        self.endpoint.send(&Envelope::request(self.next, None, question)).unwrap();
        self.endpoint.flush();
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            for envelope in self.receive(Duration::from_millis(100)) {
                if envelope.kind == Kind::Answer && envelope.id == self.next {
                    return contract::decode(&envelope.body).unwrap();
                }
            }
        }
        panic!("{} was not answered", C::SUBJECT);
    }

    /// What came; notices are kept beside.
    fn receive(&mut self, within: Duration) -> Vec<Envelope> {
        self.poller.wait(&mut Events::new(8), Some(within)).unwrap();
        self.endpoint.ready();
        let mut others = Vec::new();
        while let Some(received) = self.endpoint.receive() {
            match received.envelope.kind {
                Kind::Notice => self.noticed.push(contract::decode(&received.envelope.body).unwrap()),
                _ => others.push(received.envelope),
            }
        }
        others
    }

    pub(crate) fn anchor(&mut self, wish: &Anchor) -> Vec<LegPort> {
        match self.ask(wish) {
            Anchored::Ready { legs, .. } => legs,
            other => panic!("ports were expected, not {other:?}"),
        }
    }

    pub(crate) fn release(&mut self, call: u64) -> Released {
        self.ask(&Release { call: CallId(call), ..Release::default() })
    }

    pub(crate) fn gauge(&mut self, name: &str) -> f64 {
        std::thread::sleep(Duration::from_millis(10));
        self.ask(&Gauge {}).values.iter().find(|it| it.0 == name).expect("the gauge is there").1
    }

    /// The next thing that media notices.
    pub(crate) fn hear(&mut self, within: Duration) -> Noticed {
        let until = Instant::now() + within;
        while self.noticed.len() == self.taken {
            assert!(Instant::now() < until, "nothing was noticed");
            self.receive(Duration::from_millis(20));
        }
        self.taken += 1;
        self.noticed[self.taken - 1].clone()
    }

    pub(crate) fn heard_serials(&mut self) -> Vec<u32> {
        self.receive(Duration::from_millis(1));
        let serial = |noticed: &Noticed| match noticed.what {
            Happening::Digit { serial, .. } => Some(serial),
            _ => None,
        };
        self.noticed.iter().filter_map(serial).collect()
    }

    pub(crate) fn two_who_talk(&mut self, call: u64) -> (Party, Party) {
        let (mut alice, mut bob) = (Party::new(1), Party::new(2));
        let ports = self.anchor(&conversation(call, &alice, &bob));
        (alice.anchor, bob.anchor) = (Some(ports[0].rtp), Some(ports[1].rtp));
        (alice, bob)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let pid = self.supervisor.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.supervisor.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Somebody with a telephone.
pub(crate) struct Party {
    socket: UdpSocket,
    pub(crate) header: Header,
    pub(crate) anchor: Option<SocketAddr>,
}

impl Party {
    pub(crate) fn new(ssrc: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let header = Header { ssrc, ..Header::default() };
        Party { socket, header, anchor: None }
    }

    fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.anchor.unwrap()).unwrap();
    }

    pub(crate) fn speak(&mut self) {
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(160);
        let mut packet = self.header.bytes().to_vec();
        packet.resize(172, 0xff);
        self.send(&packet);
    }

    pub(crate) fn press(&mut self, digit: char) {
        let mut sender = Sender::new(self.header.ssrc, 8000, 1, 160);
        let mut press = rtp::event::Press::new(&sender, 101, digit, 800, 160).unwrap();
        while let Some((header, payload)) = press.packet(&mut sender) {
            self.send(&[&header.bytes()[..], &payload].concat());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that came since it listened last.
    pub(crate) fn listen(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            packets.push(buffer[..length].to_vec());
        }
        packets
    }

    /// Somebody who listens all the time, in place of [`Party::listen`].
    pub(crate) fn ear(&self) -> Ear {
        let (stop, stopped) = channel::<()>();
        let socket = self.socket.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut heard, mut buffer) = (Vec::new(), [0; 2048]);
            while stopped.try_recv() != Err(TryRecvError::Disconnected) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, _)) => heard.push((Instant::now(), buffer[..length].to_vec())),
                    Err(_) => std::thread::sleep(Duration::from_micros(500)),
                }
            }
            heard
        });
        Ear { stop, thread }
    }
}

/// Hears everything at the moment at which it comes.
pub(crate) struct Ear {
    stop: std::sync::mpsc::Sender<()>,
    thread: JoinHandle<Vec<(Instant, Vec<u8>)>>,
}

impl Ear {
    pub(crate) fn heard(self) -> Vec<(Instant, Vec<u8>)> {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// The times between packets.
pub(crate) fn steps(heard: &[(Instant, Vec<u8>)]) -> Vec<Duration> {
    heard.windows(2).map(|two| two[1].0 - two[0].0).collect()
}

fn leg(leg: u8, party: &Party) -> LegWish {
    let payload = |number, name: &str| Payload { number, name: name.into(), clock: 8000 };
    LegWish {
        leg,
        remote_rtp: Some(party.socket.local_addr().unwrap()),
        payloads: vec![payload(0, "PCMU"), payload(101, "telephone-event")],
        ..LegWish::default()
    }
}

pub(crate) fn conversation(call: u64, alice: &Party, bob: &Party) -> Anchor {
    let legs = vec![LegWish { peer: Some(1), ..leg(0, alice) }, LegWish { peer: Some(0), ..leg(1, bob) }];
    Anchor { call: CallId(call), version: 1, legs, ..Anchor::default() }
}

pub(crate) fn monologue(version: u32, party: &Party) -> Anchor {
    let legs = vec![LegWish { hear_digits: true, ..leg(0, party) }];
    Anchor { call: CallId(1), version, legs, ..Anchor::default() }
}
