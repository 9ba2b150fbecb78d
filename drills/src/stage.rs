//! Who runs where, as data.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::cells;

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
    /// `strowger serve` as node so-and-so of several: exchange, media and office.
    Exchange(u16),
    /// `strowger serve` as node so-and-so: an edge.
    Edge(u16),
    /// `strowger serve` as node so-and-so: a broker.
    Broker(u16),
    /// `strowger serve` as node so-and-so: all but media.
    Core(u16),
    /// `strowger serve` as node so-and-so: media.
    Media(u16),
    /// `strowger serve` with all roles, and a bus of its own: a whole cell of several.
    Cell(u8),
    /// A NATS server of several.
    Nats,
    /// A PostgreSQL server of two.
    Postgres,
}

impl Runs {
    /// The number among the hosts of one platform.
    pub(crate) fn node(self) -> Option<u16> {
        match self {
            Runs::Exchange(node) | Runs::Edge(node) | Runs::Broker(node) => Some(node),
            Runs::Core(node) | Runs::Media(node) => Some(node),
            Runs::Cell(cell) => Some(cell.into()),
            Runs::Alone | Runs::Nats | Runs::Postgres => None,
        }
    }

    /// Whether it is `strowger serve`.
    pub(crate) fn is_ours(self) -> bool {
        !matches!(self, Runs::Nats | Runs::Postgres)
    }
}

impl Stage {
    /// The stage of that name.
    pub(crate) fn named(name: &str) -> Option<Stage> {
        match name {
            "one-host" => Some(Stage::one_host()),
            "hosts" => Some(Stage::hosts()),
            "paths" => Some(Stage::paths()),
            "cells" => Some(Stage::cells()),
            _ => None,
        }
    }

    /// One host with all roles, and two that its store can be on.
    fn one_host() -> Stage {
        let hosts =
            vec![host("one", 1, Runs::Alone), host("p1", 31, Runs::Postgres), host("p2", 32, Runs::Postgres)];
        Stage { name: "one-host", hosts, world: WORLD }
    }

    /// Three hosts with exchange and media, two edges that share two addresses, three brokers, a bus on three servers,
    /// and a store on two.
    fn hosts() -> Stage {
        let hosts = vec![
            host("h1", 1, Runs::Exchange(1)),
            host("h2", 2, Runs::Exchange(2)),
            host("h3", 3, Runs::Exchange(3)),
            host("e1", 4, Runs::Edge(4)),
            host("e2", 5, Runs::Edge(5)),
            host("b1", 11, Runs::Broker(11)),
            host("b2", 12, Runs::Broker(12)),
            host("b3", 13, Runs::Broker(13)),
            host("n1", 21, Runs::Nats),
            host("n2", 22, Runs::Nats),
            host("n3", 23, Runs::Nats),
            host("p1", 31, Runs::Postgres),
            host("p2", 32, Runs::Postgres),
        ];
        Stage { name: "hosts", hosts, world: WORLD }
    }

    /// Three hosts with media, one with all the rest, and a bus.
    fn paths() -> Stage {
        let hosts = vec![
            host("core", 1, Runs::Core(1)),
            host("m2", 2, Runs::Media(2)),
            host("m3", 3, Runs::Media(3)),
            host("m4", 4, Runs::Media(4)),
            host("n1", 21, Runs::Nats),
        ];
        Stage { name: "paths", hosts, world: WORLD }
    }

    /// Three cells of a host each; the third one comes later.
    fn cells() -> Stage {
        let hosts = [("c1", 1), ("c2", 2), ("c3", 3)].map(|(name, cell)| host(name, cell, Runs::Cell(cell)));
        Stage { name: "cells", hosts: hosts.into(), world: WORLD }
    }

    /// Hosts that run this.
    pub(crate) fn of(&self, is: impl Fn(Runs) -> bool) -> impl Iterator<Item = &HostPlan> {
        self.hosts.iter().filter(move |host| is(host.runs))
    }

    /// Where phones find the platform; of several cells, each has its own phones.
    pub(crate) fn servers(&self) -> Vec<Ipv4Addr> {
        match self.hosts[0].runs {
            Runs::Exchange(_) => vec![SHARED[0]],
            Runs::Cell(_) => self.hosts[..cells::AT_FIRST].iter().map(|host| host.address).collect(),
            _ => vec![self.hosts[0].address],
        }
    }

