//! Signals as something to read.

use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::descriptors::owned;
use crate::error::{Result, moved};

/// The signals that mean something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop in good order.
    Terminate,
    /// The same, from a terminal.
    Interrupt,
    /// A child has ended.
    Child,
    /// Die at once; can't be read.
    Kill,
}

impl Signal {
    pub(crate) fn number(self) -> libc::c_int {
        match self {
            Signal::Terminate => libc::SIGTERM,
            Signal::Interrupt => libc::SIGINT,
            Signal::Child => libc::SIGCHLD,
            Signal::Kill => libc::SIGKILL,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        let known = [Signal::Terminate, Signal::Interrupt, Signal::Child];
        known.into_iter().find(|signal| signal.number() as u32 == number)
    }
}

/// Signals that are read instead of interrupting.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// From now on this thread, and every one it starts, gets `signals` only by reading them here. To be called
    /// before any other thread is started.
    pub fn block(signals: &[Signal]) -> Result<Self> {
        // SAFETY: sigset_t is plain data; sigemptyset makes it a value, and the other calls read or write it.
        let made = unsafe {
            let mut set: libc::sigset_t = zeroed();
            libc::sigemptyset(&mut set);
            for signal in signals {
                libc::sigaddset(&mut set, signal.number());
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
        };
        Ok(Signals { fd: owned("listen for", "signals", made)? })
    }

    /// The next signal, if any.
    pub fn next(&self) -> Result<Option<Signal>> {
        // SAFETY: signalfd_siginfo is plain data, for which all zeros is a value.
        let mut info: libc::signalfd_siginfo = unsafe { zeroed() };
        let len = size_of::<libc::signalfd_siginfo>();
        // SAFETY: pointer and length describe `info`.
        let result = unsafe { libc::read(self.fd.as_raw_fd(), std::ptr::from_mut(&mut info).cast(), len) };
        let read = moved("read", "signals", result)?;
        Ok(read.and_then(|_| Signal::from_number(info.ssi_signo)))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
