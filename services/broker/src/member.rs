//! A node among others: says to all seats that it is there, and hears from them what was agreed on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::Change;
use contract::NodeId;
use contract::cluster::{Node, View};
use machine::Secret;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::wire::{Purpose, Reading, Wire, WireError, Writing};
use crate::words::{FromSeat, ToSeat};

/// How often it says that it is there.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// A seat that is there says so more often.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a seat that can't be reached is left alone.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a proposal is said that has no answer.
const AGAIN: Duration = Duration::from_millis(300);
/// So much may wait for one seat.
const QUEUED: usize = 256;
/// So many proposals may wait for answers.
const PROPOSALS: usize = 1024;

/// What this node has to do with the brokers. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Member(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    me: Node,
    secret: Secret,
    view: watch::Sender<Arc<View>>,
    /// To each seat.
    lines: Vec<mpsc::Sender<ToSeat>>,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<u64>>>,
    next: AtomicU64,
    connected: AtomicU64,
}

/// A seat that is to be called.
#[derive(Debug)]
pub(crate) struct Line {
    seat: SocketAddr,
    to_say: mpsc::Receiver<ToSeat>,
}

impl Member {
    /// Knows `view` so far. The lines are to be [held](Self::hold).
    pub(crate) fn new(
        me: Node,
        secret: Secret,
        seats: impl Iterator<Item = SocketAddr>,
        view: View,
    ) -> (Self, Vec<Line>) {
        let (lines, held) = seats
            .map(|seat| {
                let (line, to_say) = mpsc::channel(QUEUED);
                (line, Line { seat, to_say })
            })
            .unzip();
        let parts = Parts {
            me,
            secret,
            view: watch::Sender::new(Arc::new(view)),
            lines,
            waiting: Mutex::default(),
            next: AtomicU64::new(1),
            connected: AtomicU64::new(0),
        };
        (Member(Arc::new(parts)), held)
    }

    /// This node's number.
    pub(crate) fn me(&self) -> NodeId {
        self.0.me.node
    }

    /// The newest view, and each that follows.
    pub(crate) fn view(&self) -> watch::Receiver<Arc<View>> {
        self.0.view.subscribe()
    }

    /// How many seats it speaks with.
    pub(crate) fn connected(&self) -> u64 {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Proposes a change to whoever leads the brokers: says it to all, again and again. The version of the first view that has it;
    /// 0 if they did not agree `within`.
    pub(crate) async fn propose(&self, change: Change, within: Duration) -> u64 {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            if waiting.len() >= PROPOSALS {
                return 0;
            }
            waiting.insert(id, tell);
        }
        let say_again = async {
            let mut again = interval(AGAIN);
            loop {
                again.tick().await;
                for line in &self.0.lines {
                    // A line that is full is one to a seat that is away.
                    let _ = line.try_send(ToSeat::Propose { id, change: change.clone() });
                }
            }
        };
        let agreed = async {
            tokio::select! {
                version = told => version.unwrap_or_default(),
                () = say_again => 0,
            }
        };
        let version = timeout(within, agreed).await.unwrap_or_default();
        self.waiting().remove(&id);
        version
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<u64>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Speaks with one seat, for ever.
    pub(crate) async fn hold(self, mut line: Line) {
        loop {
            let Parts { me, secret, .. } = &*self.0;
            if let Ok(wire) = Wire::call(line.seat, (me.node, Purpose::Node), secret).await {
                self.0.connected.fetch_add(1, Ordering::Relaxed);
                let error = self.converse(wire, &mut line.to_say).await;
                self.0.connected.fetch_sub(1, Ordering::Relaxed);
                tracing::debug!(seat = %line.seat, ?error, "the connection to a broker ended");
            }
            // What waited for a seat that was away was said to the others.
            while line.to_say.try_recv().is_ok() {}
            sleep(PAUSE).await;
        }
    }

    async fn converse(
        &self,
        Wire { reading, writing }: Wire,
        to_say: &mut mpsc::Receiver<ToSeat>,
    ) -> Result<(), WireError> {
        tokio::select! {
            ended = self.hear(reading) => ended,
            ended = self.say(writing, to_say) => ended,
        }
    }

    async fn say(&self, mut writing: Writing, to_say: &mut mpsc::Receiver<ToSeat>) -> Result<(), WireError> {
        let here = contract::encode(&ToSeat::Here(self.0.me.clone()));
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = heartbeat.tick() => writing.say_encoded(&here).await?,
                Some(word) = to_say.recv() => writing.say(&word).await?,
            }
        }
    }

    async fn hear(&self, mut reading: Reading) -> Result<(), WireError> {
        loop {
            match reading.next(PATIENCE).await? {
                FromSeat::View(view) => self.take(view),
                FromSeat::Agreed { id, version } => {
                    if let Some(waiting) = self.waiting().remove(&id) {
                        // Whoever proposed it may have gone.
                        let _ = waiting.send(version);
                    }
                }
                FromSeat::Pulse { .. } | FromSeat::Unknown => {}
            }
        }
    }

    /// Believes the newest.
    fn take(&self, view: View) {
        self.0.view.send_if_modified(|known| {
            let is_newer = view.version > known.version;
            if is_newer {
                *known = Arc::new(View { me: self.0.me.node, ..view });
            }
            is_newer
        });
    }
}
