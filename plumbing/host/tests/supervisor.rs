//! A real supervisor with real workers that are killed, hang and exit.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use strowger_host::supervisor::{State, Status};
use strowger_io::{Pidfd, Signal};

struct Platform {
    supervisor: Child,
    folder: PathBuf,
    phone: UdpSocket,
}

impl Platform {
    fn start(role: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("strowger-host-{}-{role}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut supervisor = Command::new(env!("CARGO_BIN_EXE_strowger-supervised-player"))
            .arg("supervise")
            .arg(&folder)
            .arg(role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.connect(format!("127.0.0.1:{}", port.trim())).unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Platform { supervisor, folder, phone }
    }

    fn say(&self, what: &str) {
        self.phone.send(what.as_bytes()).unwrap();
    }

    /// Which process answers.
    fn ask(&self) -> u32 {
        self.say("who?");
        self.hear()
    }

    fn hear(&self) -> u32 {
        let mut buffer = [0; 100];
        let len = self.phone.recv(&mut buffer).unwrap();
        std::str::from_utf8(&buffer[..len]).unwrap().parse().unwrap()
    }

    fn status(&self) -> Option<Status> {
        Status::read(&self.folder.join("status.json")).ok()
    }

    /// Waits until the status is as `wanted`.
    fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let by = Instant::now() + Duration::from_secs(10);
        loop {
            let status = self.status();
            if let Some(status) = status.clone().filter(&wanted) {
                return status;
            }
            assert!(Instant::now() < by, "the status stays {status:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn last_death(&self, restarts: u64) -> String {
        let status = self.until(|status| status.workers[0].restarts == restarts);
        status.workers[0].last_death.clone().unwrap().0
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        drop(self.supervisor.kill());
        drop(self.supervisor.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn kill(pid: u32, signal: Signal) {
    Pidfd::of_child(pid).unwrap().signal(signal).unwrap();
}

fn lives(pid: u32) -> bool {
    // A zombie has ended, too.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z')
}

fn wait_until(what: &str, by: Duration, condition: impl Fn() -> bool) {
    let by = Instant::now() + by;
    while !condition() {
        assert!(Instant::now() < by, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The process that holds the memory of `worker` as well.
fn shroud_of(worker: u32) -> Option<u32> {
    let of =
        |field: &str, pid: u32| std::fs::read_to_string(format!("/proc/{pid}/{field}")).unwrap_or_default();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|&pid| {
        let (status, name) = (of("status", pid), of("comm", pid));
        name.trim_end() == "shroud" && status.lines().any(|line| line == format!("PPid:\t{worker}"))
    })
}

#[test]
fn a_worker_has_a_shroud_that_holds_nothing_else_and_dies_after_it() {
    let platform = Platform::start("answering");
    let pid = platform.ask();
    wait_until("no shroud", Duration::from_secs(5), || shroud_of(pid).is_some());
    let shroud = shroud_of(pid).unwrap();
    let descriptors = || std::fs::read_dir(format!("/proc/{shroud}/fd")).unwrap().count();
    wait_until("it holds descriptors", Duration::from_secs(5), || descriptors() == 0);
    kill(shroud, Signal::Terminate);
    kill(shroud, Signal::Interrupt);
    assert_eq!(platform.ask(), pid, "and nobody minds signals that a terminal sends to all");
    assert!(lives(shroud));
    kill(pid, Signal::Kill);
    wait_until("it outlives its worker", Duration::from_secs(5), || !lives(shroud));
    assert_ne!(platform.ask(), pid);
}

#[test]
fn a_killed_worker_has_a_successor_at_once_that_hears_what_was_said_meanwhile() {
    let platform = Platform::start("answering");
    let mut gaps = Vec::new();
    let mut pid = platform.ask();
    for _ in 0..30 {
        let killed = Instant::now();
        kill(pid, Signal::Kill);
        wait_until("the killed one lives on", Duration::from_secs(1), || !lives(pid));
        let successor = platform.ask();
        gaps.push(killed.elapsed());
        assert_ne!(successor, pid);
        pid = successor;
    }
    gaps.sort();
    println!(
        "from SIGKILL to the successor's first answer, with 602 descriptors dealt: median {:?}, worst {:?}",
        gaps[gaps.len() / 2],
        gaps[gaps.len() - 1]
    );
    assert!(gaps[gaps.len() / 2] < Duration::from_millis(50), "{gaps:?}");
    assert_eq!(platform.last_death(30), "killed by signal 9");
    let status = platform.until(|status| status.workers[0].state == State::Running);
    assert_eq!(status.workers[0].pid, Some(pid));
    let worker = &status.workers[0];
    let (started, ready) = (worker.last_start.unwrap(), worker.last_gap.unwrap());
    println!(
        "of that, from the supervisor's seeing it to the successor's start: {started} µs, to ready: {ready} µs"
    );
    assert!(started <= ready);
}

#[test]
fn a_worker_that_exits_or_aborts_is_started_again_and_the_cause_is_told() {
    let platform = Platform::start("answering");
    let first = platform.ask();
    platform.say("exit");
    let second = platform.ask();
    assert_ne!(first, second);
    assert_eq!(platform.last_death(1), "exited with status 3");
    platform.say("abort");
    assert_ne!(second, platform.ask());
    assert_eq!(platform.last_death(2), "killed by signal 6");
}

#[test]
fn a_worker_that_hangs_is_killed_within_a_second() {
    let platform = Platform::start("answering");
    let first = platform.ask();
    let start = Instant::now();
    platform.say("hang");
    assert_ne!(first, platform.ask());
    let took = start.elapsed();
    println!("from hanging to the successor's first answer: {took:?}");
    assert!(took >= Duration::from_millis(700) && took < Duration::from_millis(1200), "{took:?}");
    assert_eq!(platform.last_death(1), "killed by signal 9: thread 1 made no progress for 800ms");
}

#[test]
fn a_worker_that_never_gets_ready_is_killed() {
    let platform = Platform::start("slow");
    assert_eq!(platform.last_death(1), "killed by signal 9: was not ready after 700ms");
}

#[test]
fn a_storm_of_deaths_is_met_with_longer_and_longer_pauses() {
    let platform = Platform::start("storm");
    std::thread::sleep(Duration::from_millis(1500));
    let worker = platform.status().unwrap().workers.remove(0);
    // At once, and after 20, 40, 80, 160, 320 and 640 ms.
    assert!((6..=8).contains(&worker.restarts), "{worker:?}");
    assert_eq!(
        (worker.state, worker.last_death.unwrap().0),
        (State::Waiting, "exited with status 4".to_owned())
    );
}

#[test]
fn all_end_in_good_order_when_told() {
    let mut platform = Platform::start("answering");
    let pid = platform.ask();
    kill(platform.supervisor.id(), Signal::Terminate);
    assert!(platform.supervisor.wait().unwrap().success());
    assert!(!lives(pid));
    let worker = platform.status().unwrap().workers.remove(0);
    assert_eq!((worker.state, worker.restarts), (State::Ended, 0));
}

#[test]
fn a_worker_deaf_to_the_notice_is_killed_in_the_end() {
    let mut platform = Platform::start("deaf");
    let pid = platform.ask();
    let start = Instant::now();
    kill(platform.supervisor.id(), Signal::Interrupt);
    assert!(platform.supervisor.wait().unwrap().success());
    assert!(start.elapsed() >= Duration::from_millis(500) && !lives(pid));
}

#[test]
fn workers_do_not_outlive_their_supervisor() {
    let mut platform = Platform::start("answering");
    let pid = platform.ask();
    platform.supervisor.kill().unwrap();
    platform.supervisor.wait().unwrap();
    wait_until("the orphan lives on", Duration::from_secs(2), || !lives(pid));
}

#[test]
fn a_process_without_a_supervisor_is_no_worker() {
    let output = Command::new(env!("CARGO_BIN_EXE_strowger-supervised-player"))
        .args(["work", "answering"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("NoSupervisor"));
}

#[test]
fn the_status_is_nowhere_if_it_was_never_written() {
    assert!(Status::read(Path::new("/nonexistent/status.json")).is_err());
}
