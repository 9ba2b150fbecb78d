//! Starting a child that can't outlive us, or one that shall.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Error, Result};
use crate::process::Pidfd;

/// The number under which a child finds its control socket.
pub const CONTROL: RawFd = 3;

/// What becomes of a child when its parent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// It is killed as soon as the thread that started it ends: so start it from the main thread.
    Killed,
    /// It lives on.
    LivesOn,
}

/// Starts `command` with `control` as its descriptor [`CONTROL`] and all signals unblocked.
pub fn spawn(mut command: Command, control: impl AsFd, bond: Bond) -> Result<Pidfd> {
    let about = command.get_program().to_string_lossy().into_owned();
    // Takes up number 3 if that is free, so that nothing of the spawning itself can be there.
    let reserved = control.as_fd().try_clone_to_owned().map_err(|error| Error::of("start", &about, error))?;
    let control = control.as_fd().as_raw_fd();
    // SAFETY: asks for a number only.
    let parent = unsafe { libc::getpid() };
    // SAFETY: between fork and exec `prepare` makes only plain system calls, which are async-signal-safe, and
    // allocates nothing.
    unsafe { command.pre_exec(move || prepare(control, parent, bond)) };
    let child = command.spawn().map_err(|error| Error::of("start", &about, error))?;
    drop(reserved);
    Pidfd::of_child(child.id())
}

/// Runs in the child before exec.
fn prepare(control: RawFd, parent: libc::pid_t, bond: Bond) -> io::Result<()> {
    // SAFETY: plain system calls on numbers and on a signal set on the stack.
    unsafe {
        if bond == Bond::Killed {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the line above.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        let duplicated = if control == CONTROL {
            libc::fcntl(CONTROL, libc::F_SETFD, 0)
        } else {
            libc::dup2(control, CONTROL)
        };
        if duplicated < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut none: libc::sigset_t = zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
    Ok(())
}
