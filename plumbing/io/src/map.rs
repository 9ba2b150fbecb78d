//! Files and pages in memory that outlive a process or are shared between several.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::descriptors::owned;
use crate::error::{Error, Result, check};
use crate::thread::start_thread;

/// So many bytes' pages are mapped in one go.
const FOUND_AT_ONCE: usize = 2 << 20;

/// How memory is mapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// To be looked at.
    Read,
    /// To be written; each page is found when it is first touched.
    Write,
    /// To be written, and all pages are found now.
    WriteAtOnce,
}

/// A piece of mapped memory.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to the mapping wherever that goes; how it is shared is up to who holds it.
unsafe impl Send for Mapping {}
// SAFETY: a shared Mapping gives out nothing but its address.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, len: usize, how: How, about: impl std::fmt::Display) -> Result<Self> {
        let access = if how == How::Read { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE };
        let flags = libc::MAP_SHARED | if how == How::WriteAtOnce { libc::MAP_POPULATE } else { 0 };
        // SAFETY: asks for a new mapping at no particular place, so no other memory is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, flags, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(Error::last("map", about));
        }
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Mapping { start, len }),
            None => Err(Error::of("map", about, std::io::ErrorKind::AddrNotAvailable.into())),
        }
    }
}

impl Mapping {
    /// Has another thread map the pages that there are. It is a help and no more: without it, each is found when it
    /// is first touched.
    fn find_pages_meanwhile(&self) {
        let (start, len) = (self.start.as_ptr() as usize, self.len);
        let find = move || {
            for at in (0..len).step_by(FOUND_AT_ONCE) {
                // SAFETY: only maps pages, and changes no memory; where nothing is mapped any more it fails.
                let done = unsafe {
                    let start = std::ptr::without_provenance_mut(start + at);
                    libc::madvise(start, FOUND_AT_ONCE.min(len - at), libc::MADV_POPULATE_READ)
                };
                if done != 0 {
                    return;
                }
            }
        };
        // Where no thread can be started, pages are found when they are looked at.
        drop(start_thread("find-pages", find));
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nobody can reach it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A file that is memory: what is written is there for the next process as soon as this one dies. One process at
/// a time has it (others may look at it with [`ReadMap`]).
#[derive(Debug)]
pub struct MappedFile {
    mapping: Mapping,
    _lock: File,
}

impl MappedFile {
    /// Maps the file at `path`, made if need be and at least `len` bytes long, with all its memory set aside.
    /// An error of kind `WouldBlock` says that another process has it.
    pub fn create(path: &Path, len: usize) -> Result<Self> {
        let about = path.display();
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(|error| Error::of("open", &about, error))?;
        // Opened once more: a mapping would keep the lock for as long as the memory of the dead is taken apart.
        let lock = File::open(path).map_err(|error| Error::of("open", &about, error))?;
        // SAFETY: a plain call on a descriptor that we own.
        check("lock", &about, unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
        let metadata = file.metadata().map_err(|error| Error::of("measure", &about, error))?;
        let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX).max(len);
        // A successor has no time to find the pages that its predecessor used, so another thread does that.
        let mut how = How::Write;
        if metadata.blocks() * 512 < len as u64 {
            how = How::WriteAtOnce;
            // SAFETY: a plain call; it also extends the file, and leaves what is there as it is.
            let result = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len as libc::off_t) };
            check("set aside memory for", &about, result)?;
        }
        let mapping = Mapping::new(file.as_fd(), len, how, &about)?;
        if how == How::Write {
            mapping.find_pages_meanwhile();
        }
        Ok(MappedFile { mapping, _lock: lock })
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the memory lives as long as self, and the lock keeps other writers away.
        unsafe { std::slice::from_raw_parts(self.mapping.start.as_ptr(), self.mapping.len) }
    }
}

impl AsMut<[u8]> for MappedFile {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and &mut self keeps other users in this process away. Those who look with a
        // `ReadMap` have it at other addresses and read it by atomic loads.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.start.as_ptr(), self.mapping.len) }
    }
}

