//! The supervisor of this host: binds every socket once, and deals them to its workers.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use bus::{Member, Topology};
use contract::Role;
use host::estate::Legacy;
use host::succession::{INHERIT, Succession};
use host::supervisor::{Options, Patience, Supervisor, WorkerSpec};
use machine::Moment;
use strowger_io::{Clock, Listener, UdpOptions, UdpSocket};

use crate::config::{Cluster, Config, Hop, Listen};
use crate::dealing::Dealing;
use crate::places::Places;

/// Labels under which descriptors are dealt.
pub(crate) mod label {
    /// `sip-THREAD-NUMBER`: a listener of the configuration, for a thread.
    pub(crate) const SIP: &str = "sip-";
    /// `inside-THREAD`: where a signalling thread hears the others, of other nodes or over a wire of its own.
    pub(crate) const INSIDE: &str = "inside-";
    /// `bus-THREAD`: where a signalling thread hears the bus.
    pub(crate) const BUS_THREAD: &str = "bus-signalling-";
    /// `tcp-THREAD-NUMBER-REMOTE`: a connection that a predecessor left, by listener NUMBER.
    pub(crate) const TCP: &str = "tcp-";
    /// Where the media worker or the office hears the bus.
    pub(crate) const BUS: &str = "bus";
    /// `port-NUMBER`: the media pool, RTP and RTCP in turn.
    pub(crate) const PORT: &str = "port-";
    /// Where media hears probes of other nodes.
    pub(crate) const PROBE: &str = "probe";
    /// The API's listener.
    pub(crate) const API: &str = "api";
    /// Where the broker hears other nodes.
    pub(crate) const BROKER: &str = "broker";
}

/// Workers that nobody watched over, and that were ended, are gone by then.
const GOING: Duration = Duration::from_secs(2);

/// Why the platform does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Place(#[from] crate::places::PlaceError),
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("{what}: {source}")]
    Bind { what: String, source: std::io::Error },
    #[error("what the program before left: {0}")]
    Inherit(std::io::Error),
    #[error(
        "cluster.roles: a host that is alone runs all roles; leave them away, or say who the others are in [cluster]"
    )]
    Split,
}

/// Runs the platform until a SIGTERM or SIGINT. `inherit` says under which descriptor the program before this one, in
/// this process, left what is ours.
pub(crate) fn serve(config: &Config, file: Option<&Path>, inherit: Option<i32>) -> Result<(), ServeError> {
    let cluster = &config.cluster;
    if !cluster.is_one_of_several() && !cluster.roles.is_empty() {
        return Err(ServeError::Split);
    }
    let places = Places::open(config)?;
    let mut legacy = take_up(&places, inherit)?;
    places.secret()?;
    let topology = topology(config, &places);
    let dealt = [
        (
            "signalling",
            cluster
                .signals()
                .then(|| signalling_descriptors(config, &topology, Dealing::to("signalling", &mut legacy))),
        ),
        (
            "media",
            topology
                .workers()
                .media
                .then(|| media_descriptors(config, &topology, Dealing::to("media", &mut legacy))),
        ),
        (
            "office",
            topology
                .workers()
                .office
                .then(|| office_descriptors(config, &topology, Dealing::to("office", &mut legacy))),
        ),
        (
            "broker",
            topology
                .workers()
                .broker
                .then(|| broker_descriptors(config, &topology, Dealing::to("broker", &mut legacy))),
        ),
    ];
    let dealt = dealt.into_iter().filter_map(|(name, descriptors)| Some((name, descriptors?)));
    let workers = dealt.map(|(name, descriptors)| Ok(worker(name, file, cluster, descriptors?)));
    let workers = workers.collect::<Result<Vec<_>, ServeError>>()?;
    let options = Options {
        program: "/proc/self/exe".into(),
        status: places.status(),
        patience: Patience {
            settled: Duration::from_millis(config.supervisor.settled_ms),
            ..Patience::default()
        },
        clock: legacy.clock().unwrap_or_else(|| Clock::start(Moment::START)),
    };
    let standby = worker("standby", file, cluster, Vec::new());
    let succession = Succession { standby, legacy, control: places.control(), successor: successor() };
    tracing::info!(data = %places.data.display(), runtime = %places.runtime.display(), "starting");
    Supervisor::in_succession(options, workers, succession)?.run()?;
    Ok(())
}

