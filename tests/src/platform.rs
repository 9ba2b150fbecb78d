use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Reply, request};
use crate::peer::{Peer, signal_to};
use crate::place::Place;

static COUNT: AtomicU8 = AtomicU8::new(0);

/// A worker that can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Edge, exchange, apps.
    Signalling,
    /// RTP.
    Media,
    /// API, billing, store.
    Office,
}

impl Worker {
    /// As the status names it.
    pub fn name(self) -> &'static str {
        match self {
            Worker::Signalling => "signalling",
            Worker::Media => "media",
            Worker::Office => "office",
        }
    }
}

/// The keys of a platform's configuration, table by table.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Before all tables.
    pub top: &'a str,
    /// Of `[sip]`, but for `listen`.
    pub sip: &'a str,
    /// Of `[signalling]`.
    pub signalling: &'a str,
    /// Of `[media]`.
    pub media: &'a str,
    /// Other tables; `ADDRESS` stands for the platform's.
    pub lines: &'a str,
    /// It gets the tenant `test`.
    pub furnished: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Shape {
            top: "",
            sip: "t1_ms = 100\nt2_ms = 800\nt4_ms = 1000",
            signalling: "journal_mb = 64",
            media: "legs = 300\njournal_mb = 8",
            lines: "",
            furnished: true,
        }
    }
}

/// How a worker came back.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    /// It was ready so long after its predecessor was killed.
    pub after: Duration,
    /// Its busiest thread had a processor for so long meanwhile,
    pub on_cpu: Duration,
    /// and waited for one for so long: the machine's doing, not ours.
    pub waited: Duration,
}

/// A platform of the test's own, on a loopback address of its own; gone with the value.
#[derive(Debug)]
pub struct Platform {
    peer: Option<Peer>,
    place: Place,
    runtime: PathBuf,
    token: String,
}

/// A platform of a test and its peers are at one place.
impl Deref for Platform {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Platform {
    /// Starts a platform with short SIP timers and the tenant `test` (domain `test.example`, which also takes
    /// requests for addresses).
    pub fn start() -> Platform {
        Platform::shaped(&Shape::default())
    }

    /// The same, with `lines` of TOML after the defaults of tests; a table opened there must not be one of
    /// `sip`, `api`, `media` or `signalling`.
    pub fn with(lines: &str) -> Platform {
        Platform::shaped(&Shape { lines, ..Shape::default() })
    }

    /// The same, with the keys of `[sip]` and more keys of `[signalling]` said by the caller.
    pub fn tuned(sip: &str, signalling: &str, lines: &str) -> Platform {
        let signalling = format!("journal_mb = 64\n{signalling}");
        Platform::shaped(&Shape { sip, signalling: &signalling, lines, ..Shape::default() })
    }

    /// A platform of this shape.
    pub fn shaped(shape: &Shape<'_>) -> Platform {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let address = Ipv4Addr::new(127, (process >> 8 & 0x3f) as u8 + 1, (process & 0xff) as u8, 10 + count);
        let folder = std::env::temp_dir().join(format!("strowger-test-{process}-{count}"));
        std::fs::create_dir_all(&folder).expect("a folder of the test's own");
        let runtime = PathBuf::from(format!("/dev/shm/strowger-test-{process}-{count}"));
        let Shape { top, sip, signalling, media, lines, furnished } = shape;
        let lines = lines.replace("ADDRESS", &address.to_string());
        let config = format!(
            "data = \"{0}/data\"\nruntime = \"{1}\"\n{top}\n\
             [sip]\nlisten = [\"udp:{address}:5060\", \"tcp:{address}:5060\"]\n{sip}\n\
             [signalling]\n{signalling}\n\
             [media]\n{media}\n\
             [api]\nlisten = \"{address}:8080\"\n{lines}\n",
            folder.display(),
            runtime.display(),
        );
        std::fs::write(folder.join("strowger.toml"), config).expect("the configuration");
        let place = Place::new(folder, address, (address, 5060).into());
        let mut platform = Platform { peer: None, place, runtime, token: String::new() };
        platform.run();
        if *furnished {
            platform.add_tenant("test", "test.example", true);
        }
        platform
    }

    /// Starts the supervisor (again) and waits until all workers are well.
    pub fn run(&mut self) {
        let mut command = Command::new(strowger());
        command.arg("--config").arg(self.folder().join("strowger.toml")).arg("serve");
        command.env("RUST_BACKTRACE", "1");
        self.peer = Some(Peer::start("strowger", command, self.folder()));
        let well = eventually(Duration::from_secs(20), || {
            request(self.api(), "GET", "/healthz", "", None).status == 200
        });
        assert!(well, "the platform did not come up:\n{}", self.log());
        let token = std::fs::read_to_string(self.folder().join("data/api-token")).expect("the API token");
        self.token = token.trim().to_owned();
    }

