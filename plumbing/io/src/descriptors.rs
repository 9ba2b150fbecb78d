//! Descriptors that live on across an exec.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::error::{Result, check};

/// Whether a program that is executed inherits `descriptor`.
pub fn inherit(descriptor: impl AsFd, inherited: bool) -> Result<()> {
    let fd = descriptor.as_fd().as_raw_fd();
    let flags = if inherited { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: sets a flag of a descriptor that is open, since it is borrowed.
    check("set inheritance of descriptor", fd, unsafe { libc::fcntl(fd, libc::F_SETFD, flags) })?;
    Ok(())
}

/// Whether a descriptor of that number is open in this process.
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: only asks; a number that is not open is an error, not undefined.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Takes the descriptor that the parent left under `number`; it is not inherited any further. To be called once
/// for each number, before anything else in the process opens descriptors.
pub fn take_inherited(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: asks for flags only, as above.
    check("take inherited descriptor", number, unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: the descriptor is open, and the caller says that nobody else in this process owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    inherit(&descriptor, false)?;
    Ok(descriptor)
}

/// A file that has no name and no disk; whoever inherits its descriptor can read it.
pub fn memory_file() -> Result<File> {
    let about = "a file in memory";
    // SAFETY: makes a descriptor; the name is a C string that lives for ever.
    let made = unsafe { libc::memfd_create(c"strowger-estate".as_ptr(), libc::MFD_CLOEXEC) };
    owned("make", about, made).map(File::from)
}

/// Wraps what a call that makes a descriptor returned.
pub(crate) fn owned(
    operation: &'static str,
    about: impl std::fmt::Display,
    result: libc::c_int,
) -> Result<OwnedFd> {
    let fd = check(operation, about, result)?;
    // SAFETY: the call succeeded, so the descriptor is new and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option that is a plain number.
pub(crate) fn set_option(
    descriptor: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> libc::c_int {
    let len = std::mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which lives through the call.
    unsafe { libc::setsockopt(descriptor.as_raw_fd(), level, option, std::ptr::from_ref(&value).cast(), len) }
}
