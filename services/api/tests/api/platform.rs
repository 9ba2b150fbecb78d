//! A platform of which only the office is real.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Client, KeptStreams, Member, Server, Topology, Workers};
use contract::account::Changed;
use contract::cluster::{Cell, Look, View};
use contract::query::{
    CallView, Calls, Gauge, Gauges, HangUp, HungUp, Ladder, ListCalls, ListRegistrations, Registration,
    Registrations, ShowLadder,
};
use contract::registration::{Give, Given, Take, Taken};
use contract::{CallId, CellId, TenantId, media};
use machine::{Moment, Secret};
use serde_json::Value;
use store::Store;
use strowger_api_service::{Api, Dealt, Figures, Seat, TOKEN_FILE};
use strowger_io::Clock;

/// What an exchange thread knows.
#[derive(Clone, Default)]
pub(crate) struct Thread {
    pub(crate) calls: Vec<CallView>,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) ladder: Option<(CallId, Ladder)>,
    /// Does not answer at all.
    pub(crate) silent: bool,
}

pub(crate) struct Platform {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) streams: KeptStreams,
    pub(crate) bus: Client,
    pub(crate) dir: PathBuf,
    pub(crate) token: String,
    pub(crate) changed: Arc<Mutex<Vec<Changed>>>,
    pub(crate) hung_up: Arc<Mutex<Vec<HangUp>>>,
    /// The bindings that its exchange gives; to which cells it gave them for good; what it took.
    pub(crate) given: Arc<Mutex<Vec<u8>>>,
    pub(crate) gave: Arc<Mutex<Vec<Option<CellId>>>>,
    pub(crate) taken: Arc<Mutex<Vec<Vec<u8>>>>,
    /// The cells that its brokers know, and the office's process, as it were.
    cells: Arc<Mutex<Vec<Cell>>>,
    office: Option<(tokio::runtime::Runtime, TcpListener)>,
    held: Vec<std::os::unix::net::UnixListener>,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The detail of a problem of this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Platform {
    pub(crate) async fn idle() -> Self {
        Platform::with(vec![Thread::default()]).await
    }

    pub(crate) async fn with(threads: Vec<Thread>) -> Self {
        let dir = new_folder();
        let topology = Topology::new(&dir, threads.len() as u16);
        let (changed, hung_up) = (Arc::default(), Arc::default());
        let mut held = Vec::new();
        for (number, thread) in threads.into_iter().enumerate() {
            let listener = topology.bind(Member::Signalling(number as u16)).unwrap();
            match thread.silent {
                true => held.push(listener),
                false => drop(tokio::spawn(exchange(thread, &changed, &hung_up).serve(listener))),
            }
        }
        let media = Server::new().on(|_: media::Gauge| async {
            Ok::<_, String>(Gauges { values: vec![("media_sessions".into(), 2.0)] })
        });
        tokio::spawn(media.serve(topology.bind(Member::Media).unwrap()));

        let store = Store::open(&dir.join("strowger.db")).await.unwrap();
        let bus = Client::local(topology.clone());
        let clock = Clock::start(Moment::START);
        let streams = KeptStreams::open(dir.join("streams")).unwrap();
        let dealt = Dealt {
            store: store.clone(),
            host: bus.clone(),
            bus: bus.clone().erased(),
            clock,
            data: dir.clone(),
            status: None,
            streams: Some(streams.clone()),
            figures: Figures::new(|| vec![("far_connected".into(), 1.0)]),
            currency: "EUR".into(),
            cell: None,
        };
        let api = Api::open(dealt).await.unwrap();
        let office = api.answer(Server::new());
        tokio::spawn(office.serve(topology.bind(Member::Office).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(api.serve(listener, std::future::pending()));
        let token = std::fs::read_to_string(dir.join(TOKEN_FILE)).unwrap().trim().to_owned();
        let (given, gave, taken, cells) = Default::default();
        let (office, held) = (None, held);
        Platform {
            address,
            store,
            streams,
            bus,
            dir,
            token,
            changed,
            hung_up,
            given,
            gave,
            taken,
            cells,
            office,
            held,
        }
    }

    /// A platform that is a cell of several, whose office can die.
    pub(crate) async fn cell(number: CellId) -> Self {
        let dir = new_folder();
        let topology = topology_of_a_cell(&dir);
        let (changed, hung_up) = (Arc::default(), Arc::default());
        let (given, gave, taken) = (Arc::default(), Arc::default(), Arc::default());
        let exchange = exchange(Thread::default(), &changed, &hung_up);
        let exchange = with_bindings(exchange, &given, &gave, &taken);
        tokio::spawn(exchange.serve(topology.bind(Member::Signalling(0)).unwrap()));
        let cells: Arc<Mutex<Vec<Cell>>> = Arc::default();
        let known = cells.clone();
        let broker = Server::new().on(move |_: Look| {
            let cells = known.lock().unwrap().clone();
            async move { Ok::<_, String>(View { cell: number, cells, ..View::default() }) }
        });
        tokio::spawn(broker.serve(topology.bind(Member::Broker).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        cells.lock().unwrap().push(as_cell(number, address));
        let office = run_office(&dir, number, listener.try_clone().unwrap());
        while !dir.join(TOKEN_FILE).exists() || look_at(address).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let store = Store::open(&dir.join("strowger.db")).await.unwrap();
        store.become_cell(number);
        let token = std::fs::read_to_string(dir.join(TOKEN_FILE)).unwrap().trim().to_owned();
        let bus = Client::local(topology);
        let streams = KeptStreams::open(dir.join("heard")).unwrap();
        let (office, held) = (Some((office, listener)), Vec::new());
        Platform {
            address,
            store,
            streams,
            bus,
            dir,
            token,
            changed,
            hung_up,
            given,
            gave,
            taken,
            cells,
            office,
            held,
        }
    }

    /// Its brokers hear where the offices of another cell are.
    pub(crate) fn knows(&self, other: &Platform) {
        let other = other.cells.lock().unwrap()[0].clone();
        self.hears(other);
    }

    /// They are not where they were.
    pub(crate) fn forgets(&self, other: &Platform) {
        let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let other = other.cells.lock().unwrap()[0].number;
        self.hears(as_cell(other, nowhere));
    }

    fn hears(&self, other: Cell) {
        let mut cells = self.cells.lock().unwrap();
        cells.retain(|cell| cell.number != other.number);
        cells.push(other);
    }

    /// The office is killed, and started again.
    pub(crate) async fn restart(&mut self) {
        let (office, listener) = self.office.take().unwrap();
        office.shutdown_background();
        let number = self.cells.lock().unwrap()[0].number;
        let office = run_office(&self.dir, number, listener.try_clone().unwrap());
        self.office = Some((office, listener));
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let body = format!(r#"{{"name": "{name}", "domains": ["{name}.example"]}}"#);
        let added = self.post("/v1/tenants", &body).await;
        assert_eq!(added.status, 201, "{}", added.body);
        TenantId(added.json()["id"].as_u64().unwrap() as u32)
    }

    pub(crate) async fn tenant_token(&self, tenant: &str) -> String {
        let made = self.post(&format!("/v1/tenants/{tenant}/tokens"), r#"{"name": "desk"}"#).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.get_as(&self.token, path).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Response {
        self.request(&format!("GET {path}"), &[("Authorization", &format!("Bearer {token}"))], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        self.send("POST", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &str) -> Response {
        self.send("PATCH", path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, "").await
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.request(&format!("{method} {path}"), &headers, body).await
    }

    pub(crate) async fn request(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let address = self.address;
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
        })
        .await
        .unwrap()
    }

    /// Who was said to have changed, since last asked.
    pub(crate) async fn told(&self) -> Vec<Option<String>> {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        std::mem::take(&mut *self.changed.lock().unwrap()).into_iter().map(|it| it.name).collect()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.held.clear();
        if let Some((office, _)) = self.office.take() {
            office.shutdown_background();
        }
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("api-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn topology_of_a_cell(dir: &Path) -> Topology {
    Topology::new(dir, 1).with(Workers { media: false, office: true, broker: true })
}

fn as_cell(number: CellId, office: SocketAddr) -> Cell {
    let offices = vec![format!("http://{office}")];
    Cell { number, name: format!("cell-{number}"), offices, ..Cell::default() }
}

/// Whether somebody answers there.
fn look_at(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut first = [0; 8];
    stream.read_exact(&mut first).ok()
}

fn run_office(dir: &Path, cell: CellId, listener: TcpListener) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (dir, topology) = (dir.to_owned(), topology_of_a_cell(dir));
    runtime.spawn(async move {
        let bus = Client::local(topology.clone());
        let dealt = Dealt {
            store: Store::open(&dir.join("strowger.db")).await.unwrap(),
            host: bus.clone(),
            bus: bus.erased(),
            clock: Clock::start(Moment::START),
            data: dir.clone(),
            status: None,
            streams: None,
            figures: Figures::default(),
            currency: "EUR".into(),
            cell: Some(Seat { cell, secret: Secret::new([7; 16]) }),
        };
        let api = Api::open(dealt).await.unwrap();
        tokio::spawn(api.answer(Server::new()).serve(topology.bind(Member::Office).unwrap()));
        api.serve(listener, std::future::pending()).await.unwrap();
    });
    runtime
}

fn with_bindings(
    exchange: Server,
    given: &Arc<Mutex<Vec<u8>>>,
    gave: &Arc<Mutex<Vec<Option<CellId>>>>,
    taken: &Arc<Mutex<Vec<Vec<u8>>>>,
) -> Server {
    let (given, gave, taken) = (given.clone(), gave.clone(), taken.clone());
    exchange
        .on(move |ask: Give| {
            gave.lock().unwrap().push(ask.away);
            let bindings = given.lock().unwrap().clone();
            async { Ok::<_, String>(Given { bindings }) }
        })
        .on(move |ask: Take| {
            let understood = ask.bindings != b"unreadable";
            if understood {
                taken.lock().unwrap().push(ask.bindings);
            }
            async move { Ok::<_, String>(Taken { understood, contacts: 1 }) }
        })
}

fn exchange(thread: Thread, changed: &Arc<Mutex<Vec<Changed>>>, hung_up: &Arc<Mutex<Vec<HangUp>>>) -> Server {
    let (changed, hung_up) = (changed.clone(), hung_up.clone());
    let (listing, ending, asking, thread) = (thread.clone(), thread.clone(), thread.clone(), thread);
    Server::new()
        .on(move |ask: ListCalls| {
            let mut calls = listing.calls.clone();
            calls.retain(|call| ask.after.is_none_or(|after| call.id > after));
            calls.retain(|call| ask.tenant.is_none_or(|tenant| call.tenant == tenant));
            calls.truncate(ask.limit as usize);
            async { Ok::<_, String>(Calls { calls }) }
        })
        .on(move |ask: HangUp| {
            let found = ending.calls.iter().any(|call| call.id == ask.call);
            if found {
                hung_up.lock().unwrap().push(ask);
            }
            async move { Ok::<_, String>(HungUp { found }) }
        })
        .on(move |ask: ShowLadder| {
            let ladder =
                asking.ladder.clone().filter(|(call, _)| *call == ask.call).map(|(_, ladder)| ladder);
            async { Ok::<_, String>(ladder.unwrap_or_default()) }
        })
        .on(move |ask: ListRegistrations| {
            let mut registrations = thread.registrations.clone();
            registrations.retain(|it| ask.after.as_ref().is_none_or(|after| it.aor > *after));
            registrations.retain(|it| ask.tenant.is_none_or(|tenant| it.aor.tenant == tenant));
            registrations.truncate(ask.limit as usize);
            async { Ok::<_, String>(Registrations { registrations }) }
        })
        .on(|_: Gauge| async {
            let values =
                vec![("calls".into(), 3.0), ("requests_total".into(), 17.0), ("bad name".into(), 1.0)];
            Ok::<_, String>(Gauges { values })
        })
        .hear(move |notice: Changed| {
            changed.lock().unwrap().push(notice);
            async {}
        })
}