    /// Ends the supervisor in good order, whichever it is by now.
    pub fn stop(&mut self) {
        self.peer = None;
        let successor = self.supervisor().filter(|&id| lives(id));
        if let Some(successor) = successor {
            signal_to(successor, libc::SIGTERM);
            let ended = eventually(Duration::from_secs(12), || !lives(successor));
            assert!(ended || std::thread::panicking(), "the supervisor did not end by SIGTERM");
        }
    }

    /// The process id of the supervisor, as its status says.
    pub fn supervisor(&self) -> Option<u32> {
        self.status()["pid"].as_u64().and_then(|id| u32::try_from(id).ok())
    }

    /// Kills the supervisor with SIGKILL, and waits for its successor; says how long that took.
    pub fn kill_supervisor(&self) -> Duration {
        let victim = self.supervisor().expect("the platform runs");
        let killed = Instant::now();
        signal_to(victim, libc::SIGKILL);
        let followed = eventually(Duration::from_secs(10), || self.supervisor() != Some(victim));
        assert!(followed, "the supervisor had no successor:\n{}", self.log());
        killed.elapsed()
    }

    /// Halts the supervisor, kills `worker` and then the supervisor: nobody saw the worker die.
    pub fn kill_with_supervisor(&self, worker: Worker) {
        let (victim, dead) = (self.supervisor().expect("the platform runs"), self.worker(worker));
        signal_to(victim, libc::SIGSTOP);
        signal_to(dead, libc::SIGKILL);
        signal_to(victim, libc::SIGKILL);
        let both = eventually(Duration::from_secs(10), || {
            let now = self.status_of(worker);
            let other = now["pid"].as_u64().is_some_and(|id| id != u64::from(dead));
            self.supervisor() != Some(victim) && other && now["state"] == "running"
        });
        assert!(both, "they did not come back:\n{}", self.log());
    }

    /// Kills the supervisor and its standby in the same moment: nobody watches over the workers any more.
    pub fn kill_supervisor_and_standby(&self) {
        let supervisor = self.supervisor().expect("the platform runs");
        let standby = self.status()["standby"]["pid"].as_u64().and_then(|id| u32::try_from(id).ok());
        signal_to(supervisor, libc::SIGSTOP);
        signal_to(standby.expect("somebody stands by"), libc::SIGKILL);
        signal_to(supervisor, libc::SIGKILL);
        assert!(eventually(Duration::from_secs(5), || !lives(supervisor)), "it outlived SIGKILL");
    }

    /// Runs `strowger upgrade`, to `binary` or to what lies now where the program that runs was started from.
    pub fn upgrade(&self, binary: Option<&Path>) -> Output {
        let mut command = Command::new(strowger());
        command.arg("--config").arg(self.folder().join("strowger.toml")).arg("upgrade");
        if let Some(binary) = binary {
            command.arg("--binary").arg(binary);
        }
        command.output().expect("strowger upgrade")
    }

    /// Which file each process runs: supervisor, workers, standby.
    pub fn programs(&self) -> Vec<PathBuf> {
        let status = self.status();
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let all = [status.clone()].into_iter().chain(workers).chain([status["standby"].clone()]);
        let program = |process: Value| std::fs::read_link(format!("/proc/{}/exe", process["pid"])).ok();
        all.filter_map(program).collect()
    }

    /// Kills the supervisor and all workers at once with SIGKILL: nobody writes anything any more.
    pub fn lose_power(&mut self) {
        let workers = [Worker::Signalling, Worker::Media, Worker::Office].map(|worker| {
            let id = self.status_of(worker)["pid"].as_u64().and_then(|id| u32::try_from(id).ok());
            id.unwrap_or_else(|| panic!("{} has no process id", worker.name()))
        });
        // The supervisor is halted first: it would start others in their place, or have them end in good order.
        let supervisor = self.peer.take().expect("the platform runs");
        supervisor.signal(libc::SIGSTOP);
        let standby = self.status()["standby"]["pid"].as_u64().and_then(|id| u32::try_from(id).ok());
        signal_to(standby.expect("somebody stands by"), libc::SIGKILL);
        workers.into_iter().for_each(|id| signal_to(id, libc::SIGKILL));
        supervisor.signal(libc::SIGKILL);
        drop(supervisor);
        let gone = |id: &u32| !Path::new(&format!("/proc/{id}")).exists() || is_zombie(*id);
        let all_gone = eventually(Duration::from_secs(5), || workers.iter().all(gone));
        assert!(all_gone, "a worker outlived SIGKILL");
    }

    /// Where the API is.
    pub fn api(&self) -> SocketAddr {
        (self.address(), 8080).into()
    }

    /// Where its journals are: destroyed by whoever deletes it.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// What the platform logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("strowger.log")).unwrap_or_default()
    }

