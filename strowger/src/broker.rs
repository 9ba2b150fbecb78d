//! The broker worker: this host's seat among the brokers if it has one, and what tells this host what they agreed on.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::Duration;

use broker_service::{Broker, StartError};
use bus::{Client, Server};
use contract::cluster::{Cell, Node};
use contract::{NodeId, Role};
use host::worker::Worker;

use crate::addresses;
use crate::config::{self, Config};
use crate::places::{PlaceError, Places};
use crate::serve::{self, label};

/// Why the broker can't work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("broker: {0}")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Start(Box<StartError>),
    #[error("the supervisor dealt no {0}")]
    Undealt(&'static str),
}

impl From<StartError> for BrokerError {
    fn from(error: StartError) -> Self {
        BrokerError::Start(Box::new(error))
    }
}

/// Runs until the supervisor says to stop.
pub(crate) fn run(config: &Config, mut worker: Worker) -> Result<(), BrokerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let hearing = worker.dealt.take(label::BUS).ok_or(BrokerError::Undealt(label::BUS))?;
    let listener = worker.dealt.take(label::BROKER).map(TcpListener::from);
    let broker = runtime.block_on(start(config, listener, &worker))?;
    runtime.spawn(show_life(worker.progress.watch(), broker.ailment()));
    let server = broker.answer(Server::new());
    runtime.spawn(async move {
        if let Err(error) = server.serve(hearing.into()).await {
            tracing::error!(%error, "nothing on the bus is answered any more");
        }
    });
    let cluster = &config.cluster;
    let floating = if cluster.has(Role::Edge) { cluster.floating() } else { Vec::new() };
    runtime.spawn(addresses::follow(floating, cluster.me(), broker.view()));
    worker.ready()?;
    worker.wait_for_stop()?;
    runtime.block_on(broker.stop());
    Ok(())
}

/// As long as the seat can go on: else the supervisor starts another.
async fn show_life(beat: host::Beat, ailment: impl Fn() -> Option<String>) {
    let mut pulse = tokio::time::interval(host::worker::BEAT / 2);
    loop {
        pulse.tick().await;
        if let Some(reason) = ailment() {
            tracing::error!(reason, "this broker can't go on");
            return;
        }
        beat.tick();
    }
}

async fn start(
    config: &Config,
    listener: Option<TcpListener>,
    worker: &Worker,
) -> Result<Broker, BrokerError> {
    let places = Places::open(config)?;
    let cluster = &config.cluster;
    let settings = broker_service::Config {
        me: Node { life: places.life()?, ..me(config) },
        seats: cluster.brokers.iter().map(|seat| (NodeId(seat.node), seat.address)).collect(),
        listener,
        folder: places.broker(),
        view_file: places.view(),
        patience: Duration::from_millis(cluster.patience_ms),
        secret: places.secret()?,
        cell: cell(config),
        known: config.cell.known.iter().map(|seat| seat.address).collect(),
    };
    let bus = Client::local(serve::topology(config, &places));
    Ok(Broker::start(settings, bus, worker.clock()).await?)
}

/// What this cell is, for others.
fn cell(config: &Config) -> Cell {
    let seats = config.cluster.brokers.iter().map(|seat| (NodeId(seat.node), seat.address)).collect();
    let config::Cell { name, offices, .. } = config.cell.clone();
    Cell { number: config.cell.id(), name, seats, offices, stamp: 0 }
}

/// What this node says of itself.
fn me(config: &Config) -> Node {
    let cluster = &config.cluster;
    let inside = if cluster.signals() { cluster.inside_of(config.signalling.threads) } else { Vec::new() };
    let me = Node {
        node: cluster.me(),
        host: cluster.host(),
        roles: cluster.roles(),
        inside,
        probed: config.probed(),
        spare: cluster.spare,
        ..Node::default()
    };
    if !cluster.has(Role::Edge) {
        return me;
    }
    let floating = cluster.floating().into_iter().map(|it| it.address).collect();
    Node { addresses: fixed(config), floating, ..me }
}

/// Those of the SIP listeners' addresses that are this host's for ever: not those that float, nor another node's. For
/// a listener on all addresses, the one that this host shows to the world.
fn fixed(config: &Config) -> Vec<IpAddr> {
    let shown =
        |ip: IpAddr| if ip.is_unspecified() { serve::outward_address(ip.is_ipv6()) } else { Some(ip) };
    let mut addresses: Vec<IpAddr> =
        config.sip.listen.iter().filter_map(|it| shown(it.address.ip())).collect();
    addresses.retain(|&address| !config.cluster.can_hold(address) && UdpSocket::bind((address, 0)).is_ok());
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
