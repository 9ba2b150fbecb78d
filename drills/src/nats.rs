//! The bus between hosts: NATS servers with JetStream, each on a host of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use strowger_tests::{Peer, eventually, request};

use crate::Trouble;
use crate::namespace::{self, command_in, full};
use crate::stage::{HostPlan, Runs, Stage};

/// Where it is installed.
const PROGRAM: &str = "/usr/sbin/nats-server";
/// Servers that don't agree by then never will.
const AGREED: Duration = Duration::from_secs(40);

/// The servers.
pub(crate) struct Nats {
    servers: Vec<Server>,
}

struct Server {
    process: u32,
    plan: HostPlan,
    folder: PathBuf,
    routes: String,
    /// None: it was killed.
    running: Option<Peer>,
    starts: u32,
}

impl Nats {
    /// Starts those of `stage`, and waits until they agree; none if it has none.
    pub(crate) fn start(process: u32, stage: &Stage, folder: &Path) -> Result<Option<Nats>, Trouble> {
        let plans: Vec<_> = stage.of(|runs| runs == Runs::Nats).cloned().collect();
        if plans.is_empty() {
            return Ok(None);
        }
        if !Path::new(PROGRAM).exists() {
            return Err(Trouble::new("nats-server is not here"));
        }
        let routes: Vec<_> = plans.iter().map(|plan| format!("nats://{}:6222", plan.address)).collect();
        let routes = routes.join(",");
        let server = |plan: HostPlan| {
            let folder = folder.join(&plan.name);
            Server { process, plan, folder, routes: routes.clone(), running: None, starts: 0 }
        };
        let mut nats = Nats { servers: plans.into_iter().map(server).collect() };
        nats.servers.iter_mut().try_for_each(Server::run)?;
        nats.settle()?;
        Ok(Some(nats))
    }

    /// Waits until all of them have everything, as far as there is something.
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        let is_well = || self.leader().is_some() && self.servers.iter().all(Server::is_well);
        match eventually(AGREED, is_well) {
            true => Ok(()),
            false => Err(Trouble::new(format!("the NATS servers do not agree:\n{}", self.log()))),
        }
    }

    /// The server that leads the stream of events is killed with SIGKILL, or its whole host is lost; what it was.
    pub(crate) fn kill_leader(&mut self, with_host: bool) -> Result<String, Trouble> {
        let (name, what) = self.leader().ok_or_else(|| Trouble::new("nobody leads the NATS servers"))?;
        let server = self.servers.iter_mut().find(|server| server.plan.name == name);
        let server = server.ok_or_else(|| Trouble::new(format!("{name} is no NATS server of ours")))?;
        match with_host {
            true => server.lose()?,
            false => server.kill(),
        }
        Ok(format!("{name}, the leader of {what}"))
    }

    /// Whoever was killed or lost is started again.
    pub(crate) fn mend(&mut self) -> Result<(), Trouble> {
        let mut dead = self.servers.iter_mut().filter(|server| server.running.is_none());
        dead.try_for_each(Server::come_back)?;
        self.settle()
    }

    /// Who leads, and what: the stream of events if there is one, else the servers themselves.
    fn leader(&self) -> Option<(String, String)> {
        let said = self
            .servers
            .iter()
            .filter(|it| it.running.is_some())
            .map(|server| server.ask("/jsz?streams=true"));
        let said: Vec<Value> = said.flatten().collect();
        let text = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        let streams = said.iter().flat_map(|said| said["account_details"].as_array().into_iter().flatten());
        let mut streams =
            streams.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
        let events = streams.find_map(|stream| {
            let name = stream["name"].as_str().filter(|name| name.ends_with("events"))?;
            Some((text(&stream["cluster"]["leader"])?, format!("the stream {name}")))
        });
        let all = || said.iter().find_map(|said| text(&said["meta_cluster"]["leader"]));
        events.or_else(|| Some((all()?, "all streams' places".into())))
    }

    /// What they logged last.
    pub(crate) fn log(&self) -> String {
        self.servers.iter().map(Server::log).collect()
    }
}

impl Server {
    fn run(&mut self) -> Result<(), Trouble> {
        self.starts += 1;
        std::fs::create_dir_all(&self.folder).map_err(|error| Trouble::file(&self.folder, &error))?;
        let (name, address) = (&self.plan.name, self.plan.address.to_string());
        let mut command = command_in(&full(self.process, name), Path::new(PROGRAM));
        command.args(["-n", name, "-a", &address, "-p", "4222", "-m", "8222"]);
        command.args(["--cluster_name", "drill", "--cluster", &format!("nats://{address}:6222")]);
        command.args(["--routes", &self.routes, "-js", "-sd"]).arg(self.folder.join("store"));
        self.running = Some(Peer::start(&format!("nats-{}", self.starts), command, &self.folder));
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut server) = self.running.take() {
            server.signal(libc::SIGKILL);
            server.ended(Duration::from_secs(2));
        }
    }

    /// Cut off first, then killed, its files destroyed.
    fn lose(&mut self) -> Result<(), Trouble> {
        namespace::link(self.process, &self.plan.name, "down")?;
        self.kill();
        let _ = std::fs::remove_dir_all(self.folder.join("store"));
        Ok(())
    }

    fn come_back(&mut self) -> Result<(), Trouble> {
        namespace::link(self.process, &self.plan.name, "up")?;
        self.run()
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let address: Ipv4Addr = self.plan.address;
        let reply = request(SocketAddr::from((address, 8222)), "GET", path, "", None);
        (reply.status == 200).then(|| reply.json())
    }

    /// Whether it has all that it should keep.
    fn is_well(&self) -> bool {
        self.ask("/healthz").is_some()
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join(format!("nats-{}.log", self.starts)));
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("==== {}\n{}\n", self.plan.name, lines[lines.len().saturating_sub(40)..].join("\n"))
    }
}
