//! Finding the start line and the headers (RFC 3261 7, 25).
//!
//! One pass over the header section. What makes a message unanswerable is an error; what is merely wrong
//! is noted as the message's trouble, so that a server can refuse it with a 400.

use crate::error::{ParseError, Problem};
use crate::message::{Header, Index, Span, Start};
use crate::name::Name;
use crate::scan::{Cursor, is_token, offset, trim, trim_end};
use crate::status::Status;
use crate::words::{self, find_control};

/// One line: where it ends, and where the next begins.
#[derive(Clone, Copy)]
struct Line {
    end: usize,
    next: usize,
    /// Whether it holds other control bytes than the line end.
    is_odd: bool,
}

impl Index {
    /// Finds everything in the bytes of one message.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(ParseError::new("message", 0, Problem::TooLong(u32::MAX as usize)));
        }
        let mut first = 0;
        while bytes[first..].starts_with(b"\r\n") {
            first += 2;
        }
        let line = self.line_at(bytes, first);
        self.read_start(bytes, first, line.end)?;
        self.headers_at = line.next as u32;
        let body_at = self.read_headers(bytes, line.next);
        self.body = self.read_body(bytes, body_at);
        self.whole = Span { start: first as u32, end: self.body.end };
        Ok(())
    }

    /// The line that begins at `start`. A line end that isn't CRLF is trouble, but ends the line.
    #[inline]
    fn line_at(&mut self, bytes: &[u8], start: usize) -> Line {
        let end = find_control(bytes, start);
        if bytes.get(end) == Some(&b'\r') && bytes.get(end + 1) == Some(&b'\n') {
            return Line { end, next: end + 2, is_odd: false };
        }
        self.odd_line_at(bytes, end)
    }

    /// A line with other controls than CRLF, the first of them at `at`.
    #[cold]
    fn odd_line_at(&mut self, bytes: &[u8], mut at: usize) -> Line {
        while let Some(&control) = bytes.get(at) {
            match control {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => {
                    return Line { end: at, next: at + 2, is_odd: true };
                }
                b'\n' => {
                    self.note("message", at, Problem::BareLineEnd);
                    return Line { end: at, next: at + 1, is_odd: true };
                }
                b'\r' => self.note("message", at, Problem::BareLineEnd),
                _ => {}
            }
            at = find_control(bytes, at + 1);
        }
        self.note("message", bytes.len(), Problem::Unterminated("header section"));
        Line { end: bytes.len(), next: bytes.len(), is_odd: true }
    }

    fn read_start(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), ParseError> {
        let line = &bytes[start..end];
        let wrong = |at: usize, what| ParseError::new("start line", start + at, Problem::Expected(what));
        let first = memchr::memchr(b' ', line).ok_or_else(|| wrong(0, "a request or status line"))?;
        if is_protocol(&line[..first]) {
            let (status, reason) =
                read_status(&line[first + 1..]).ok_or_else(|| wrong(first + 1, "a status"))?;
            let reason = Span { start: (start + first + 1 + reason) as u32, end: end as u32 };
            self.start = Start::Response { status, reason };
            self.version_ok = is_version(&line[..first]);
            return Ok(());
        }
        if !is_token(&line[..first]) {
            return Err(wrong(0, "a method"));
        }
        let trimmed = trim_end(line);
        if trimmed.len() < line.len() {
            self.note("start line", start + trimmed.len(), Problem::Expected("a line end"));
        }
        let last = memchr::memrchr(b' ', trimmed).filter(|&last| last > first);
        let last = last.ok_or_else(|| wrong(first + 1, "a Request-URI and a version"))?;
        if !is_protocol(&trimmed[last + 1..]) {
            return Err(wrong(last + 1, "SIP/2.0"));
        }
        let method = Span { start: start as u32, end: (start + first) as u32 };
        let uri = Span { start: (start + first + 1) as u32, end: (start + last) as u32 };
        self.start = Start::Request { method, uri };
        self.version_ok = is_version(&trimmed[last + 1..]);
        Ok(())
    }

    /// Gives where the body begins.
    fn read_headers(&mut self, bytes: &[u8], start: usize) -> usize {
        let mut at = start;
        while at < bytes.len() {
            let mut line = self.line_at(bytes, at);
            if line.end == at {
                self.headers_end = at as u32;
                return line.next;
            }
            // A line that begins with white space goes on with the one before it (RFC 3261 7.3.1).
            let is_odd = line.is_odd;
            while let Some(b' ' | b'\t') = bytes.get(line.next) {
                line = self.line_at(bytes, line.next);
            }
            if is_odd {
                self.read_other_header(bytes, at, line.end);
            } else {
                self.read_header(bytes, at, line.end);
            }
            at = line.next;
        }
        self.note("message", bytes.len(), Problem::Unterminated("header section"));
        self.headers_end = at as u32;
        at
    }

    /// Notes the header that stands between `start` and `end`.
    #[inline]
    fn read_header(&mut self, bytes: &[u8], start: usize, end: usize) {
        match bytes.get(start..).and_then(<[u8]>::first_chunk).and_then(Name::leading) {
            Some((name, colon))
                if start + colon < end && (name != Name::Other || is_token(&bytes[start..start + colon])) =>
            {
                self.headers.push(header(bytes, start, Some(colon), end, name));
            }
            _ => self.read_other_header(bytes, start, end),
        }
    }

    /// A header with a long name, or with white space or something worse in it.
    #[inline(never)]
    fn read_other_header(&mut self, bytes: &[u8], start: usize, end: usize) {
        let line = &bytes[start..end];
        let colon = words::find(line, b':');
        let spelling = trim_end(&line[..colon.unwrap_or_default()]);
        let name = Name::of(spelling);
        if name == Name::Other && !is_token(spelling) {
            self.note("header", start, Problem::Expected("a name and a colon"));
        }
        self.headers.push(header(bytes, start, colon, end, name));
    }

    /// The body's span, by Content-Length or to the end.
    fn read_body(&mut self, bytes: &[u8], start: usize) -> Span {
        const NAME: &str = Name::ContentLength.as_str();
        let rest = Span { start: start as u32, end: bytes.len() as u32 };
        let mut lines = self.headers.as_slice().iter().filter(|header| header.name == Name::ContentLength);
        let Some(first) = lines.next().copied() else { return rest };
        let value = first.value_in(bytes);
        let cursor = Cursor::within(NAME, offset(bytes, value), value);
        if lines.next().is_some() {
            self.note(NAME, cursor.place(), Problem::Repeated);
        }
        match cursor.whole(read_length) {
            Ok(length) if start + length <= bytes.len() => Span { end: (start + length) as u32, ..rest },
            Ok(_) => {
                self.note(NAME, cursor.place(), Problem::Truncated);
                rest
            }
            Err(error) => {
                self.note(NAME, error.offset, error.problem);
                rest
            }
        }
    }
}

