use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use contract::Stream;
use tokio::sync::Notify;

use super::LOOK;
use super::log::Log;
use crate::durable::{AGAIN, Consumer, Delivery, DurableError, Entry, Streams, UNACKED, check_name};

const SEGMENT: u64 = 8 << 20;
/// So much of a stream is kept: then its oldest entries go, whoever has not heard them.
const MOST: u64 = 1 << 30;
/// The identities of so many entries are remembered, so that a repeat is kept once.
const REMEMBERED: usize = 100_000;

/// Durable streams in a directory; clones share their files.
#[derive(Clone, Debug)]
pub struct KeptStreams {
    folder: PathBuf,
    writers: Arc<BTreeMap<Stream, Mutex<Writer>>>,
    /// Wakes the consumers of this process; those of others look by themselves.
    appended: Arc<Notify>,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    known: Known,
}

/// The identities of those kept last.
#[derive(Debug, Default)]
struct Known {
    ids: BTreeSet<String>,
    in_order: VecDeque<String>,
}

impl KeptStreams {
    /// The streams in `folder`, which is made if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        let mut writers = BTreeMap::new();
        for stream in Stream::ALL {
            let log = Log::open(&folder.join(stream.name()), SEGMENT)?;
            writers.insert(stream, Mutex::new(Writer { log, known: Known::default() }));
        }
        Ok(KeptStreams { folder, writers: Arc::new(writers), appended: Arc::new(Notify::new()) })
    }
}

impl KeptStreams {
    /// Keeps all `entries`, in order, and returns once they are kept: they reach the disk together.
    pub async fn append_all(&self, stream: Stream, entries: Vec<Entry>) -> Result<(), DurableError> {
        entries.iter().try_for_each(|entry| check_name(&entry.topic))?;
        let writers = self.writers.clone();
        let write = move || {
            let writer = writers.get(&stream).ok_or(io::ErrorKind::NotFound)?;
            writer.lock().unwrap_or_else(PoisonError::into_inner).append(entries)
        };
        blocking(stream.name(), write).await?;
        self.appended.notify_waiters();
        Ok(())
    }
}

impl Writer {
    fn append(&mut self, mut entries: Vec<Entry>) -> io::Result<()> {
        let Writer { log, known } = self;
        let held = log.hold()?;
        log.read(&mut |_, body| {
            if let Ok(entry) = contract::decode::<Entry>(body) {
                known.is_new(&entry.id);
            }
        })?;
        entries.retain(|entry| known.is_new(&entry.id));
        if entries.is_empty() {
            return Ok(());
        }
        let bodies: Vec<Vec<u8>> = entries.iter().map(contract::encode).collect();
        if let Err(error) = log.append_all(&held, &bodies) {
            entries.iter().for_each(|entry| known.forget(&entry.id));
            return Err(error);
        }
        log.keep_at_most(&held, MOST)
    }
}

impl Known {
    /// Whether `id` is none of those remembered; it is from now on. Whoever has none is always new.
    fn is_new(&mut self, id: &str) -> bool {
        if id.is_empty() {
            return true;
        }
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.in_order.push_back(id.to_owned());
        if self.in_order.len() > REMEMBERED
            && let Some(old) = self.in_order.pop_front()
        {
            self.ids.remove(&old);
        }
        true
    }

    /// It was not kept after all.
    fn forget(&mut self, id: &str) {
        self.ids.remove(id);
        self.in_order.retain(|it| it != id);
    }
}

impl Streams for KeptStreams {
    type Consumer = KeptConsumer;

    async fn append(&self, stream: Stream, entry: Entry) -> Result<(), DurableError> {
        self.append_all(stream, vec![entry]).await
    }

    async fn consumer(&self, stream: Stream, name: &str) -> Result<KeptConsumer, DurableError> {
        check_name(name)?;
        let folder = self.folder.join(stream.name());
        let place = folder.join(format!("heard-{}", name.replace('/', "+")));
        let open = OpenOptions::new().read(true).append(true).create(true).open(place.with_extension("lock"));
        let lock = open.map_err(|error| DurableError::refused(stream.name(), error))?;
        Ok(KeptConsumer { folder, place, lock, held: None, appended: self.appended.clone() })
    }
}

