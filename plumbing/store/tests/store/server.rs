//! PostgreSQL from Debian's package, started by tests in a folder of their own, on a Unix socket only.
//!
//! A server lives as long as a test that uses it: each holds a lock on a file, and a shell that waits for that lock
//! stops the server when the last one has let go, however it ended.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "more than one test binary uses this file, each another part of it")]

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";

/// A server.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    lock: File,
}

impl Server {
    /// The server that all tests of this binary share, in whichever process they run.
    pub(crate) fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let binary = std::env::current_exe().unwrap();
            let name = binary.file_name().unwrap().to_string_lossy().into_owned();
            let home = std::env::temp_dir().join(format!("pg-{name}"));
            // One starts it, the others wait.
            fs::create_dir_all(home.parent().unwrap()).unwrap();
            let starting = File::create(home.with_extension("starting")).unwrap();
            starting.lock().unwrap();
            let lock = File::create(home.with_extension("used")).unwrap();
            lock.lock_shared().unwrap();
            if !home.join("ready").exists() {
                make(&home);
                fs::write(home.join("ready"), "").unwrap();
            }
            Server { folder: home, port: 5432, lock }
        })
    }

    /// A server of this test's own.
    pub(crate) fn own() -> Server {
        let folder = Self::new_folder();
        let lock = File::create(folder.with_extension("used")).unwrap();
        lock.lock_shared().unwrap();
        make(&folder);
        Server { folder, port: 5432, lock }
    }

    /// Another that follows this one.
    pub(crate) fn replica(&self) -> Server {
        let folder = Self::new_folder();
        let lock = File::create(folder.with_extension("used")).unwrap();
        lock.lock_shared().unwrap();
        prepare(&folder);
        self.copy_to(&folder);
        stop_when_unused(&folder);
        Server { folder, port: 5432, lock }
    }

    /// After a kill: forgets all it had, and follows `primary` from now on.
    pub(crate) fn follow(&self, primary: &Server) {
        let _ = fs::remove_dir_all(self.folder.join("data"));
        primary.copy_to(&self.folder);
    }

    /// A follower of this one begins in `folder`.
    fn copy_to(&self, folder: &Path) {
        let from = format!("host={} port={} user=strowger", self.folder.display(), self.port);
        let data = folder.join("data");
        run(program("pg_basebackup").args(["-c", "fast", "-R", "-N", "-d", &from, "-D"]).arg(&data));
        start(folder);
    }

    /// A new database, and its address.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://strowger@{}/{name}", self.host())
    }

    /// How it stands in an address.
    pub(crate) fn host(&self) -> String {
        format!("{}:{}", self.folder.to_str().unwrap().replace('/', "%2F"), self.port)
    }

    /// Has it do something; what it says.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = run(program("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "strowger", "-d", database, "-c", sql, "-h"])
            .arg(&self.folder));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The number of its first process.
    pub(crate) fn pid(&self) -> u32 {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().parse().unwrap()
    }

    /// The power goes: the first process and all its children die at once.
    pub(crate) fn kill(&self) {
        let all = self.signal("KILL");
        while all.iter().any(|&pid| is_alive(pid)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for file in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
            let _ = fs::remove_file(self.folder.join(file));
        }
    }

    /// It hangs.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// It follows nobody any more, and writes.
    pub(crate) fn promote(&self) {
        run(program("pg_ctl").args(["promote", "-s", "-w", "-D"]).arg(self.folder.join("data")));
    }

    /// It is there again after a kill.
    pub(crate) fn start_again(&self) {
        let _ = fs::remove_file(self.folder.join("data/postmaster.pid"));
        start(&self.folder);
    }

    fn signal(&self, signal: &str) -> Vec<u32> {
        let first = self.pid();
        let mut all = children(first);
        all.insert(0, first);
        let pids = all.iter().map(u32::to_string);
        let done = Command::new("kill").arg(format!("-{signal}")).args(pids).output().unwrap();
        assert!(done.status.success() || signal == "KILL", "{done:?}");
        all
    }

    fn new_folder() -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pg-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        std::env::temp_dir().join(name)
    }
}

/// Makes and starts a server; whoever does holds the lock by which it is told that it is used.
fn make(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    prepare(folder);
    let data = folder.join("data");
    let flags = ["-N", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", "strowger", "-D"];
    run(program("initdb").args(flags).arg(&data));
    let settings = format!(
        "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\nmax_connections = 200\n\
         shared_buffers = 16MB\nwal_level = replica\nmax_wal_senders = 4\nwal_keep_size = 64MB\n\
         max_wal_size = 128MB\nautovacuum = off\nwal_retrieve_retry_interval = 100ms\n",
        folder.display()
    );
    let file = data.join("postgresql.auto.conf");
    fs::write(&file, settings).unwrap();
    own(&file);
    start(folder);
    stop_when_unused(folder);
}

fn prepare(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    own(folder);
}

fn start(folder: &Path) {
    // A copy has the socket of what it was copied from in its settings.
    let socket = format!("-k {}", folder.display());
    let data = folder.join("data");
    let log = folder.join("log");
    let started = program("pg_ctl")
        .args(["start", "-s", "-w", "-o", &socket, "-l"])
        .arg(&log)
        .arg("-D")
        .arg(data)
        .status();
    assert!(started.unwrap().success(), "{}", fs::read_to_string(log).unwrap());
}

#[allow(clippy::zombie_processes, reason = "it outlives this process")]
fn stop_when_unused(folder: &Path) {
    let script = r#"exec 9<"$1.used"; flock -x 9; kill -CONT $(head -n 1 "$1/data/postmaster.pid") 2>/dev/null
        "$2/pg_ctl" stop -s -m immediate -D "$1/data"; rm -rf "$1""#;
    let mut waiting = Command::new("sh");
    waiting.args(["-c", script, "sh"]).arg(folder).arg(PROGRAMS).process_group(0);
    waiting.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    as_unprivileged(&mut waiting).current_dir("/").spawn().unwrap();
}

fn children(parent: u32) -> Vec<u32> {
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()) == Some(parent)
    })
    .collect()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn program(name: &str) -> Command {
    let mut command = Command::new(format!("{PROGRAMS}/{name}"));
    command.env_remove("PGHOST").env_remove("PGPORT").env_remove("PGOPTIONS").current_dir("/");
    as_unprivileged(&mut command);
    command
}

fn as_unprivileged(command: &mut Command) -> &mut Command {
    match unprivileged() {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}

/// Who runs the server: nobody special, if we are root.
fn unprivileged() -> Option<(u32, u32)> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.find(|fields| fields[0] == UNPRIVILEGED).filter(|_| root)?;
    Some((user[2].parse().unwrap(), user[3].parse().unwrap()))
}

fn own(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn run(command: &mut Command) -> Output {
    // What a server that was started keeps open must not keep us waiting.
    let starts = command.get_program().to_string_lossy().ends_with("pg_ctl");
    let said = || if starts { Stdio::null() } else { Stdio::piped() };
    let child = command.stdin(Stdio::null()).stdout(said()).stderr(said()).spawn();
    let done = child.unwrap().wait_with_output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done
}
