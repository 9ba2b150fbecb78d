//! Probes go where audio goes: from its address, by the thread that carries it. What they tell is told to all exchanges.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::paths::{Conditions, EVERY, Neighbour};
use contract::{Envelope, NodeId};
use machine::{Moment, Secret};
use paths::{Outgoing, Prober, score};
use strowger_io::{UdpSocket, process_cpu_time};

/// No probe is longer.
const LONGEST: usize = 512;
/// What is answered at one look: audio comes first.
const AT_ONCE: usize = 64;

/// What a node knows of where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Who can be probed.
    pub others: Vec<Neighbour>,
    /// This node shall have nothing new.
    pub draining: bool,
}

/// Says what the [`Surroundings`] are by now.
#[derive(Clone)]
pub struct Around(Arc<dyn Fn() -> Surroundings + Send + Sync>);

impl Around {
    /// As `look` says.
    pub fn new(look: impl Fn() -> Surroundings + Send + Sync + 'static) -> Self {
        Around(Arc::new(look))
    }
}

impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Around(..)")
    }
}

/// The prober of this node, and its socket.
#[derive(Debug)]
pub(crate) struct Probing {
    prober: Prober,
    pub(crate) socket: UdpSocket,
    around: Around,
    node: NodeId,
    /// Packet threads, which can have a processor each.
    threads: usize,
    /// When the others were looked at, and what processor time was used by then.
    looked: (Moment, Duration),
    conditions: Conditions,
}

impl Probing {
    pub(crate) fn new(
        (node, secret): (NodeId, Secret),
        socket: UdpSocket,
        around: Around,
        threads: usize,
        now: Moment,
    ) -> Self {
        let prober = Prober::new(node, secret, now);
        let looked = (Moment::START, process_cpu_time());
        Probing { prober, socket, around, node, threads, looked, conditions: Conditions::default() }
    }

    /// Answers what came.
    pub(crate) fn receive(&mut self, now: Moment) {
        let mut room = [0; LONGEST];
        for _ in 0..AT_ONCE {
            let Ok(Some((length, from))) = self.socket.receive(&mut room) else { return };
            if let Some(Outgoing { to, datagram }) = self.prober.receive(now, from, &room[..length]) {
                self.send(to, &datagram);
            }
        }
    }

    /// Asks whoever is due.
    pub(crate) fn ask(&mut self, now: Moment) {
        let socket = &self.socket;
        // What the kernel refuses is lost on the way.
        self.prober.ask(now, |out| drop(socket.send(&out.datagram, out.to)));
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        let _ = self.socket.send(datagram, to);
    }

    pub(crate) fn next_deadline(&self) -> Moment {
        self.prober.next_deadline().unwrap_or(Moment::NEVER).min(self.looked.0.after(EVERY))
    }

    /// What exchanges should know, when it is time; so many ports there are, and so many are lent.
    pub(crate) fn tell(&mut self, now: Moment, pool: impl FnOnce() -> [u32; 2]) -> Option<Envelope> {
        let since = now.since(self.looked.0);
        if since < EVERY {
            return None;
        }
        let used = process_cpu_time();
        let share = (used - self.looked.1).as_secs_f64() / since.as_secs_f64() / self.threads as f64;
        self.looked = (now, used);
        let Surroundings { others, draining } = (self.around.0)();
        self.prober.meet(now, &others);
        let ([ports, lent], paths) = (pool(), self.prober.paths(now));
        let (node, cpu) = (self.node, share.clamp(0.0, 1.0) as f32);
        self.conditions = Conditions { node, draining, ports, lent, cpu, paths };
        Some(Envelope::notice(None, &self.conditions))
    }

    /// How the paths are, under the names of Prometheus.
    pub(crate) fn gauges(&self) -> Vec<(String, f64)> {
        let mut gauges = vec![("media_usage_ratio".to_owned(), self.conditions.usage())];
        for path in &self.conditions.paths {
            let to = path.to.0;
            let micros = |us: u32| f64::from(us) / 1e6;
            gauges.extend([
                (format!("path_lost_ratio{{to=\"{to}\",way=\"there\"}}"), f64::from(path.lost_there)),
                (format!("path_lost_ratio{{to=\"{to}\",way=\"back\"}}"), f64::from(path.lost_back)),
                (format!("path_delay_seconds{{to=\"{to}\"}}"), micros(path.delay_us)),
                (format!("path_jitter_seconds{{to=\"{to}\"}}"), micros(path.jitter_us)),
                (format!("path_mos{{to=\"{to}\"}}"), score(path)),
            ]);
        }
        gauges
    }
}
