//! Another number of signalling threads than before: what the old ones left is dealt to the new ones.
//!
//! The new journals and disk logs are made beside the old ones, under names that say for how many threads they
//! are; then the number is written down, in one step; then they take their places. Whoever dies in between is
//! followed by one that goes on from there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use exchange::kept;
use host::follower::Beside;
use journal::{Entry, Journal, Undecided, log};
use machine::{Key, Moment, Record, Shard, Tag};
use strowger_io::MappedFile;

use super::WorkerError;
use crate::places::Places;

/// Makes sure that the journals and disk logs at `places` are those of `threads` threads.
pub(super) fn redeal(places: &Places, threads: u16, ring: usize, now: Moment) -> Result<(), WorkerError> {
    let before = read_number(&places.signalling_threads()).or_else(|| count_logs(places));
    if before.is_some_and(|before| before != threads) {
        let old = collect(places, before.unwrap_or(threads), ring, now)?;
        tracing::info!(
            ?before,
            threads,
            records = old.kept.len(),
            "signalling threads: their things are dealt anew"
        );
        for thread in 0..threads {
            old.write(places, thread, threads, ring, now)?;
        }
    }
    write_number(&places.signalling_threads(), threads).map_err(WorkerError::DiskLog)?;
    take_places(places, threads, before.unwrap_or(threads)).map_err(WorkerError::DiskLog)
}

/// All that the old threads left.
#[derive(Default)]
struct Left {
    kept: BTreeMap<(Tag, Key), (Shard, Vec<u8>)>,
    unsent: Vec<Vec<u8>>,
    undecided: Vec<Undecided>,
}

impl Left {
    fn take(&mut self, entry: Entry<'_>) {
        let Entry { tag, shard, key, body } = entry;
        self.kept.entry((tag, key)).or_insert_with(|| (shard, body.to_vec()));
    }

    /// The journal and the disk log of one new thread.
    fn write(
        &self,
        places: &Places,
        thread: u16,
        threads: u16,
        ring: usize,
        now: Moment,
    ) -> Result<(), WorkerError> {
        let path = beside(&places.journal(thread), threads);
        remove(&path).map_err(WorkerError::DiskLog)?;
        let mut journal =
            Journal::create(MappedFile::create(&path, ring)?, now).map_err(journal::OpenError::from)?;
        let mut disk = Vec::new();
        log::begin(&mut disk);
        let ours = |&(tag, _): &(Tag, Key), shard: Shard| {
            kept::EVERYWHERE.contains(&tag) || shard.thread(threads) == thread
        };
        for (&(tag, key), (shard, body)) in self.kept.iter().filter(|(name, (shard, _))| ours(name, *shard)) {
            let _ = journal.append(&Record { tag, shard: *shard, key, body: body.clone() });
            if kept::DURABLE.contains(&tag) {
                log::record(&mut disk, &Entry { tag, shard: *shard, key, body });
            }
        }
        // The first of them says what may not have been said, and decides what was not decided.
        if thread == 0 {
            for bytes in &self.unsent {
                let _ = journal.outgoing(bytes);
            }
        }
        journal.commit();
        if thread == 0 {
            journal.begin(self.undecided.iter().map(|input| (&input.source[..], &input.bytes[..])));
        }
        write_whole(&beside(&places.disk_log(thread), threads), &disk).map_err(WorkerError::DiskLog)
    }
}

fn collect(places: &Places, threads: u16, ring: usize, now: Moment) -> Result<Left, WorkerError> {
    let mut left = Left::default();
    for thread in 0..threads {
        let region = MappedFile::create(&places.journal(thread), ring)?;
        let (journal, mut recovered) = Journal::open(region, now)?;
        let disk =
            Beside::of(&journal, &recovered, &places.disk_log(thread)).map_err(WorkerError::DiskLog)?;
        journal.live().chain(disk.entries()).for_each(|entry| left.take(entry));
        left.unsent.append(&mut recovered.unsent);
        left.undecided.append(&mut recovered.undecided);
    }
    // Each new thread begins to count by itself.
    left.kept.retain(|&(tag, _), (_, body)| tag != kept::NONCES_SINCE && !body.is_empty());
    Ok(left)
}

/// The new files of `threads` threads take the places of the old ones; what is left over goes.
fn take_places(places: &Places, threads: u16, before: u16) -> io::Result<()> {
    for thread in 0..threads {
        for path in [places.journal(thread), places.disk_log(thread)] {
            let new = beside(&path, threads);
            if new.exists() {
                fs::rename(new, path)?;
            }
        }
    }
    for thread in threads..before.max(threads) {
        remove(&places.journal(thread))?;
        remove(&places.disk_log(thread))?;
    }
    Ok(())
}

fn beside(path: &Path, threads: u16) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".of-{threads}"));
    name.into()
}

fn read_number(path: &Path) -> Option<u16> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Before the number was written down, there was a log for each thread.
fn count_logs(places: &Places) -> Option<u16> {
    (0..u16::MAX).take_while(|&thread| places.disk_log(thread).exists()).last().map(|last| last + 1)
}