    /// Asks the API.
    pub fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, None);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text);
        reply.json()
    }

    /// Any request of the API.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        request(self.api(), method, path, &self.token, body)
    }

    /// Adds a tenant.
    pub fn add_tenant(&self, name: &str, domain: &str, fallback: bool) {
        self.post("/v1/tenants", &json!({"name": name, "domains": [domain], "fallback": fallback}));
    }

    /// Adds a user of the tenant `tenant`, whose password is `secret-` and the name.
    pub fn add_user(&self, tenant: &str, name: &str) {
        let user = json!({"name": name, "password": format!("secret-{name}"), "display_name": name});
        self.post(&format!("/v1/tenants/{tenant}/users"), &user);
    }

    /// Adds a number of `tenant` that leads to a user (`{"user": ..}`) or an app (`{"app": ..}`).
    pub fn add_number(&self, tenant: &str, number: &str, to: &Value) {
        self.post(&format!("/v1/tenants/{tenant}/numbers"), &json!({"number": number, "to": to}));
    }

    fn post(&self, path: &str, body: &Value) {
        let reply = self.ask("POST", path, Some(body));
        assert!(
            matches!(reply.status, 200 | 201 | 204),
            "POST {path} {body}: {} {}",
            reply.status,
            reply.text
        );
    }

    /// All call records there are.
    pub fn records(&self) -> Vec<Value> {
        self.all("/v1/call-records")
    }

    /// All items of a list, page by page.
    fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=1000{after}"));
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// Waits until there are `count` records, and gives them.
    pub fn records_of(&self, count: usize) -> Vec<Value> {
        eventually(Duration::from_secs(15), || self.records().len() >= count);
        let records = self.records();
        assert_eq!(records.len(), count, "records: {records:#?}\n{}", self.log());
        records
    }

    /// Calls in progress.
    pub fn calls(&self) -> Vec<Value> {
        self.all("/v1/calls")
    }

    /// Calls in progress but for those that only wait for late messages.
    pub fn calls_under_way(&self) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call["state"] != "ending").collect()
    }

    /// Registered users.
    pub fn registrations(&self) -> Vec<Value> {
        self.all("/v1/registrations")
    }

    /// The process id of a worker, as the supervisor's status says as soon as there is one.
    pub fn worker(&self, worker: Worker) -> u32 {
        let mut id = None;
        eventually(Duration::from_secs(5), || {
            id = self.worker_now(worker);
            id.is_some()
        });
        id.unwrap_or_else(|| panic!("{} has no process:\n{}", worker.name(), self.log()))
    }

    fn worker_now(&self, worker: Worker) -> Option<u32> {
        let output = Command::new(strowger())
            .arg("--config")
            .arg(self.folder().join("strowger.toml"))
            .args(["status", "--json"])
            .output()
            .expect("strowger status");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let found = workers.iter().find(|entry| entry["name"] == worker.name());
        u32::try_from(found?["pid"].as_u64()?).ok()
    }

    /// Kills a worker with SIGKILL and waits for its successor; says how long it took to be ready.
    pub fn kill(&self, worker: Worker) -> Back {
        self.kill_now(worker, self.worker(worker))
    }

    /// Kills the worker whose process id is known to be `victim`, and waits for its successor.
    pub fn kill_now(&self, worker: Worker, victim: u32) -> Back {
        let killed = Instant::now();
        signal_to(victim, libc::SIGKILL);
        while killed.elapsed() < Duration::from_secs(5) {
            let now = self.status_of(worker);
            let successor = now["pid"].as_u64().filter(|&pid| pid != u64::from(victim));
            if let Some(successor) = successor.filter(|_| now["state"] == "running") {
                let after = killed.elapsed();
                let (on_cpu, waited) = busiest_thread(successor);
                return Back { after, on_cpu, waited };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{} had no successor:\n{}", worker.name(), self.log());
    }

    fn status(&self) -> Value {
        let text = std::fs::read(self.runtime.join("status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// What the supervisor's file says of a worker: what `strowger status` reads, without starting a process.
    fn status_of(&self, worker: Worker) -> Value {
        let workers = self.status()["workers"].as_array().cloned().unwrap_or_default();
        workers.into_iter().find(|entry| entry["name"] == worker.name()).unwrap_or_default()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.runtime);
        if std::thread::panicking() {
            eprintln!("the platform's files are kept in {}\n{}", self.folder().display(), tail(&self.log()));
        } else {
            let _ = std::fs::remove_dir_all(self.folder());
        }
    }
}

/// Whether a process is there, and is one of ours.
fn lives(id: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    name.trim_end() == "strowger" && !is_zombie(id)
}

/// Whether a process is dead and only waits for its parent to notice.
fn is_zombie(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// How long the busiest thread of a process ran, and how long that one waited for a processor.
fn busiest_thread(process: u64) -> (Duration, Duration) {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let mut numbers = text.split_ascii_whitespace().map_while(|number| number.parse().ok());
        Some((Duration::from_nanos(numbers.next()?), Duration::from_nanos(numbers.next()?)))
    });
    times.max().unwrap_or_default()
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Tries until `done`, `within` at most; says whether it came true.
pub fn eventually(within: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    loop {
        if done() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// The binary built beside this test.
pub fn strowger() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.ancestors().find(|folder| folder.join("strowger").is_file());
    folder.expect("`cargo build -p strowger` in the same profile first").join("strowger")
}
