//! Who runs where, as data.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Hosts, and the world that the phones are in, on one bridge.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Every host.
    pub(crate) hosts: Vec<HostPlan>,
    /// The address of the phones.
    pub(crate) world: Ipv4Addr,
}

/// A host, and what runs there.
#[derive(Clone, Debug)]
pub(crate) struct HostPlan {
    /// Its name, at most ten letters.
    pub(crate) name: String,
    /// Its address on the bridge.
    pub(crate) address: Ipv4Addr,
    /// What runs there.
    pub(crate) runs: Runs,
}

/// What a host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// `strowger serve`, alone.
    Alone,
    /// `strowger serve` as node so-and-so of several: exchange, media, office and a broker.
    Exchange(u16),
    /// `strowger serve` as node so-and-so: an edge.
    Edge(u16),
    /// A NATS server.
    Bus,
}

impl Stage {
    /// The stage of that name.
    pub(crate) fn named(name: &str) -> Option<Stage> {
        match name {
            "one-host" => Some(Stage::one_host()),
            "hosts" => Some(Stage::hosts()),
            _ => None,
        }
    }

    /// One host with all roles.
    fn one_host() -> Stage {
        let host = HostPlan { name: "one".into(), address: Ipv4Addr::new(10, 99, 1, 1), runs: Runs::Alone };
        Stage { name: "one-host", hosts: vec![host], world: WORLD }
    }

    /// Three hosts with exchange and media, two edges that share two addresses, and a bus.
    fn hosts() -> Stage {
        let host = |name: &str, last, runs| HostPlan {
            name: name.into(),
            address: Ipv4Addr::new(10, 99, 1, last),
            runs,
        };
        let hosts = vec![
            host("h1", 1, Runs::Exchange(1)),
            host("h2", 2, Runs::Exchange(2)),
            host("h3", 3, Runs::Exchange(3)),
            host("e1", 4, Runs::Edge(4)),
            host("e2", 5, Runs::Edge(5)),
            host("bus", 9, Runs::Bus),
        ];
        Stage { name: "hosts", hosts, world: WORLD }
    }

    /// Where phones find the platform.
    pub(crate) fn server(&self) -> Ipv4Addr {
        if self.is_of_several() { SHARED[0] } else { self.hosts[0].address }
    }

    /// Names of the files with its rows and its picture.
    pub(crate) fn results(&self) -> [&'static str; 2] {
        match self.is_of_several() {
            true => ["results.json", "timeline.svg"],
            false => ["one-host.json", "one-host.svg"],
        }
    }

    /// Whether several hosts are one platform.
    pub(crate) fn is_of_several(&self) -> bool {
        self.hosts.len() > 1
    }

    /// What is the same in the configuration of all hosts of one platform; `folder` is the drill's.
    pub(crate) fn shared(&self, folder: &Path) -> String {
        let seats = self.hosts.iter().filter_map(|host| match host.runs {
            Runs::Exchange(node) => Some(format!("\"{node}@{}:7000\"", host.address)),
            Runs::Alone | Runs::Edge(_) | Runs::Bus => None,
        });
        let bus = self.hosts.iter().find(|host| host.runs == Runs::Bus).map(|host| host.address);
        let seats = seats.collect::<Vec<_>>().join(", ");
        let bus = bus.unwrap_or(Ipv4Addr::LOCALHOST);
        format!(
            "brokers = [{seats}]\nsecret = \"{}\"\n[nats]\nservers = [\"nats://{bus}:4222\"]\n",
            folder.join("secret").display()
        )
    }
}

/// Where the phones are.
const WORLD: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Addresses of the platform that move from edge to edge.
pub(crate) const SHARED: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 2, 1), Ipv4Addr::new(10, 99, 2, 2)];

impl HostPlan {
    /// What is in its configuration besides what every host has.
    pub(crate) fn lines(&self, legs: usize, shared: &str) -> String {
        let address = self.address;
        let listens = |of: &[Ipv4Addr]| {
            let both = of.iter().map(|it| format!("\"udp:{it}:5060\", \"tcp:{it}:5060\""));
            both.collect::<Vec<_>>().join(", ")
        };
        let (node, roles, floating) = match self.runs {
            Runs::Alone | Runs::Bus => {
                return format!("[sip]\nlisten = [{}]\n[media]\nlegs = {legs}\n", listens(&[address]));
            }
            Runs::Exchange(node) => {
                (node, r#""exchange", "apps", "media", "billing", "api", "broker""#, String::new())
            }
            Runs::Edge(node) => {
                let held = SHARED.map(|it| format!("\"{it}/16@eth0\""));
                (node, r#""edge""#, held.join(", "))
            }
        };
        format!(
            "[sip]\nlisten = [{}]\n[media]\naddress = \"{address}\"\nlegs = {legs}\n\
             [cluster]\nnode = {node}\ninside = \"{address}:7100\"\nroles = [{roles}]\n\
             floating = [{floating}]\n{shared}",
            listens(&SHARED)
        )
    }

    /// Whether it has an API.
    pub(crate) fn has_api(&self) -> bool {
        matches!(self.runs, Runs::Alone | Runs::Exchange(_))
    }
}

/// Where the files of the drill whose outer process is `process` lie: what would be on disk, and what in memory.
pub(crate) fn folders(process: u32) -> [PathBuf; 2] {
    let name = format!("strowger-drill-{process}");
    [std::env::temp_dir().join(&name), PathBuf::from("/dev/shm").join(&name)]
}

/// Removes them.
pub(crate) fn remove_folders(process: u32) {
    for folder in folders(process) {
        let _ = std::fs::remove_dir_all(folder);
    }
}
