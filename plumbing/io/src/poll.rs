//! Waiting for many descriptors at once.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::descriptors::owned;
use crate::error::{Error, Result, check, moved};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u32);

impl Interest {
    /// Something to read, or the other side is gone.
    pub const READ: Interest = Interest((libc::EPOLLIN | libc::EPOLLRDHUP) as u32);
    /// Room to write.
    pub const WRITE: Interest = Interest(libc::EPOLLOUT as u32);
    /// Either.
    pub const BOTH: Interest = Interest(Interest::READ.0 | Interest::WRITE.0);

    /// Told once for each change, instead of as long as it lasts.
    #[must_use]
    pub const fn edge(self) -> Interest {
        Interest(self.0 | libc::EPOLLET as u32)
    }
}

/// What happened to one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number given with the descriptor.
    pub token: u64,
    /// Something can be read (or the end of it).
    pub readable: bool,
    /// Something can be written.
    pub writable: bool,
    /// The other side is gone, or the descriptor is broken.
    pub closed: bool,
}

/// Room for events, used over and over.
pub struct Events {
    room: Vec<libc::epoll_event>,
    count: usize,
}

impl Events {
    /// Room for `most` events at once.
    pub fn new(most: usize) -> Self {
        Events { room: vec![libc::epoll_event { events: 0, u64: 0 }; most.max(1)], count: 0 }
    }

    /// What the last wait brought.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.room[..self.count].iter().map(|raw| {
            let has = |flags: libc::c_int| raw.events & flags as u32 != 0;
            Event {
                token: raw.u64,
                readable: has(libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLRDHUP),
                writable: has(libc::EPOLLOUT),
                closed: has(libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLRDHUP),
            }
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the wait ended with nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// An epoll instance.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
}

/// Kernels before 5.11 can't wait for less than a millisecond.
static COARSE: AtomicBool = AtomicBool::new(false);

impl Poller {
    /// Waits for nothing yet.
    pub fn new() -> Result<Self> {
        // SAFETY: makes a descriptor of constants.
        let fd = owned("make", "a poller", unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Poller { fd })
    }

    /// Waits for `descriptor`, too; its events carry `token`.
    pub fn add(&self, descriptor: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        self.control("poll descriptor", libc::EPOLL_CTL_ADD, descriptor.as_fd(), token, interest)
    }

    /// Waits for something else of `descriptor`.
    pub fn modify(&self, descriptor: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        self.control("poll descriptor", libc::EPOLL_CTL_MOD, descriptor.as_fd(), token, interest)
    }

    /// Waits for `descriptor` no more. One that is closed everywhere is forgotten by itself.
    pub fn remove(&self, descriptor: impl AsFd) -> Result<()> {
        self.control("forget descriptor", libc::EPOLL_CTL_DEL, descriptor.as_fd(), 0, Interest(0))
    }

    fn control(
        &self,
        operation: &'static str,
        change: libc::c_int,
        descriptor: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> Result<()> {
        let mut event = libc::epoll_event { events: interest.0, u64: token };
        let fd = descriptor.as_raw_fd();
        // SAFETY: `event` lives through the call.
        check(operation, fd, unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), change, fd, &mut event) })?;
        Ok(())
    }

    /// Waits until something happens or `timeout` is over; without one, for ever. An interrupted wait ends with
    /// nothing.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> Result<()> {
        events.count = 0;
        let result = if COARSE.load(Ordering::Relaxed) {
            self.wait_coarsely(events, timeout)
        } else {
            self.wait_finely(events, timeout)
        };
        events.count = moved("wait for", "events", result as isize)?.unwrap_or(0);
        Ok(())
    }

    fn wait_finely(&self, events: &mut Events, timeout: Option<Duration>) -> libc::c_long {
        let spec = timeout.map(|timeout| libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the pointer and the count describe `events.room`; `spec` is null or lives through the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                events.room.as_mut_ptr(),
                events.room.len() as libc::c_int,
                spec,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if result < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            COARSE.store(true, Ordering::Relaxed);
            return self.wait_coarsely(events, timeout);
        }
        result
    }

    fn wait_coarsely(&self, events: &mut Events, timeout: Option<Duration>) -> libc::c_long {
        let millis = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
        });
        let (room, count) = (events.room.as_mut_ptr(), events.room.len() as libc::c_int);
        // SAFETY: the pointer and the count describe `events.room`.
        unsafe { libc::epoll_wait(self.fd.as_raw_fd(), room, count, millis) }.into()
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Wakes a poller from another thread or process.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A waker that is to be added to a poller with [`Interest::READ`].
    pub fn new() -> Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: makes a descriptor of constants.
        Ok(Waker { fd: owned("make", "a waker", unsafe { libc::eventfd(0, flags) })? })
    }

    /// Makes the waker readable until it is drained.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: writes the eight bytes of `one`. It fails only if the count is at its end, which wakes as well.
        unsafe { libc::write(self.fd.as_raw_fd(), std::ptr::from_ref(&one).cast(), 8) };
    }

    /// Takes note of all wakings so far. Whether there were any.
    pub fn drain(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into `count`.
        unsafe { libc::read(self.fd.as_raw_fd(), std::ptr::from_mut(&mut count).cast(), 8) == 8 }
    }

    /// Another handle of the same waker.
    pub fn duplicate(&self) -> Result<Self> {
        let fd = self.fd.try_clone().map_err(|error| Error::of("duplicate", "a waker", error))?;
        Ok(Waker { fd })
    }
}

impl From<OwnedFd> for Waker {
    fn from(fd: OwnedFd) -> Self {
        Waker { fd }
    }
}

impl From<Waker> for OwnedFd {
    fn from(waker: Waker) -> Self {
        waker.fd
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
