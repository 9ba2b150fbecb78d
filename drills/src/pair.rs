//! The store: two PostgreSQL servers, each on a host of its own, one following the other, and somebody who promotes the
//! follower when the other dies. Replication is synchronous: what is committed is on both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use strowger_tests::{Peer, eventually};

use crate::Trouble;
use crate::namespace::{self, command_in, full};
use crate::stage::{HostPlan, Runs, Stage};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";
const DATABASE: &str = "drill";
/// A server that is not there by then never will be.
const STARTING: Duration = Duration::from_secs(30);

/// Whether PostgreSQL is installed.
pub(crate) fn is_here() -> bool {
    Path::new(PROGRAMS).join("initdb").exists()
}

/// The pair.
pub(crate) struct Pair {
    servers: [Server; 2],
    primary: usize,
}

struct Server {
    process: u32,
    plan: HostPlan,
    folder: PathBuf,
    /// None: it was killed.
    running: Option<Peer>,
    starts: u32,
}

impl Pair {
    /// Starts both on the hosts of `stage`, with an empty database.
    pub(crate) fn start(process: u32, stage: &Stage, folder: &Path) -> Result<Pair, Trouble> {
        if !is_here() {
            return Err(Trouble::new("PostgreSQL is not here"));
        }
        let plans: Vec<_> = stage.of(|runs| runs == Runs::Postgres).collect();
        let [first, second] = plans[..] else { return Err(Trouble::new("the stage has no pair")) };
        let server = |plan: &HostPlan| {
            let folder = folder.join(&plan.name);
            Server { process, plan: plan.clone(), folder, running: None, starts: 0 }
        };
        let mut pair = Pair { servers: [server(first), server(second)], primary: 0 };
        pair.servers[0].make()?;
        pair.servers[0].sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        pair.mend()?;
        Ok(pair)
    }

    /// Where a platform finds its store.
    pub(crate) fn address(&self) -> String {
        let [first, second] = self.servers.each_ref().map(|server| server.plan.address);
        format!("postgres://strowger@{first}:5432,{second}:5432/{DATABASE}")
    }

    /// The primary is killed with SIGKILL, or its whole host is lost, and the other promoted; which it was.
    pub(crate) fn kill_primary(&mut self, with_host: bool) -> Result<String, Trouble> {
        let dead = &mut self.servers[self.primary];
        match with_host {
            true => dead.lose()?,
            false => dead.kill(),
        }
        let name = dead.plan.name.clone();
        self.primary = 1 - self.primary;
        self.servers[self.primary].promote()?;
        Ok(format!("{name}, which was the primary"))
    }

    /// The one that was killed comes back as the follower.
    pub(crate) fn mend(&mut self) -> Result<(), Trouble> {
        let [first, second] = &mut self.servers;
        let (primary, follower) = if self.primary == 0 { (&*first, second) } else { (&*second, first) };
        follower.follow(primary)?;
        // Who is promoted later must not wait for a follower that is dead.
        follower.be_synchronous(false)?;
        primary.be_synchronous(true)
    }
}

