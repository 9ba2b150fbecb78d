//! The thread that brings what must outlive the machine's power from a journal to a disk.
//!
//! It follows the ring, writes the records of durable tags to a log, and syncs it at least every
//! [`FollowerSpec::every`], so a power loss costs no more than that and one sync. When most of the log is
//! history, another thread writes it anew beside, while this one goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::log::{self, Log};
use journal::{Entry, Journal, Position, Recovered, Region, Tail, Window};
use machine::Tag;
use strowger_io::{ReadMap, start_thread};

/// A log shorter than this is never written anew.
const SMALL: u64 = 12 << 20;
/// After an error the log is begun anew, but not at once.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What to follow, and where to.
#[derive(Clone, Debug)]
pub struct FollowerSpec {
    /// The thread's name.
    pub name: String,
    /// The journal's file.
    pub ring: PathBuf,
    /// The log's file.
    pub log: PathBuf,
    /// Which records must outlive a power loss.
    pub durable: fn(Tag) -> bool,
    /// How often the log is synced, if there is anything new.
    pub every: Duration,
    /// When to look first: who just took over needs memory and processors himself.
    pub after: Duration,
}

/// How a follower is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowerStats {
    /// Records on the disk.
    pub records: u64,
    /// The longest time that a write with its sync took, in microseconds.
    pub slowest_us: u64,
    /// How often everything was written anew because the ring had turned too far, or the log failed.
    pub from_scratch: u64,
    /// How often history was thrown away.
    pub compactions: u64,
    /// How often the disk failed. Above zero: wake someone.
    pub failures: u64,
    /// Places of the ring that were broken and left out. Above zero: wake someone.
    pub damaged: u64,
}

#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    slowest_us: AtomicU64,
    from_scratch: AtomicU64,
    compactions: AtomicU64,
    failures: AtomicU64,
    damaged: AtomicU64,
    stop: AtomicBool,
}

/// A running follower. When it is dropped, all that was committed before is brought to the disk.
#[derive(Debug)]
pub struct Follower {
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow. If the journal is fresh, what the log had must be in it and committed by now: whatever
    /// the ring does not know is forgotten.
    pub fn start(spec: FollowerSpec) -> strowger_io::Result<Self> {
        let ring = Ring(ReadMap::open(&spec.ring)?);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = start_thread(&spec.name.clone(), move || follow(&spec, &ring, &shared))?;
        Ok(Follower { counts, thread: Some(thread) })
    }

