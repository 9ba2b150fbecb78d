//! A supervisor with nothing but a media worker, for the tests in `tests/worker`.
//!
//! `supervise FOLDER FIRST_PORT LEGS THREADS` binds the pool and the bus and keeps a worker alive on them.

#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use bus::{Member, Topology};
use host::supervisor::{Options, Patience, Supervisor, WorkerSpec};
use host::worker::Worker;
use machine::{Moment, Secret};
use strowger_io::{Clock, UdpOptions, UdpSocket};
use strowger_media_service::Config;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["supervise", folder, first, legs, threads] => {
            supervise(Path::new(folder), first.parse().unwrap(), legs.parse().unwrap(), threads);
        }
        ["work", folder, threads] => work(Path::new(folder), threads.parse().unwrap()),
        _ => exit(64),
    }
}

fn supervise(folder: &Path, first: u16, legs: u16, threads: &str) {
    let bus = Topology::new(folder, 1).bind(Member::Media).unwrap();
    let mut descriptors: Vec<(String, OwnedFd)> = vec![("bus".to_owned(), bus.into())];
    let options = UdpOptions { receive_buffer: 0, ..UdpOptions::default() };
    for number in 0..2 * legs {
        let address = SocketAddr::from(([127, 0, 0, 1], first + number));
        descriptors.push((format!("port-{number:05}"), UdpSocket::bind(address, &options).unwrap().into()));
    }
    let arguments: Vec<OsString> = vec!["work".into(), folder.into(), threads.into()];
    let worker = WorkerSpec {
        name: "media".to_owned(),
        argv0: "strowger-media-alone".into(),
        arguments,
        environment: vec![],
        descriptors,
    };
    // A test kills more often than a storm would.
    let patience = Patience { settled: Duration::ZERO, ..Patience::default() };
    let status = folder.join("status.json");
    let clock = Clock::start(Moment::START);
    let options = Options { program: "/proc/self/exe".into(), status, patience, clock };
    Supervisor::new(options, vec![worker]).unwrap().run().unwrap();
}

fn work(folder: &Path, threads: usize) {
    let mut worker = Worker::join().unwrap();
    let topology = Topology::new(folder, 1);
    let config = Config { threads, ..Config::new(Secret::new([3; 16]), topology, folder.to_path_buf()) };
    strowger_media_service::run(&mut worker, &config, &strowger_media_service::alone).unwrap();
}
