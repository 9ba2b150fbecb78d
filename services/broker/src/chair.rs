//! What the seat does that leads the brokers: takes up who is there, judges who is lost, and sees proposals through.

use std::time::Duration;

use broker::{Change, Watch};
use contract::cluster::Node;
use strowger_io::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::raft::{Raft, Shared};
use crate::seat::Heard;
use crate::words::FromSeat;

/// So many things that were said are taken up together.
const TOGETHER: usize = 256;
/// So many proposals are worked on at once; what comes on top is proposed again.
const AT_ONCE: usize = 64;
/// What is not agreed on by then may be agreed on later; whoever proposed it proposes it again.
const WITHIN: Duration = Duration::from_millis(500);
/// Whoever has not heard from most of the seats for so long can't judge who is lost: it may be he himself.
const OUT_OF_TOUCH: Duration = Duration::from_millis(300);

pub(crate) struct Chair {
    raft: Raft,
    agreed: Shared,
    clock: Clock,
    patience: Duration,
    watch: Watch,
    proposals: JoinSet<()>,
    led: bool,
}

impl Chair {
    pub(crate) fn new(raft: Raft, agreed: Shared, clock: Clock, patience: Duration) -> Self {
        Chair {
            raft,
            agreed,
            clock,
            patience,
            watch: Watch::new(patience),
            proposals: JoinSet::new(),
            led: false,
        }
    }

    /// Works until nobody says anything any more.
    pub(crate) async fn work(mut self, mut heard: mpsc::Receiver<Heard>) {
        let often = (self.patience / 10).clamp(Duration::from_millis(10), Duration::from_millis(50));
        let mut look = interval(often);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = Vec::with_capacity(TOGETHER);
        loop {
            tokio::select! {
                count = heard.recv_many(&mut said, TOGETHER) => {
                    if count == 0 {
                        return;
                    }
                    if !self.leads() {
                        said.clear();
                    }
                    for one in said.drain(..) {
                        self.hear(one).await;
                    }
                }
                _ = look.tick() => self.judge().await,
                Some(_) = self.proposals.join_next() => {}
            }
        }
    }

    /// Whether this seat leads, and has heard so from most of the others a moment ago.
    fn leads(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let at_most = OUT_OF_TOUCH.min(self.patience / 2).as_millis() as u64;
        metrics.running_state.is_ok()
            && metrics.state.is_leader()
            && metrics.millis_since_quorum_ack.is_some_and(|millis| millis <= at_most)
    }

    async fn hear(&mut self, said: Heard) {
        match said {
            Heard::Here(node) => self.take_up(node).await,
            Heard::Propose(change, id, answer) if self.proposals.len() < AT_ONCE => {
                let raft = self.raft.clone();
                self.proposals.spawn(async move {
                    if let Some(version) = agree(&raft, change).await {
                        // Whoever does not hear it asks again.
                        let _ = answer.try_send(FromSeat::Agreed { id, version });
                    }
                });
            }
            Heard::Propose(..) => tracing::debug!("this broker is proposed more than it can take"),
        }
    }

    async fn take_up(&mut self, node: Node) {
        self.watch.heard(self.clock.now(), node.node);
        let before = self.agreed.borrow().cluster.member(node.node).map(|known| known.life);
        if before.is_some_and(|before| before != 0 && node.life != 0 && before != node.life) {
            // It is back before it was missed. What it owned is known to its buddies only.
            tracing::warn!(node = node.node.0, "a node comes back without what it knew: it was lost");
            agree(&self.raft, Change::Lost { node: node.node }).await;
        }
        if self.agreed.borrow().cluster.member(node.node) != Some(&node) {
            tracing::info!(node = node.node.0, host = node.host, "a node is there");
            agree(&self.raft, Change::Join(node)).await;
        }
    }

    async fn judge(&mut self) {
        let leads = self.leads();
        if leads != self.led {
            tracing::info!(leads, "who leads the brokers has changed");
            self.led = leads;
        }
        if !leads {
            self.watch = Watch::new(self.patience);
            return;
        }
        let members: Vec<_> = self.agreed.borrow().cluster.members().map(|node| node.node).collect();
        for node in self.watch.lost(self.clock.now(), members) {
            tracing::warn!(node = node.0, "a node is lost");
            agree(&self.raft, Change::Lost { node }).await;
        }
    }
}

/// The version that has it; none if most of the seats did not agree in time.
async fn agree(raft: &Raft, change: Change) -> Option<u64> {
    match timeout(WITHIN, raft.client_write(change)).await {
        Ok(Ok(written)) => Some(written.data),
        Ok(Err(error)) => {
            tracing::info!(%error, "the brokers did not agree");
            None
        }
        Err(_late) => {
            tracing::info!("the brokers did not agree in time");
            None
        }
    }
}
