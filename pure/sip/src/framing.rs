//! Finding messages in a stream (RFC 3261 18.3), and the keep-alives between them (RFC 5626 4.4.1).

use crate::error::{ParseError, Problem};
use crate::name::Name;
use crate::parse::read_length;
use crate::scan::{Cursor, trim_end};

/// How much a receiver is willing to hold of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Start line and headers, in bytes.
    pub headers: usize,
    /// The body, in bytes.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { headers: 16 * 1024, body: 64 * 1024 }
    }
}

/// What stands at the front of a stream's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// A whole message.
    Message {
        /// Its length in bytes.
        len: usize,
    },
    /// The beginning of something: more has to be read.
    Partial,
    /// A line end between messages.
    KeepAlive {
        /// Its length in bytes.
        len: usize,
        /// Whether it completes a ping (a double line end), which a server answers with a single one.
        ping: bool,
    },
}

/// Frames one stream; remembers how far it looked, so that a slow sender costs no more than a fast one.
#[derive(Debug, Clone)]
pub struct Framer {
    limits: Limits,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Between messages; whether a single line end went before.
    Idle { after_line_end: bool },
    /// In a header section of which this much holds no end.
    Headers { looked: usize },
    /// The message will be so long.
    Body { len: usize },
}

impl Framer {
    /// For a new stream.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, state: State::Idle { after_line_end: false } }
    }

    /// Looks at the front of the buffer. After `Message` and `KeepAlive` the caller takes `len` bytes away;
    /// after `Partial` it calls again with the same bytes and more.
    ///
    /// # Errors
    /// When a limit is exceeded, or Content-Length is missing or malformed. The stream can't be framed
    /// any further and has to be closed.
    pub fn next(&mut self, buffer: &[u8]) -> Result<Framed, ParseError> {
        if let State::Idle { after_line_end } = self.state {
            match buffer {
                [] | [b'\r'] => return Ok(Framed::Partial),
                [b'\r', b'\n', b'\r', b'\n', ..] if !after_line_end => {
                    return Ok(Framed::KeepAlive { len: 4, ping: true });
                }
                [b'\r', b'\n', ..] => {
                    self.state = State::Idle { after_line_end: !after_line_end };
                    return Ok(Framed::KeepAlive { len: 2, ping: after_line_end });
                }
                _ => self.state = State::Headers { looked: 0 },
            }
        }
        if let State::Headers { looked } = self.state {
            let Some(end) = headers_end(buffer, looked) else {
                self.state = State::Headers { looked: buffer.len() };
                return if buffer.len() > self.limits.headers {
                    Err(ParseError::new("message", 0, Problem::TooLong(self.limits.headers)))
                } else {
                    Ok(Framed::Partial)
                };
            };
            if end > self.limits.headers {
                return Err(ParseError::new("message", 0, Problem::TooLong(self.limits.headers)));
            }
            self.state = State::Body { len: end + body_length(&buffer[..end], self.limits.body)? };
        }
        match self.state {
            State::Body { len } if buffer.len() >= len => {
                self.state = State::Idle { after_line_end: false };
                Ok(Framed::Message { len })
            }
            _ => Ok(Framed::Partial),
        }
    }
}

/// Behind the empty line; nothing before `looked` ended the section.
fn headers_end(buffer: &[u8], looked: usize) -> Option<usize> {
    let mut from = looked.saturating_sub(3);
    while let Some(found) = memchr::memchr(b'\n', buffer.get(from..)?) {
        let at = from + found;
        match &buffer[at + 1..] {
            [b'\r', b'\n', ..] => return Some(at + 3),
            [b'\n', ..] => return Some(at + 2),
            _ => from = at + 1,
        }
    }
    None
}

/// The one Content-Length of a header section.
fn body_length(head: &[u8], limit: usize) -> Result<usize, ParseError> {
    let name = Name::ContentLength.as_str();
    let mut length = None;
    let mut lines = 0;
    while lines < head.len() {
        let end = memchr::memchr(b'\n', &head[lines..]).map_or(head.len(), |found| lines + found + 1);
        let line = &head[lines..end];
        if let Some(colon) = memchr::memchr(b':', line)
            && Name::of(trim_end(&line[..colon])) == Name::ContentLength
        {
            let value = fold_end(head, lines + colon + 1);
            let base = lines + colon + 1;
            if length.is_some() {
                return Err(ParseError::new(name, base, Problem::Repeated));
            }
            let read = trimmed(value, base).whole(read_length)?;
            if read > limit {
                return Err(ParseError::new(name, base, Problem::TooLong(limit)));
            }
            length = Some(read);
        }
        lines = end;
    }
    length.ok_or(ParseError::new(name, head.len(), Problem::Missing))
}

/// A Content-Length's value, ready to be read.
fn trimmed(value: &[u8], base: usize) -> Cursor<'_> {
    let mut cursor = Cursor::within(Name::ContentLength.as_str(), base, value);
    cursor.skip_space();
    cursor
}

/// A value from `start` to the end of its last folded line.
fn fold_end(head: &[u8], start: usize) -> &[u8] {
    let mut at = start;
    loop {
        let Some(found) = memchr::memchr(b'\n', &head[at..]) else { return &head[start..] };
        at += found + 1;
        if !matches!(head.get(at), Some(b' ' | b'\t')) {
            return &head[start..at];
        }
    }
}
