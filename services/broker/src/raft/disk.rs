//! The file of a seat's vote and log: records one behind the other, each its length (4 bytes, little endian), the
//! CRC-32 of what follows (4 bytes), and MessagePack. What follows the last whole record was torn when the power
//! went, so it was never promised to anybody, and is cut off. Now and then the file is written anew, without what no
//! longer counts.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Entry, LogId, Vote};

const HEAD: usize = 8;

/// Something that happened to the log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Record {
    Vote(Vote),
    Entry(Entry),
    /// What is from this index on does not count.
    Truncated(u64),
    /// What is up to here is in a snapshot.
    Purged(LogId),
}

/// What the records come to.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) entries: BTreeMap<u64, Entry>,
}

impl Held {
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Entry(entry) => drop(self.entries.insert(entry.log_id.index, entry)),
            Record::Truncated(since) => drop(self.entries.split_off(&since)),
            Record::Purged(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged = Some(upto);
            }
        }
    }

    /// The shortest file that comes to the same.
    pub(super) fn rewritten(&self) -> Vec<u8> {
        let vote = self.vote.map(Record::Vote);
        let purged = self.purged.map(Record::Purged);
        let entries = self.entries.values().cloned().map(Record::Entry);
        vote.into_iter().chain(purged).chain(entries).flat_map(|record| framed(&record)).collect()
    }
}

/// A record as it stands in a file.
pub(super) fn framed<T: Serialize>(record: &T) -> Vec<u8> {
    let body = contract::encode(record);
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// The first record of `bytes` and what follows it, if it is whole.
pub(super) fn unframed<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let is_whole = crc32fast::hash(body) == u32::from_le_bytes(*sum);
    Some((contract::decode(body).ok().filter(|_| is_whole)?, rest))
}

/// Puts `bytes` in the place of what is at `path`: the one or the other is there whatever happens.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// What was at `path`, or nothing if it is not there yet.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        done => done,
    }
}

/// Hears whether what was written is on the disk.
pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

enum Job {
    Append(Vec<u8>, Done),
    Rewrite(Vec<u8>, Done),
}

/// Writes in a thread of its own, so that a slow disk holds up nothing else.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    jobs: mpsc::Sender<Job>,
}

impl Disk {
    /// Opens the file at `path`.
    pub(super) fn open(path: PathBuf) -> io::Result<(Self, Held)> {
        let bytes = read(&path)?;
        let (mut held, mut rest) = (Held::default(), bytes.as_slice());
        while let Some((record, behind)) = unframed(rest) {
            held.take(record);
            rest = behind;
        }
        if !rest.is_empty() {
            tracing::warn!(path = %path.display(), bytes = rest.len(), "the end of the brokers' log was torn");
        }
        let file = replace(&path, &held.rewritten())?;
        let (jobs, waiting) = mpsc::channel();
        std::thread::Builder::new().name("disk".to_owned()).spawn(move || work(file, &path, &waiting))?;
        Ok((Disk { jobs }, held))
    }

    /// Writes behind what is there.
    pub(super) fn append(&self, bytes: Vec<u8>, done: Done) {
        self.order(Job::Append(bytes, done));
    }

    /// Writes in the place of what is there.
    pub(super) fn rewrite(&self, bytes: Vec<u8>, done: Done) {
        self.order(Job::Rewrite(bytes, done));
    }

    fn order(&self, job: Job) {
        if let Err(mpsc::SendError(Job::Append(_, done) | Job::Rewrite(_, done))) = self.jobs.send(job) {
            done(Err(io::Error::other("the disk's thread is gone")));
        }
    }
}

/// All that waits is written at once. After a failure nobody knows what is in the file: nothing is promised any more.
fn work(mut file: File, path: &Path, jobs: &mpsc::Receiver<Job>) {
    let mut failed: Option<(io::ErrorKind, String)> = None;
    while let Ok(first) = jobs.recv() {
        let (mut told, mut written) = (Vec::new(), Ok(()));
        for job in std::iter::once(first).chain(jobs.try_iter()) {
            let done = match job {
                Job::Append(bytes, done) => {
                    written = written.and_then(|()| file.write_all(&bytes));
                    done
                }
                Job::Rewrite(bytes, done) => {
                    written = written.and_then(|()| Ok(file = replace(path, &bytes)?));
                    done
                }
            };
            told.push(done);
        }
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            failed.get_or_insert((error.kind(), error.to_string()));
        }
        for done in told {
            done(failed.as_ref().map_or(Ok(()), |(kind, text)| Err(io::Error::new(*kind, text.clone()))));
        }
    }
}
