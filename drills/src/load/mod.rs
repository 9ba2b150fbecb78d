//! Calls that are kept up, with voices both ways, by phones in a thread of their own.
//!
//! | file | job |
//! |---|---|
//! | `plan.rs` | what a call is to go through |
//! | `call.rs` | what happens in it, and whether that is what was planned |
//! | `handset.rs` | a phone and its socket |
//! | `voices.rs` | the packets of all voices, stamped with whose they are |
//! | `ear.rs` | the longest silence |
//! | `sound.rs` | how good it sounds |
//! | `floor.rs` | the thread: all phones in one loop |

mod call;
mod ear;
mod floor;
mod handset;
mod plan;
mod sound;
mod voices;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use machine::Moment;
use strowger_io::Clock;

pub(crate) use ear::Silence;
pub(crate) use plan::{Pace, Passing, Plan};

use crate::Trouble;
use floor::Floor;

/// Where the load is, and whom it calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The address of the phones.
    pub(crate) me: Ipv4Addr,
    /// How many calls, and how fast.
    pub(crate) pace: Pace,
    /// Makes this load's identifiers differ from those of others.
    pub(crate) seed: u64,
}

/// What the load is asked.
enum Order {
    /// Say when all phones are registered.
    Register(Sender<usize>),
    /// Begin to call.
    Call,
    /// How many calls are up, and how many are in each passing state.
    Count(Sender<Count>),
    /// A window opens: from now on the longest silence of each call is wanted.
    Open,
    /// It closes.
    Close(Sender<Vec<Silence>>),
    /// How each call that has sound sounded since this was asked last: the worse side's mean opinion score.
    Sounds(Sender<BTreeMap<String, f64>>),
    /// No new calls; say what came of all when they are over.
    Finish(Sender<Tally>),
}

/// How many calls there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    /// That the caller knows to be answered.
    pub(crate) up: usize,
    /// In each passing state.
    pub(crate) passing: [usize; Passing::ALL.len()],
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Its Call-ID at the caller.
    pub(crate) call_id: String,
    /// What was planned.
    pub(crate) plan: Plan,
    /// When it began.
    pub(crate) began: Moment,
    /// What went wrong, and when.
    pub(crate) wrong: Vec<(Moment, String)>,
    /// It was refused with 503 before anybody was called.
    pub(crate) was_turned_away: bool,
}

/// What came of all calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Every call there was.
    pub(crate) attempts: Vec<Attempt>,
    /// Requests that got no final answer.
    pub(crate) unanswered: usize,
    /// Times that a registration was refused, or not answered.
    pub(crate) unregistered: usize,
    /// Packets of a voice that came to the wrong ear.
    pub(crate) crossed: usize,
    /// The longest that the load itself stood still: no silence can be told from that.
    pub(crate) stalled: Duration,
}

/// The load of a drill.
#[derive(Debug)]
pub(crate) struct Load {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    /// The clock that its moments are of.
    pub(crate) clock: Clock,
}

impl Load {
    /// Makes all phones; `server` is where the platform hears the SIP of each.
    ///
    /// # Errors
    /// When their sockets can't be had.
    pub(crate) fn start(setting: Setting, server: impl Fn(usize) -> SocketAddr) -> Result<Load, Trouble> {
        let clock = Clock::start(Moment::START);
        let (orders, received) = channel();
        let mut floor = Floor::open(setting, clock, server)?;
        let run = move || floor.run(&received);
        Ok(Load { orders, thread: Some(strowger_io::start_thread("load", run)?), clock })
    }

    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Result<Receiver<T>, Trouble> {
        let (answer, answered) = channel();
        self.orders.send(order(answer)).map_err(|_| Trouble::new("the load has ended"))?;
        Ok(answered)
    }

    fn get<T>(&self, order: impl FnOnce(Sender<T>) -> Order, within: Duration) -> Result<T, Trouble> {
        self.ask(order)?.recv_timeout(within).map_err(|_| Trouble::new("the load does not answer"))
    }

    /// All phones register; how many did.
    pub(crate) fn register(&self) -> Result<usize, Trouble> {
        self.get(Order::Register, Duration::from_secs(120))
    }

    /// From now on calls are made.
    pub(crate) fn call(&self) -> Result<(), Trouble> {
        self.orders.send(Order::Call).map_err(|_| Trouble::new("the load has ended"))
    }

    /// How many calls there are now.
    pub(crate) fn count(&self) -> Result<Count, Trouble> {
        self.get(Order::Count, Duration::from_secs(10))
    }

    /// From now on silences are watched.
    pub(crate) fn open(&self) -> Result<(), Trouble> {
        self.orders.send(Order::Open).map_err(|_| Trouble::new("the load has ended"))
    }

    /// The longest silence since then of each call that had sound.
    pub(crate) fn close(&self) -> Result<Vec<Silence>, Trouble> {
        self.get(Order::Close, Duration::from_secs(10))
    }

    /// How each call that has sound and is never held sounded since this was asked last, by its Call-ID: the worse
    /// side's mean opinion score.
    pub(crate) fn sounds(&self) -> Result<BTreeMap<String, f64>, Trouble> {
        self.get(Order::Sounds, Duration::from_secs(10))
    }

    /// Makes no more calls, lets those that are up end, and says what came of all.
    pub(crate) fn finish(mut self) -> Result<Tally, Trouble> {
        let tally = self.get(Order::Finish, Duration::from_secs(180));
        if let Some(thread) = self.thread.take() {
            // It has said its tally, or it has panicked, which it said itself.
            let _ = thread.join();
        }
        tally
    }
}
