//! The supervisor of this host: binds every socket once, and deals them to its three workers.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use bus::{Member, Topology};
use host::supervisor::{Options, Patience, Supervisor, WorkerSpec};
use machine::Moment;
use strowger_io::{Clock, Listener, UdpOptions, UdpSocket};

use crate::config::{Config, Hop, Listen};
use crate::places::Places;

/// Labels under which descriptors are dealt.
pub(crate) mod label {
    /// `sip-THREAD-NUMBER`: a listener of the configuration, for a thread.
    pub(crate) const SIP: &str = "sip-";
    /// `hop-THREAD`: where a thread's exchange hears other edges.
    pub(crate) const HOP: &str = "hop-";
    /// `bus-THREAD`: where a signalling thread hears the bus.
    pub(crate) const BUS_THREAD: &str = "bus-signalling-";
    /// Where the media worker or the office hears the bus.
    pub(crate) const BUS: &str = "bus";
    /// `port-NUMBER`: the media pool, RTP and RTCP in turn.
    pub(crate) const PORT: &str = "port-";
    /// The API's listener.
    pub(crate) const API: &str = "api";
}

/// All roles there are; without a bus that leaves the host they run together.
/// The workers of a supervisor that was killed are gone by then.
const GOING: Duration = Duration::from_secs(2);
const ROLES: [&str; 6] = ["edge", "exchange", "media", "apps", "billing", "api"];

/// Why the platform does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Place(#[from] crate::places::PlaceError),
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error("{what}: {source}")]
    Bind { what: String, source: std::io::Error },
    #[error(
        "--roles {0}: the roles of one host run together as long as the bus can't leave the host; leave --roles away, or name \
         all of edge,exchange,media,apps,billing,api"
    )]
    Split(String),
    #[error("--roles {0}: expected some of edge,exchange,media,apps,billing,api")]
    NoRole(String),
}

/// Runs the platform until a SIGTERM or SIGINT.
pub(crate) fn serve(config: &Config, file: Option<&Path>, roles: &[String]) -> Result<(), ServeError> {
    check_roles(roles)?;
    let places = Places::open(config)?;
    let _held = places.lock()?;
    places.secret()?;
    let topology = Topology::new(&places.runtime, config.signalling.threads);
    let workers = vec![
        worker("signalling", file, signalling_descriptors(config, &topology)?),
        worker("media", file, media_descriptors(config, &topology)?),
        worker("office", file, office_descriptors(config, &topology)?),
    ];
    let options = Options {
        program: "/proc/self/exe".into(),
        status: places.status(),
        patience: Patience {
            settled: Duration::from_millis(config.supervisor.settled_ms),
            ..Patience::default()
        },
        clock: Clock::start(Moment::START),
    };
    tracing::info!(data = %places.data.display(), runtime = %places.runtime.display(), "starting");
    Supervisor::new(options, workers)?.run()?;
    Ok(())
}

fn check_roles(roles: &[String]) -> Result<(), ServeError> {
    if let Some(unknown) = roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
        return Err(ServeError::NoRole(unknown.clone()));
    }
    if roles.is_empty() || ROLES.iter().all(|role| roles.iter().any(|named| named == role)) {
        return Ok(());
    }
    Err(ServeError::Split(roles.join(",")))
}

fn worker(name: &str, file: Option<&Path>, descriptors: Vec<(String, OwnedFd)>) -> WorkerSpec {
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(file) = file {
        arguments.extend(["--config".into(), file.into()]);
    }
    arguments.extend(["worker".into(), name.into()]);
    WorkerSpec {
        name: name.to_owned(),
        argv0: format!("strowger-{name}").into(),
        arguments,
        environment: Vec::new(),
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
) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    let mut descriptors = Vec::new();
    let threads = config.signalling.threads;
    for thread in 0..threads {
        for (number, listen) in config.sip.listen.iter().enumerate() {
            let socket = patiently(strowger_io::Error::kind, || bind(listen, threads > 1))?;
            descriptors.push((format!("{}{thread}-{number:03}", label::SIP), socket));
        }
        if config.sip.hop == Hop::Tcp {
            let inside = Listener::bind(([127, 0, 0, 1], 0).into(), false)?;
            descriptors.push((format!("{}{thread:03}", label::HOP), inside.into()));
        }
        let hearing = bind_bus(topology, Member::Signalling(thread))?;
        descriptors.push((format!("{}{thread:03}", label::BUS_THREAD), hearing));
    }
    Ok(descriptors)
}

/// Binds as soon as nobody has the address any more: after a supervisor's death its workers take a moment to go.
fn patiently<T, E>(
    kind: impl Fn(&E) -> std::io::ErrorKind,
    mut bind: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let until = Instant::now() + GOING;
    loop {
        match bind() {
            Err(error) if kind(&error) == std::io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

fn bind(listen: &Listen, shared: bool) -> Result<OwnedFd, strowger_io::Error> {
    if listen.stream {
        return Listener::bind(listen.address, shared).map(Into::into);
    }
    // Room for what arrives while a successor starts, and for a queue that is long enough to shed from by worth.
    let options =
        UdpOptions { reuse_port: shared, arrival: true, receive_buffer: 16 << 20, ..UdpOptions::default() };
    UdpSocket::bind(listen.address, &options).map(Into::into)
}

fn media_descriptors(config: &Config, topology: &Topology) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    let mut descriptors = vec![(label::BUS.to_owned(), bind_bus(topology, Member::Media)?)];
    // A port that is not lent holds nothing for whoever sends there; the media worker gives room to those it lends.
    let options = UdpOptions { traffic_class: Some(0xb8), receive_buffer: 0, ..UdpOptions::default() };
    for (address, family) in config.media_bind().into_iter().zip(0..) {
        for number in 0..2 * config.media.legs {
            let port = SocketAddr::new(address, config.media.first_port + number);
            let socket = patiently(strowger_io::Error::kind, || UdpSocket::bind(port, &options))?;
            let place = u32::from(number) + family * 2 * u32::from(config.media.legs);
            descriptors.push((format!("{}{place:05}", label::PORT), socket.into()));
        }
    }
    Ok(descriptors)
}

fn office_descriptors(config: &Config, topology: &Topology) -> Result<Vec<(String, OwnedFd)>, ServeError> {
    let what = || format!("api.listen {}", config.api.listen);
    let listener = patiently(std::io::Error::kind, || TcpListener::bind(config.api.listen))
        .map_err(|source| ServeError::Bind { what: what(), source })?;
    let hearing = bind_bus(topology, Member::Office)?;
    Ok(vec![(label::BUS.to_owned(), hearing), (label::API.to_owned(), listener.into())])
}

/// The address that this host shows to the world: that of the interface by which a packet to far away would
/// leave. Nothing is sent.
pub(crate) fn outward_address(ipv6: bool) -> Option<IpAddr> {
    let (from, far) = if ipv6 { ("[::]:0", "[2001:db8::1]:9") } else { ("0.0.0.0:0", "192.0.2.1:9") };
    let socket = std::net::UdpSocket::bind(from).ok()?;
    socket.connect(far).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
