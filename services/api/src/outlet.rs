//! What others want to hear, on its way into the durable streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::KeptStreams;
use bus::durable::{DurableError, Entry};
use contract::event::CallEvent;
use contract::record::CallRecord;
use contract::{Event, Stream};
use tokio::sync::mpsc;

/// So many events may wait for the disk; what is beyond is dropped, and counted.
const QUEUED: usize = 8192;
/// So many reach the disk together at most.
const TOGETHER: usize = 4096;
/// The disk is asked to sync no more often.
const PAUSE: Duration = Duration::from_millis(50);

/// Puts events and records into the streams of this host, if somebody wants to hear them.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    streams: Option<KeptStreams>,
    events: mpsc::Sender<CallEvent>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    events: AtomicU64,
    dropped: AtomicU64,
    records: AtomicU64,
}

impl Outlet {
    /// Must be called within a tokio runtime.
    pub(crate) fn start(streams: Option<KeptStreams>) -> Self {
        let (events, waiting) = mpsc::channel(QUEUED);
        let counts = Arc::new(Counts::default());
        if let Some(streams) = streams.clone() {
            tokio::spawn(keep(streams, waiting, counts.clone()));
        }
        Outlet { streams, events, counts }
    }

    /// Something happened in a call. Nobody waits for the disk here: what there is no room for is dropped.
    pub(crate) fn happened(&self, event: CallEvent) {
        if self.events.try_send(event).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps `records`, each once however often it comes, and returns once they are kept.
    pub(crate) async fn keep(&self, records: impl Iterator<Item = &CallRecord>) -> Result<(), DurableError> {
        let Some(streams) = &self.streams else { return Ok(()) };
        let entries: Vec<Entry> = records.map(Entry::of).collect();
        let count = entries.len() as u64;
        streams.append_all(Stream::Records, entries).await?;
        self.counts.records.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn gauges(&self) -> [(&'static str, f64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        [
            ("stream_events_total", read(&self.counts.events)),
            ("stream_events_dropped_total", read(&self.counts.dropped)),
            ("stream_records_total", read(&self.counts.records)),
        ]
    }
}

async fn keep(streams: KeptStreams, mut waiting: mpsc::Receiver<CallEvent>, counts: Arc<Counts>) {
    let mut events = Vec::new();
    while waiting.recv_many(&mut events, TOGETHER).await > 0 {
        let entries: Vec<Entry> = events.drain(..).map(|event| Entry::of(&event)).collect();
        let count = entries.len() as u64;
        match streams.append_all(CallEvent::STREAM, entries).await {
            Ok(()) => counts.events.fetch_add(count, Ordering::Relaxed),
            Err(error) => {
                tracing::error!(%error, events = count, "events could not be kept");
                counts.dropped.fetch_add(count, Ordering::Relaxed)
            }
        };
        tokio::time::sleep(PAUSE).await;
    }
}
