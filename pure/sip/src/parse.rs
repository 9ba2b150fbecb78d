//! Finding the start line and the headers (RFC 3261 7, 25).
//!
//! One pass over the header section. What makes a message unanswerable is an error; what is merely wrong
//! is noted as the message's trouble, so that a server can refuse it with a 400.

use crate::error::{ParseError, Problem};
use crate::message::{Header, Headers, Index, Span, Start};
use crate::name::Name;
use crate::scan::{Cursor, is_token_byte, trim};
use crate::status::Status;

/// Notes the first trouble only.
struct Trouble(Option<ParseError>);

impl Trouble {
    fn note(&mut self, header: &'static str, offset: usize, problem: Problem) {
        self.0.get_or_insert(ParseError::new(header, offset, problem));
    }
}

/// One line: where it ends, and where the next begins.
struct Line {
    end: usize,
    next: usize,
}

pub(crate) fn parse_index(bytes: &[u8]) -> Result<Index, ParseError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(ParseError::new("message", 0, Problem::TooLong(u32::MAX as usize)));
    }
    let first = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let mut trouble = Trouble(None);
    let line = line_at(bytes, first, &mut trouble);
    let (start, version_ok) = read_start(bytes, first, line.end, &mut trouble)?;
    let headers_at = line.next;
    let mut headers = Headers::new();
    let (headers_end, body_at) = read_headers(bytes, headers_at, &mut headers, &mut trouble);
    let body = read_body(bytes, body_at, &headers, &mut trouble);
    Ok(Index {
        start,
        whole: Span { start: first as u32, end: body.end },
        headers_at: headers_at as u32,
        headers_end: headers_end as u32,
        body,
        headers,
        version_ok,
        trouble: trouble.0,
    })
}

/// The line that begins at `start`. A line end that isn't CRLF is trouble, but ends the line.
fn line_at(bytes: &[u8], start: usize, trouble: &mut Trouble) -> Line {
    let mut from = start;
    loop {
        let Some(found) = memchr::memchr2(b'\r', b'\n', &bytes[from..]) else {
            trouble.note("message", bytes.len(), Problem::Unterminated("header section"));
            return Line { end: bytes.len(), next: bytes.len() };
        };
        let end = from + found;
        if bytes[end..].starts_with(b"\r\n") {
            return Line { end, next: end + 2 };
        }
        trouble.note("message", end, Problem::BareLineEnd);
        if bytes[end] == b'\n' {
            return Line { end, next: end + 1 };
        }
        from = end + 1;
    }
}

fn read_start(
    bytes: &[u8],
    start: usize,
    end: usize,
    trouble: &mut Trouble,
) -> Result<(Start, bool), ParseError> {
    let line = &bytes[start..end];
    let wrong = |at: usize, what| ParseError::new("start line", start + at, Problem::Expected(what));
    let first = memchr::memchr(b' ', line).ok_or_else(|| wrong(0, "a request or status line"))?;
    if line[..first].get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
        let (status, reason) = read_status(&line[first + 1..]).ok_or_else(|| wrong(first + 1, "a status"))?;
        let at = start + first + 1 + reason;
        let reason = Span { start: at as u32, end: end as u32 };
        return Ok((Start::Response { status, reason }, is_version(&line[..first])));
    }
    if first == 0 || !line[..first].iter().all(|&byte| is_token_byte(byte)) {
        return Err(wrong(0, "a method"));
    }
    let trimmed = line.trim_ascii_end();
    if trimmed.len() < line.len() {
        trouble.note("start line", start + trimmed.len(), Problem::Expected("a line end"));
    }
    let last = memchr::memrchr(b' ', trimmed).filter(|&last| last > first);
    let last = last.ok_or_else(|| wrong(first + 1, "a Request-URI and a version"))?;
    let version = &trimmed[last + 1..];
    if !version.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/")) {
        return Err(wrong(last + 1, "SIP/2.0"));
    }
    let method = Span { start: start as u32, end: (start + first) as u32 };
    let uri = Span { start: (start + first + 1) as u32, end: (start + last) as u32 };
    Ok((Start::Request { method, uri }, is_version(version)))
}

fn is_version(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"SIP/2.0")
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

/// Gives where the header section ends, and where the body begins.
fn read_headers(bytes: &[u8], start: usize, headers: &mut Headers, trouble: &mut Trouble) -> (usize, usize) {
    let mut at = start;
    while at < bytes.len() {
        let mut line = line_at(bytes, at, trouble);
        if line.end == at {
            return (at, line.next);
        }
        while let Some(b' ' | b'\t') = bytes.get(line.next) {
            line = line_at(bytes, line.next, trouble);
        }
        headers.push(read_header(bytes, at, line.end, trouble));
        at = line.next;
    }
    trouble.note("message", bytes.len(), Problem::Unterminated("header section"));
    (at, at)
}

fn read_header(bytes: &[u8], start: usize, end: usize, trouble: &mut Trouble) -> Header {
    let line = &bytes[start..end];
    let Some(colon) = memchr::memchr(b':', line) else {
        trouble.note("header", start, Problem::Expected("a name and a colon"));
        let value = Span { start: start as u32, end: end as u32 };
        return Header { start: start as u32, value, name: Name::Other, name_len: u16::MAX };
    };
    let mut name_len = colon;
    while name_len > 0 && matches!(line[name_len - 1], b' ' | b'\t') {
        name_len -= 1;
    }
    let name = Name::of(&line[..name_len]);
    if name == Name::Other && (name_len == 0 || !line[..name_len].iter().all(|&byte| is_token_byte(byte))) {
        trouble.note("header", start, Problem::Expected("a name and a colon"));
    }
    let value = trim(&line[colon + 1..]);
    let value_start = if value.is_empty() { colon + 1 } else { crate::scan::offset(line, value) };
    let value = Span { start: (start + value_start) as u32, end: (start + value_start + value.len()) as u32 };
    let name_len = u16::try_from(name_len).unwrap_or(u16::MAX);
    Header { start: start as u32, value, name, name_len }
}

/// The body's span, by Content-Length or to the end.
fn read_body(bytes: &[u8], start: usize, headers: &Headers, trouble: &mut Trouble) -> Span {
    let rest = Span { start: start as u32, end: bytes.len() as u32 };
    let mut lines = headers.as_slice().iter().filter(|header| header.name == Name::ContentLength);
    let Some(header) = lines.next() else { return rest };
    let base = header.value.start as usize;
    if lines.next().is_some() {
        trouble.note(Name::ContentLength.as_str(), base, Problem::Repeated);
    }
    match read_length(header.value.of(bytes)) {
        Ok(length) if start + length <= bytes.len() => Span { end: (start + length) as u32, ..rest },
        Ok(_) => {
            trouble.note(Name::ContentLength.as_str(), base, Problem::Truncated);
            rest
        }
        Err(error) => {
            let error = error.within(Name::ContentLength.as_str(), base);
            trouble.note(error.header, error.offset, error.problem);
            rest
        }
    }
}

/// A Content-Length: nothing but digits, below 2^31.
pub(crate) fn read_length(value: &[u8]) -> Result<usize, ParseError> {
    let mut cursor = Cursor::new(value);
    let length = cursor.number((1 << 31) - 1)?;
    cursor.end().map(|()| length as usize)
}
