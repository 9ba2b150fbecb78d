//! A cursor over a header's value, and the classes of bytes that RFC 3261's grammar knows.
//!
//! Inside a value a line end can only be part of a fold (RFC 3261 7.3.1), so it counts as white space.

use crate::error::{ParseError, Problem};
use crate::words;

const TOKEN: u8 = 1;
const SPACE: u8 = 2;
const HOST: u8 = 4;
/// May stand in an unquoted parameter value: anything printable that does not end it.
const VALUE: u8 = 8;
/// May stand in a parameter's name: the same but for the equals sign.
const PARAM: u8 = 32;
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
            class[byte] |= if b == b'=' { VALUE } else { VALUE | PARAM };
        }
        if b > 0x20 && b != 0x7f && !matches!(b, b'"' | b'<' | b'>') {
            class[byte] |= URI;
        }
        byte += 1;
    }
    class
};

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    CLASS[byte as usize] & SPACE != 0
}

#[inline]
pub(crate) fn is_host_byte(byte: u8) -> bool {
    CLASS[byte as usize] & HOST != 0
}

#[inline]
pub(crate) fn is_uri_byte(byte: u8) -> bool {
    CLASS[byte as usize] & URI != 0
}

/// Without the white space (and folds) at both ends.
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    trim_end(bytes)
}

/// Without the white space (and folds) behind.
#[inline]
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_space(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Where `part`, a slice of `whole`, begins.
#[inline]
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// Text that is known to be ASCII.
#[inline]
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Reads a value from left to right. Its errors name the header and count from the message's first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    header: &'static str,
    /// Where `bytes` begins in the message.
    base: usize,
}

impl<'a> Cursor<'a> {
    /// Over bytes that stand alone.
    #[inline]
    pub(crate) const fn new(header: &'static str, bytes: &'a [u8]) -> Self {
        Self::within(header, 0, bytes)
    }

    /// Over the value of a header, which begins at `base`.
    #[inline]
    pub(crate) const fn within(header: &'static str, base: usize, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, header, base }
    }

    /// Over a part of what this one reads.
    #[inline]
    pub(crate) fn part(&self, part: &'a [u8]) -> Self {
        Self::within(self.header, self.base + offset(self.bytes, part), part)
    }

    /// Where the cursor stands in the message.
    pub(crate) const fn place(&self) -> usize {
        self.base + self.at
    }

    #[inline]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Goes over bytes that the caller has looked at.
    #[inline]
    pub(crate) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.bytes.len());
    }

    #[cold]
    pub(crate) fn error_at(&self, at: usize, problem: Problem) -> ParseError {
        ParseError { header: self.header, offset: self.base + at, problem }
    }

    #[cold]
    pub(crate) fn error(&self, problem: Problem) -> ParseError {
        self.error_at(self.at, problem)
    }

    #[cold]
    pub(crate) fn expected(&self, what: &'static str) -> ParseError {
        self.error(Problem::Expected(what))
    }

    /// What stands here may not.
    #[cold]
    pub(crate) fn unexpected(&self) -> ParseError {
        self.error(self.peek().map_or(Problem::Expected("more"), Problem::Unexpected))
    }

    #[inline]
    pub(crate) fn skip_space(&mut self) {
        self.skip_while(is_space);
    }

    #[inline]
    pub(crate) fn skip_while(&mut self, class: impl Fn(u8) -> bool) {
        // Counted in a register: the cursor often lives in memory.
        let mut at = self.at;
        while self.bytes.get(at).copied().is_some_and(&class) {
            at += 1;
        }
        self.at = at;
    }

    /// Goes over `byte` if it is next.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Whether the value of a list ends here.
    #[inline]
    pub(crate) fn is_value_end(&self) -> bool {
        matches!(self.peek(), None | Some(b','))
    }

    /// What fills all that is left.
    #[inline]
    pub(crate) fn whole<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        // The result is not taken apart: it is large, and would be copied.
        let mut value = read(&mut self);
        if value.is_ok()
            && let Err(error) = self.end()
        {
            value = Err(error);
        }
        value
    }

    /// Nothing but white space may follow.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        if self.is_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    #[inline]
    pub(crate) fn token(&mut self, what: &'static str) -> Result<&'a str, ParseError> {
        self.token_bytes(what).map(ascii)
    }

    #[inline]
    pub(crate) fn token_bytes(&mut self, what: &'static str) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        self.skip_while(is_token_byte);
        if self.at == start { Err(self.expected(what)) } else { Ok(self.since(start)) }
    }

    /// A parameter's name: a token in headers, a little more in URIs.
    #[inline]
    pub(crate) fn param_name(&mut self) -> Result<&'a [u8], ParseError> {
        let start = self.at;
        self.skip_while(|byte| CLASS[byte as usize] & PARAM != 0);
        if self.at == start { Err(self.expected("a parameter name")) } else { Ok(self.since(start)) }
    }

    /// An unquoted parameter value, or a quoted string with its quotes; and whether it is a token.
    #[inline]
    pub(crate) fn gen_value(&mut self) -> Result<(&'a [u8], bool), ParseError> {
        let start = self.at;
        self.skip_while(is_token_byte);
        let mut is_token = true;
        match self.peek() {
            Some(b'"') if self.at == start => {
                self.quoted()?;
                is_token = false;
            }
            Some(byte) if CLASS[byte as usize] & VALUE != 0 => {
                self.skip_while(|byte| CLASS[byte as usize] & VALUE != 0);
                is_token = false;
            }
            _ if self.at == start => return Err(self.expected("a value")),
            _ => {}
        }
        Ok((self.since(start), is_token))
    }

    /// A quoted string; gives what stands between the quotes, escapes and folds kept.
    pub(crate) fn quoted(&mut self) -> Result<&'a [u8], ParseError> {
        let open = self.at;
        self.expect(b'"', "a quoted string")?;
        loop {
            let Some(found) = words::find_quote(self.rest()) else {
                return Err(self.error_at(open, Problem::Unterminated("quoted string")));
            };
            self.at += found;
            if self.peek() == Some(b'"') {
                let inside = self.since(open + 1);
                self.at += 1;
                return Ok(inside);
            }
            self.skip(2);
        }
    }

    /// Everything up to `byte`, which is gone over too; nothing happens if there is none.
    #[inline]
    pub(crate) fn until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let rest = self.rest();
        let length = words::find(rest, byte)?;
        self.at += length + 1;
        rest.get(..length)
    }

    /// A decimal number of at most `max`.
    #[inline]
    pub(crate) fn number(&mut self, max: u64) -> Result<u64, ParseError> {
        let start = self.at;
        let mut at = start;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            at += 1;
        }
        self.at = at;
        if self.at == start {
            return Err(self.expected("a number"));
        }
        if number > max {
            return Err(self.error_at(start, Problem::TooLarge(max)));
        }
        Ok(number)
    }

    #[inline]
    pub(crate) fn number_u32(&mut self) -> Result<u32, ParseError> {
        self.number(u64::from(u32::MAX)).map(|number| number as u32)
    }

    #[inline]
    pub(crate) fn number_u16(&mut self) -> Result<u16, ParseError> {
        self.number(u64::from(u16::MAX)).map(|number| number as u16)
    }
}
