use std::fmt::Display;
use std::io;

/// What went wrong with which operation on what.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {about}: {source}")]
pub struct Error {
    /// What was tried, as in "bind UDP".
    pub operation: &'static str,
    /// On what: an address, a path, a name.
    pub about: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn last(operation: &'static str, about: impl Display) -> Self {
        Error::of(operation, about, io::Error::last_os_error())
    }

    pub(crate) fn of(operation: &'static str, about: impl Display, source: io::Error) -> Self {
        Error { operation, about: about.to_string(), source }
    }

    /// Which kind of error the kernel reported.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Turns a C result below zero into the last error.
pub(crate) fn check(
    operation: &'static str,
    about: impl Display,
    result: libc::c_int,
) -> Result<libc::c_int> {
    if result < 0 { Err(Error::last(operation, about)) } else { Ok(result) }
}

/// Turns the result of a read or a write into what was done; `None` if it would have had to wait.
pub(crate) fn moved(operation: &'static str, about: impl Display, result: isize) -> Result<Option<usize>> {
    if result >= 0 {
        return Ok(Some(result as usize));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(Error::of(operation, about, error)),
    }
}