impl Server {
    /// A server with nothing in it.
    fn make(&mut self) -> Result<(), Trouble> {
        self.clear()?;
        let flags = ["-N", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", "strowger", "-D"];
        done(self.unprivileged("initdb").args(flags).arg(self.data()))?;
        let settings = "fsync = off\nmax_connections = 200\nshared_buffers = 16MB\nwal_level = replica\n\
                        max_wal_senders = 4\nwal_keep_size = 64MB\nmax_wal_size = 128MB\nautovacuum = off\n\
                        wal_retrieve_retry_interval = 100ms\ndynamic_shared_memory_type = mmap\n";
        self.append("postgresql.auto.conf", settings)?;
        self.append("pg_hba.conf", "host all,replication all 10.99.0.0/16 trust\n")?;
        self.run()
    }

    /// Forgets all it had, and follows `primary` from now on.
    fn follow(&mut self, primary: &Server) -> Result<(), Trouble> {
        namespace::link(self.process, &self.plan.name, "up")?;
        self.clear()?;
        let from = format!("host={} port=5432 user=strowger", primary.plan.address);
        let flags = ["-c", "fast", "-R", "-N", "-d", &from, "-D"];
        done(self.unprivileged("pg_basebackup").args(flags).arg(self.data()))?;
        self.run()?;
        let follows = || {
            let followers = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            primary.sql("postgres", followers).is_ok_and(|count| count == "1")
        };
        match eventually(STARTING, follows) {
            true => Ok(()),
            false => Err(Trouble::new(format!("{} does not follow:\n{}", self.plan.name, self.log()))),
        }
    }

    /// Whether a commit waits for the follower.
    fn be_synchronous(&self, is: bool) -> Result<(), Trouble> {
        let names = if is { "*" } else { "" };
        self.sql("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))?;
        self.sql("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    fn run(&mut self) -> Result<(), Trouble> {
        self.starts += 1;
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(self.data());
        let address = format!("listen_addresses={}", self.plan.address);
        command.args(["-c", &address, "-c", "unix_socket_directories="]);
        self.running = Some(Peer::start(&format!("postgres-{}", self.starts), command, &self.folder));
        match eventually(STARTING, || self.sql("postgres", "SELECT 1").is_ok()) {
            true => Ok(()),
            false => Err(Trouble::new(format!("{} does not start:\n{}", self.plan.name, self.log()))),
        }
    }

    /// The first process and all its children die at once.
    fn kill(&mut self) {
        namespace::kill_all(&full(self.process, &self.plan.name));
        self.running = None;
    }

    /// Cut off first, then killed, its files destroyed.
    fn lose(&mut self) -> Result<(), Trouble> {
        namespace::link(self.process, &self.plan.name, "down")?;
        self.kill();
        let _ = std::fs::remove_dir_all(self.data());
        Ok(())
    }

    /// It follows nobody any more, and writes.
    fn promote(&self) -> Result<(), Trouble> {
        done(self.unprivileged("pg_ctl").args(["promote", "-s", "-w", "-D"]).arg(self.data())).map(drop)
    }

    /// Has it do something; what it says.
    fn sql(&self, database: &str, sql: &str) -> Result<String, Trouble> {
        let address = self.plan.address.to_string();
        let mut command = self.unprivileged("psql");
        command.args([
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "strowger",
            "-d",
            database,
            "-c",
            sql,
            "-h",
            &address,
        ]);
        done(command.env("PGCONNECT_TIMEOUT", "2"))
    }

    /// An empty folder that is its own.
    fn clear(&self) -> Result<(), Trouble> {
        let _ = std::fs::remove_dir_all(self.data());
        std::fs::create_dir_all(&self.folder).map_err(|error| Trouble::file(&self.folder, &error))?;
        done(Command::new("chown").arg(UNPRIVILEGED).arg(&self.folder)).map(drop)
    }

    fn append(&self, file: &str, lines: &str) -> Result<(), Trouble> {
        let path = self.data().join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| Trouble::file(&path, &error))?;
        std::fs::write(&path, text + lines).map_err(|error| Trouble::file(&path, &error))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of PostgreSQL's programs on this host, run by nobody special.
    fn unprivileged(&self, program: &str) -> Command {
        let mut command = command_in(&full(self.process, &self.plan.name), Path::new("setpriv"));
        command.arg(format!("--reuid={UNPRIVILEGED}")).arg(format!("--regid={UNPRIVILEGED}"));
        command.args(["--clear-groups", "--"]).arg(Path::new(PROGRAMS).join(program));
        command.env_remove("PGHOST").env_remove("PGPORT").env_remove("PGOPTIONS").current_dir("/");
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(format!("postgres-{}.log", self.starts))).unwrap_or_default()
    }
}

impl Drop for Server {
    /// Whatever its clients do: SIGTERM would wait for them.
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end; what it says.
fn done(command: &mut Command) -> Result<String, Trouble> {
    let said = command.stdin(Stdio::null()).output();
    let said = said.map_err(|error| Trouble::new(format!("{command:?}: {error}")))?;
    match said.status.success() {
        true => Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned()),
        false => Err(Trouble::new(format!("{command:?}: {}", String::from_utf8_lossy(&said.stderr)))),
    }
}
