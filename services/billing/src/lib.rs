//! The billing role's shell: questions come over the bus, the books are in the store.
//!
//! Questions that come while others are being written are answered together, in one transaction; an answer
//! leaves when its books are on the disk.

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
    store: Store,
    offhand: Offhand,
}

/// Why a question has no answer; whoever asked asks again.
#[derive(Debug, thiserror::Error)]
pub enum Unanswerable {
    /// Too many wait already, or the role is stopping.
    #[error("billing takes no more questions")]
    Busy,
    /// The books could not be written; it was logged.
    #[error("the books could not be written")]
    Unwritten,
}

impl Billing {
    /// Starts to work on the books in `store`. Must be called within a tokio runtime.
    pub async fn start(config: Config, store: Store, clock: Clock) -> Result<Self, StoreError> {
        let counts = Arc::new(Counts::default());
        let offhand = Offhand::new(&config, &store).await?;
        let mut performer = Performer::new(config, store.clone(), clock, counts.clone());
        let (jobs, mut waiting) = mpsc::channel(QUEUED);
        tokio::spawn(async move {
            let mut sweep = tokio::time::interval(SWEEP);
            let mut batch = Vec::with_capacity(TOGETHER);
            loop {
                tokio::select! {
                    biased;
                    count = waiting.recv_many(&mut batch, TOGETHER) => match count {
                        0 => return,
                        _ => performer.answer(std::mem::take(&mut batch)).await,
                    },
                    _ = sweep.tick() => performer.abandon_silent().await,
                }
            }
        });
        Ok(Billing { jobs, counts, store, offhand })
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
            Answer::Settled(_) => Err(Unanswerable::Unwritten),
        }
    }

    /// The call is over.
    pub async fn settle(&self, ask: Settle) -> Result<Settled, Unanswerable> {
        match self.ask(Question::Settle(ask)).await? {
            Answer::Settled(settled) => Ok(settled),
            Answer::Reserved(_) => Err(Unanswerable::Unwritten),
        }
    }

    /// How the role does.
    pub async fn gauges(&self) -> Result<Gauges, StoreError> {
        let open = self.store.ledger().count_open().await?;
        Ok(self.counts.gauges(open))
    }

    async fn ask(&self, question: Question) -> Result<Answer, Unanswerable> {
        if let Some(answer) = self.offhand.answer(&question) {
            self.counts.answered(&answer);
            return Ok(answer);
        }
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { question, answer }).map_err(|_| Unanswerable::Busy)?;
        answered.await.map_err(|_| Unanswerable::Unwritten)
    }
}
