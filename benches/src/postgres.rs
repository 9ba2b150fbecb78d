//! PostgreSQL from Debian's package, as it is configured there, on a Unix socket in a folder of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Trouble;
use crate::child::{Folder, Server};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// It refuses to run as root.
const UNPRIVILEGED: &str = "postgres";
const USER: &str = "strowger";

/// A server with an empty database.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Server,
    folder: Folder,
}

impl Postgres {
    /// Makes and starts it.
    pub(crate) fn start(name: &str) -> Result<Self, Trouble> {
        let folder = Folder::new(&format!("postgres-{name}"))?;
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let mut making = program("initdb");
        making.args(["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER, "-D"]).arg(&data);
        finish(making)?;
        let mut command = program("postgres");
        command.args(["-c", "listen_addresses=", "-k"]).arg(folder.path()).arg("-D").arg(&data);
        let mut server = Server::start("postgres", command, folder.path())?;
        let created = || finish(with_host("createdb", folder.path(), &["bench"])).is_ok();
        server.wait_until(Duration::from_secs(20), created)?;
        Ok(Postgres { server, folder })
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Where a platform finds its store.
    pub(crate) fn address(&self) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{host}:5432/bench")
    }
}

fn with_host(name: &str, host: &Path, arguments: &[&str]) -> Command {
    let mut command = program(name);
    command.arg("-h").arg(host).args(["-U", USER]).args(arguments);
    command
}

fn program(name: &str) -> Command {
    let mut command = Command::new(format!("{PROGRAMS}/{name}"));
    command.env_remove("PGHOST").env_remove("PGPORT").env_remove("PGOPTIONS").current_dir("/");
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command
}

/// Who runs it, if we are root.
fn unprivileged() -> Option<(u32, u32)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("Uid:\t0\t"))?;
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let user = users.lines().find(|line| line.split(':').next() == Some(UNPRIVILEGED))?;
    let fields: Vec<&str> = user.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

fn finish(mut command: Command) -> Result<(), Trouble> {
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)).into()),
    }
}
