//! The supervisor as the first process of a container: it buries whom others leave behind, and its death is the host's.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use strowger_tests::{Peer, eventually, request, signal_to, strowger};

/// A platform in a process namespace of its own, whose first process is the supervisor.
struct Container {
    /// Makes the namespace and waits for its end.
    peer: Peer,
    folder: PathBuf,
    runtime: PathBuf,
    api: SocketAddr,
}

impl Container {
    fn start() -> Container {
        let process = std::process::id();
        let address = Ipv4Addr::new(127, 65, (process >> 8 & 0xff) as u8, (process & 0xff) as u8);
        let folder = std::env::temp_dir().join(format!("strowger-container-{process}"));
        let runtime = PathBuf::from(format!("/dev/shm/strowger-container-{process}"));
        std::fs::create_dir_all(&folder).expect("a folder of the test's own");
        let config = format!(
            "data = \"{0}/data\"\nruntime = \"{1}\"\n[sip]\nlisten = [\"udp:{address}:5060\"]\n\
             [signalling]\njournal_mb = 16\n[media]\nlegs = 20\njournal_mb = 8\n[api]\nlisten = \"{address}:8080\"\n",
            folder.display(),
            runtime.display(),
        );
        std::fs::write(folder.join("strowger.toml"), config).expect("the configuration");
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(strowger());
        command.arg("--config").arg(folder.join("strowger.toml")).arg("serve");
        let peer = Peer::start("container", command, &folder);
        let container = Container { peer, folder, runtime, api: (address, 8080).into() };
        assert!(eventually(Duration::from_secs(20), || container.is_well()), "{}", container.log());
        container
    }

    fn is_well(&self) -> bool {
        request(self.api, "GET", "/healthz", "", None).status == 200
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("container.log")).unwrap_or_default()
    }

    /// The first process within, by the number that it has outside.
    fn first(&self) -> u32 {
        *children(self.peer.id()).first().expect("the container has a first process")
    }

    /// A worker's number within.
    fn worker(&self, name: &str) -> Option<u64> {
        let text = std::fs::read(self.runtime.join("status.json")).ok()?;
        let status: Value = serde_json::from_slice(&text).ok()?;
        let worker = status["workers"].as_array()?.iter().find(|worker| worker["name"] == name)?;
        (worker["state"] == "running").then(|| worker["pid"].as_u64())?
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(&first) = children(self.peer.id()).first() {
            signal_to(first, libc::SIGKILL);
        }
        for folder in [&self.folder, &self.runtime] {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The children of a process.
fn children(of: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// What a process is called, and what it does now: `Z` if it is dead and its parent has not noticed.
fn state(id: u32) -> Option<(String, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    Some((name.to_owned(), rest.trim_start().chars().next()?))
}

/// Leaves a process behind in the container of `first`, whose own parent is gone at once.
fn leave_behind(first: u32) {
    let mut command = Command::new("nsenter");
    command.args(["--target", &first.to_string(), "--pid", "--mount"]);
    command.args(["sh", "-c", "sleep 0.2 & sleep 0.05"]).stdin(Stdio::null());
    assert!(command.status().expect("nsenter").success());
}

#[cfg_attr(not(containers), ignore = "process namespaces are not permitted here")]
#[test]
fn the_first_process_of_a_container_buries_whom_others_leave_behind() {
    let container = Container::start();
    let first = container.first();
    assert_eq!(status(&container)["pid"], 1, "the supervisor is the first process");
    leave_behind(first);
    let is_sleeping = |&id: &u32| state(id).is_some_and(|(name, _)| name == "sleep");
    let adopted =
        children(first).into_iter().find(is_sleeping).expect("who was left behind is the first process's");
    let buried = eventually(Duration::from_secs(5), || !Path::new(&format!("/proc/{adopted}")).exists());
    assert!(buried, "{:?}: {}", state(adopted), container.log());
}

#[cfg_attr(not(containers), ignore = "process namespaces are not permitted here")]
#[test]
fn in_a_container_workers_follow_each_other_and_none_outlives_the_first_process() {
    let container = Container::start();
    let first = container.first();
    let media = container.worker("media").expect("media runs");
    let within = format!("kill -KILL {media}");
    let mut kill = Command::new("nsenter");
    kill.args(["--target", &first.to_string(), "--pid", "--mount", "sh", "-c", &within]);
    assert!(kill.status().expect("nsenter").success());
    let followed = || container.worker("media").is_some_and(|now| now != media);
    assert!(eventually(Duration::from_secs(5), followed), "{}", container.log());

    let all: Vec<u32> = descendants(first);
    assert!(all.len() >= 3, "workers and a standby: {all:?}");
    signal_to(first, libc::SIGKILL);
    let ended = |&id: &u32| state(id).is_none_or(|(_, now)| now == 'Z');
    assert!(eventually(Duration::from_secs(5), || all.iter().all(ended)), "{all:?}");
    assert!(!container.is_well(), "somebody answers in its place");
}

fn descendants(of: u32) -> Vec<u32> {
    children(of).into_iter().flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

fn status(container: &Container) -> Value {
    let text = std::fs::read(container.runtime.join("status.json")).expect("the supervisor's status");
    serde_json::from_slice(&text).expect("JSON")
}
