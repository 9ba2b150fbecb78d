//! A death that is told at once, however much memory the dead one had.
//!
//! The kernel tells a parent of its child's death after it has taken the child's memory apart: 20 ms for a ring of
//! 128 MB and as much again of heap, in which a successor could be at work. So a second process holds the same
//! memory, and nothing else; when the first one dies, its memory stays until the second has died as well, a moment
//! later and beside the successor.

use std::mem::zeroed;

use crate::error::{Error, Result};

const STACK: usize = 16 << 10;
/// What the system's tools call it.
pub const SHROUD: &std::ffi::CStr = c"shroud";

/// Wraps this process: its death will be told before its memory is gone. To be called once, from the main thread,
/// whose end is the shroud's end.
pub fn shroud() -> Result<()> {
    let about = "a shroud";
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: asks for memory at no particular place; it is never given back, for the shroud stands on it.
    let stack = unsafe { libc::mmap(std::ptr::null_mut(), STACK, access, flags, -1, 0) };
    if stack == libc::MAP_FAILED {
        return Err(Error::last("make", about));
    }
    // SAFETY: `wait` runs on a stack of its own, of which `stack + STACK` is the upper end, and touches no other
    // memory of the process whose memory it shares. Descriptors and signal handlers are copies, not shared.
    let child = unsafe {
        let parent = libc::getpid() as usize as *mut libc::c_void;
        libc::clone(wait, stack.byte_add(STACK), libc::CLONE_VM | libc::SIGCHLD, parent)
    };
    if child < 0 { Err(Error::last("make", about)) } else { Ok(()) }
}

/// The shroud: has no descriptors, hears no signals, and waits for the kernel to end it with its parent.
extern "C" fn wait(parent: *mut libc::c_void) -> libc::c_int {
    // SAFETY: plain system calls on numbers, a constant name, and a signal set on this stack. `errno` is the parent's,
    // and only a call that fails writes to it: these do not, and no signal that is not deadly ends the pause.
    unsafe {
        let mut all: libc::sigset_t = zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, SHROUD.as_ptr());
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        while libc::getppid() as usize == parent as usize {
            libc::pause();
        }
    }
    0
}
