//! A moment that a poller can wait for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::descriptors::owned;
use crate::error::{Result, check};

/// A timer that is to be added to a poller with [`crate::Interest::READ`]. Unlike the timeout of a wait it costs
/// nothing as long as it stands: so for a loop that waits very often.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
}

impl Timer {
    /// A timer that is not set.
    pub fn new() -> Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: makes a descriptor of constants.
        let made = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        Ok(Timer { fd: owned("make", "a timer", made)? })
    }

    /// Makes the timer readable once, `after` from now, in place of what was set before.
    pub fn set(&self, after: Duration) -> Result<()> {
        // All zeros would unset it.
        let after = after.max(Duration::from_nanos(1));
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        let spec = libc::itimerspec { it_interval: zero, it_value: value };
        // SAFETY: `spec` lives through the call; the old value is not asked for.
        let set = unsafe { libc::timerfd_settime(self.fd.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
        check("set", "a timer", set).map(drop)
    }

    /// Takes note that it came. Whether it had.
    pub fn drain(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into `count`.
        unsafe { libc::read(self.fd.as_raw_fd(), std::ptr::from_mut(&mut count).cast(), 8) == 8 }
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Events, Interest, Poller};

    #[test]
    fn a_timer_comes_once_and_when_it_should() {
        let (timer, poller, mut events) = (Timer::new().unwrap(), Poller::new().unwrap(), Events::new(1));
        poller.add(&timer, 7, Interest::READ).unwrap();
        assert!(!timer.drain());
        timer.set(Duration::from_secs(60)).unwrap();
        timer.set(Duration::from_millis(20)).unwrap();
        let start = std::time::Instant::now();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(19), "{:?}", start.elapsed());
        assert_eq!(events.iter().next().map(|event| event.token), Some(7));
        assert!(timer.drain());
        assert!(!timer.drain());
    }
}
