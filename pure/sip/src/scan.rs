//! A cursor over a header's value, and the classes of bytes that RFC 3261's grammar knows.
//!
//! Inside a value a line end can only be part of a fold (RFC 3261 7.3.1), so it counts as white space.

use crate::error::{ParseError, Problem};

const TOKEN: u8 = 1;
const SPACE: u8 = 2;
const HOST: u8 = 4;
/// May stand in an unquoted parameter value: anything printable that does not end it.
const VALUE: u8 = 8;
/// May stand in a URI.
const URI: u8 = 16;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            class[byte] |= TOKEN | HOST;
        }
        if matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            class[byte] |= TOKEN;
        }
        if matches!(b, b'-' | b'.' | b'_') {
            class[byte] |= HOST;
        }
        if matches!(b, b' ' | b'\t' | b'\r' | b'\n') {
            class[byte] |= SPACE;
        }
        if b > 0x20 && b != 0x7f && !matches!(b, b';' | b',' | b'"' | b'<' | b'>') {
            class[byte] |= VALUE;
        }
        if b > 0x20 && b != 0x7f && !matches!(b, b'"' | b'<' | b'>') {
            class[byte] |= URI;
        }
        byte += 1;
    }
    class
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

pub(crate) fn is_space(byte: u8) -> bool {
    CLASS[byte as usize] & SPACE != 0
}

pub(crate) fn is_host_byte(byte: u8) -> bool {
    CLASS[byte as usize] & HOST != 0
}

pub(crate) fn is_uri_byte(byte: u8) -> bool {
    CLASS[byte as usize] & URI != 0
}

/// Without the white space (and folds) at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_space(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Where `part`, a slice of `whole`, begins.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Text that is known to be ASCII.
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Reads a value from left to right; its errors count from the value's first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// Goes over bytes that the caller has looked at.
    pub(crate) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.bytes.len());
    }

    pub(crate) fn error(&self, problem: Problem) -> ParseError {
        ParseError::new("value", self.at, problem)
    }

    pub(crate) fn expected(&self, what: &'static str) -> ParseError {
        self.error(Problem::Expected(what))
    }

    pub(crate) fn skip_space(&mut self) {
        self.skip_while(is_space);
    }

    pub(crate) fn skip_while(&mut self, class: impl Fn(u8) -> bool) {
        while let Some(byte) = self.peek()
            && class(byte)
        {
            self.at += 1;
        }
    }

    /// Goes over `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(byte) => Err(self.error(Problem::Unexpected(byte))),
        }
    }

    pub(crate) fn token(&mut self, what: &'static str) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.skip_while(is_token_byte);
        if self.at == start { Err(self.expected(what)) } else { Ok(ascii(self.since(start))) }
    }

    /// A parameter's name: a token in headers, a little more in URIs.
    pub(crate) fn param_name(&mut self) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        self.skip_while(|byte| CLASS[byte as usize] & VALUE != 0 && byte != b'=');
        if self.at == start { Err(self.expected("a parameter name")) } else { Ok(self.since(start)) }
    }

    /// An unquoted parameter value, or a quoted string with its quotes.
    pub(crate) fn gen_value(&mut self) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        if self.peek() == Some(b'"') {
            self.quoted()?;
        } else {
            self.skip_while(|byte| CLASS[byte as usize] & VALUE != 0);
        }
        if self.at == start { Err(self.expected("a value")) } else { Ok(self.since(start)) }
    }

    /// A quoted string; gives what stands between the quotes, escapes and folds kept.
    pub(crate) fn quoted(&mut self) -> Result<&'a [u8], ParseError> {
        let open = self.at;
        self.expect(b'"', "a quoted string")?;
        let start = self.at;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', self.rest()) else {
                self.at = open;
                return Err(self.error(Problem::Unterminated("quoted string")));
            };
            let byte = self.bytes[self.at + found];
            if byte == b'"' {
                let inside = &self.bytes[start..self.at + found];
                self.at += found + 1;
                return Ok(inside);
            }
            self.skip(found + 2);
        }
    }

    /// A decimal number of at most `max`.
    pub(crate) fn number(&mut self, max: u64) -> Result<u64, ParseError> {
        let start = self.at;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a number"));
        }
        if number > max {
            return Err(ParseError::new("value", start, Problem::TooLarge(max)));
        }
        Ok(number)
    }

    pub(crate) fn number_u32(&mut self) -> Result<u32, ParseError> {
        self.number(u64::from(u32::MAX)).map(|number| number as u32)
    }
}