async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, DurableError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| DurableError::refused(what, error)),
        Err(error) => Err(DurableError::refused(what, error)),
    }
}

/// A consumer of a stream in a directory. Of several with one name, one hears; the next takes over when it
/// is gone.
#[derive(Debug)]
pub struct KeptConsumer {
    folder: PathBuf,
    place: PathBuf,
    lock: File,
    held: Option<Hearing>,
    appended: Arc<Notify>,
}

/// What the one that hears knows.
#[derive(Debug)]
struct Hearing {
    log: Log,
    ready: VecDeque<Delivery>,
    /// Delivered and not acknowledged, by number.
    in_hand: BTreeMap<u64, (Instant, Entry)>,
    /// All before this one need not come again.
    heard: u64,
    last: u64,
}

impl Consumer for KeptConsumer {
    async fn next(&mut self) -> Delivery {
        loop {
            let appended = self.appended.clone();
            let added = appended.notified();
            match self.look() {
                Ok(Some(delivery)) => return delivery,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, folder = %self.folder.display(), "a stream cannot be read");
                }
            }
            // Whichever comes first: this process has added something, or another may have.
            let _ = tokio::time::timeout(LOOK, added).await;
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> Result<(), DurableError> {
        let Some(hearing) = &mut self.held else { return Ok(()) };
        hearing.in_hand.remove(&delivery.sequence);
        let oldest = hearing.in_hand.keys().next().copied();
        let heard = oldest.unwrap_or_else(|| match hearing.ready.front() {
            Some(ready) => ready.sequence,
            None => hearing.last + 1,
        });
        if heard > hearing.heard {
            keep_place(&self.place, heard).map_err(|error| DurableError::refused("a place", error))?;
            hearing.heard = heard;
        }
        Ok(())
    }
}

impl KeptConsumer {
    fn look(&mut self) -> io::Result<Option<Delivery>> {
        if self.held.is_none() {
            match self.lock.try_lock() {
                Ok(()) => self.held = Some(Hearing::begin(&self.folder, &self.place)?),
                Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        self.held.as_mut().map_or(Ok(None), Hearing::next)
    }
}

impl Hearing {
    fn begin(folder: &Path, place: &Path) -> io::Result<Self> {
        let heard = place_of(place)?;
        let log = Log::open(folder, SEGMENT)?;
        Ok(Hearing { log, ready: VecDeque::new(), in_hand: BTreeMap::new(), heard, last: 0 })
    }

    fn next(&mut self) -> io::Result<Option<Delivery>> {
        if let Some((&sequence, (since, entry))) =
            self.in_hand.iter_mut().find(|(_, (since, _))| since.elapsed() >= AGAIN)
        {
            *since = Instant::now();
            return Ok(Some(Delivery { sequence, again: true, entry: entry.clone() }));
        }
        if self.in_hand.len() >= UNACKED {
            return Ok(None);
        }
        if self.ready.is_empty() {
            self.read()?;
        }
        let Some(delivery) = self.ready.pop_front() else { return Ok(None) };
        self.in_hand.insert(delivery.sequence, (Instant::now(), delivery.entry.clone()));
        Ok(Some(delivery))
    }

    fn read(&mut self) -> io::Result<()> {
        let (ready, heard, last) = (&mut self.ready, self.heard, &mut self.last);
        self.log.read_at_most(UNACKED, &mut |sequence, body| {
            *last = sequence;
            match contract::decode(body) {
                Ok(entry) if sequence >= heard => {
                    ready.push_back(Delivery { sequence, again: false, entry });
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, sequence, "an entry cannot be read and is passed over"),
            }
        })
    }
}

/// The number of the first entry that was not acknowledged.
fn place_of(place: &Path) -> io::Result<u64> {
    match std::fs::read_to_string(place) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Kept by renaming, so that it is always whole. After a power failure it may be an older one: what was heard
/// then comes again.
fn keep_place(place: &Path, heard: u64) -> io::Result<()> {
    let draft = place.with_extension("draft");
    std::fs::write(&draft, heard.to_string())?;
    std::fs::rename(draft, place)
}
