//! A host of the stage that runs: `strowger serve` in its namespace.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_tests::{Peer, eventually, request, signal_to, strowger};

use crate::Trouble;
use crate::namespace::{self, command_in, full};
use crate::stage::{HostPlan, Runs, folders};

/// The tenant's domain.
pub(crate) const DOMAIN: &str = "test.example";
/// A host that is not well after so long never will be.
const STARTING: Duration = Duration::from_secs(30);

/// The user of a phone of the load.
pub(crate) fn user(number: usize) -> String {
    format!("p{number}")
}

/// A user's password.
pub(crate) fn password(user: &str) -> String {
    format!("secret-{user}")
}

/// What a call record says.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// How the call ended.
    pub(crate) outcome: String,
    /// Why, for people.
    pub(crate) cause: String,
    /// Who called.
    pub(crate) caller: String,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    plan: HostPlan,
    namespace: String,
    process: u32,
    folder: PathBuf,
    runtime: PathBuf,
    supervisor: Option<Peer>,
    /// How often the supervisor was started.
    starts: u32,
    token: String,
    config: String,
    /// What it runs, or will run once it is started again.
    program: PathBuf,
    is_lost: bool,
    /// Its number, while it is drained.
    pub(crate) drained: Option<u16>,
}

impl Host {
    /// Starts what `plan` says, with media ports for so many legs; `shared` is what all hosts have in their
    /// configuration, `store` the store's address if it is not in a file; `process` is the drill's outer process.
    pub(crate) fn start(
        plan: &HostPlan,
        (process, legs): (u32, usize),
        store: Option<&str>,
        shared: &str,
    ) -> Result<Host, Trouble> {
        let [folder, runtime] = folders(process).map(|folder| folder.join(&plan.name));
        let mut host = Host {
            name: plan.name.clone(),
            plan: plan.clone(),
            namespace: full(process, &plan.name),
            process,
            folder,
            runtime,
            supervisor: None,
            starts: 0,
            token: String::new(),
            config: String::new(),
            program: strowger(),
            is_lost: false,
            drained: None,
        };
        let store = store.map(|address| format!("store = \"{address}\"\n")).unwrap_or_default();
        host.config = format!(
            "{store}data = \"{0}/data\"\nruntime = \"{1}\"\n\
             [signalling]\njournal_mb = 64\n[api]\nlisten = \"{2}:8080\"\n{3}\n",
            host.folder.display(),
            host.runtime.display(),
            plan.address,
            plan.lines(legs, shared),
        );
        for old in [&host.folder, &host.runtime] {
            let _ = std::fs::remove_dir_all(old);
        }
        host.begin()?;
        Ok(host)
    }

    /// Starts it with nothing but its configuration, as a new host.
    pub(crate) fn begin(&mut self) -> Result<(), Trouble> {
        for folder in [&self.folder, &self.runtime] {
            std::fs::create_dir_all(folder).map_err(|error| Trouble::file(folder, &error))?;
        }
        let file = self.folder.join("strowger.toml");
        std::fs::write(&file, &self.config).map_err(|error| Trouble::file(&file, &error))?;
        self.supervise();
        Ok(())
    }

    /// Waits until it is well.
    pub(crate) fn come_up(&mut self) -> Result<(), Trouble> {
        if !self.plan.has_api() {
            return Ok(());
        }
        if !eventually(STARTING, || self.is_well()) {
            return Err(Trouble::new(format!("{} did not come up:\n{}", self.name, self.log())));
        }
        let token = self.folder.join("data/api-token");
        self.token = std::fs::read_to_string(&token).map_err(|error| Trouble::file(&token, &error))?;
        self.token.truncate(self.token.trim_end().len());
        Ok(())
    }

    /// It is gone for ever: cut off first, so that nobody hears of it, then killed, and its files destroyed.
    pub(crate) fn lose(&mut self) -> Result<(), Trouble> {
        namespace::link(self.process, &self.name, "down")?;
        namespace::kill_all(&self.namespace);
        (self.supervisor, self.is_lost) = (None, true);
        // Its log is ours.
        for folder in [&self.folder.join("data"), &self.runtime] {
            let _ = std::fs::remove_dir_all(folder);
        }
        Ok(())
    }

