//! Several hosts as one platform, each at a loopback address of its own, with a NATS server and, if wished, their store
//! in PostgreSQL.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use contract::cluster::View;
use contract::query::Gauge;
use machine::{SHARDS, Shard};
use nats::{Nats, Options};

use crate::Trouble;
use crate::child::{Folder, Server};
use crate::cpu::Whose;
use crate::platform::{Api, Serves, Setup};
use crate::postgres::Postgres;

/// Which hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The third number of all addresses.
    pub(crate) net: u8,
    /// Hosts that are exchanges and nothing else. None: the first host, which does all the rest, is the exchange, too.
    pub(crate) exchanges: u8,
    /// One more exchange that owns nothing and follows.
    pub(crate) spare: bool,
    /// The store is in PostgreSQL, not in a file of the first host.
    pub(crate) postgres: bool,
}

/// Hosts at work.
pub(crate) struct Hosts {
    /// The first one's edge, office, media and broker serve all.
    hosts: Vec<Server>,
    nats: Server,
    postgres: Option<Postgres>,
    shape: Shape,
    watcher: Watcher,
    _folders: Vec<Folder>,
}

/// Somebody on the bus who asks the exchanges how they do.
struct Watcher {
    runtime: tokio::runtime::Runtime,
    nats: Nats,
}

/// Shards move a few hundred at a time.
const SETTLING: Duration = Duration::from_secs(90);
const NATS_PORT: u16 = 4222;
const NATS_STATUS: u16 = 8222;

impl Shape {
    fn address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, self.net, host)
    }

    fn bus(self) -> Ipv4Addr {
        self.address(200)
    }

    /// Numbers of the hosts.
    fn hosts(self) -> std::ops::RangeInclusive<u8> {
        1..=1 + self.exchanges + u8::from(self.spare)
    }

    fn is_spare(self, host: u8) -> bool {
        self.spare && host == *self.hosts().end()
    }

    fn config(self, host: u8, setup: &Setup, folder: &Path, runtime: &Path, store: &str) -> String {
        let (first, own) = (self.address(1), self.address(host));
        let roles = match host {
            1 if self.exchanges == 0 => r#""edge", "exchange", "apps", "media", "billing", "api", "broker""#,
            1 => r#""edge", "media", "billing", "api", "broker""#,
            _ => r#""exchange", "apps""#,
        };
        format!(
            "{store}data = \"{0}/data-{host}\"\nruntime = \"{1}/{host}\"\n\
             [log]\nlevel = \"warn\"\n\
             [sip]\nlisten = [\"udp:{first}:5060\"]\n\
             [signalling]\nthreads = {2}\njournal_mb = 64\n\
             [registrar]\nnonce_seconds = 7200\n\
             [media]\nlegs = {3}\naddress = \"{first}\"\n\
             [billing]\nmicros_per_minute = {4}\n\
             [api]\nlisten = \"{own}:8080\"\n\
             [cluster]\nnode = {host}\nroles = [{roles}]\ninside = \"{own}:7100\"\nspare = {5}\npatience_ms = 5000\n\
             brokers = [\"1@{first}:7000\"]\nsecret = \"{0}/secret\"\n\
             [nats]\nservers = [\"nats://{6}:{NATS_PORT}\"]\n",
            folder.display(),
            runtime.display(),
            setup.threads,
            setup.legs,
            setup.micros_per_minute,
            self.is_spare(host),
            self.bus(),
        )
    }
}

