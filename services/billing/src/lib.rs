//! The billing role's shell: questions come over the bus, what is decided is kept in a journal on tmpfs, and the
//! books are in the store.
//!
//! An answer leaves when it is in the journal, so it outlives this process; the books follow within a tenth of a
//! second, many calls in one transaction. The end of a call is told when its books are written. With the store
//! away, calls go on from what is known of purses, and their ends are told from the journal.

mod books;
mod config;
mod counts;
mod offhand;
mod perform;

use std::sync::Arc;
use std::time::Duration;

use billing::{Answer, Question};
use bus::Server;
use contract::billing::{Gauge, Reserve, Reserved, Settle, Settled};
use contract::query::Gauges;
use store::{Store, StoreError};
use strowger_io::Clock;
use tokio::sync::{mpsc, oneshot};

pub use config::Config;

use counts::Counts;
use offhand::Offhand;
use perform::{Job, Performer};

/// So many questions may wait.
const QUEUED: usize = 4096;
/// So many are answered together at most.
const TOGETHER: usize = 256;
/// How often to look for calls that nobody speaks of any more.
const SWEEP: Duration = Duration::from_secs(30);

/// The billing role at work. Clones are the same.
#[derive(Clone, Debug)]
pub struct Billing {
    jobs: mpsc::Sender<Job>,
    counts: Arc<Counts>,
    offhand: Offhand,
}

/// Why billing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal's file.
    #[error("billing: {0}")]
    File(#[from] strowger_io::Error),
    /// The journal in it.
    #[error("billing's journal: {0}")]
    Journal(#[from] journal::OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a question has no answer; whoever asked asks again.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// Too many wait already, or the role is stopping.
    #[error("billing takes no more questions")]
    Busy,
    /// What must be known for it can't be read; it was logged.
    #[error("the books cannot be read")]
    Unread,
}

impl Billing {
    /// Starts to work on the books in `store`. Must be called within a tokio runtime.
    pub async fn start(config: Config, store: Store, clock: Clock) -> Result<Self, StartError> {
        let counts = Arc::new(Counts::default());
        let (orders, to_do) = mpsc::unbounded_channel();
        let (say, heard) = mpsc::unbounded_channel();
        let performer = Performer::open(&config, clock, counts.clone(), orders)?;
        let offhand = Offhand::new(&config, &store, performer.is_idle()).await?;
        tokio::spawn(books::keep(store, clock, to_do, say));
        let (jobs, waiting) = mpsc::channel(QUEUED);
        tokio::spawn(work(performer, waiting, heard, SWEEP.min(config.abandon_after / 2)));
        Ok(Billing { jobs, counts, offhand })
    }

    /// Answers on the bus.
    #[must_use]
    pub fn answer(&self, server: Server) -> Server {
        let (reserving, settling, counting) = (self.clone(), self.clone(), self.clone());
        server
            .on(move |ask: Reserve| {
                let billing = reserving.clone();
                async move { billing.reserve(ask).await }
            })
            .on(move |ask: Settle| {
                let billing = settling.clone();
                async move { billing.settle(ask).await }
            })
            .on(move |_: Gauge| {
                let billing = counting.clone();
                async move { billing.gauges().await }
            })
    }

    /// May this call go on?
    pub async fn reserve(&self, ask: Reserve) -> Result<Reserved, Unanswerable> {
        match self.ask(Question::Reserve(ask)).await? {
            Answer::Reserved(reserved) => Ok(reserved),
            Answer::Settled(_) => Err(Unanswerable::Unread),
        }
    }

    /// The call is over.
    pub async fn settle(&self, ask: Settle) -> Result<Settled, Unanswerable> {
        match self.ask(Question::Settle(ask)).await? {
            Answer::Settled(settled) => Ok(settled),
            Answer::Reserved(_) => Err(Unanswerable::Unread),
        }
    }

    /// How the role does.
    pub async fn gauges(&self) -> Result<Gauges, StoreError> {
        Ok(self.counts.gauges())
    }

    async fn ask(&self, question: Question) -> Result<Answer, Unanswerable> {
        if let Some(answer) = self.offhand.answer(&question) {
            self.counts.answered(&answer);
            return Ok(answer);
        }
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { question, answer }).map_err(|_| Unanswerable::Busy)?;
        answered.await.map_err(|_| Unanswerable::Unread)
    }
}

async fn work(
    mut performer: Performer,
    mut waiting: mpsc::Receiver<Job>,
    mut heard: mpsc::UnboundedReceiver<billing::In>,
    sweep: Duration,
) {
    let mut sweep = tokio::time::interval(sweep.max(Duration::from_millis(10)));
    let (mut jobs, mut said) = (Vec::with_capacity(TOGETHER), Vec::new());
    loop {
        let pause = performer.pause();
        tokio::select! {
            count = heard.recv_many(&mut said, TOGETHER) => match count {
                0 => return,
                _ => performer.hear(said.drain(..)),
            },
            count = waiting.recv_many(&mut jobs, TOGETHER) => match count {
                0 => return,
                _ => performer.answer(jobs.drain(..)),
            },
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => performer.expire(),
            _ = sweep.tick() => performer.look_for_silent(),
        }
    }
}