    /// How it is doing.
    pub fn stats(&self) -> FollowerStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        FollowerStats {
            records: read(&self.counts.records),
            slowest_us: read(&self.counts.slowest_us),
            from_scratch: read(&self.counts.from_scratch),
            compactions: read(&self.counts.compactions),
            failures: read(&self.counts.failures),
            damaged: read(&self.counts.damaged),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

struct Ring(ReadMap);

impl Window for Ring {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn copy(&self, offset: usize, to: &mut [u8]) {
        self.0.copy(offset, to);
    }
}

fn follow(spec: &FollowerSpec, ring: &Ring, counts: &Counts) {
    let mut writing = None;
    std::thread::park_timeout(spec.after);
    loop {
        // Asked before the look, so that the last look sees all that was committed before the end.
        let last = counts.stop.load(Ordering::Relaxed);
        let open = writing.take().map_or_else(|| Writing::open(spec, ring, counts), Ok);
        let mut is_overtaken = false;
        let pause = match open.and_then(|writing| step(writing, spec, ring, counts)) {
            Ok(next) => {
                is_overtaken = next.is_none();
                writing = next;
                if is_overtaken { Duration::ZERO } else { spec.every }
            }
            Err(error) => {
                counts.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(log = %spec.log.display(), %error, "can't keep records on the disk");
                AFTER_ERROR
            }
        };
        if last && !is_overtaken {
            return;
        }
        std::thread::park_timeout(pause);
    }
}

/// One look at the ring. `None` if the writer was faster, and all must be written anew.
fn step(
    mut writing: Writing,
    spec: &FollowerSpec,
    ring: &Ring,
    counts: &Counts,
) -> io::Result<Option<Writing>> {
    let mut records = 0;
    let Writing { tail, buffer, .. } = &mut writing;
    let looked = tail.poll(ring, |entry| {
        if (spec.durable)(entry.tag) {
            log::record(buffer, &entry);
            records += 1;
        }
    });
    counts.damaged.fetch_max(writing.tail.damaged(), Ordering::Relaxed);
    if looked.is_err() {
        tracing::warn!(log = %spec.log.display(), "the journal was too fast: all is written anew");
        return Ok(None);
    }
    writing.write(records, counts)?;
    writing.compact(spec, counts)?;
    Ok(Some(writing))
}

/// An open log and its place in the ring.
struct Writing {
    tail: Tail,
    file: File,
    len: u64,
    /// How long it was when it had no history.
    base: u64,
    marked: Position,
    buffer: Vec<u8>,
    compacting: Option<JoinHandle<io::Result<Compacted>>>,
}

/// A log without history, as far as the old one went when it was read.
struct Compacted {
    file: File,
    len: u64,
    read: u64,
}

impl Writing {
    /// Goes on with the log if it fits the ring, or writes it anew.
    fn open(spec: &FollowerSpec, ring: &Ring, counts: &Counts) -> io::Result<Self> {
        let bytes = read_or_empty(&spec.log)?;
        let (mark, end) = {
            let log = Log::read(&bytes);
            (log.mark().filter(|_| log.damage().is_empty()), log.end() as u64)
        };
        // A place that the writer has overtaken shows at the first look.
        let tail = mark.and_then(|mark| Tail::resume(ring, mark));
        if let Some(mut tail) = tail
            && tail.poll(ring, |_| ()).is_ok()
        {
            let tail = mark.and_then(|mark| Tail::resume(ring, mark)).unwrap_or(tail);
            let file = OpenOptions::new().append(true).open(&spec.log)?;
            return Ok(Writing::over(tail, file, end));
        }
        Self::anew(spec, ring, counts)
    }

    fn over(tail: Tail, file: File, len: u64) -> Self {
        let marked = tail.position();
        Writing { tail, file, len, base: len, marked, buffer: Vec::new(), compacting: None }
    }

    /// Writes everything that lives in the ring to a new log.
    fn anew(spec: &FollowerSpec, ring: &Ring, counts: &Counts) -> io::Result<Self> {
        counts.from_scratch.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        let tail = loop {
            bytes.clear();
            log::begin(&mut bytes);
            let start = Tail::start(ring);
            let mut tail = start.ok_or_else(|| io::Error::other("there is no journal to follow"))?;
            let looked = tail.poll(ring, |entry| {
                if (spec.durable)(entry.tag) {
                    log::record(&mut bytes, &entry);
                }
            });
            if looked.is_ok() {
                break tail;
            }
        };
        log::mark(&mut bytes, tail.position());
        let bytes = Log::read(&bytes).compact();
        let beside = beside(&spec.log);
        let mut file = create(&beside)?;
        file.write_all(&bytes)?;
        replace(&file, &beside, &spec.log)?;
        Ok(Writing::over(tail, file, bytes.len() as u64))
    }

    /// Writes what is new, and makes sure that it is on the disk.
    fn write(&mut self, records: u64, counts: &Counts) -> io::Result<()> {
        let position = self.tail.position();
        // Far behind, the next process would have to write everything anew.
        let worth_a_mark = position.sequence > self.marked.sequence + 1;
        if records == 0 && !worth_a_mark {
            return Ok(());
        }
        let start = Instant::now();
        log::mark(&mut self.buffer, position);
        self.file.write_all(&self.buffer)?;
        if records > 0 {
            self.file.sync_data()?;
        }
        self.marked = position;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        counts.records.fetch_add(records, Ordering::Relaxed);
        counts.slowest_us.fetch_max(start.elapsed().as_micros() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Has the log written anew without its history when there is more history than news.
    fn compact(&mut self, spec: &FollowerSpec, counts: &Counts) -> io::Result<()> {
        match self.compacting.take() {
            None if self.len > SMALL + 2 * self.base => {
                let (path, len) = (spec.log.clone(), self.len);
                let thread =
                    start_thread("compact", move || compact(&path, len)).map_err(io::Error::other)?;
                self.compacting = Some(thread);
            }
            None => {}
            Some(thread) if !thread.is_finished() => self.compacting = Some(thread),
            Some(thread) => {
                let done = thread.join().map_err(|_| io::Error::other("writing the log anew panicked"))??;
                self.take_over(done, &spec.log)?;
                counts.compactions.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Adds to the new log what was written to the old one meanwhile.
    fn take_over(&mut self, mut done: Compacted, path: &Path) -> io::Result<()> {
        let mut old = File::open(path)?;
        old.seek(SeekFrom::Start(done.read))?;
        let added = io::copy(&mut old.take(self.len - done.read), &mut done.file)?;
        replace(&done.file, &compacted(path), path)?;
        self.file = done.file;
        self.base = done.len;
        self.len = done.len + added;
        Ok(())
    }
}

fn compact(path: &Path, len: u64) -> io::Result<Compacted> {
    // Its length is known: a buffer that grows would be written several times over.
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    File::open(path)?.take(len).read_to_end(&mut bytes)?;
    let compact = Log::read(&bytes).compact();
    let mut file = create(&compacted(path))?;
    file.write_all(&compact)?;
    file.sync_data()?;
    Ok(Compacted { file, len: compact.len() as u64, read: len })
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn compacted(path: &Path) -> PathBuf {
    path.with_extension("compacted")
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

/// Makes `file`, written at `beside`, the one at `path`, for good.
fn replace(file: &File, beside: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(beside, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// What a log has that a journal does not know, because the journal was destroyed or damaged.
#[derive(Debug, Default)]
pub struct Beside {
    bytes: Vec<u8>,
    forgotten: Vec<(Tag, machine::Key)>,
}

impl Beside {
    /// Reads the log at `path` if `journal` lost anything; a journal that is whole knows better than any log.
    pub fn of<R: Region>(journal: &Journal<R>, recovered: &Recovered, path: &Path) -> io::Result<Self> {
        if !recovered.fresh && recovered.damage.is_empty() {
            return Ok(Beside::default());
        }
        let bytes = read_or_empty(path)?;
        let damage = Log::read(&bytes).damage().len();
        if damage > 0 {
            tracing::warn!(log = %path.display(), damage, "the log is broken in places; the rest is used");
        }
        let mut forgotten = journal.forgotten();
        forgotten.sort_unstable();
        Ok(Beside { bytes, forgotten })
    }

    /// Its records, for [`journal::Turn::recover`].
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let entries: Vec<Entry<'_>> = Log::read(&self.bytes).entries().collect();
        entries.into_iter().filter(|entry| self.forgotten.binary_search(&(entry.tag, entry.key)).is_err())
    }
}
