//! What is wrong with a message, in which header, and where.

use thiserror::Error;

/// Bytes that are not what RFC 3261 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{header} at byte {offset}: {problem}")]
pub struct ParseError {
    /// The header's canonical name; "start line", "URI" or "message" outside of headers.
    pub header: &'static str,
    /// Where, counted from the first byte that was given to the parser.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// The ways in which bytes can fail to be SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A header that had to be there is not.
    #[error("missing")]
    Missing,
    /// A header that may appear once stands there again.
    #[error("given more than once")]
    Repeated,
    /// Something else had to stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Something that was opened never ends: a quoted string, an angle bracket, the header section.
    #[error("{0} does not end")]
    Unterminated(&'static str),
    /// A number outside of what its header allows.
    #[error("number above {0}")]
    TooLarge(u64),
    /// More bytes than the receiver is willing to hold.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The body is shorter than Content-Length says.
    #[error("body shorter than Content-Length")]
    Truncated,
    /// A carriage return or line feed that stands alone.
    #[error("line not ended by CRLF")]
    BareLineEnd,
    /// A byte that may not stand here.
    #[error("unexpected byte 0x{0:02x}")]
    Unexpected(u8),
}

impl ParseError {
    /// An error in something that has no header of its own yet.
    pub(crate) const fn new(header: &'static str, offset: usize, problem: Problem) -> Self {
        Self { header, offset, problem }
    }
}
