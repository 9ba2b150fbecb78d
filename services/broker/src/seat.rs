//! A seat among the brokers: hears the other seats and all nodes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use broker::Change;
use contract::cluster::{Cell, Node, View};
use contract::{CellId, NodeId};
use machine::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::raft::{self, Raft, Shared};
use crate::wire::{Hello, Purpose, Reading, Wire, WireError, Writing};
use crate::words::{FromSeat, ToSeat};

/// So many connections at most; the kernel holds what comes on top.
const CONNECTIONS: usize = 512;
/// So many answers may wait for one node.
const ANSWERS: usize = 64;
/// A node that is there says so more often.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a node hears that the seat is there.
const PULSE: Duration = Duration::from_millis(250);
/// Changes that come so close together are told together.
const TOGETHER: Duration = Duration::from_millis(3);

/// What a node said to this seat.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It is there.
    Here(Node),
    /// It proposes a change, and waits for the version that has it.
    Propose(Change, u64, mpsc::Sender<FromSeat>),
}

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) me: NodeId,
    pub(crate) raft: Raft,
    pub(crate) secret: Secret,
    pub(crate) heard: mpsc::Sender<Heard>,
    /// The newest view as it is said, encoded once for everybody.
    pub(crate) views: watch::Receiver<Arc<[u8]>>,
    /// What other cells say of themselves.
    pub(crate) knocks: mpsc::Sender<Cell>,
}

impl Seat {
    /// Answers on `listener` until dropped.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let seat = self.clone();
                        connections.spawn(async move {
                            let _held = place;
                            if let Err(error) = seat.converse(stream).await {
                                tracing::debug!(%error, "a connection to this broker ended");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to this broker could not be accepted");
                        sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn converse(self, stream: TcpStream) -> Result<(), WireError> {
        let (hello, wire) = Wire::answer(stream, &self.secret).await?;
        match hello.purpose {
            Purpose::Raft => raft::converse(&self.raft, wire).await,
            Purpose::Node => self.attend(hello, wire).await,
            Purpose::Cell => self.attend_cell(wire).await,
            Purpose::Unknown => Ok(()),
        }
    }

    async fn attend(&self, Hello { node, .. }: Hello, wire: Wire) -> Result<(), WireError> {
        let Wire { reading, writing } = wire;
        let (answers, to_say) = mpsc::channel(ANSWERS);
        tokio::select! {
            ended = self.hear(node, reading, &answers) => ended,
            ended = self.say(writing, to_say) => ended,
        }
    }

    /// A node of another cell is told what all are told, and can say nothing but what cell it is of.
    async fn attend_cell(&self, wire: Wire) -> Result<(), WireError> {
        let Wire { mut reading, writing } = wire;
        let (_answers, to_say) = mpsc::channel(ANSWERS);
        let hear = async {
            loop {
                if let ToSeat::Knock(cell) = reading.next(PATIENCE).await?
                    && self.knocks.try_send(cell).is_err()
                {
                    tracing::debug!("other cells say more than this broker can take");
                }
            }
        };
        tokio::select! {
            ended = hear => ended,
            ended = self.say(writing, to_say) => ended,
        }
    }

    async fn hear(
        &self,
        node: NodeId,
        mut reading: Reading,
        answers: &mpsc::Sender<FromSeat>,
    ) -> Result<(), WireError> {
        loop {
            self.take(node, reading.next(PATIENCE).await?, answers);
        }
    }

    /// Passes on what was said. If too much waits it is dropped: the node says it again.
    fn take(&self, node: NodeId, said: ToSeat, answers: &mpsc::Sender<FromSeat>) {
        let heard = match said {
            ToSeat::Here(here) if here.node == node => Heard::Here(here),
            ToSeat::Propose { id, change } => Heard::Propose(change, id, answers.clone()),
            ToSeat::Here(_) | ToSeat::Knock(_) | ToSeat::Unknown => return,
        };
        if self.heard.try_send(heard).is_err() {
            tracing::debug!("this broker hears more than it can take");
        }
    }

    async fn say(
        &self,
        mut writing: Writing,
        mut answers: mpsc::Receiver<FromSeat>,
    ) -> Result<(), WireError> {
        let mut views = self.views.clone();
        views.mark_changed();
        let mut pulse = interval(PULSE);
        loop {
            tokio::select! {
                changed = views.changed() => {
                    changed.map_err(|_| WireError::Io(io::ErrorKind::BrokenPipe.into()))?;
                    let view = views.borrow_and_update().clone();
                    writing.say_encoded(&view).await?;
                }
                Some(answer) = answers.recv() => writing.say(&answer).await?,
                _ = pulse.tick() => {
                    let leads = self.raft.metrics().borrow().current_leader == Some(u64::from(self.me.0));
                    writing.say(&FromSeat::Pulse { leads }).await?;
                }
            }
        }
    }
}

/// The newest view as it is said.
pub(crate) fn said(agreed: &Shared, cell: CellId) -> Arc<[u8]> {
    let cluster = agreed.borrow().cluster.clone();
    contract::encode(&FromSeat::View(View { cell, ..cluster.view(NodeId::default()) })).into()
}

/// Says each newest view once it is agreed.
pub(crate) async fn publish(mut agreed: Shared, views: watch::Sender<Arc<[u8]>>, cell: CellId) {
    while agreed.changed().await.is_ok() {
        sleep(TOGETHER).await;
        agreed.mark_unchanged();
        views.send_replace(said(&agreed, cell));
    }
}
