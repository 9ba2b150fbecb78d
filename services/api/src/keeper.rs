//! Keeps call records: those that come while others are being written are written together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contract::CallId;
use contract::record::{CallRecord, Keep, Kept};
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::outlet::Outlet;

/// So many requests may wait.
const QUEUED: usize = 4096;
/// So many are written together at most.
const TOGETHER: usize = 1024;
/// A transaction begins so long after the last one began, or later: each costs a sync of the disk and many pages,
/// and whoever waits for a record keeps it meanwhile.
const PAUSE: Duration = Duration::from_millis(200);

/// Keeps records in batches.
#[derive(Debug)]
pub(crate) struct Keeper {
    jobs: mpsc::Sender<Job>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    kept: AtomicU64,
    transactions: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Job {
    records: Vec<CallRecord>,
    kept: oneshot::Sender<Kept>,
}

/// The records are not safe; whoever has them sends them again.
#[derive(Debug, thiserror::Error)]
#[error("the records could not be kept")]
pub(crate) struct NotKept;

impl Keeper {
    pub(crate) fn start(store: Store, outlet: Outlet) -> Self {
        let counts = Arc::new(Counts::default());
        let (jobs, waiting) = mpsc::channel(QUEUED);
        tokio::spawn(work(store, outlet, waiting, counts.clone()));
        Keeper { jobs, counts }
    }

    /// Keeps the records of `keep`; those that the answer names are on the disk.
    pub(crate) async fn keep(&self, keep: Keep) -> Result<Kept, NotKept> {
        let (kept, told) = oneshot::channel();
        self.jobs.try_send(Job { records: keep.records, kept }).map_err(|_| NotKept)?;
        told.await.map_err(|_| NotKept)
    }

    pub(crate) fn gauges(&self) -> [(&'static str, f64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        [
            ("records_kept_total", read(&self.counts.kept)),
            ("records_transactions_total", read(&self.counts.transactions)),
            ("records_failures_total", read(&self.counts.failures)),
        ]
    }
}

async fn work(store: Store, outlet: Outlet, mut waiting: mpsc::Receiver<Job>, counts: Arc<Counts>) {
    let mut batch = Vec::with_capacity(TOGETHER);
    let mut next = Instant::now();
    while waiting.recv_many(&mut batch, TOGETHER).await > 0 {
        if batch.len() < TOGETHER && Instant::now() < next {
            sleep_until(next).await;
            while batch.len() < TOGETHER
                && let Ok(job) = waiting.try_recv()
            {
                batch.push(job);
            }
        }
        next = Instant::now() + PAUSE;
        let mut records = Vec::new();
        let mut asked = Vec::with_capacity(batch.len());
        for job in batch.drain(..) {
            asked.push((job.records.iter().map(|record| record.id).collect::<Vec<_>>(), job.kept));
            records.extend(job.records);
        }
        let mut safe = write(&store, &records, &counts).await;
        // Whoever has them sends them again until the stream has them, too, and there each is kept once.
        if let Err(error) = outlet.keep(records.iter().filter(|record| safe.contains(&record.id))).await {
            tracing::error!(%error, records = safe.len(), "call records are in the store, but in no stream");
            safe.clear();
        }
        for (mut ids, kept) in asked {
            ids.retain(|id| safe.contains(id));
            // Whoever asked may have stopped waiting.
            let _ = kept.send(Kept { ids });
        }
    }
}

/// Writes all records, or those that can be written: one that cannot be must not stand in the way of others.
async fn write(store: &Store, records: &[CallRecord], counts: &Counts) -> BTreeSet<CallId> {
    let mut safe = BTreeSet::new();
    match try_write(store, records, counts).await {
        Ok(()) => safe.extend(records.iter().map(|record| record.id)),
        // None of them can be kept now: whoever has them keeps them and sends them again.
        Err(error) if error.is_away() => {}
        Err(_) => {
            for record in records.iter().filter(|_| records.len() > 1) {
                if try_write(store, std::slice::from_ref(record), counts).await.is_ok() {
                    safe.insert(record.id);
                }
            }
        }
    }
    safe
}

async fn try_write(store: &Store, records: &[CallRecord], counts: &Counts) -> Result<(), StoreError> {
    let kept = store.records().keep(records).await;
    match &kept {
        Ok(()) => {
            counts.kept.fetch_add(records.len() as u64, Ordering::Relaxed);
            counts.transactions.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) if error.is_away() => {
            counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, records = records.len(), "call records wait for the store");
        }
        Err(error) => {
            counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, records = records.len(), "call records could not be kept");
        }
    }
    kept
}
