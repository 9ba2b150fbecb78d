//! Other processes by a handle that is never somebody else's, and what this one used.

use std::fmt;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::descriptors::owned;
use crate::error::{Result, check};
use crate::signals::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It was not our child, and the kernel tells only parents how.
    Unseen,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Status(status) => write!(f, "exited with status {status}"),
            Exit::Signal(signal) => write!(f, "killed by signal {signal}"),
            Exit::Unseen => f.write_str("ended, and nobody saw how"),
        }
    }
}

/// Another process, mostly a child. Becomes readable when it ends.
#[derive(Debug)]
pub struct Pidfd {
    fd: OwnedFd,
    pid: u32,
}

impl Pidfd {
    /// A handle of the child `pid`, which must not have been waited for yet.
    pub fn of_child(pid: u32) -> Result<Self> {
        // SAFETY: makes a descriptor of numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        Ok(Pidfd { fd: owned("open process", pid, fd as libc::c_int)?, pid })
    }

    /// The process `pid` behind a handle that somebody else opened, and handed to us.
    pub fn over(fd: OwnedFd, pid: u32) -> Self {
        Pidfd { fd, pid }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends it a signal; one that has ended does not mind.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null pointer says that the kernel fills in the details.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), signal.number(), none, 0)
        };
        match check("signal process", self.pid, result as libc::c_int) {
            Err(error) if error.source.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result.map(drop),
        }
    }

    /// How it ended, if it has; then it is gone for good.
    pub fn ended(&self) -> Result<Option<Exit>> {
        // SAFETY: siginfo_t is plain data, for which all zeros is a value.
        let mut info: libc::siginfo_t = unsafe { zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG;
        // SAFETY: the kernel writes into `info`.
        let result =
            unsafe { libc::waitid(libc::P_PIDFD, self.fd.as_raw_fd() as libc::id_t, &mut info, flags) };
        match check("wait for process", self.pid, result) {
            Err(error) if error.source.raw_os_error() == Some(libc::ECHILD) => return self.ended_unseen(),
            result => result?,
        };
        // SAFETY: waitid filled the fields of a child's end, or left zeros.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let exit = if info.si_code == libc::CLD_EXITED { Exit::Status(status) } else { Exit::Signal(status) };
        Ok((pid != 0).then_some(exit))
    }

    /// The same of a process that is not our child.
    fn ended_unseen(&self) -> Result<Option<Exit>> {
        let mut asked = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call, which does not wait.
        let count = check("wait for process", self.pid, unsafe { libc::poll(&mut asked, 1, 0) })?;
        Ok((count > 0).then_some(Exit::Unseen))
    }
}

/// Which user this process acts as.
pub fn acting_user() -> u32 {
    // SAFETY: asks for a number only.
    unsafe { libc::geteuid() }
}

/// As the first process of a container: takes away what is left of children that this process never started, and
/// inherited from those that died. Everywhere else somebody else does that.
pub fn bury_strangers(own: &[u32]) {
    // SAFETY: asks for a number only.
    if unsafe { libc::getpid() } != 1 {
        return;
    }
    loop {
        // SAFETY: siginfo_t is plain data, for which all zeros is a value.
        let mut info: libc::siginfo_t = unsafe { zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the kernel writes into `info`, and fills in the fields of a child's end or leaves zeros.
        let pid = unsafe {
            libc::waitid(libc::P_ALL, 0, &mut info, flags);
            info.si_pid()
        };
        if pid <= 0 || own.contains(&pid.unsigned_abs()) {
            return;
        }
        // SAFETY: a child that has ended; how, nobody asks.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The processor time that this process has used.
pub fn process_cpu_time() -> Duration {
    cpu_time(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The processor time that this thread has used.
pub fn thread_cpu_time() -> Duration {
    cpu_time(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_time(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes into `time`.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