/// A header whose value stands between its colon (counted from `start`) and `end`, white space around it.
#[inline]
fn header(bytes: &[u8], start: usize, colon: Option<usize>, end: usize, name: Name) -> Header {
    let behind = colon.map_or(0, |colon| colon + 1);
    let (from, to) = match bytes.get(start + behind..end) {
        // As nearly all are: one space, and something that neither begins nor ends with white space.
        Some([b' ', first, .., last]) if *first > b' ' && *last > b' ' => (behind + 1, end - start),
        value => {
            let value = value.unwrap_or_default();
            let inside = trim(value);
            let from = behind + offset(value, inside);
            (from, from + inside.len())
        }
    };
    let value = colon.and_then(|_| u16::try_from(from).ok()).unwrap_or(Header::FAR);
    Header { start: start as u32, end: (start + to) as u32, value, name }
}

fn is_protocol(text: &[u8]) -> bool {
    text.first_chunk::<4>().is_some_and(|head| head == b"SIP/" || head.eq_ignore_ascii_case(b"SIP/"))
}

fn is_version(text: &[u8]) -> bool {
    text == b"SIP/2.0" || text.eq_ignore_ascii_case(b"SIP/2.0")
}

/// The status, and where behind it the reason begins.
fn read_status(text: &[u8]) -> Option<(Status, usize)> {
    let [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = text else { return None };
    let digit = |digit: &u8| u16::from(digit - b'0');
    let status = Status::new(digit(a) * 100 + digit(b) * 10 + digit(c))?;
    match rest {
        [] => Some((status, 3)),
        [b' ', ..] => Some((status, 4)),
        _ => None,
    }
}

/// A Content-Length: nothing but digits, below 2^31.
pub(crate) fn read_length(cursor: &mut Cursor<'_>) -> Result<usize, ParseError> {
    cursor.number((1 << 31) - 1).map(|length| length as usize)
}