fn write_number(path: &Path, threads: u16) -> io::Result<()> {
    if read_number(path) == Some(threads) {
        return Ok(());
    }
    let new = beside(path, threads);
    write_whole(&new, format!("{threads}\n").as_bytes())?;
    fs::rename(&new, path)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RING: usize = 4 << 20;

    fn now() -> Moment {
        Moment::from_secs(1_790_000_000)
    }

    fn places() -> (Places, PathBuf) {
        let name = format!("strowger-redeal-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("run")).unwrap();
        let (data, secret) = (folder.clone(), folder.join("secret"));
        (Places { data, runtime: folder.join("run"), secret }, folder)
    }

    fn thing(tag: Tag, key: u128, shard: u64, body: &[u8]) -> Record {
        Record { tag, shard: Shard::of(shard), key: Key(key), body: body.to_vec() }
    }

    fn keys(places: &Places, thread: u16) -> Vec<(Tag, u128)> {
        let region = MappedFile::create(&places.journal(thread), RING).unwrap();
        let (journal, recovered) = Journal::open(region, now()).unwrap();
        let disk = Beside::of(&journal, &recovered, &places.disk_log(thread)).unwrap();
        let mut keys: Vec<_> = journal.live().chain(disk.entries()).map(|it| (it.tag, it.key.0)).collect();
        keys.sort_unstable();
        keys
    }

    fn fill(places: &Places) {
        let region = MappedFile::create(&places.journal(0), RING).unwrap();
        let mut journal = Journal::create(region, now()).unwrap();
        let mut disk = Vec::new();
        log::begin(&mut disk);
        let things = [
            thing(kept::BINDINGS, 10, 0, b"a"),
            thing(kept::BINDINGS, 11, 1, b"b"),
            thing(kept::CALL, 12, 2, b"c"),
            thing(kept::CALL, 13, 3, b"d"),
            thing(kept::ACCOUNT, 14, 0, b"e"),
            thing(kept::CALL, 15, 5, b""),
        ];
        for thing in things {
            let _ = journal.append(&thing);
            let Record { tag, shard, key, body } = &thing;
            if kept::DURABLE.contains(tag) {
                log::record(&mut disk, &Entry { tag: *tag, shard: *shard, key: *key, body });
            }
        }
        let _ = journal.outgoing(b"not said");
        journal.commit();
        journal.begin([(&b"from"[..], &b"not decided"[..])]);
        write_whole(&places.disk_log(0), &disk).unwrap();
    }

    const TWO: [&[(Tag, u128)]; 2] = [
        &[(kept::BINDINGS, 10), (kept::CALL, 12), (kept::ACCOUNT, 14)],
        &[(kept::BINDINGS, 11), (kept::CALL, 13), (kept::ACCOUNT, 14)],
    ];

    #[test]
    fn one_thread_becomes_two_and_one_again() {
        let (places, folder) = places();
        fill(&places);
        redeal(&places, 2, RING, now()).unwrap();
        assert_eq!([keys(&places, 0), keys(&places, 1)], TWO);
        redeal(&places, 2, RING, now()).unwrap();
        assert_eq!([keys(&places, 0), keys(&places, 1)], TWO);
        redeal(&places, 1, RING, now()).unwrap();
        assert_eq!(keys(&places, 0).len(), 5);
        assert!(!places.journal(1).exists() && !places.disk_log(1).exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_in_the_air_is_the_first_threads() {
        let (places, folder) = places();
        fill(&places);
        redeal(&places, 3, RING, now()).unwrap();
        let (_, recovered) =
            Journal::open(MappedFile::create(&places.journal(0), RING).unwrap(), now()).unwrap();
        assert_eq!(recovered.unsent, [b"not said"]);
        assert_eq!(recovered.undecided[0].bytes, b"not decided");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn after_a_power_loss_the_disk_logs_are_dealt() {
        let (places, folder) = places();
        fill(&places);
        fs::remove_dir_all(&places.runtime).unwrap();
        fs::create_dir_all(&places.runtime).unwrap();
        redeal(&places, 2, RING, now()).unwrap();
        assert_eq!(keys(&places, 0), [(kept::BINDINGS, 10), (kept::ACCOUNT, 14)]);
        assert_eq!(keys(&places, 1), [(kept::BINDINGS, 11), (kept::ACCOUNT, 14)]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_death_before_the_number_is_written_changes_nothing_and_one_after_it_is_made_good() {
        let (places, folder) = places();
        fill(&places);
        write_number(&places.signalling_threads(), 1).unwrap();
        let old = collect(&places, 1, RING, now()).unwrap();
        old.write(&places, 0, 2, RING, now()).unwrap();
        redeal(&places, 1, RING, now()).unwrap();
        assert_eq!(keys(&places, 0).len(), 5);
        for thread in 0..2 {
            old.write(&places, thread, 2, RING, now()).unwrap();
        }
        write_number(&places.signalling_threads(), 2).unwrap();
        redeal(&places, 2, RING, now()).unwrap();
        assert_eq!([keys(&places, 0), keys(&places, 1)], TWO);
        fs::remove_dir_all(folder).unwrap();
    }
}