/// A look at a file that another thread or process writes meanwhile.
#[derive(Debug)]
pub struct ReadMap {
    mapping: Mapping,
}

impl ReadMap {
    /// Maps the file at `path` as long as it is now.
    pub fn open(path: &Path) -> Result<Self> {
        let about = path.display();
        let file = File::open(path).map_err(|error| Error::of("open", &about, error))?;
        let metadata = file.metadata().map_err(|error| Error::of("measure", &about, error))?;
        let len = usize::try_from(metadata.len()).unwrap_or(0);
        Ok(ReadMap { mapping: Mapping::new(file.as_fd(), len, How::Read, &about)? })
    }

    /// How long it is.
    pub fn len(&self) -> usize {
        self.mapping.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.mapping.len == 0
    }

    /// Copies the bytes from `offset` on as they are at the moment, in ascending order; what lies beyond the end
    /// is left as it was. Words of eight bytes at multiples of eight are copied whole.
    pub fn copy(&self, offset: usize, to: &mut [u8]) {
        let count = to.len().min(self.mapping.len.saturating_sub(offset));
        let to = &mut to[..count];
        let lead = offset.next_multiple_of(8).saturating_sub(offset).min(to.len());
        let (head, rest) = to.split_at_mut(lead);
        self.copy_bytes(offset, head);
        let mut words = rest.chunks_exact_mut(8);
        let mut at = offset + lead;
        for word in &mut words {
            // SAFETY: eight bytes at an address that is a multiple of eight (the mapping starts at a page)
            // within the mapping; an atomic load of memory that others may write, and we only read.
            let place = unsafe { AtomicU64::from_ptr(self.mapping.start.as_ptr().add(at).cast()) };
            word.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
            at += 8;
        }
        self.copy_bytes(at, words.into_remainder());
    }

    fn copy_bytes(&self, offset: usize, to: &mut [u8]) {
        for (number, byte) in to.iter_mut().enumerate() {
            // SAFETY: `copy` has cut the range to the mapping; as above.
            let place = unsafe { AtomicU8::from_ptr(self.mapping.start.as_ptr().add(offset + number)) };
            *byte = place.load(Ordering::Relaxed);
        }
    }
}

/// Counters that several processes see: a page of memory behind a descriptor.
#[derive(Debug)]
pub struct Counters {
    mapping: Mapping,
    fd: OwnedFd,
}

const PAGE: usize = 4096;

impl Counters {
    /// How many there are.
    pub const COUNT: usize = PAGE / size_of::<AtomicU64>();

    /// New counters, all zero; others get them by a copy of the descriptor.
    pub fn new() -> Result<Self> {
        let about = "a page of counters";
        // SAFETY: makes a descriptor; the name is a C string that lives for ever.
        let made = unsafe { libc::memfd_create(c"strowger-counters".as_ptr(), libc::MFD_CLOEXEC) };
        let fd = owned("make", about, made)?;
        // SAFETY: a plain call on a descriptor that we own.
        check("make", about, unsafe { libc::ftruncate(fd.as_raw_fd(), PAGE as libc::off_t) })?;
        Self::over(fd)
    }

    /// The counters behind a descriptor that somebody else made.
    pub fn over(fd: OwnedFd) -> Result<Self> {
        let mapping = Mapping::new(fd.as_fd(), PAGE, How::WriteAtOnce, "a page of counters")?;
        Ok(Counters { mapping, fd })
    }

    /// Counter `number`; beyond the last one, the last one.
    pub fn at(&self, number: usize) -> &AtomicU64 {
        let number = number.min(Self::COUNT - 1);
        // SAFETY: within the page, aligned, never unmapped while self lives, and only used as an atomic by all.
        unsafe { &*self.mapping.start.as_ptr().cast::<AtomicU64>().add(number) }
    }
}

impl AsFd for Counters {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
