use std::fmt;
use std::path::Path;

/// Why a drill can't go on.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl Trouble {
    /// In words.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Trouble(what.into())
    }

    /// Something about a file.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Trouble(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<strowger_io::Error> for Trouble {
    fn from(error: strowger_io::Error) -> Self {
        Trouble(error.to_string())
    }
}
