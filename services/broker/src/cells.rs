//! Other cells: each node calls their brokers, hears what they agreed on, and says what cell it is of.
//!
//! A cell that is not known at home, but to another one, is proposed at home. So a new cell need only knock at one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker::Change;
use contract::CellId;
use contract::cluster::{Cell, View};
use machine::Secret;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::member::Member;
use crate::tell;
use crate::wire::{Purpose, Wire, WireError};
use crate::words::{FromSeat, ToSeat};

/// A broker of another cell that is there says so more often.
const PATIENCE: Duration = Duration::from_millis(1500);
/// A cell none of whose brokers said anything for so long is out of reach.
const OUT_OF_REACH: Duration = Duration::from_secs(2);
/// How often it is looked who is out of reach, and which cells are new.
const LOOK: Duration = Duration::from_millis(100);
/// How long a broker that can't be reached is left alone.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a cell is told what we are.
const KNOCK: Duration = Duration::from_secs(1);
/// How often what is not known at home is said there.
const SAY_AT_HOME: Duration = Duration::from_millis(300);
/// How long the brokers at home may take to agree on a cell; it is proposed again.
const WITHIN: Duration = Duration::from_secs(1);

/// How another cell does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// It answers.
    pub reachable: bool,
    /// The newest that its brokers agreed on.
    pub view: Arc<View>,
}

/// How all other cells do, as far as their brokers were ever heard.
pub type Beyond = BTreeMap<CellId, State>;

/// What this node has to do with other cells. Clones are the same.
#[derive(Clone)]
pub(crate) struct Cells(Arc<Parts>);

struct Parts {
    own: Cell,
    member: Member,
    secret: Secret,
    states: watch::Sender<Arc<Beyond>>,
    heard: std::sync::Mutex<BTreeMap<CellId, Instant>>,
}

impl Cells {
    /// What was known of other cells lies beside `view_file`.
    pub(crate) fn new(own: Cell, member: Member, secret: Secret, view_file: &Path) -> Self {
        let others = (1..=CellId::MOST.0).map(CellId).filter(|&cell| cell != own.number);
        let known = others.filter_map(|cell| {
            let view = tell::recall_beyond(view_file, cell)?;
            Some((cell, State { reachable: false, view: Arc::new(view) }))
        });
        let known = if own.number.is_home() { Beyond::new() } else { known.collect() };
        let (states, heard) = (watch::Sender::new(Arc::new(known)), Default::default());
        Cells(Arc::new(Parts { own, member, secret, states, heard }))
    }

    /// Whether this is one of several cells.
    pub(crate) fn are_there(&self) -> bool {
        !self.0.own.number.is_home()
    }

    /// How each other cell does, and whenever that changes.
    pub(crate) fn states(&self) -> watch::Receiver<Arc<Beyond>> {
        self.0.states.subscribe()
    }

    /// Cells that are known and do not answer.
    pub(crate) fn out_of_reach(&self) -> Vec<CellId> {
        let (view, states) = (self.0.member.view(), self.0.states.borrow().clone());
        let (view, own) = (view.borrow(), self.0.own.number);
        let others = view.cells.iter().map(|cell| cell.number).filter(|&number| number != own);
        others.filter(|number| !states.get(number).is_some_and(|state| state.reachable)).collect()
    }

    /// Speaks with all other cells, for ever. Brokers of the first one may be at `known`.
    pub(crate) async fn work(self, known: Vec<SocketAddr>, seated: bool) {
        let mut spoken_with: BTreeMap<CellId, Vec<SocketAddr>> = BTreeMap::new();
        let mut lines: JoinSet<()> = JoinSet::new();
        for seat in known {
            lines.spawn(self.clone().find(seat));
        }
        let mut look = interval(LOOK);
        let mut said_at_home: Option<Instant> = None;
        loop {
            look.tick().await;
            self.judge();
            let view = self.0.member.view().borrow().clone();
            if seated && view.version > 0 && said_at_home.is_none_or(|at| at.elapsed() > SAY_AT_HOME) {
                said_at_home = Some(Instant::now());
                self.say_at_home(&view);
            }
            for cell in view.cells.iter().filter(|cell| cell.number != self.0.own.number) {
                let seats: Vec<SocketAddr> = cell.seats.iter().map(|&(_, address)| address).collect();
                if spoken_with.get(&cell.number) != Some(&seats) {
                    spoken_with.insert(cell.number, seats.clone());
                    lines.spawn(self.clone().hold(cell.number, seats));
                }
            }
        }
    }

    /// Calls a broker of a cell of which nothing else is known, until the brokers at home know it.
    async fn find(self, seat: SocketAddr) {
        loop {
            let view = self.0.member.view().borrow().clone();
            let is_seat = |cell: &Cell| cell.seats.iter().any(|&(_, address)| address == seat);
            if !view.cells.iter().any(is_seat) {
                let ended = self.converse(seat, None).await;
                tracing::debug!(%seat, ?ended, "a broker of another cell was not reached");
            }
            sleep(PAUSE * 5).await;
        }
    }