/// What a predecessor left: in this process, or with its standby; or nothing.
fn take_up(places: &Places, inherit: Option<i32>) -> Result<Legacy, ServeError> {
    // An exec calls the process by the number of a descriptor.
    drop(std::fs::write("/proc/self/comm", "strowger"));
    if let Some(number) = inherit {
        return Legacy::inherited(number).map_err(ServeError::Inherit);
    }
    match places.lock() {
        Ok(lock) => {
            host::orphan::end_orphans(&places.status());
            Ok(Legacy::none(lock.into()))
        }
        // A supervisor's or its standby's.
        Err(held) => Legacy::claimed(&places.standby())?.ok_or(held.into()),
    }
}

/// What this program was given, and its successor shall be.
fn successor() -> Vec<OsString> {
    let own: Vec<OsString> = std::env::args_os().skip(1).collect();
    let inherited = own.iter().position(|argument| argument == INHERIT).unwrap_or(own.len());
    own[..inherited].to_vec()
}

/// Who is there on the bus of this host.
pub(crate) fn topology(config: &Config, places: &Places) -> Topology {
    let threads = if config.cluster.signals() { config.signalling.threads } else { 0 };
    Topology::new(&places.runtime, threads).with(config.cluster.workers())
}

fn worker(
    name: &str,
    file: Option<&Path>,
    cluster: &Cluster,
    descriptors: Vec<(String, OwnedFd)>,
) -> WorkerSpec {
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(file) = file {
        arguments.extend(["--config".into(), file.into()]);
    }
    arguments.extend(["worker".into(), name.into()]);
    WorkerSpec {
        name: name.to_owned(),
        argv0: format!("strowger-{name}").into(),
        arguments,
        environment: cluster.environment(),
        descriptors,
    }
}

fn bind_bus(topology: &Topology, member: Member) -> Result<OwnedFd, ServeError> {
    let bound = topology.bind(member);
    bound.map(Into::into).map_err(|source| ServeError::Bind { what: format!("bus of {member}"), source })
}

fn signalling_descriptors(
    config: &Config,
    topology: &Topology,
    mut deal: Dealing<'_>,
) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    let threads = config.signalling.threads;
    for thread in 0..threads {
        for (number, listen) in
            config.sip.listen.iter().enumerate().filter(|_| config.cluster.has(Role::Edge))
        {
            deal.add_if_any(format!("{}{thread}-{number:03}", label::SIP), || {
                patiently(strowger_io::Error::kind, || bind(listen, threads > 1, &config.cluster))
            })?;
        }
        if let Some(inside) = inside(config, thread) {
            deal.add(format!("{}{thread:03}", label::INSIDE), || {
                patiently(strowger_io::Error::kind, || Listener::bind(inside, false))
            })?;
        }
        deal.add(format!("{}{thread:03}", label::BUS_THREAD), || {
            bind_bus(topology, Member::Signalling(thread))
        })?;
    }
    Ok(deal.done())
}

/// Where a signalling thread hears others over the wire.
fn inside(config: &Config, thread: u16) -> Option<SocketAddr> {
    match (config.cluster.is_one_of_several(), config.sip.hop) {
        (true, _) => config.cluster.inside_of(config.signalling.threads).get(usize::from(thread)).copied(),
        (false, Hop::Tcp) => Some(([127, 0, 0, 1], 0).into()),
        (false, Hop::Pipe) => None,
    }
}