    /// Another one comes in its place, with nothing.
    pub(crate) fn replace(&mut self) -> Result<(), Trouble> {
        namespace::link(self.process, &self.name, "up")?;
        self.is_lost = false;
        self.begin()?;
        self.come_up()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has an API.
    pub(crate) fn has_api(&self) -> bool {
        self.plan.has_api()
    }

    /// Whether it was lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The process of its supervisor, as its file says.
    pub(crate) fn supervisor(&self) -> Option<u32> {
        let text = std::fs::read(self.runtime.join("status.json")).ok()?;
        let status: Value = serde_json::from_slice(&text).ok()?;
        u32::try_from(status["pid"].as_u64()?).ok()
    }

    /// Its number among the hosts of one platform.
    pub(crate) fn node(&self) -> Option<u16> {
        self.plan.runs.node()
    }

    /// What runs there.
    pub(crate) fn runs(&self) -> Runs {
        self.plan.runs
    }

    /// When its broker said last that it leads, as text that can be compared; none if it never did since the host was
    /// started.
    pub(crate) fn led_since(&self) -> Option<String> {
        let log = self.folder.join(format!("strowger-{}.log", self.starts));
        let text = std::fs::read_to_string(log).ok()?;
        let mut said = text.lines().rev().filter(|line| line.contains("who leads the brokers has changed"));
        let last = said.next().filter(|line| line.contains("leads=true"))?;
        last.split_whitespace().next().map(str::to_owned)
    }

    /// Empties it, or (`back`) has it own its share again, as an operator would.
    pub(crate) fn drain(&self, back: bool) -> Result<(), Trouble> {
        let node = self.node().unwrap_or_default().to_string();
        let mut command = self.command();
        command.args(["drain", &node]).args(back.then_some("--back"));
        done("drain", command).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = command_in(&self.namespace, &self.program);
        command.arg("--config").arg(self.folder.join("strowger.toml"));
        command
    }

    /// What `strowger nodes` prints.
    pub(crate) fn nodes(&self) -> Result<String, Trouble> {
        let mut command = self.command();
        let said = command.arg("nodes").output().map_err(|error| Trouble::new(format!("nodes: {error}")))?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr))
    }

    /// What its API says at `path`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Trouble> {
        let reply = request(self.api(), "GET", path, &self.token, None);
        match reply.status {
            200 => Ok(reply.json()),
            status => Err(Trouble::new(format!("GET {path}: {status} {}", reply.text))),
        }
    }

    /// Replaces every process by another one of `program`, as an operator would who has a new one.
    /// Says what became of each.
    pub(crate) fn upgrade(&mut self, program: &Path) -> Result<String, Trouble> {
        let mut command = self.command();
        command.args(["upgrade", "--binary"]).arg(program);
        self.program = program.to_owned();
        done("upgrade", command)
    }

    /// Its figures; none if it can't be asked.
    pub(crate) fn figures(&self) -> Option<Figures> {
        let reply = request(self.api(), "GET", "/metrics", &self.token, None);
        (reply.status == 200).then_some(Figures(reply.text))
    }

    /// Whether one of its addresses in the platform's common ones is held here now.
    pub(crate) fn holds(&self, address: Ipv4Addr) -> bool {
        namespace::has_address(&self.namespace, address)
    }

    /// Starts the supervisor (again), as a service manager would.
    pub(crate) fn supervise(&mut self) {
        self.starts += 1;
        let mut command = self.command();
        command.arg("serve");
        self.supervisor = Some(Peer::start(&format!("strowger-{}", self.starts), command, &self.folder));
    }

    /// Kills the supervisor with SIGKILL, and waits until the kernel has buried it.
    pub(crate) fn kill_supervisor(&mut self) {
        // Whoever followed one that was killed is no child of ours.
        if let Some(process) = self.supervisor() {
            signal_to(process, libc::SIGKILL);
        }
        if let Some(mut supervisor) = self.supervisor.take() {
            supervisor.ended(Duration::from_secs(2));
        }
    }

    /// Whether all workers say that they are well.
    pub(crate) fn is_well(&self) -> bool {
        request(self.api(), "GET", "/healthz", "", None).status == 200
    }

    fn api(&self) -> SocketAddr {
        (self.plan.address, 8080).into()
    }

    /// Everything that was logged.
    pub(crate) fn log(&self) -> String {
        let read = |start| std::fs::read_to_string(self.folder.join(format!("strowger-{start}.log")));
        (1..=self.starts).filter_map(|start| read(start).ok()).collect()
    }

    /// What the supervisor's file says of the worker `name`: its process, and whether it is ready.
    pub(crate) fn worker(&self, name: &str) -> Option<(u32, bool)> {
        let text = std::fs::read(self.runtime.join("status.json")).ok()?;
        let status: Value = serde_json::from_slice(&text).ok()?;
        let worker = status["workers"].as_array()?.iter().find(|worker| worker["name"] == name)?;
        let process = u32::try_from(worker["pid"].as_u64()?).ok()?;
        Some((process, worker["state"] == "running"))
    }

    /// Sends a signal to a worker, and says which process it was.
    pub(crate) fn signal(&self, name: &str, signal: i32) -> Result<u32, Trouble> {
        let (process, _) =
            self.worker(name).ok_or_else(|| Trouble::new(format!("{name} does not run on {}", self.name)))?;
        signal_to(process, signal);
        Ok(process)
    }

    /// Waits for the successor of a worker that was `process`; how long it took from now on, if it came.
    pub(crate) fn successor(&self, name: &str, process: u32, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        while began.elapsed() < within {
            if self.worker(name).is_some_and(|(now, is_ready)| now != process && is_ready) {
                return Some(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Adds the tenant and the users of so many phones, and of the guests.
    pub(crate) fn furnish(&self, phones: usize) -> Result<(), Trouble> {
        self.add_tenant()?;
        let users = (0..phones).map(user).chain(crate::guests::USERS.map(str::to_owned));
        users.into_iter().try_for_each(|user| self.add_user(&user))
    }

    /// Adds the tenant of all phones.
    pub(crate) fn add_tenant(&self) -> Result<(), Trouble> {
        self.post("/v1/tenants", &json!({"name": "drill", "domains": [DOMAIN], "fallback": true}))
    }

    /// Adds a user of that tenant.
    pub(crate) fn add_user(&self, user: &str) -> Result<(), Trouble> {
        let account = json!({"name": user, "password": password(user), "display_name": user});
        self.post("/v1/tenants/drill/users", &account)
    }

    /// Asks its API to do something.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(), Trouble> {
        let reply = request(self.api(), "POST", path, &self.token, Some(body));
        match reply.status {
            200..=299 => Ok(()),
            status => Err(Trouble::new(format!("POST {path}: {status} {}", reply.text))),
        }
    }

    /// Every call record, by the Call-ID of the caller's leg.
    pub(crate) fn records(&self) -> Result<BTreeMap<String, Vec<Record>>, Trouble> {
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/call-records?limit=1000{after}");
            let reply = request(self.api(), "GET", &path, &self.token, None);
            if reply.status != 200 {
                return Err(Trouble::new(format!("GET {path}: {} {}", reply.status, reply.text)));
            }
            let page = reply.json();
            for record in page["items"].as_array().into_iter().flatten() {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                let kept = Record { outcome: text("outcome"), cause: text("cause"), caller: text("caller") };
                records.entry(text("sip_call_id")).or_default().push(kept);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(records),
            }
        }
    }

    /// What the platform's workers count as said without protection since they were started; none if they can't be
    /// asked.
    pub(crate) fn unprotected(&self) -> Option<f64> {
        self.figures()?.sum("unprotected_total")
    }
}

impl Drop for Host {
    /// Whoever follows a supervisor that was killed would outlive the part.
    fn drop(&mut self) {
        namespace::kill_all(&self.namespace);
    }
}

/// What a host's processes count.
pub(crate) struct Figures(String);

impl Figures {
    /// The figure of that name, all that have it together; none if nobody has.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        let counted = self.0.lines().filter(|line| !line.starts_with('#') && line.contains(name));
        counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, next| sum + next)
    }

    /// The least that anybody counts under that name; none if nobody does.
    pub(crate) fn least(&self, name: &str) -> Option<f64> {
        let counted = self.0.lines().filter(|line| !line.starts_with('#') && line.contains(name));
        counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(f64::min)
    }
}

/// Runs a command of the operator's to its end, and gives what it said.
fn done(what: &str, mut command: Command) -> Result<String, Trouble> {
    let said = command.output().map_err(|error| Trouble::new(format!("{what}: {error}")))?;
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    match said.status.success() {
        true => Ok(out.into_owned() + &err),
        false => Err(Trouble::new(format!("{what}: {out}{err}"))),
    }
}
