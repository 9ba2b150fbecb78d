//! The signalling worker: threads, each with its shards, its sockets, its journal and its machine.

mod gather;
mod line;
mod lines;
mod loops;
mod mailbox;
mod redeal;
mod shards;
mod voice;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use bus::Topology;
use edge::{Flow, Listener};
use edge_service::Ear;
use host::worker::Worker;
use machine::{Owned, Secret};
use strowger_io::{Stream, start_thread};
use worker::Hop;

use crate::across::{Across, AcrossError};
use crate::config::{self, Config};
use crate::places::Places;
use crate::serve::{label, outward_address};
use loops::Thread;
use mailbox::Mailbox;

/// Why the worker can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Io(#[from] strowger_io::Error),
    #[error(transparent)]
    Place(#[from] crate::places::PlaceError),
    #[error("the supervisor dealt no {0}")]
    Undealt(String),
    #[error("bus: {0}")]
    Bus(std::io::Error),
    #[error("journal: {0}")]
    Journal(#[from] journal::OpenError),
    #[error("disk log: {0}")]
    DiskLog(std::io::Error),
    #[error("the brokers have not said yet which shards are ours; is one of cluster.brokers there?")]
    NoBroker,
    #[error(transparent)]
    Across(#[from] AcrossError),
    #[error("a thread ended: {0}")]
    Thread(String),
}

/// What a thread is given to start with.
pub(crate) struct Given {
    pub(crate) number: u16,
    pub(crate) config: Config,
    pub(crate) places: Places,
    pub(crate) secret: Secret,
    pub(crate) topology: Topology,
    pub(crate) ears: Vec<Ear>,
    pub(crate) hearing: std::os::unix::net::UnixListener,
    /// The bus between hosts, if there are others.
    pub(crate) across: Option<Across>,
    /// Where it hears its neighbours.
    pub(crate) inside: Option<strowger_io::Listener>,
    /// Where all threads of this host do.
    pub(crate) inside_of: Vec<std::net::SocketAddr>,
    /// Connections that a predecessor left.
    pub(crate) connections: Vec<(Flow, Stream)>,
    pub(crate) mailboxes: Arc<Vec<Mailbox>>,
    pub(crate) clock: strowger_io::Clock,
    pub(crate) stop: Arc<AtomicBool>,
}

/// Runs all threads until the supervisor says to stop.
pub(crate) fn run(config: &Config, mut worker: Worker) -> Result<(), WorkerError> {
    let threads = config.signalling.threads;
    let stop = Arc::new(AtomicBool::new(false));
    let (ready, is_ready) = mpsc::channel();
    let mut handles = Vec::new();
    let all = deal(config, &mut worker, &stop)?;
    let mailboxes = all.first().map(|given| Arc::clone(&given.mailboxes));
    for given in all {
        let (ready, progress) = (ready.clone(), worker.progress.clone());
        let name = format!("signalling-{}", given.number);
        handles.push(start_thread(&name, move || {
            let mut thread = Thread::open(given, &progress)?;
            let _ = ready.send(());
            thread.run()?;
            Ok::<_, WorkerError>(thread.leave())
        })?);
    }
    drop(ready);
    let up = is_ready.iter().take(usize::from(threads)).count();
    if up == usize::from(threads) {
        worker.ready()?;
        worker.wait_for_stop()?;
    }
    stop.store(true, Ordering::Relaxed);
    mailboxes.iter().flat_map(|all| all.iter()).for_each(|mailbox| mailbox.waker().wake());
    let mut left = Vec::new();
    for handle in handles {
        left.extend(handle.join().map_err(|_| WorkerError::Thread("it panicked".into()))??);
    }
    Ok(worker.leave(left)?)
}

/// What a connection is called that goes to a successor.
fn name_of(flow: Flow) -> String {
    format!("{}{:03}-{:03}-{}", label::TCP, flow.thread, flow.listener, flow.remote)
}

/// Which connection is called so, behind [`label::TCP`].
fn named(label: &str) -> Option<Flow> {
    let mut parts = label.splitn(3, '-');
    let (thread, listener) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Flow { listener, thread, remote: parts.next()?.parse().ok()? })
}

fn deal(config: &Config, worker: &mut Worker, stop: &Arc<AtomicBool>) -> Result<Vec<Given>, WorkerError> {
    let threads = config.signalling.threads;
    let places = Places::open(config)?;
    let secret = places.secret()?;
    redeal::redeal(&places, threads, config.signalling.journal_mb << 20, worker.clock().now())?;
    let topology = crate::serve::topology(config, &places);
    let across = Across::start(config, &places)?;
    let mailboxes = (0..threads).map(|_| Mailbox::new()).collect::<Result<Vec<_>, _>>()?;
    let mailboxes = Arc::new(mailboxes);
    let mut hops = Vec::new();
    let mut inner: Vec<Option<strowger_io::Listener>> = Vec::new();
    for thread in 0..threads {
        let listener =
            worker.dealt.take(&format!("{}{thread:03}", label::INSIDE)).map(strowger_io::Listener::from);
        hops.extend(listener.as_ref().map(strowger_io::Listener::local).transpose()?);
        inner.push(listener);
    }
    let left = worker.dealt.take_all(label::TCP);
    let mut left: Vec<(Flow, Stream)> =
        left.into_iter().filter_map(|(name, descriptor)| Some((named(&name)?, descriptor.into()))).collect();
    let mut all = Vec::new();
    for (number, inside) in (0..threads).zip(inner) {
        let ears = (0..config.sip.listen.len()).zip(&config.sip.listen).map(|(place, listen)| {
            let dealt = worker.dealt.take(&format!("{}{number}-{place:03}", label::SIP));
            match (dealt, listen.stream) {
                (None, _) => Ear::Elsewhere,
                (Some(descriptor), true) => Ear::Tcp(descriptor.into()),
                (Some(descriptor), false) => Ear::Udp(descriptor.into()),
            }
        });
        let ears: Vec<Ear> = ears.collect();
        let name = format!("{}{number:03}", label::BUS_THREAD);
        let hearing = worker.dealt.take(&name).ok_or(WorkerError::Undealt(name))?;
        all.push(Given {
            number,
            config: config.clone(),
            places: places.clone(),
            secret: secret.clone(),
            topology: topology.clone(),
            ears,
            hearing: hearing.into(),
            across: across.clone(),
            inside,
            inside_of: hops.clone(),
            connections: left.extract_if(.., |(flow, _)| u16::from(flow.thread) == number).collect(),
            mailboxes: Arc::clone(&mailboxes),
            clock: worker.clock(),
            stop: Arc::clone(stop),
        });
    }
    Ok(all)
}

/// What the configuration means to the machine of thread `number`.
pub(crate) fn settings(config: &Config, number: u16) -> worker::Settings {
    let listeners: Vec<Listener> = config.sip.listen.iter().map(|listen| listener(config, listen)).collect();
    let contacts = listeners.iter().map(|listener| call::ContactHost {
        transport: listener.transport.as_param().to_owned(),
        host: listener.public.clone(),
    });
    let contacts = contacts.collect();
    worker::Settings {
        exchange: exchange_settings(config, number, contacts),
        listeners,
        hop: match config.sip.hop {
            config::Hop::Pipe => Hop::Pipe,
            config::Hop::Tcp => Hop::Wire,
        },
    }
}

fn listener(config: &Config, listen: &config::Listen) -> Listener {
    let address = listen.address;
    let host = match (config.sip.public_host.as_str(), address.ip()) {
        ("", ip) if ip.is_unspecified() => outward_address(ip.is_ipv6()).unwrap_or(ip).to_string(),
        ("", ip) => ip.to_string(),
        (named, _) => named.to_owned(),
    };
    let public = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    Listener {
        transport: if listen.stream { sip::Transport::Tcp } else { sip::Transport::Udp },
        local: address,
        public: format!("{public}:{}", address.port()),
    }
}

fn exchange_settings(config: &Config, number: u16, contacts: Vec<call::ContactHost>) -> exchange::Settings {
    use std::time::Duration;
    let secs = |seconds: u32| Duration::from_secs(seconds.into());
    let mut settings = exchange::Settings {
        cell: config.cell.id(),
        owned: Owned::of_thread(number, config.signalling.threads),
        failpoints: config.failpoints.clone(),
        events: config.is_heard(),
        ..exchange::Settings::default()
    };
    settings.registrar.shortest = secs(config.registrar.min_expires);
    settings.registrar.usual = secs(config.registrar.default_expires);
    settings.registrar.longest = secs(config.registrar.max_expires);
    settings.registrar.phones = config.registrar.most_contacts;
    settings.authentication.nonce_lifetime = Duration::from_secs(config.registrar.nonce_seconds);
    settings.authentication.offered = config.algorithms();
    let shed = Duration::from_millis(config.signalling.shed_after_ms);
    settings.overload.strangers = shed / 4;
    settings.overload.refreshes = shed / 2;
    settings.overload.calls = shed;
    settings.overload.all = shed * 2;
    settings.overload.retry_after = Duration::from_secs(config.signalling.retry_after_seconds);
    settings.overload.emergency.clone_from(&config.overload.emergency);
    settings.moving = config.moving.settings();
    settings.call.contacts = contacts;
    settings.call.ring = Duration::from_secs(config.call.ring_seconds);
    settings.call.inactivity = Duration::from_secs(config.call.inactivity_seconds);
    settings.call.reserve_seconds = config.billing.reserve_seconds;
    settings.call.renew_before = secs(config.billing.reserve_seconds) / 4;
    settings.call.offline_limit = Duration::from_secs(config.call.offline_seconds);
    let timing = &mut settings.call.leg.transaction;
    timing.t1 = config.t1();
    timing.t2 = Duration::from_millis(config.sip.t2_ms);
    timing.t4 = Duration::from_millis(config.sip.t4_ms);
    settings.call.leg.ack_wait = config.wait(config.call.ack_wait_seconds);
    settings.call.leg.bye_wait = config.wait(config.call.bye_wait_seconds);
    settings.call.leg.session_expires = Some(secs(config.call.session_expires));
    settings.call.leg.min_se = secs(config.call.min_se);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_its_name() {
        for remote in ["192.0.2.7:5060", "[2001:db8::7]:40000"] {
            let flow = Flow { listener: 1, thread: 3, remote: remote.parse().unwrap() };
            assert_eq!(named(name_of(flow).strip_prefix(label::TCP).unwrap()), Some(flow));
        }
        assert_eq!(named("000-192.0.2.7:5060"), None);
    }
}
