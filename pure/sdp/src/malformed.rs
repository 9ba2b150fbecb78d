use thiserror::Error;

/// A body that is no session description: which line, and what should have stood there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}, found {found:?}")]
pub struct Malformed {
    /// The line, counted from 1; one past the last if something is missing.
    pub line: usize,
    /// What the grammar wants.
    pub expected: &'static str,
    /// The beginning of what was there.
    pub found: String,
}

impl Malformed {
    /// Longest piece of a stranger's text that an error carries.
    const SHOWN: usize = 48;

    pub(crate) fn new(line: usize, expected: &'static str, found: &[u8]) -> Self {
        let shown = &found[..found.len().min(Self::SHOWN)];
        Malformed { line, expected, found: String::from_utf8_lossy(shown).into_owned() }
    }
}
