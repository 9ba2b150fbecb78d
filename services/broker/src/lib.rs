//! The broker role's shell: brokers agree on who is there and who owns what, and tell it to everybody.
//!
//! | what | file |
//! |---|---|
//! | a connection between brokers, and what is said on it | `wire.rs`, `words.rs` |
//! | a node says that it is there, and hears what was agreed on | `member.rs` |
//! | a seat: one of the brokers that agree | `seat.rs`, `raft/` |
//! | what the seat does that leads | `chair.rs` |
//! | telling this host's processes | `tell.rs` |
//! | other cells: knocking at them, and what their brokers agreed on | `cells.rs` |
//!
//! Every node says to all seats, ten times a second, what it is. Whoever of the seats leads takes it up or judges it
//! lost. Each change that is agreed on becomes a view that every seat says to all nodes; a node believes the newest.
//! Without a leader nothing changes, and everybody goes on by the last view.

mod cells;
mod chair;
mod config;
mod member;
mod raft;
mod seat;
mod tell;
mod wire;
mod words;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::broker::Change;
use bus::{Client, Server};
use contract::cluster::{Agreed, Drain, Followed, Gauge, HandOn, Look, View};
use contract::query::Gauges;
use contract::{Conversation, NodeId};
use strowger_io::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use cells::{Beyond, State};
pub use config::Config;

use cells::Cells;
use chair::Chair;
use member::Member;
use raft::Raft;
use seat::Seat;

/// So much of what nodes said may wait for the seat that leads.
const HEARD: usize = 1024;
/// So many words of other cells may wait.
const KNOCKS: usize = 64;

/// Why a broker cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What the seat must not forget can't be read or written.
    #[error("the brokers' folder {}: {source}", path.display())]
    Folder {
        /// Where it should lie.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The listener.
    #[error("the broker's listener: {0}")]
    Listener(io::Error),
    /// A seat that nobody can reach, or a listener without a seat.
    #[error("node {} {}", node.0, if *.seated { "has a seat among the brokers and no listener" } else { "has a listener and no seat among the brokers" })]
    Seat {
        /// Which node.
        node: NodeId,
        /// Whether it has a seat.
        seated: bool,
    },
    /// The timeouts contradict each other.
    #[error(transparent)]
    Timeouts(#[from] openraft::ConfigError),
    /// Raft can't go on from what is in the folder.
    #[error("the brokers' Raft: {0}")]
    Raft(String),
}

impl From<openraft::error::Fatal<u64>> for StartError {
    fn from(error: openraft::error::Fatal<u64>) -> Self {
        StartError::Raft(error.to_string())
    }
}

/// The broker role at work. It stops when it is dropped.
pub struct Broker {
    member: Member,
    cells: Cells,
    raft: Option<Raft>,
    tasks: JoinSet<()>,
}

impl Broker {
    /// Starts, and tells on `bus`. Must be called within a tokio runtime.
    pub async fn start(config: Config, bus: Client, clock: Clock) -> Result<Self, StartError> {
        let (node, seated) = (config.me.node, config.is_seated());
        if seated != config.listener.is_some() {
            return Err(StartError::Seat { node, seated });
        }
        let known = tell::recall(&config.view_file, node);
        let seats = config.seats.iter().map(|&(_, address)| address);
        let (member, lines) = Member::new(config.me.clone(), config.secret.clone(), seats, known);
        let mut tasks = JoinSet::new();
        for line in lines {
            tasks.spawn(member.clone().hold(line));
        }
        tasks.spawn(tell::tell(member.view(), config.view_file.clone(), bus.clone()));
        let stamp = clock.now().as_micros();
        let own = contract::cluster::Cell { stamp, ..config.cell.clone() };
        let cells = Cells::new(own, member.clone(), config.secret.clone(), &config.view_file);
        if cells.are_there() {
            tasks.spawn(cells.clone().work(config.known.clone(), seated));
            tasks.spawn(tell::tell_beyond(cells.states(), config.view_file.clone(), bus));
        }
        let (knocks, knocking) = mpsc::channel(KNOCKS);
        tasks.spawn(cells.clone().let_in(knocking));
        let raft = sit(config, clock, knocks, &mut tasks).await?;
        Ok(Broker { member, cells, raft, tasks })
    }

    /// Answers on the bus.
    #[must_use]
    pub fn answer(&self, server: Server) -> Server {
        let (looking, counting, raft) = (self.view(), self.member.clone(), self.raft.clone());
        let (reaching, cells) = (self.cells.clone(), self.cells.clone());
        let server = server
            .on(move |_: Look| {
                let out_of_reach = reaching.out_of_reach();
                ready(View { out_of_reach, ..(**looking.borrow()).clone() })
            })
            .on(move |_: Gauge| ready(gauges(&counting, &cells, raft.as_ref())));
        let server = self.agree(server, |HandOn { shards, to }| Change::Moved { shards, to });
        let server =
            self.agree(server, |Followed { shards, by, whole }| Change::Followed { shards, by, whole });
        self.agree(server, |Drain { node, back }| Change::Drain { node, back })
    }

    fn agree<C>(&self, server: Server, change: impl Fn(C) -> Change + Send + Sync + 'static) -> Server
    where
        C: Conversation<Answer = Agreed>,
    {
        let member = self.member.clone();
        server.on(move |ask: C| {
            let (member, change) = (member.clone(), change(ask));
            async move {
                let version = member.propose(change, C::WITHIN - MARGIN).await;
                Ok::<_, Infallible>(Agreed { version })
            }
        })
    }

    /// The newest view, and each that follows.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.member.view()
    }

    /// The newest views of the other cells, and which of them answer.
    pub fn beyond(&self) -> watch::Receiver<Arc<Beyond>> {
        self.cells.states()
    }

    /// Proposes a change, and waits at most `within`: the version of the first view that has it, 0 if the brokers did not agree.
    pub async fn propose(&self, change: Change, within: Duration) -> u64 {
        self.member.propose(change, within).await
    }

    /// Whether this node's seat leads the brokers, as far as it knows.
    pub fn leads(&self) -> bool {
        self.raft.as_ref().is_some_and(|raft| raft.metrics().borrow().state.is_leader())
    }

    /// Says why, once the seat can't go on (its disk failed, say): then only another start helps.
    pub fn ailment(&self) -> impl Fn() -> Option<String> + Send + 'static {
        let metrics = self.raft.as_ref().map(Raft::metrics);
        move || metrics.as_ref()?.borrow().running_state.as_ref().err().map(ToString::to_string)
    }

    /// Stops; what was agreed on stays on the disk.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Some(raft) = &self.raft
            && let Err(error) = raft.shutdown().await
        {
            tracing::warn!(%error, "this broker did not stop as it should");
        }
    }
}

