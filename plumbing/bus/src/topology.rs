use std::fmt;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use contract::{Role, To};
use machine::Shard;

/// Paths of Unix sockets end at 107 bytes.
const LONGEST_PATH: usize = 107;

/// Somebody who can be spoken to on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A signalling thread, by its number.
    Signalling(u16),
    /// The media worker.
    Media,
    /// The office worker: billing, accounts, records, the REST API.
    Office,
    /// The broker worker; there is one only among several hosts.
    Broker,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Signalling(thread) => write!(f, "signalling-{thread}"),
            Member::Media => f.write_str("media"),
            Member::Office => f.write_str("office"),
            Member::Broker => f.write_str("broker"),
        }
    }
}

/// Which workers a host has besides its signalling threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// The media worker.
    pub media: bool,
    /// The office worker.
    pub office: bool,
    /// The broker worker.
    pub broker: bool,
}

impl Default for Workers {
    /// Those of a host that is alone.
    fn default() -> Self {
        Workers { media: true, office: true, broker: false }
    }
}

/// Who is there, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    dir: PathBuf,
    threads: u16,
    workers: Workers,
}

impl Topology {
    /// The sockets are in `dir`; `threads` signalling threads share the shards (0: there is no signalling worker).
    pub fn new(dir: impl Into<PathBuf>, threads: u16) -> Self {
        Topology { dir: dir.into(), threads, workers: Workers::default() }
    }

    /// With these workers.
    pub fn with(self, workers: Workers) -> Self {
        Topology { workers, ..self }
    }

    /// Which workers there are.
    pub fn workers(&self) -> Workers {
        self.workers
    }

    /// How many signalling threads there are.
    pub fn threads(&self) -> u16 {
        self.threads
    }

    /// Everybody.
    pub fn members(&self) -> impl Iterator<Item = Member> + use<> {
        let Workers { media, office, broker } = self.workers;
        let rest = [(Member::Media, media), (Member::Office, office), (Member::Broker, broker)];
        let there = rest.into_iter().filter(|&(_, there)| there).map(|(member, _)| member);
        (0..self.threads).map(Member::Signalling).chain(there)
    }

    /// Where `member` listens.
    pub fn path(&self, member: Member) -> PathBuf {
        self.dir.join(format!("bus-{member}"))
    }

    /// Binds the socket of `member`. Whoever holds what comes back keeps the member reachable, so the
    /// supervisor does it, once, and deals it to the member's process.
    pub fn bind(&self, member: Member) -> io::Result<UnixListener> {
        let path = self.path(member);
        check_length(&path)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        UnixListener::bind(&path)
    }

    /// Who is meant by a role and a shard: edges, exchanges and apps live in the signalling threads, each
    /// with its own shards; without a shard all of them are meant.
    pub fn route(&self, role: Role, shard: Option<Shard>) -> Vec<Member> {
        let worker = |member, there: bool| if there { vec![member] } else { Vec::new() };
        match (role, shard) {
            (Role::Media, _) => worker(Member::Media, self.workers.media),
            (Role::Billing | Role::Api, _) => worker(Member::Office, self.workers.office),
            (Role::Broker, _) => worker(Member::Broker, self.workers.broker),
            (Role::Edge | Role::Exchange | Role::Apps, Some(shard)) if self.threads > 0 => {
                vec![Member::Signalling(shard.thread(self.threads))]
            }
            (Role::Edge | Role::Exchange | Role::Apps, _) => {
                (0..self.threads).map(Member::Signalling).collect()
            }
        }
    }

    /// Who is meant by a role and `to`. On one host every node is here.
    pub fn members_for(&self, role: Role, to: To) -> Vec<Member> {
        let mut members = self.route(role, to.shard());
        if to == To::Any {
            members.truncate(1);
        }
        members
    }
}

fn check_length(path: &Path) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length <= LONGEST_PATH {
        return Ok(());
    }
    let text = format!("{} has {length} bytes, a socket's path at most {LONGEST_PATH}", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_has_one_owner_and_a_role_without_shard_has_all() {
        let topology = Topology::new("/run/x", 2);
        let two = Member::Signalling;
        assert_eq!(topology.route(Role::Exchange, Some(Shard::of(17))), vec![two(1)]);
        assert_eq!(topology.route(Role::Exchange, None), vec![two(0), two(1)]);
        assert_eq!(topology.route(Role::Media, Some(Shard::of(17))), vec![Member::Media]);
        assert_eq!(topology.route(Role::Billing, None), vec![Member::Office]);
        assert_eq!(topology.members().count(), 4);
    }

    #[test]
    fn a_path_that_is_too_long_is_said_to_be() {
        let error = Topology::new("/tmp/".to_string() + &"x".repeat(120), 1).bind(Member::Media).unwrap_err();
        assert!(error.to_string().contains("at most 107"), "{error}");
    }
}
