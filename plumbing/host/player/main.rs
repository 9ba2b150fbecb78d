//! Plays a supervisor, and the workers that it starts, for the tests in `supervisor.rs`.
//!
//! `supervise FOLDER ROLE` prints the port at which the worker listens. The worker answers each datagram with
//! its process number, except for those that tell it how to die. With `succeed` in place of `supervise` the worker
//! outlives its supervisor. A copy of this program whose name ends in `-broken` is no worker that answers; one that
//! ends in `-stillborn` is none that joins.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use machine::Moment;
use strowger_host::estate::Legacy;
use strowger_host::succession::Succession;
use strowger_host::supervisor::{Options, Patience, Supervisor, WorkerSpec};
use strowger_host::worker::Worker;
use strowger_io::{Clock, Events, Interest, Poller, UdpOptions, UdpSocket};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["supervise", folder, role] => supervise(Path::new(folder), role),
        ["succeed", folder] => succeed(Path::new(folder), None),
        ["succeed", folder, "--inherit", number] => succeed(Path::new(folder), Some(number.parse().unwrap())),
        ["work", "standby", folder] => {
            strowger_host::standby::run(Worker::join().unwrap(), &Path::new(folder).join("standby")).unwrap();
        }
        ["work", "answering"] if is_called("-stillborn") => exit(7),
        ["work", "answering"] if is_called("-broken") => drop(Worker::join().unwrap()),
        ["work", "answering"] => answer(false),
        ["work", "deaf"] => answer(true),
        ["work", "storm"] => exit(4),
        ["work", "slow"] => std::thread::sleep(Duration::from_secs(60)),
        _ => exit(64),
    }
}

fn is_called(ending: &str) -> bool {
    std::env::current_exe().unwrap().to_string_lossy().ends_with(ending)
}

/// A supervisor with a worker at the port that the file `port` in `folder` names (or any, which it then names).
fn succeed(folder: &Path, inherited: Option<i32>) {
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    let mut legacy = match inherited {
        Some(number) => Legacy::inherited(number).unwrap(),
        None if lock.try_lock().is_ok() => {
            strowger_host::orphan::end_orphans(&folder.join("status.json"));
            Legacy::none(lock.into())
        }
        None => Legacy::claimed(&folder.join("standby")).unwrap().unwrap_or_else(|| exit(75)),
    };
    let port = std::fs::read_to_string(folder.join("port")).unwrap_or_default().parse().unwrap_or(0);
    let bind =
        |port: u16| UdpSocket::bind(([127, 0, 0, 1], port).into(), &UdpOptions::default()).unwrap().into();
    let socket: OwnedFd = legacy.take("answering", "udp").unwrap_or_else(|| bind(port));
    let socket = UdpSocket::from(socket);
    std::fs::write(folder.join("port"), socket.local().unwrap().port().to_string()).unwrap();
    let mut descriptors: Vec<(String, OwnedFd)> = vec![("udp".to_owned(), socket.into())];
    for number in 0..600 {
        let label = format!("pool/{number:03}");
        let socket = legacy.take("answering", &label).unwrap_or_else(|| bind(0));
        descriptors.push((label, socket));
    }
    let worker = |name: &str, arguments: &[&std::ffi::OsStr], descriptors| WorkerSpec {
        name: name.to_owned(),
        argv0: format!("strowger-{name}").into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: vec![],
        descriptors,
    };
    let options = Options {
        program: "/proc/self/exe".into(),
        status: folder.join("status.json"),
        patience: Patience { settled: Duration::ZERO, ..Patience::default() },
        clock: legacy.clock().unwrap_or_else(|| Clock::start(Moment::START)),
    };
    let standby = worker("standby", &["work".as_ref(), "standby".as_ref(), folder.as_os_str()], vec![]);
    let successor = vec!["succeed".into(), folder.into()];
    let succession = Succession { standby, legacy, control: folder.join("control"), successor };
    let workers = vec![worker("answering", &["work".as_ref(), "answering".as_ref()], descriptors)];
    Supervisor::in_succession(options, workers, succession).unwrap().run().unwrap();
}

fn supervise(folder: &Path, role: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
    println!("{}", socket.local().unwrap().port());
    std::io::stdout().flush().unwrap();
    let mut descriptors: Vec<(String, OwnedFd)> = vec![("udp".to_owned(), socket.into())];
    for number in 0..600 {
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &UdpOptions::default()).unwrap();
        descriptors.push((format!("pool/{number:03}"), socket.into()));
    }
    let worker = WorkerSpec {
        name: role.to_owned(),
        argv0: "player".into(),
        arguments: vec!["work".into(), role.into()],
        environment: vec![],
        descriptors,
    };
    let patience = Patience {
        to_get_ready: Duration::from_millis(700),
        to_end: Duration::from_millis(500),
        // A test kills more often than a storm would.
        settled: if role == "storm" { Duration::from_secs(5) } else { Duration::ZERO },
        ..Patience::default()
    };
    let options = Options {
        program: "/proc/self/exe".into(),
        status: folder.join("status.json"),
        patience,
        clock: Clock::start(Moment::START),
    };
    Supervisor::new(options, vec![worker]).unwrap().run().unwrap();
}

fn answer(deaf: bool) {
    let mut worker = Worker::join().unwrap();
    let socket = UdpSocket::from(worker.dealt.take("udp").unwrap());
    let pool = worker.dealt.take_all("pool/");
    assert_eq!((pool.len(), pool[7].0.as_str()), (600, "007"));
    assert_eq!(worker.dealt.labels().count(), 0);
    let beat = worker.progress.watch();
    let poller = Poller::new().unwrap();
    poller.add(&socket, 1, Interest::READ).unwrap();
    poller.add(&worker, 2, Interest::READ).unwrap();
    let mut events = Events::new(8);
    worker.ready().unwrap();
    loop {
        beat.tick();
        let mut buffer = [0; 100];
        while let Some((len, from)) = socket.receive(&mut buffer).unwrap() {
            match &buffer[..len] {
                b"exit" => exit(3),
                b"abort" => std::process::abort(),
                b"hang" => loop {
                    std::hint::spin_loop();
                },
                _ => drop(socket.send(std::process::id().to_string().as_bytes(), from).unwrap()),
            }
        }
        if worker.must_stop() && !deaf {
            return;
        }
        poller.wait(&mut events, Some(Duration::from_millis(if deaf { 5 } else { 100 }))).unwrap();
    }
}