/// What an answer needs on its way over the bus.
const MARGIN: Duration = Duration::from_millis(100);

fn ready<T>(value: T) -> impl Future<Output = Result<T, Infallible>> {
    std::future::ready(Ok(value))
}

/// Takes this node's seat, if it has one.
async fn sit(
    config: Config,
    clock: Clock,
    knocks: mpsc::Sender<contract::cluster::Cell>,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Raft>, StartError> {
    let cell = config.cell.number;
    let Some(listener) = config.listener else { return Ok(None) };
    let seats: std::collections::BTreeMap<u64, _> =
        config.seats.iter().map(|&(node, address)| (u64::from(node.0), address)).collect();
    let (me, secret) = (config.me.node, config.secret);
    listener.set_nonblocking(true).map_err(StartError::Listener)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Listener)?;
    let numbers = seats.keys().copied().collect();
    let network = raft::Network { me, seats: Arc::new(seats), secret: secret.clone() };
    let (raft, agreed) = raft::open(&config.folder, me.0.into(), numbers, network).await?;
    let (heard, hearing) = mpsc::channel(HEARD);
    let (publish, views) = watch::channel(seat::said(&agreed, cell));
    tasks.spawn(seat::publish(agreed.clone(), publish, cell));
    tasks.spawn(Chair::new(raft.clone(), agreed, clock, config.patience).work(hearing));
    tasks.spawn(Seat { me, raft: raft.clone(), secret, heard, views, knocks }.serve(listener));
    Ok(Some(raft))
}

fn gauges(member: &Member, cells: &Cells, raft: Option<&Raft>) -> Gauges {
    let view = member.view().borrow().clone();
    let count =
        |is: &dyn Fn(&contract::cluster::Owner) -> bool| view.owners.iter().filter(|it| is(it)).count();
    let leads = raft.is_some_and(|raft| raft.metrics().borrow().state.is_leader());
    let term = raft.map_or(0, |raft| raft.metrics().borrow().current_term);
    let values = [
        ("broker_view_version", view.version as f64),
        ("broker_nodes", view.nodes.len() as f64),
        ("broker_shards_owned", count(&|it| it.node == Some(view.me)) as f64),
        ("broker_shards_followed", count(&|it| it.buddy == Some(view.me)) as f64),
        ("broker_shards_without_owner", count(&|it| it.node.is_none()) as f64),
        ("broker_shards_without_copy", count(&|it| !it.synced) as f64),
        ("broker_shards_to_move", count(&|it| it.wanted.is_some()) as f64),
        ("broker_seats_connected", member.connected() as f64),
        ("broker_leads", f64::from(u8::from(leads))),
        ("broker_term", term as f64),
        ("broker_cells", view.cells.len() as f64),
        ("broker_cells_out_of_reach", cells.out_of_reach().len() as f64),
    ];
    Gauges { values: values.map(|(name, value)| (name.to_owned(), value)).into() }
}