/// Binds as soon as nobody has the address any more: orphans take a moment to go.
fn patiently<T, E>(kind: impl Fn(&E) -> ErrorKind, mut bind: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + GOING;
    loop {
        match bind() {
            Err(error) if kind(&error) == ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// A listener's socket; none if its address is another node's.
fn bind(listen: &Listen, shared: bool, cluster: &Cluster) -> Result<Option<OwnedFd>, strowger_io::Error> {
    let free = cluster.can_hold(listen.address.ip());
    let bound = match listen.stream {
        true if free => Listener::bind_free(listen.address, shared).map(OwnedFd::from),
        true => Listener::bind(listen.address, shared).map(OwnedFd::from),
        false => {
            // Room for what arrives while a successor starts, and for a queue that is long enough to shed from by worth.
            let usual = UdpOptions { receive_buffer: 16 << 20, ..UdpOptions::default() };
            let options = UdpOptions { reuse_port: shared, free, arrival: true, ..usual };
            UdpSocket::bind(listen.address, &options).map(OwnedFd::from)
        }
    };
    match bound {
        Err(error) if cluster.is_one_of_several() && error.kind() == ErrorKind::AddrNotAvailable => Ok(None),
        bound => bound.map(Some),
    }
}

fn media_descriptors(
    config: &Config,
    topology: &Topology,
    mut deal: Dealing<'_>,
) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    deal.add(label::BUS.to_owned(), || bind_bus(topology, Member::Media))?;
    // A port that is not lent holds nothing for whoever sends there; the media worker gives room to those it lends.
    let options = UdpOptions { traffic_class: Some(0xb8), receive_buffer: 0, ..UdpOptions::default() };
    for (address, family) in config.media_bind().into_iter().zip(0..) {
        for number in 0..2 * config.media.legs {
            let port = SocketAddr::new(address, config.media.first_port + number);
            let place = u32::from(number) + family * 2 * u32::from(config.media.legs);
            deal.add(format!("{}{place:05}", label::PORT), || {
                patiently(strowger_io::Error::kind, || UdpSocket::bind(port, &options))
            })?;
        }
    }
    if let Some(probed) = config.probed() {
        deal.add_if_any(label::PROBE.to_owned(), || bind_probe(probed))?;
    }
    Ok(deal.done())
}

/// Where probes come to and go from, in the class of traffic that audio has. Who can't have it measures nothing.
fn bind_probe(address: SocketAddr) -> Result<Option<UdpSocket>, ServeError> {
    let options =
        UdpOptions { traffic_class: Some(0xb8), receive_buffer: 256 << 10, ..UdpOptions::default() };
    match patiently(strowger_io::Error::kind, || UdpSocket::bind(address, &options)) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) => {
            tracing::warn!(%error, "paths to other hosts are not measured");
            Ok(None)
        }
    }
}

fn office_descriptors(
    config: &Config,
    topology: &Topology,
    mut deal: Dealing<'_>,
) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    deal.add(label::API.to_owned(), || {
        patiently(std::io::Error::kind, || TcpListener::bind(config.api.listen))
            .map_err(|source| ServeError::Bind { what: format!("api.listen {}", config.api.listen), source })
    })?;
    deal.add(label::BUS.to_owned(), || bind_bus(topology, Member::Office))?;
    Ok(deal.done())
}

fn broker_descriptors(
    config: &Config,
    topology: &Topology,
    mut deal: Dealing<'_>,
) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    deal.add(label::BUS.to_owned(), || bind_bus(topology, Member::Broker))?;
    if let Some(seat) = config.cluster.seat() {
        deal.add(label::BROKER.to_owned(), || {
            patiently(std::io::Error::kind, || TcpListener::bind(seat))
                .map_err(|source| ServeError::Bind { what: format!("cluster.brokers {seat}"), source })
        })?;
    }
    Ok(deal.done())
}

/// The address that this host shows to the world: that of the interface by which a packet to far away would
/// leave. Nothing is sent.
pub(crate) fn outward_address(ipv6: bool) -> Option<IpAddr> {
    let (from, far) = if ipv6 { ("[::]:0", "[2001:db8::1]:9") } else { ("0.0.0.0:0", "192.0.2.1:9") };
    let socket = std::net::UdpSocket::bind(from).ok()?;
    socket.connect(far).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