    /// Names of the files with its rows and its picture.
    pub(crate) fn results(&self) -> [&'static str; 2] {
        match self.hosts[0].runs {
            Runs::Exchange(_) | Runs::Core(_) => ["results.json", "timeline.svg"],
            Runs::Cell(_) => ["results.json", "cells.svg"],
            _ => ["one-host.json", "one-host.svg"],
        }
    }

    /// Whether several hosts are one platform.
    pub(crate) fn is_of_several(&self) -> bool {
        self.of(|runs| matches!(runs, Runs::Exchange(_))).next().is_some()
    }

    /// Whether there are several platforms that are one to those who call.
    pub(crate) fn has_cells(&self) -> bool {
        self.of(|runs| matches!(runs, Runs::Cell(_))).next().is_some()
    }

    /// What is the same in the configuration of all hosts of one platform; `folder` is the drill's.
    pub(crate) fn shared(&self, folder: &Path) -> String {
        let secret = format!("secret = \"{}\"\n", folder.join("secret").display());
        if self.has_cells() {
            return secret;
        }
        let quoted =
            |all: Vec<String>| all.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ");
        let seats = self.of(|runs| matches!(runs, Runs::Broker(_) | Runs::Core(_)));
        let seats = seats.filter_map(|host| Some(format!("{}@{}:7000", host.runs.node()?, host.address)));
        let servers = self.of(|runs| runs == Runs::Nats).map(|host| format!("nats://{}:4222", host.address));
        let (seats, servers) = (quoted(seats.collect()), quoted(servers.collect()));
        format!("brokers = [{seats}]\n{secret}[nats]\nservers = [{servers}]\n")
    }
}

fn host(name: &str, last: u8, runs: Runs) -> HostPlan {
    HostPlan { name: name.into(), address: Ipv4Addr::new(10, 99, 1, last), runs }
}

/// Whom a further cell knows.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);

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
        let mut heard = SHARED.to_vec();
        let (node, roles, floating) = match self.runs {
            Runs::Core(node) => {
                heard = vec![address];
                (node, r#""edge", "exchange", "apps", "billing", "api", "broker""#, String::new())
            }
            Runs::Media(node) => (node, r#""media""#, String::new()),
            Runs::Cell(cell) => {
                let known = if cell == 1 { String::new() } else { format!("\"1@{FIRST}:7000\"") };
                return format!(
                    "[sip]\nlisten = [{}]\n[media]\naddress = \"{address}\"\nlegs = {legs}\n\
                     [cluster]\nnode = {cell}\ninside = \"{address}:7100\"\n\
                     brokers = [\"{cell}@{address}:7000\"]\n{shared}\
                     [cell]\nnumber = {cell}\nname = \"{}\"\noffices = [\"http://{address}:8080\"]\nknown = [{known}]\n\
                     [nats]\nservers = [\"nats://{address}:4222\"]\n",
                    listens(&[address]),
                    self.name,
                );
            }
            Runs::Alone | Runs::Nats | Runs::Postgres => {
                return format!("[sip]\nlisten = [{}]\n[media]\nlegs = {legs}\n", listens(&[address]));
            }
            Runs::Exchange(node) => (node, r#""exchange", "apps", "media", "billing", "api""#, String::new()),
            Runs::Broker(node) => (node, r#""broker""#, String::new()),
            Runs::Edge(node) => {
                let held = SHARED.map(|it| format!("\"{it}/16@eth0\""));
                (node, r#""edge""#, held.join(", "))
            }
        };
        format!(
            "[sip]\nlisten = [{}]\n[media]\naddress = \"{address}\"\nlegs = {legs}\n\
             [cluster]\nnode = {node}\ninside = \"{address}:7100\"\nroles = [{roles}]\n\
             floating = [{floating}]\n{shared}",
            listens(&heard)
        )
    }

    /// Whether it has an API.
    pub(crate) fn has_api(&self) -> bool {
        matches!(self.runs, Runs::Alone | Runs::Exchange(_) | Runs::Core(_) | Runs::Cell(_))
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
