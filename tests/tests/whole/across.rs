//! Offices and media servers of other hosts are found over the bus between hosts; what happens is heard by all.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::time::Duration;

use bus::durable::{Consumer, Streams};
use bus::{Client, Mailbox};
use contract::account::{Changed, Found, LookUp};
use contract::billing::{Reserve, Reserved};
use contract::event::{CallEvent, What};
use contract::media::{Anchor, Anchored, LegWish, Noticed, Payload, Release};
use contract::query::{CallView, Calls, ListCalls};
use contract::record::{CallRecord, Keep};
use contract::{CallId, Envelope, Kind, NodeId, Notice, Role, Stream, TenantId, To};
use machine::Shard;
use nats::{Nats, NatsCarrier, Options, Who};
use serde_json::{Value, json};
use strowger_tests::{Peer, eventually, request, strowger};

use crate::nats_server::Server;

/// A host with some roles.
struct Host {
    peer: Option<Peer>,
    folder: PathBuf,
    runtime: PathBuf,
    address: Ipv4Addr,
}

impl Host {
    fn start(node: u8, roles: &[&str], server: &Server, lines: &str) -> Host {
        let process = std::process::id();
        let address = Ipv4Addr::new(127, (process >> 8 & 0x3f) as u8 + 65, (process & 0xff) as u8, node);
        let folder = std::env::temp_dir().join(format!("strowger-across-{process}-{node}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let runtime = PathBuf::from(format!("/dev/shm/strowger-across-{process}-{node}"));
        let config = format!(
            "data = \"{0}/data\"\nruntime = \"{1}\"\n\
             [sip]\nlisten = [\"udp:{address}:5060\"]\n[media]\nlegs = 20\njournal_mb = 8\n\
             [api]\nlisten = \"{address}:8080\"\n\
             [cluster]\nnode = {node}\nroles = {roles:?}\ninside = \"{address}:7100\"\n\
             brokers = [\"99@127.0.0.1:1\"]\n\
             [nats]\nservers = [\"{2}\"]\nprefix = \"strowger.test\"\n{lines}\n",
            folder.display(),
            runtime.display(),
            server.url(),
        );
        std::fs::write(folder.join("strowger.toml"), config).expect("the configuration");
        let mut command = Command::new(strowger());
        command.arg("--config").arg(folder.join("strowger.toml")).arg("serve");
        let peer = Peer::start("strowger", command, &folder);
        Host { peer: Some(peer), folder, runtime, address }
    }

    fn api(&self) -> SocketAddr {
        (self.address, 8080).into()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let token = std::fs::read_to_string(self.folder.join("data/api-token")).expect("the API token");
        let reply = request(self.api(), method, path, token.trim(), Some(body));
        assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.text);
        reply.json()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("strowger.log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.peer = None;
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_dir_all(&self.runtime);
    }
}

/// An exchange on a host of its own that owns every shard.
struct Exchange {
    nats: Nats,
    client: Client<NatsCarrier>,
    heard: Receiver<Envelope>,
    stop: Arc<AtomicBool>,
}

const NODE: NodeId = NodeId(3);
const CALL: CallId = CallId(0x77);

impl Exchange {
    fn join(server: &Server) -> Exchange {
        let options =
            Options { servers: vec![server.url()], root: "strowger.test".into(), ..Options::default() };
        let nats = Nats::start(options).expect("the bus");
        let (tell, heard) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (mailbox_nats, until) = (nats.clone(), stop.clone());
        std::thread::spawn(move || listen(&mailbox_nats, &tell, &until));
        Exchange { client: nats.client(), nats, heard, stop }
    }

    fn hears<N: Notice>(&self) -> N {
        loop {
            let envelope = self.heard.recv_timeout(Duration::from_secs(10));
            let envelope = envelope.unwrap_or_else(|_| panic!("{} was not heard", N::SUBJECT));
            if envelope.subject == N::SUBJECT.to_string() {
                return contract::decode(&envelope.body).expect("a notice");
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Notices are passed on; it has one call.
fn listen(nats: &Nats, tell: &Sender<Envelope>, stop: &AtomicBool) {
    let who = Who { name: "signalling-3-0".into(), node: NODE, roles: vec![Role::Exchange] };
    let mut mailbox = nats.mailbox(who).expect("a mailbox");
    mailbox.own((0..4096).map(Shard::of));
    while !stop.load(Ordering::Relaxed) {
        mailbox.ready();
        while let Some(received) = mailbox.receive() {
            match received.envelope.kind {
                Kind::Request if received.envelope.subject == ListCalls::SUBJECT.to_string() => {
                    let calls = vec![CallView { id: CALL, tenant: TenantId(1), ..CallView::default() }];
                    let answer = Envelope::answer::<ListCalls>(received.envelope.id, &Calls { calls });
                    mailbox.answer(received.from, &answer).expect("an answer");
                }
                _ => drop(tell.send(received.envelope)),
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

use contract::Conversation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_finds_office_and_media_on_other_hosts() {
    let server = Server::start();
    let office = Host::start(1, &["api", "billing"], &server, "");
    let media = Host::start(2, &["media"], &server, "");
    let exchange = Exchange::join(&server);
    let found = |role| exchange.nats.members(role).len() == 1;
    let there = eventually(Duration::from_secs(20), || {
        found(Role::Api) && found(Role::Billing) && found(Role::Media) && found(Role::Exchange)
    });
    assert!(there, "{}\n{}", office.log(), media.log());
    asks_the_office(&exchange, &office).await;
    anchors_from_afar(&exchange).await;
    is_kept_once(&exchange).await;
}

/// Accounts and money; an account that changes is told to exchanges elsewhere, and their calls are listed.
async fn asks_the_office(exchange: &Exchange, office: &Host) {
    let tenant = office.ask("POST", "/v1/tenants", &json!({"name": "red", "domains": ["red.example"]}));
    let tenant = TenantId(tenant["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("a number"));
    office.ask("POST", "/v1/tenants/red/users", &json!({"name": "alice", "password": "secret"}));
    assert_eq!(exchange.hears::<Changed>(), Changed { tenant, name: None });
    let look_up = LookUp { tenant, name: "alice".into() };
    let found = exchange.client.ask(None, &look_up).await.expect("an answer");
    assert!(matches!(&found, Found::User(user) if user.name == "alice"), "{found:?}");
    let ask =
        Reserve { call: CALL, tenant, account: "alice".into(), serial: 1, seconds: 60, ..Reserve::default() };
    let reserved = exchange.client.ask(None, &ask).await.expect("an answer");
    assert!(matches!(&reserved, Reserved::Granted { amount, .. } if amount.micros > 0), "{reserved:?}");

    office.ask("PATCH", "/v1/tenants/red/users/alice", &json!({"blocked": true}));
    eventually(Duration::from_secs(5), || exchange.hears::<Changed>().name.as_deref() == Some("alice"));
    let calls = office.ask("GET", "/v1/calls", &Value::Null);
    assert_eq!((&calls["items"][0]["id"], &calls["items"][1]), (&json!("0000000000000077"), &Value::Null));
    let metrics = request(office.api(), "GET", "/metrics", "", None).text;
    assert!(metrics.contains("strowger_far_bus_connected{worker=\"office\"} 1"), "{metrics}");
}

/// Sound passes through the media server of a node that is named, and what it notices comes to the call's owner.
async fn anchors_from_afar(exchange: &Exchange) {
    let phones = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a phone"));
    let leg = |leg: u8| LegWish {
        leg,
        peer: Some(1 - leg),
        remote_rtp: phones[usize::from(leg)].local_addr().ok(),
        payloads: vec![Payload { number: 0, name: "PCMU".into(), clock: 8000 }],
        ..LegWish::default()
    };
    let wish = Anchor {
        call: CALL,
        shard: Shard::of(9),
        version: 1,
        legs: vec![leg(0), leg(1)],
        inactivity_ms: 500,
        ..Anchor::default()
    };
    let anchored = exchange.client.ask_at(To::Node(NodeId(2)), &wish).await.expect("an answer");
    let Anchored::Ready { node, legs, .. } = anchored else { panic!("{anchored:?}") };
    assert_eq!(node, NodeId(2));
    phones[1].set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let packet = [&[0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7][..], &[0xff; 160]].concat();
    phones[0].send_to(&packet, legs[0].rtp).expect("sent");
    let mut heard = [0; 200];
    assert_eq!(phones[1].recv_from(&mut heard).expect("sound").0, 172);
    // Then they fall silent.
    assert_eq!(exchange.hears::<Noticed>().call, CALL);
    let release = Release { call: CALL, ..Release::default() };
    let released = exchange.client.ask_at(To::Node(NodeId(2)), &release).await.expect("an answer");
    assert_eq!(released.quality.len(), 2);
}

/// Records that are said again and again, and what happened in a call, come to whoever hears on any host: once.
async fn is_kept_once(exchange: &Exchange) {
    let record = |id| CallRecord { id: CallId(id), tenant: TenantId(1), ..CallRecord::default() };
    let keep = Keep { records: vec![record(1), record(2)] };
    for _ in 0..3 {
        assert_eq!(exchange.client.ask(None, &keep).await.expect("an answer").ids.len(), 2);
    }
    for (serial, what) in [(0, What::Began), (17, What::Rang), (17, What::Rang), (42, What::Ended)] {
        let event = CallEvent { call: CALL, tenant: TenantId(1), serial, what, ..CallEvent::default() };
        exchange.client.tell(None, &event).expect("told");
    }
    let ids = |heard: Vec<bus::durable::Entry>| heard.into_iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(heard(exchange, Stream::Records).await), ["0000000000000001", "0000000000000002"]);
    let events = ids(heard(exchange, Stream::Events).await);
    assert_eq!(events, ["0000000000000077.0", "0000000000000077.17", "0000000000000077.42"]);
}

/// All of a stream, until nothing more comes.
async fn heard(exchange: &Exchange, stream: Stream) -> Vec<bus::durable::Entry> {
    let mut consumer = exchange.nats.streams().consumer(stream, "test").await.expect("a consumer");
    let mut heard = Vec::new();
    let mut patience = Duration::from_secs(10);
    while let Ok(delivery) = tokio::time::timeout(patience, consumer.next()).await {
        consumer.ack(&delivery).await.expect("acknowledged");
        heard.push(delivery.entry);
        patience = Duration::from_secs(1);
    }
    heard
}
