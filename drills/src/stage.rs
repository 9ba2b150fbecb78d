//! Who runs where, as data.

use std::net::Ipv4Addr;
use std::path::PathBuf;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// `strowger serve`, with these lines of configuration besides what every host has.
    Platform {
        /// TOML.
        lines: String,
    },
}

impl Stage {
    /// The stage of that name.
    pub(crate) fn named(name: &str) -> Option<Stage> {
        match name {
            "one-host" => Some(Stage::one_host()),
            _ => None,
        }
    }

    /// One host with all roles.
    fn one_host() -> Stage {
        let runs = Runs::Platform { lines: String::new() };
        let host = HostPlan { name: "one".into(), address: Ipv4Addr::new(10, 99, 1, 1), runs };
        Stage { name: "one-host", hosts: vec![host], world: Ipv4Addr::new(10, 99, 0, 1) }
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
