//! Network namespaces as hosts: each has one interface, `eth0`, on a bridge in a namespace of its own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libc::SIGKILL;
use strowger_tests::signal_to;

use crate::Trouble;
use crate::stage::Stage;

/// What begins the name of every namespace that a drill makes; the number of its process follows.
const PREFIX: &str = "drill";
/// Where nftables is installed.
const NFT: &str = "/usr/sbin/nft";
/// What was killed may take so long to be gone.
const GRACE: Duration = Duration::from_secs(4);

/// The namespaces of one drill: gone with this value, with every process in them.
#[derive(Debug)]
pub(crate) struct Namespaces {
    process: u32,
}

/// The namespace `name` of the drill whose outer process is `process`.
pub(crate) fn full(process: u32, name: &str) -> String {
    format!("{PREFIX}{process}-{name}")
}

/// `program` in a namespace; the process that is started becomes it.
pub(crate) fn command_in(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

impl Namespaces {
    /// Whether they are permitted here; if not, why.
    pub(crate) fn permitted() -> Result<(), Trouble> {
        let probe = full(std::process::id(), "probe");
        ip(&["netns", "add", &probe])?;
        ip(&["netns", "del", &probe])
    }

    /// Makes those of `stage`: the bridge's, the world's, and one for each host.
    pub(crate) fn make(stage: &Stage) -> Result<Self, Trouble> {
        let process = std::process::id();
        let made = Namespaces { process };
        let net = made.add("net")?;
        ip(&["-n", &net, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &net, "link", "set", "bridge", "up"])?;
        let hosts = stage.hosts.iter().map(|host| (host.name.as_str(), host.address));
        for (name, address) in hosts.chain([("world", stage.world)]) {
            let own = made.add(name)?;
            ip(&["link", "add", "eth0", "netns", &own, "type", "veth", "peer", "name", name, "netns", &net])?;
            ip(&["-n", &net, "link", "set", name, "master", "bridge", "up"])?;
            ip(&["-n", &own, "address", "add", &format!("{address}/16"), "dev", "eth0"])?;
            ip(&["-n", &own, "link", "set", "eth0", "up"])?;
        }
        Ok(made)
    }

    fn add(&self, name: &str) -> Result<String, Trouble> {
        let name = full(self.process, name);
        ip(&["netns", "add", &name])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(name)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        take_down(self.process);
    }
}

/// Removes what drills left behind that were killed before they could.
pub(crate) fn remove_leftovers() {
    for name in listed() {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()).map(str::to_owned);
        let Some(owner) = owner.and_then(|owner| owner.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            remove(&name);
            crate::stage::remove_folders(owner);
        }
    }
}

/// Ends every process on the stage of the drill whose outer process is `process`, but this one, and takes it down.
pub(crate) fn take_down(process: u32) {
    let mut names = listed();
    names.retain(|name| name.starts_with(&full(process, "")));
    // Nobody is told to end by himself: there is nothing to be saved, and who waits for another who is gone would wait.
    names.iter().for_each(|name| kill_all(name));
    names.iter().for_each(|name| remove(name));
    crate::stage::remove_folders(process);
}

/// Ends every process in a namespace of ours, and the namespace.
fn remove(name: &str) {
    kill_all(name);
    if let Err(trouble) = ip(&["netns", "del", name]) {
        eprintln!("drill: {trouble}");
    }
}

/// Runs `ip` in the namespace of the bridge.
pub(crate) fn in_net(process: u32, arguments: &[&str]) -> Result<(), Trouble> {
    let net = full(process, "net");
    ip(&[&["-n", net.as_str()], arguments].concat())
}

/// Puts the host's cable in or out at the bridge: neither side is told.
pub(crate) fn link(process: u32, name: &str, to: &str) -> Result<(), Trouble> {
    ip(&["-n", &full(process, "net"), "link", "set", name, to])
}

/// Whether hosts can be cut off from some others only.
pub(crate) fn can_cut() -> bool {
    Path::new(NFT).exists()
}

/// From now on the host hears nothing from `others`, and they nothing from it: neither side is told.
pub(crate) fn cut(process: u32, name: &str, others: &[Ipv4Addr]) -> Result<(), Trouble> {
    let others = others.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ");
    let rules = format!(
        "add table inet drill; \
         add chain inet drill in {{ type filter hook input priority 0; }}; \
         add rule inet drill in ip saddr {{ {others} }} drop; \
         add chain inet drill out {{ type filter hook output priority 0; }}; \
         add rule inet drill out ip daddr {{ {others} }} drop"
    );
    ip(&["netns", "exec", &full(process, name), NFT, &rules])
}

/// What was [`cut`] is whole again.
pub(crate) fn join_again(process: u32, name: &str) -> Result<(), Trouble> {
    ip(&["netns", "exec", &full(process, name), NFT, "delete table inet drill"])
}

/// Kills every process there but this one.
pub(crate) fn kill_all(namespace: &str) {
    let until = Instant::now() + GRACE;
    while Instant::now() < until {
        let mut left = processes_in(namespace);
        left.retain(|&process| process != std::process::id());
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(|process| signal_to(process, SIGKILL));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether an interface there has the address.
pub(crate) fn has_address(namespace: &str, address: Ipv4Addr) -> bool {
    let said = output(&["-n", namespace, "-o", "address", "show"]).unwrap_or_default();
    said.contains(&format!(" {address}/"))
}

fn processes_in(name: &str) -> Vec<u32> {
    let said = output(&["netns", "pids", name]).unwrap_or_default();
    said.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

fn listed() -> Vec<String> {
    let said = output(&["netns", "list"]).unwrap_or_default();
    said.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn ip(arguments: &[&str]) -> Result<(), Trouble> {
    output(arguments).map(drop)
}

fn output(arguments: &[&str]) -> Result<String, Trouble> {
    let said = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let said = said.map_err(|error| Trouble::new(format!("ip: {error}")))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&said.stderr);
    Err(Trouble::new(format!("ip {}: {}", arguments.join(" "), why.trim())))
}
