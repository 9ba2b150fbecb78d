//! Two PostgreSQL servers, one following the other, and somebody who promotes the follower when the other dies.

use std::path::Path;
use std::time::Duration;

use strowger_tests::eventually;

use crate::server::Server;

/// The pair.
pub(crate) struct Pair {
    /// Two, as long as it lives.
    servers: Vec<Server>,
    primary: usize,
    address: String,
}

impl Pair {
    /// Starts both, with an empty database.
    pub(crate) fn start() -> Pair {
        let first = Server::own();
        let database = first.database();
        let second = first.replica();
        let name = database.rsplit('/').next().unwrap_or_default();
        let address = format!("postgres://strowger@{},{}/{name}", first.host(), second.host());
        Pair { servers: vec![first, second], primary: 0, address }
    }

    /// Where a platform finds its store.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The primary is killed with SIGKILL, and the other promoted.
    pub(crate) fn kill_primary(&mut self) {
        self.servers[self.primary].kill();
        self.primary = 1 - self.primary;
        self.servers[self.primary].promote();
    }

    /// The one that was killed comes back as the follower.
    pub(crate) fn mend(&mut self) {
        self.servers[1 - self.primary].follow(&self.servers[self.primary]);
    }
}

impl Drop for Pair {
    /// Servers that nobody uses end by themselves.
    fn drop(&mut self) {
        let processes: Vec<u32> = self.servers.iter().map(Server::pid).collect();
        self.servers.clear();
        let are_gone = || processes.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists());
        eventually(Duration::from_secs(3), are_gone);
    }
}
