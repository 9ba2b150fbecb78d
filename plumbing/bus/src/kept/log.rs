//! A file that only grows, cut into segments, written and read by any number of processes.
//!
//! A record is its length and checksum (little endian, 4 bytes each), its sequence number (8 bytes), its body. Whoever
//! appends holds the lock; readers need none, since a record that is not whole yet is not there yet. Behind
//! what a dying writer left unfinished, the next one begins a new segment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const HEAD: usize = 16;
/// Read at once, in bytes.
const AT_ONCE: usize = 256 << 10;

/// A view of the log: where this process has read up to.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    lock: File,
    segment: File,
    /// The number in the segment's name: of its first new record.
    first: u64,
    at: u64,
    next: u64,
    segment_bytes: u64,
}

/// The lock of a log, held while it is appended to.
#[derive(Debug)]
pub(super) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the descriptor would do as well.
        let _ = self.0.unlock();
    }
}

impl Log {
    /// The log in `folder`, from its oldest record; a new segment is begun after `segment_bytes`.
    pub(super) fn open(folder: &Path, segment_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let open = |path: PathBuf| OpenOptions::new().read(true).append(true).create(true).open(path);
        let lock = open(folder.join("lock"))?;
        lock.lock()?;
        let _held = Held(lock.try_clone()?);
        let first = segments(folder)?.first().copied().unwrap_or(1);
        let segment = open(path(folder, first))?;
        Ok(Log { folder: folder.to_owned(), lock, segment, first, at: 0, next: 0, segment_bytes })
    }

    /// Gives every record that is new to this view to `to`, with its number.
    pub(super) fn read(&mut self, to: &mut impl FnMut(u64, &[u8])) -> io::Result<()> {
        self.read_at_most(usize::MAX, to)
    }

    /// The same, but stops after about `most` records.
    pub(super) fn read_at_most(&mut self, most: usize, to: &mut impl FnMut(u64, &[u8])) -> io::Result<()> {
        let mut count = 0;
        loop {
            self.read_segment(&mut |number, body| {
                count += 1;
                to(number, body);
                count < most
            })?;
            if count >= most {
                return Ok(());
            }
            let Some(next) = self.following()? else { return Ok(()) };
            // It is finished, since there is another; but perhaps it was not when it was read.
            self.read_segment(&mut |number, body| {
                to(number, body);
                true
            })?;
            self.segment = OpenOptions::new().read(true).append(true).open(path(&self.folder, next))?;
            (self.first, self.at) = (next, 0);
        }
    }

    fn read_segment(&mut self, to: &mut impl FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
        let mut room = Vec::new();
        loop {
            let there = self.segment.metadata()?.len().saturating_sub(self.at);
            let wanted = there.min(room.len().max(AT_ONCE) as u64) as usize;
            if wanted < HEAD {
                return Ok(());
            }
            room.resize(wanted, 0);
            self.segment.read_exact_at(&mut room, self.at)?;
            let mut rest = &room[..];
            while let Some((number, body, behind)) = record(rest) {
                self.at += (rest.len() - behind.len()) as u64;
                rest = behind;
                // What a compaction has written once more is not new.
                if number >= self.next {
                    self.next = number + 1;
                    if !to(number, body) {
                        return Ok(());
                    }
                }
            }
            if rest.len() == room.len() {
                if wanted as u64 == there {
                    return Ok(());
                }
                // One record that is longer than what was read.
                room.resize(room.len() * 2, 0);
            } else {
                room.clear();
            }
        }
    }

    /// The segment behind the one that is being read, if there is one.
    fn following(&self) -> io::Result<Option<u64>> {
        if self.next > self.first && path(&self.folder, self.next).exists() {
            return Ok(Some(self.next));
        }
        if path(&self.folder, self.first).exists() {
            return Ok(None);
        }
        Ok(segments(&self.folder)?.into_iter().find(|&number| number > self.first))
    }

    /// The number that the next record will have; right only after a reading under the lock.
    pub(super) fn next(&self) -> u64 {
        self.next.max(self.first)
    }

    /// Nobody else appends until what comes back is dropped.
    pub(super) fn hold(&self) -> io::Result<Held> {
        self.lock.lock()?;
        Ok(Held(self.lock.try_clone()?))
    }

    /// Appends `body` and waits until the disk has it. Everything must have been read under the lock before.
    pub(super) fn append(&mut self, held: &Held, body: &[u8]) -> io::Result<u64> {
        self.append_all(held, &[body])
    }

    /// Appends all `bodies` at once; the number of the first.
    pub(super) fn append_all(&mut self, _held: &Held, bodies: &[impl AsRef<[u8]>]) -> io::Result<u64> {
        let number = self.next();
        let is_torn = self.segment.metadata()?.len() > self.at;
        if self.at == 0 && is_torn {
            self.segment.set_len(0)?;
        } else if self.at >= self.segment_bytes || is_torn {
            // What is unreadable is left as it is, and the log goes on behind it.
            self.segment = self.begin(number)?;
            (self.first, self.at) = (number, 0);
        }
        let bytes: Vec<u8> =
            (number..).zip(bodies).flat_map(|(number, body)| write(number, body.as_ref())).collect();
        std::io::Write::write_all(&mut self.segment, &bytes)?;
        self.segment.sync_data()?;
        self.at += bytes.len() as u64;
        self.next = number + bodies.len() as u64;
        Ok(number)
    }

