//! Seats and nodes, each as on a host of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bus::{Client, Topology, Workers};
use contract::cluster::{Cell, Node, View};
use contract::{CellId, NodeId, Role};
use machine::{Moment, Secret, Shard};
use strowger_broker_service::{Broker, Config};
use strowger_io::Clock;

pub(crate) const PATIENCE: Duration = Duration::from_millis(700);
pub(crate) const SECRET: Secret = Secret::new([7; 16]);
/// So much later than its patience a loss may be told. On a quiet machine it is under 100 ms (the tests print
/// it); this one may be building something beside.
pub(crate) const SLACK: Duration = Duration::from_millis(1500);
/// Nothing here takes longer, whatever else the machine does.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Platform {
    pub(crate) dir: PathBuf,
    pub(crate) seats: Vec<(NodeId, SocketAddr)>,
    pub(crate) brokers: BTreeMap<u16, Broker>,
    pub(crate) cell: Cell,
    pub(crate) known: Vec<SocketAddr>,
}

pub(crate) fn floating() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 1).into()
}

pub(crate) fn node(number: u16) -> Node {
    Node {
        node: NodeId(number),
        host: format!("host-{number}"),
        roles: vec![Role::Edge, Role::Exchange],
        inside: vec![([10, 0, 0, number as u8], 7100).into(), ([10, 0, 0, number as u8], 7101).into()],
        addresses: vec![[198, 51, 100, number as u8].into()],
        floating: Vec::new(),
        ..Node::default()
    }
}

/// Passes as soon as `is` does, and says after how long.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < LONG, "after {LONG:?} still not: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("{what}: after {:?}", begun.elapsed());
    begun.elapsed()
}

impl Platform {
    /// Nobody is there yet. Node `n` of `1..=seats` will have a seat.
    pub(crate) fn new(seats: u16) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        // A network of its own, so that no other test and no passing connection has a seat's port.
        let (id, serial) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let host = |seat: u16| {
            Ipv4Addr::new(127, 16 + (id >> 8) as u8 % 200, id as u8, 1 + (serial * 8 + seat as u8) % 250)
        };
        let seats = (1..=seats).map(|seat| (NodeId(seat), (host(seat), 7411).into())).collect();
        let dir = std::env::temp_dir().join(format!("broker-{id}-{serial}"));
        std::fs::create_dir_all(&dir).unwrap();
        Platform { dir, seats, brokers: BTreeMap::new(), cell: Cell::default(), known: Vec::new() }
    }

    /// A cell of one seat, whose node has that number; it knows of `known`, another one.
    pub(crate) fn cell(number: u8, known: Option<&Platform>) -> Self {
        let mut cell = Platform::new(1);
        cell.seats[0].0 = NodeId(u16::from(number) * 10);
        cell.known = known.map(|known| known.seats[0].1).into_iter().collect();
        cell.cell = Cell {
            number: CellId(number),
            name: format!("cell-{number}"),
            seats: cell.seats.clone(),
            offices: vec![format!("http://192.0.2.{number}:8080")],
            stamp: 0,
        };
        cell
    }

    /// Of three seats and three more nodes, and everybody is there.
    pub(crate) async fn of_six() -> Self {
        let mut platform = Platform::new(3);
        for number in 1..=6 {
            platform.start(number).await;
        }
        platform.all_see("all six are there", |view| view.nodes.len() == 6).await;
        platform
    }

    pub(crate) fn config(&self, me: Node) -> Config {
        let number = me.node.0;
        let seat = self.seats.iter().find(|(node, _)| *node == me.node);
        Config {
            me,
            seats: self.seats.clone(),
            listener: seat.map(|(_, address)| TcpListener::bind(address).unwrap()),
            folder: self.dir.join(format!("seat-{number}")),
            view_file: self.dir.join(format!("view-{number}")),
            patience: PATIENCE,
            secret: SECRET,
            cell: self.cell.clone(),
            known: self.known.clone(),
        }
    }

    pub(crate) fn topology(&self, number: u16) -> Topology {
        let dir = self.dir.join(format!("bus-{number}"));
        std::fs::create_dir_all(&dir).unwrap();
        Topology::new(dir, 1).with(Workers { media: false, office: false, broker: true })
    }

    pub(crate) async fn start(&mut self, number: u16) {
        self.start_as(node(number)).await;
    }

    pub(crate) async fn start_as(&mut self, me: Node) {
        let number = me.node.0;
        let broker = begin(self.config(me), self.topology(number)).await;
        self.brokers.insert(number, broker);
    }

    pub(crate) async fn stop(&mut self, number: u16) {
        self.brokers.remove(&number).unwrap().stop().await;
    }

    pub(crate) fn view(&self, number: u16) -> Arc<View> {
        self.brokers[&number].view().borrow().clone()
    }

    /// Passes when everybody who is there sees that, and says after how long.
    pub(crate) async fn all_see(&self, what: &str, is: impl Fn(&View) -> bool) -> Duration {
        until(what, || self.brokers.keys().all(|&number| is(&self.view(number)))).await
    }

    pub(crate) fn leader(&self) -> Option<u16> {
        self.brokers.iter().find(|(_, broker)| broker.leads()).map(|(&number, _)| number)
    }

    /// Every owner hands on what it should: says it until nothing is to be moved.
    pub(crate) async fn settle(&self) {
        let begun = Instant::now();
        loop {
            let (&asker, broker) = self.brokers.iter().next().unwrap();
            let view = self.view(asker);
            let Some(to) = view.owners.iter().find_map(|owner| owner.wanted) else { return };
            assert!(begun.elapsed() < LONG, "shards are still to be moved");
            let shards = Shard::all().filter(|&shard| view.owner(shard).wanted == Some(to));
            let shards = shards.map(|shard| (shard, view.owner(shard).epoch)).collect();
            let version = broker.propose(broker::Change::Moved { shards, to }, LONG).await;
            until("what was agreed is told", || self.view(asker).version >= version).await;
        }
    }
}

pub(crate) async fn begin(config: Config, topology: Topology) -> Broker {
    Broker::start(config, Client::local(topology), Clock::start(Moment::START)).await.unwrap()
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.dir));
    }
}
