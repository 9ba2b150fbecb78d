//! Supervisors that die or are replaced while their workers go on.

#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use strowger_host::supervisor::{State, Status};
use strowger_host::upgrade::{Upgrade, UpgradeError};
use strowger_io::{Pidfd, Signal};

const PLAYER: &str = env!("CARGO_BIN_EXE_strowger-supervised-player");
const PATIENCE: Duration = Duration::from_secs(20);

struct Platform {
    first: Child,
    folder: PathBuf,
    phone: UdpSocket,
}

impl Platform {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("strowger-succession-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let first = Command::new(PLAYER).arg("succeed").arg(&folder).spawn().unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let platform = Platform { first, folder, phone };
        platform.until(all_run);
        let port = std::fs::read_to_string(platform.folder.join("port")).unwrap();
        platform.phone.connect(format!("127.0.0.1:{port}")).unwrap();
        platform
    }

    /// Which process answers.
    fn ask(&self) -> u32 {
        self.phone.send(b"who?").unwrap();
        let mut buffer = [0; 100];
        let len = self.phone.recv(&mut buffer).unwrap();
        std::str::from_utf8(&buffer[..len]).unwrap().parse().unwrap()
    }

    fn status(&self) -> Status {
        self.until(|_| true)
    }

    /// Waits until the status is as `wanted`.
    fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let by = Instant::now() + PATIENCE;
        loop {
            let status = Status::read(&self.folder.join("status.json"));
            match status {
                Ok(status) if wanted(&status) => return status,
                status => assert!(Instant::now() < by, "the status stays {status:?}"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A copy of the player under another name.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.folder.join(name);
        std::fs::copy(PLAYER, &copy).unwrap();
        copy
    }

    fn upgrade(&self, program: &Path) -> (Vec<String>, Result<(), UpgradeError>) {
        let upgrade =
            Upgrade { control: self.folder.join("control"), status: self.folder.join("status.json") };
        let mut steps = Vec::new();
        let result = upgrade.run(program, &mut |step| steps.push(step.to_owned()));
        (steps, result)
    }

    /// What supervisor, worker and standby run.
    fn programs(&self) -> [PathBuf; 3] {
        let status = self.status();
        let pids = [status.pid, status.workers[0].pid.unwrap(), status.standby.unwrap().pid.unwrap()];
        pids.map(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).unwrap())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Ok(status) = Status::read(&self.folder.join("status.json")) {
            signal(status.pid, Signal::Terminate);
            let by = Instant::now() + Duration::from_secs(12);
            while lives(status.pid) && Instant::now() < by {
                drop(self.first.try_wait());
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        drop(self.first.kill());
        drop(self.first.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn signal(pid: u32, signal: Signal) {
    drop(Pidfd::of_child(pid).and_then(|process| process.signal(signal)));
}

fn lives(pid: u32) -> bool {
    // A zombie has ended, too.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z')
}

fn all_run(status: &Status) -> bool {
    status.workers.iter().chain(&status.standby).all(|worker| worker.state == State::Running)
}

#[test]
fn a_killed_supervisor_is_followed_by_one_that_adopts_its_workers() {
    let platform = Platform::start("killed");
    let worker = platform.ask();
    let before = platform.status();
    let mut supervisor = before.pid;
    for _ in 0..5 {
        let killed = Instant::now();
        signal(supervisor, Signal::Kill);
        let after = platform.until(|status| status.pid != supervisor && all_run(status));
        println!("another supervisor {:?} after the first one was killed", killed.elapsed());
        supervisor = after.pid;
        assert_eq!(platform.ask(), worker);
        assert_eq!((after.workers[0].pid, after.workers[0].restarts), (Some(worker), 0));
        assert_eq!(after.standby, before.standby);
    }
    signal(worker, Signal::Kill);
    let successor = platform.ask();
    let after = platform.until(|status| status.workers[0].pid == Some(successor) && all_run(status));
    assert_eq!(after.workers[0].restarts, 1);
    assert_eq!(after.workers[0].last_death.clone().unwrap().0, "ended, and nobody saw how");
}

#[test]
fn a_supervisor_killed_while_its_worker_is_dead_is_followed_and_so_is_the_worker() {
    let platform = Platform::start("both");
    let (worker, supervisor) = (platform.ask(), platform.status().pid);
    stop(supervisor);
    signal(worker, Signal::Kill);
    signal(supervisor, Signal::Kill);
    let successor = platform.ask();
    assert_ne!(successor, worker);
    platform.until(|status| status.pid != supervisor && all_run(status));
}

#[test]
fn a_killed_standby_is_followed_and_then_does_its_work() {
    let platform = Platform::start("standby");
    let before = platform.status();
    let standby = before.standby.unwrap().pid.unwrap();
    signal(standby, Signal::Kill);
    platform.until(|status| status.standby.as_ref().unwrap().pid != Some(standby) && all_run(status));
    let worker = platform.ask();
    signal(before.pid, Signal::Kill);
    platform.until(|status| status.pid != before.pid && all_run(status));
    assert_eq!(platform.ask(), worker);
}

#[test]
fn orphans_go_on_until_one_of_them_has_a_supervisor_started() {
    let mut platform = Platform::start("orphans");
    let before = platform.status();
    let (worker, standby) = (platform.ask(), before.standby.unwrap().pid.unwrap());
    stop(before.pid);
    signal(standby, Signal::Kill);
    signal(before.pid, Signal::Kill);
    while lives(before.pid) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(platform.ask(), worker, "it goes on alone");
    // The player does not wait in `wait_for_stop`; so an operator comes.
    let second = Command::new(PLAYER).arg("succeed").arg(&platform.folder).spawn().unwrap();
    let first = std::mem::replace(&mut platform.first, second).wait().unwrap();
    assert!(!first.success());
    platform.until(|status| status.pid == platform.first.id() && all_run(status));
    assert!(!lives(worker));
    assert_ne!(platform.ask(), worker);
}

#[test]
fn a_second_supervisor_is_refused_while_the_first_one_lives() {
    let platform = Platform::start("second");
    let second = Command::new(PLAYER).arg("succeed").arg(&platform.folder).status().unwrap();
    assert_eq!(second.code(), Some(75));
    platform.ask();
}

#[test]
fn every_process_is_upgraded_and_what_was_said_meanwhile_is_heard() {
    let platform = Platform::start("upgrade");
    let (worker, supervisor) = (platform.ask(), platform.status().pid);
    let new = platform.copy("player-new");
    let (steps, result) = platform.upgrade(&new);
    println!("{steps:#?}");
    result.unwrap();
    assert_eq!(steps.len(), 3);
    assert_ne!(platform.ask(), worker);
    assert_eq!(platform.programs(), [new.clone(), new.clone(), new.clone()]);
    let after = platform.status();
    assert_eq!((after.pid, after.workers[0].restarts), (supervisor, 0));
    // From here on the new program's, whatever dies.
    signal(platform.ask(), Signal::Kill);
    platform.ask();
    signal(supervisor, Signal::Kill);
    platform.until(|status| status.pid != supervisor && all_run(status));
    assert_eq!(platform.programs(), [new.clone(), new.clone(), new]);
}

#[test]
fn a_program_whose_workers_die_gives_way_to_the_one_from_before() {
    let platform = Platform::start("broken");
    let before = platform.programs();
    let (steps, result) = platform.upgrade(&platform.copy("player-broken"));
    let error = result.unwrap_err().to_string();
    println!("{steps:#?} {error}");
    assert!(error.contains("did not get ready in 3 lives"), "{error}");
    assert!(error.ends_with("all run the program from before"), "{error}");
    platform.until(all_run);
    platform.ask();
    assert_eq!(platform.programs(), before);
}

#[test]
fn a_program_whose_workers_never_come_is_not_waited_for() {
    let platform = Platform::start("stillborn");
    let (worker, before) = (platform.ask(), platform.programs());
    let (steps, result) = platform.upgrade(&platform.copy("player-stillborn"));
    let error = result.unwrap_err().to_string();
    println!("{steps:#?} {error}");
    assert!(error.contains("exited with status 7"), "{error}");
    assert_eq!(platform.programs(), before);
    assert_eq!(
        platform.ask() == worker,
        steps.iter().all(|step| !step.starts_with("answering: the program"))
    );
}

#[test]
fn a_supervisor_that_does_not_start_is_followed_by_the_one_from_before() {
    let platform = Platform::start("false");
    let (worker, before) = (platform.ask(), platform.programs());
    let (_, result) = platform.upgrade(Path::new("/bin/false"));
    let error = result.unwrap_err().to_string();
    assert!(error.ends_with("the supervisor from before goes on"), "{error}");
    platform.until(all_run);
    assert_eq!((platform.ask(), platform.programs()), (worker, before));
}

/// Halts a process, so that it sees nothing of what happens next.
fn stop(pid: u32) {
    let stopped = Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    assert!(stopped.success());
}