impl Hosts {
    /// Starts `binary` on all of them, and adds the tenant `bench` with its users.
    pub(crate) fn start(binary: &Path, shape: Shape, setup: &Setup) -> Result<Self, Trouble> {
        let folder = Folder::new(&format!("hosts-{}", shape.net))?;
        let runtime = Folder::in_memory(&format!("hosts-{}", shape.net))?;
        std::fs::write(folder.path().join("secret"), [7; 16])?;
        let nats = start_nats(shape, folder.path())?;
        let postgres = shape.postgres.then(|| Postgres::start(&shape.net.to_string())).transpose()?;
        let store = postgres.as_ref().map(|it| format!("store = \"{}\"\n", it.address())).unwrap_or_default();
        let mut hosts = Vec::new();
        for host in shape.hosts() {
            let file = folder.path().join(format!("host-{host}.toml"));
            std::fs::write(&file, shape.config(host, setup, folder.path(), runtime.path(), &store))?;
            let mut command = Command::new(binary);
            command.arg("--config").arg(&file).arg("serve");
            hosts.push(Server::start(&format!("host-{host}"), command, folder.path())?);
        }
        let data = folder.path().join("data-1");
        let mut api = Api::ready(shape.address(1), &mut hosts[0], &data)?;
        let view = data.join("cluster");
        let until = Instant::now() + SETTLING;
        while !is_settled(&view, shape) {
            if Instant::now() > until {
                let words: Vec<String> = hosts.iter().map(Server::last_words).collect();
                return Err(format!("shards do not come to rest:\n{}", words.join("\n")).into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        api.add_accounts(setup)?;
        let watcher = Watcher::join(shape)?;
        Ok(Hosts { hosts, nats, postgres, shape, watcher, _folders: vec![folder, runtime] })
    }

    /// Messages that were said so far: from exchange to exchange or between edge and exchange, and in the bus.
    pub(crate) fn messages(&self) -> Result<Messages, Trouble> {
        let gauges = self.watcher.gauges();
        let sum = |name: &str| gauges.get(name).copied().unwrap_or_default();
        Ok(Messages {
            inside: sum("neighbours_said_total"),
            unprotected: sum("answers_unprotected_total"),
            bus: said_on_bus(self.shape)?,
        })
    }
}

/// Messages between hosts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Messages {
    /// From a signalling thread of one host to another's.
    pub(crate) inside: f64,
    /// To the NATS server.
    pub(crate) bus: f64,
    /// Messages for the world that no buddy knew of in time.
    pub(crate) unprotected: f64,
}

impl Serves for Hosts {
    fn address(&self) -> SocketAddr {
        (self.shape.address(1), 5060).into()
    }

    fn whose(&self) -> Whose {
        let beside = [Some(self.nats.pid()), self.postgres.as_ref().map(Postgres::pid)];
        Whose {
            server: self.hosts.iter().map(Server::pid).collect(),
            beside: beside.into_iter().flatten().collect(),
        }
    }

    fn last_words(&self) -> String {
        self.hosts.iter().map(Server::last_words).collect::<Vec<_>>().join("\n")
    }
}

impl Watcher {
    fn join(shape: Shape) -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options =
            Options { servers: vec![format!("nats://{}:{NATS_PORT}", shape.bus())], ..Options::default() };
        let nats = Nats::start(options)?;
        Ok(Watcher { runtime, nats })
    }

    /// The sums of what all signalling threads count.
    fn gauges(&self) -> BTreeMap<String, f64> {
        let answers = self.runtime.block_on(self.nats.client().ask_all(&Gauge::default()));
        let mut sums = BTreeMap::new();
        for (name, value) in
            answers.into_iter().filter_map(|(_, answer)| answer.ok()).flat_map(|it| it.values)
        {
            *sums.entry(name).or_default() += value;
        }
        sums
    }
}

fn start_nats(shape: Shape, folder: &Path) -> Result<Server, Trouble> {
    let bus = shape.bus();
    let file = folder.join("nats.conf");
    let store = folder.join("streams").display().to_string();
    let text = format!(
        "listen: {bus}:{NATS_PORT}\nhttp: {bus}:{NATS_STATUS}\nmax_payload: 8MB\n\
         jetstream {{ store_dir: \"{store}\", max_mem: 64MB, max_file: 4GB }}\n"
    );
    std::fs::write(&file, text)?;
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(&file);
    let mut server = Server::start("nats", command, folder)?;
    server.wait_until(Duration::from_secs(10), || said_on_bus(shape).is_ok())?;
    Ok(server)
}

/// Whether every shard is where it should be, and followed if there is anybody who could.
fn is_settled(view: &Path, shape: Shape) -> bool {
    let read = || contract::decode::<View>(&std::fs::read(view).ok()?).ok();
    let Some(view) = read() else { return false };
    let owners = usize::from(shape.exchanges.max(1)) + usize::from(shape.spare);
    let is_done = |shard| {
        let owner = view.owner(shard);
        owner.node.is_some() && owner.wanted.is_none() && owner.next.is_none() && (owners < 2 || owner.synced)
    };
    view.nodes.len() == shape.hosts().count() && (0..SHARDS).map(|it| Shard::of(it.into())).all(is_done)
}

/// How many messages came to the NATS server so far.
fn said_on_bus(shape: Shape) -> Result<f64, Trouble> {
    let mut stream = TcpStream::connect_timeout(&(shape.bus(), NATS_STATUS).into(), Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").ok_or("NATS's status is no HTTP")?;
    let status: serde_json::Value = serde_json::from_str(body)?;
    status["in_msgs"].as_f64().ok_or_else(|| "NATS does not say what it heard".into())
}
