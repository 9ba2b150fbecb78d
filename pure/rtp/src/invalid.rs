use thiserror::Error;

/// Bytes that are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// It ends too early.
    #[error("at byte {at}: {needed} bytes expected, {had} left")]
    Short {
        /// Where the missing part begins.
        at: usize,
        /// How long it should be.
        needed: usize,
        /// How long it is.
        had: usize,
    },
    /// It is not of version 2.
    #[error("at byte {at}: version 2 expected, found {found}")]
    Version {
        /// Where the version stands.
        at: usize,
        /// What stands there.
        found: u8,
    },
    /// The padding counts itself wrong.
    #[error("{said} bytes of padding said, {had} bytes there")]
    Padding {
        /// What the last byte says.
        said: u8,
        /// How many bytes there are to be padding.
        had: usize,
    },
    /// An RTCP packet whose length does not fit what it should hold.
    #[error("at byte {at}: a {what} that does not fit its length")]
    Unfit {
        /// Where the packet begins.
        at: usize,
        /// What it should hold.
        what: &'static str,
    },
}

/// The `length` bytes of `bytes` from `at`.
pub(crate) fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Invalid> {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.get(..length).ok_or(Invalid::Short { at, needed: length, had: rest.len() })
}

pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u32, Invalid> {
    part(bytes, at, 4).map(|it| u32::from_be_bytes([it[0], it[1], it[2], it[3]]))
}
