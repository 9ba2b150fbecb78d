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
                    written = written.and_then(|()| replace(path, &bytes).map(|fresh| file = fresh));
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

#[cfg(test)]
mod tests {
    use super::*;
    use broker::Change;
    use contract::NodeId;
    use openraft::{CommittedLeaderId, EntryPayload};

    const GOLDEN: &[u8] = include_bytes!("golden-log-1.bin");

    fn id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(3, 1), index)
    }

    fn entry(index: u64, change: Change) -> Record {
        Record::Entry(Entry { log_id: id(index), payload: EntryPayload::Normal(change) })
    }

    fn records() -> Vec<Record> {
        let node = contract::cluster::Node { node: NodeId(2), host: "two".into(), ..Default::default() };
        vec![
            Record::Vote(Vote::new_committed(3, 1)),
            entry(5, Change::Join(node)),
            entry(6, Change::Lost { node: NodeId(2) }),
            entry(7, Change::Drain { node: NodeId(2), back: true }),
            Record::Truncated(7),
            Record::Purged(id(5)),
            entry(
                7,
                Change::Moved { shards: vec![(machine::Shard::of(4095), machine::Epoch(9))], to: NodeId(3) },
            ),
        ]
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("broker-disk-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn said(held: &Held) -> (Option<Vote>, Option<LogId>, Vec<Entry>) {
        (held.vote, held.purged, held.entries.values().cloned().collect())
    }

    fn wait(order: impl FnOnce(Done)) -> io::Result<()> {
        let (tell, told) = mpsc::channel();
        order(Box::new(move |result| tell.send(result).unwrap()));
        told.recv().unwrap()
    }

    /// Run with `GOLDEN=write` to write the file of a new format.
    #[test]
    fn this_release_writes_and_reads_the_golden_log() {
        let bytes: Vec<u8> = records().iter().flat_map(framed).collect();
        if std::env::var_os("GOLDEN").is_some() {
            fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/raft/golden-log-1.bin"), &bytes).unwrap();
            return;
        }
        assert!(bytes == GOLDEN, "the log's format has changed: what was written before must still be read");
        let folder = folder("golden");
        fs::write(folder.join("log"), GOLDEN).unwrap();
        let (_, held) = Disk::open(folder.join("log")).unwrap();
        let mut expected = Held::default();
        records().into_iter().for_each(|record| expected.take(record));
        assert_eq!(said(&held), said(&expected));
        assert_eq!(held.entries.keys().collect::<Vec<_>>(), [&6, &7]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn wherever_a_write_is_torn_what_was_whole_is_held_and_what_follows_is_kept() {
        let (folder, records) = (folder("torn"), records());
        let path = folder.join("log");
        let frames: Vec<Vec<u8>> = records.iter().map(framed).collect();
        let bytes = frames.concat();
        for cut in (0..bytes.len()).step_by(7) {
            let mut torn = bytes[..cut].to_vec();
            // A page that was never written reads as zeros.
            torn.resize(torn.len() + cut % 3 * 50, 0);
            fs::write(&path, &torn).unwrap();
            let (mut expected, mut rest) = (Held::default(), torn.as_slice());
            for (frame, record) in frames.iter().zip(self::records()) {
                let Some(behind) = rest.strip_prefix(frame.as_slice()) else { break };
                expected.take(record);
                rest = behind;
            }
            let (disk, held) = Disk::open(path.clone()).unwrap();
            assert_eq!(said(&held), said(&expected), "cut at {cut}");
            let more = || entry(50, Change::Lost { node: NodeId(7) });
            wait(|done| disk.append(framed(&more()), done)).unwrap();
            expected.take(more());
            drop(disk);
            let (disk, held) = Disk::open(path.clone()).unwrap();
            assert_eq!(said(&held), said(&expected));
            wait(|done| disk.rewrite(held.rewritten(), done)).unwrap();
            wait(|done| disk.append(framed(&Record::Truncated(50)), done)).unwrap();
            let (_, held) = Disk::open(path.clone()).unwrap();
            assert!(!held.entries.contains_key(&50));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_flipped_bit_is_no_record() {
        let frame = framed(&Record::Truncated(7));
        assert!(unframed::<Record>(&frame).is_some());
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unframed::<Record>(&flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_disk_that_failed_promises_nothing_any_more() {
        let folder = folder("failed");
        let path = folder.join("log");
        let (disk, _) = Disk::open(path).unwrap();
        fs::remove_dir_all(folder).unwrap();
        assert!(wait(|done| disk.rewrite(Vec::new(), done)).is_err());
        assert!(wait(|done| disk.append(Vec::new(), done)).is_err());
    }
}