    /// Speaks with one of the brokers of a cell after another, until that has others.
    async fn hold(self, number: CellId, seats: Vec<SocketAddr>) {
        for turn in 0.. {
            let view = self.0.member.view().borrow().clone();
            let has = |cell: &Cell| seats.iter().eq(cell.seats.iter().map(|(_, address)| address));
            if !view.cells.iter().any(|cell| cell.number == number && has(cell)) {
                return;
            }
            // Nodes spread over the brokers.
            let first = usize::from(self.0.member.me().0);
            if let Some(&seat) = seats.get((first + turn) % seats.len().max(1)) {
                let ended = self.converse(seat, Some(number)).await;
                tracing::debug!(%seat, ?ended, "the connection to a broker of another cell ended");
            }
            sleep(PAUSE).await;
        }
    }

    async fn converse(&self, seat: SocketAddr, number: Option<CellId>) -> Result<(), WireError> {
        let who = (self.0.member.me(), Purpose::Cell);
        let Wire { mut reading, mut writing } = Wire::call(seat, who, &self.0.secret).await?;
        let knock = async {
            let mut again = interval(KNOCK);
            loop {
                again.tick().await;
                writing.say(&ToSeat::Knock(self.0.own.clone())).await?;
            }
        };
        let hear = async {
            let mut from = number;
            loop {
                match reading.next(PATIENCE).await? {
                    FromSeat::View(view) if number.is_none_or(|number| number == view.cell) => {
                        from = Some(view.cell);
                        if !self.take(view) {
                            return Ok(());
                        }
                    }
                    FromSeat::Pulse { .. } => {}
                    // Another cell is there now.
                    FromSeat::View(_) => return Ok(()),
                    FromSeat::Agreed { .. } | FromSeat::Unknown => continue,
                }
                if let Some(number) = from {
                    self.heard().insert(number, Instant::now());
                }
            }
        };
        tokio::select! {
            ended = knock => ended,
            ended = hear => ended,
        }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, BTreeMap<CellId, Instant>> {
        self.0.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Believes what another cell's broker says. False if it can't be true.
    fn take(&self, view: View) -> bool {
        let (number, own) = (view.cell, self.0.own.number);
        if number.is_home() || number > CellId::MOST || number == own {
            tracing::warn!(%number, %own, "a broker of another cell says that it is of this number");
            return false;
        }
        self.0.states.send_if_modified(|states| {
            let known = states.get(&number);
            // After its brokers have begun anew, versions begin anew.
            let is_news = known.is_none_or(|known| *known.view != view);
            if is_news {
                let state = State { reachable: true, view: Arc::new(view) };
                Arc::make_mut(states).insert(number, state);
            }
            is_news
        });
        true
    }

    /// Looks who has not been heard for too long, and who has again.
    fn judge(&self) {
        let heard = self.heard().clone();
        self.0.states.send_if_modified(|states| {
            let is = |cell: &CellId| heard.get(cell).is_some_and(|at| at.elapsed() < OUT_OF_REACH);
            let changed: Vec<CellId> = states
                .iter()
                .filter(|(cell, state)| state.reachable != is(cell))
                .map(|(&cell, _)| cell)
                .collect();
            for cell in &changed {
                let reachable = is(cell);
                if reachable {
                    tracing::info!(%cell, "a cell is reached");
                } else {
                    tracing::warn!(%cell, "a cell is out of reach");
                }
                if let Some(state) = Arc::make_mut(states).get_mut(cell) {
                    state.reachable = reachable;
                }
            }
            !changed.is_empty()
        });
    }

    /// Proposes at home what is not known there: what this cell is, and what others know of cells.
    fn say_at_home(&self, view: &View) {
        let states = self.0.states.borrow().clone();
        let told = states.values().flat_map(|state| &state.view.cells);
        let told = told.filter(|cell| cell.number != self.0.own.number);
        let mut news: BTreeMap<CellId, &Cell> = BTreeMap::new();
        for cell in told.chain([&self.0.own]).filter(|cell| is_news(view, cell)) {
            let best = news.entry(cell.number).or_insert(cell);
            if cell.stamp > best.stamp {
                *best = cell;
            }
        }
        for cell in news.into_values().cloned() {
            let member = self.0.member.clone();
            tokio::spawn(async move { member.propose(Change::Cell(cell), WITHIN).await });
        }
    }

    /// Proposes the cells that knock at this seat.
    pub(crate) async fn let_in(self, mut knocking: mpsc::Receiver<Cell>) {
        while let Some(cell) = knocking.recv().await {
            if self.are_there() && cell.number != self.0.own.number {
                let view = self.0.member.view().borrow().clone();
                if is_news(&view, &cell) {
                    self.0.member.propose(Change::Cell(cell), WITHIN).await;
                }
            }
        }
    }
}

/// Whether something is said of a cell that is not known by `view`.
fn is_news(view: &View, cell: &Cell) -> bool {
    view.cell(cell.number).is_none_or(|known| known.stamp < cell.stamp && !known.is_like(cell))
}
