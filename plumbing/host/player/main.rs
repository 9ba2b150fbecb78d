//! Plays a supervisor, and the workers that it starts, for the tests in `supervisor.rs`.
//!
//! `supervise FOLDER ROLE` prints the port at which the worker listens. The worker answers each datagram with
//! its process number, except for those that tell it how to die.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use machine::Moment;
use strowger_host::supervisor::{Options, Patience, Supervisor, WorkerSpec};
use strowger_host::worker::Worker;
use strowger_io::{Clock, Events, Interest, Poller, UdpOptions, UdpSocket};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["supervise", folder, role] => supervise(Path::new(folder), role),
        ["work", "answering"] => answer(false),
        ["work", "deaf"] => answer(true),
        ["work", "storm"] => exit(4),
        ["work", "slow"] => std::thread::sleep(Duration::from_secs(60)),
        _ => exit(64),
    }
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