    /// Begins anew with `live` alone, each record under its old number.
    pub(super) fn compact<'a>(
        &mut self,
        _held: &Held,
        live: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> io::Result<()> {
        let number = self.next();
        if number == self.first {
            return Ok(());
        }
        let bytes: Vec<u8> = live.flat_map(|(number, body)| write(number, body)).collect();
        let draft = self.folder.join("draft");
        std::fs::write(&draft, &bytes)?;
        File::open(&draft)?.sync_all()?;
        let old = segments(&self.folder)?;
        std::fs::rename(&draft, path(&self.folder, number))?;
        self.segment = self.begin(number)?;
        (self.first, self.at) = (number, bytes.len() as u64);
        self.forget(old.into_iter())
    }

    /// Removes the oldest segments while all of them hold more than `most` bytes.
    pub(super) fn keep_at_most(&mut self, _held: &Held, most: u64) -> io::Result<()> {
        let all = segments(&self.folder)?;
        let sizes: Vec<u64> = all
            .iter()
            .map(|&number| std::fs::metadata(path(&self.folder, number)).map_or(0, |it| it.len()))
            .collect();
        let mut total: u64 = sizes.iter().sum();
        let old = all.iter().zip(&sizes).take_while(|&(&number, &size)| {
            let too_much = total > most && number < self.first;
            total -= size;
            too_much
        });
        self.forget(old.map(|(&number, _)| number))
    }

    /// How many bytes the segment that is written to has.
    pub(super) fn segment_length(&self) -> u64 {
        self.at
    }

    fn begin(&self, number: u64) -> io::Result<File> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(path(&self.folder, number))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }

    fn forget(&self, numbers: impl Iterator<Item = u64>) -> io::Result<()> {
        for number in numbers {
            std::fs::remove_file(path(&self.folder, number))?;
        }
        Ok(())
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.log"))
}

/// The numbers of all segments, oldest first.
fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn write(number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(body);
    let sum = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The first record of `bytes`, and what is behind it; none, if it is not whole.
fn record(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
    let (body, behind) = rest.split_at_checked(length)?;
    let sum = u32::from_le_bytes(*head[4..].first_chunk()?);
    let whole = crc32fast::hash(&bytes[8..HEAD + length]) == sum;
    whole.then_some((u64::from_le_bytes(*head.last_chunk()?), body, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("strowger-log-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Folder(path)
        }

        fn log(&self, segment_bytes: u64) -> Log {
            Log::open(&self.0, segment_bytes).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn all(log: &mut Log) -> Vec<(u64, Vec<u8>)> {
        let mut seen = Vec::new();
        log.read(&mut |number, body| seen.push((number, body.to_vec()))).unwrap();
        seen
    }

    fn append(log: &mut Log, body: &[u8]) -> u64 {
        let held = log.hold().unwrap();
        log.read(&mut |_, _| {}).unwrap();
        log.append(&held, body).unwrap()
    }

    #[test]
    fn what_one_writes_the_other_reads_over_many_segments() {
        let folder = Folder::new("two");
        let (mut one, mut other, mut reader) = (folder.log(100), folder.log(100), folder.log(100));
        for number in 0..20_u8 {
            let log = if number % 3 == 0 { &mut one } else { &mut other };
            assert_eq!(append(log, &[number; 30]), u64::from(number) + 1);
            assert_eq!(all(&mut reader), [(u64::from(number) + 1, vec![number; 30])]);
        }
        assert_eq!(all(&mut folder.log(100)).len(), 20);
        let long = vec![7; 1_000_000];
        append(&mut one, &long);
        assert_eq!(all(&mut reader), [(21, long)]);
    }

    #[test]
    fn what_a_dying_writer_left_is_passed_over() {
        let folder = Folder::new("torn");
        let mut log = folder.log(1 << 20);
        append(&mut log, b"whole");
        let torn = &write(2, b"never finished")[..20];
        std::io::Write::write_all(&mut log.segment, torn).unwrap();
        let mut reader = folder.log(1 << 20);
        assert_eq!(all(&mut reader), [(1, b"whole".to_vec())]);
        assert_eq!(append(&mut folder.log(1 << 20), b"next"), 2);
        assert_eq!(all(&mut reader), [(2, b"next".to_vec())]);
    }

    #[test]
    fn after_a_compaction_old_readers_go_on_and_new_ones_see_what_lives() {
        let folder = Folder::new("compact");
        let (mut log, mut reader, mut behind) = (folder.log(200), folder.log(200), folder.log(200));
        for number in 1..=9 {
            append(&mut log, &[number; 40]);
        }
        assert_eq!(all(&mut reader).len(), 9);
        let held = log.hold().unwrap();
        log.compact(&held, [(3, &[3_u8; 40][..]), (9, &[9; 40][..])].into_iter()).unwrap();
        drop(held);
        append(&mut log, b"ten");
        assert_eq!(all(&mut reader), [(10, b"ten".to_vec())]);
        let numbers = |log: &mut Log| all(log).iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(numbers(&mut folder.log(200)), [3, 9, 10]);
        // This one still had its first segment open, and finds the way from there.
        assert_eq!(numbers(&mut behind).last(), Some(&10));
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let folder = Folder::new("most");
        let mut log = folder.log(100);
        for number in 0..50 {
            append(&mut log, &[number; 50]);
        }
        let held = log.hold().unwrap();
        log.keep_at_most(&held, 500).unwrap();
        drop(held);
        let left = all(&mut folder.log(100));
        assert!(left.len() < 12 && left.last().unwrap().0 == 50, "{}", left.len());
    }
}
