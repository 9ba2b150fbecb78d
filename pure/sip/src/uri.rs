//! URIs (RFC 3261 19.1): sip, sips, tel, and others as far as they can be kept.

use std::borrow::Cow;
use std::fmt;

use crate::error::{ParseError, Problem};
use crate::host::Host;
use crate::params::{Param, Params};
use crate::scan::{Cursor, ascii, is_uri_byte};
use crate::words;

/// What kind of URI it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`, over TLS on every hop.
    Sips,
    /// `tel:` (RFC 3966).
    Tel,
    /// Any other; only [`Uri::rest`] is known of it.
    Other(&'a str),
}

/// A URI, its parts borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Uri<'a> {
    /// What stands before the first colon.
    pub scheme: Scheme<'a>,
    /// The user part, escapes kept. For `tel` the number.
    pub user: Option<&'a [u8]>,
    /// What follows a colon in the user part.
    pub password: Option<&'a [u8]>,
    /// Where; an empty name for other schemes than sip and sips.
    pub host: Host<'a>,
    /// The port, if given.
    pub port: Option<u16>,
    /// The URI's own parameters, beginning with a semicolon.
    pub params: Params<'a>,
    /// The headers after the question mark, without it.
    pub headers: Option<&'a [u8]>,
    /// Everything after the scheme's colon.
    pub rest: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Reads a URI that fills all of `bytes`.
    ///
    /// # Errors
    /// When it isn't a URI, or not one that its scheme allows; white space is never allowed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::read(Cursor::new("URI", bytes))
    }

    pub(crate) fn read(mut cursor: Cursor<'a>) -> Result<Self, ParseError> {
        if !words::is_uri(cursor.rest()) {
            cursor.skip_while(is_uri_byte);
            return Err(cursor.unexpected());
        }
        Self::read_fit(cursor)
    }

    /// Reads a URI all of whose bytes may stand in one.
    #[inline]
    pub(crate) fn read_fit(mut cursor: Cursor<'a>) -> Result<Self, ParseError> {
        let scheme = read_scheme(&mut cursor)?;
        let mut uri = Self {
            scheme,
            user: None,
            password: None,
            host: Host::Name(""),
            port: None,
            params: Params::default(),
            headers: None,
            rest: cursor.rest(),
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => {
                uri.read_user(&mut cursor)?;
                uri.host = Host::read(&mut cursor)?;
                if cursor.eat(b':') {
                    uri.port = Some(cursor.number_u16()?);
                }
                uri.read_tail(&mut cursor);
            }
            Scheme::Tel => {
                let start = cursor.at();
                cursor.skip_while(|byte| !matches!(byte, b';' | b'?'));
                if cursor.at() == start {
                    return Err(cursor.expected("a number"));
                }
                uri.user = Some(cursor.since(start));
                uri.read_tail(&mut cursor);
            }
            Scheme::Other(_) => {
                cursor.skip(uri.rest.len());
                if uri.rest.is_empty() {
                    return Err(cursor.expected("something after the scheme"));
                }
            }
        }
        if cursor.is_end() { Ok(uri) } else { Err(cursor.unexpected()) }
    }

    /// `user[:password]@`, if there is an at sign. A user part may hold nearly anything.
    #[inline]
    fn read_user(&mut self, cursor: &mut Cursor<'a>) -> Result<(), ParseError> {
        let start = *cursor;
        let Some(userinfo) = cursor.until(b'@') else { return Ok(()) };
        let colon = words::find(userinfo, b':');
        let user = &userinfo[..colon.unwrap_or(userinfo.len())];
        if user.is_empty() {
            return Err(start.expected("a user before '@'"));
        }
        self.user = Some(user);
        self.password = colon.map(|at| &userinfo[at + 1..]);
        Ok(())
    }

    /// Parameters and headers.
    #[inline]
    fn read_tail(&mut self, cursor: &mut Cursor<'a>) {
        let tail = cursor.rest();
        let question = words::find(tail, b'?');
        let params = &tail[..question.unwrap_or(tail.len())];
        if params.is_empty() || params.starts_with(b";") {
            self.params = Params::trusted(params);
            self.headers = question.map(|at| &tail[at + 1..]);
            // A second at sign would leave open which host is meant.
            cursor.skip(words::find(tail, b'@').unwrap_or(tail.len()));
        }
    }

    /// Whether the scheme is sip or sips.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// A parameter's value; empty for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        self.params.get(name)
    }

    /// Whether there is a parameter of this name.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        self.params.has(name)
    }

    /// The user as text, escapes resolved; `None` when there is no user or it isn't UTF-8.
    #[must_use]
    pub fn user_text(&self) -> Option<Cow<'a, str>> {
        match unescape(self.user?) {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// The port, or the scheme's and transport's default.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        let secure = self.scheme == Scheme::Sips
            || self.param("transport").is_some_and(|value| value.eq_ignore_ascii_case(b"tls"));
        self.port.unwrap_or(if secure { 5061 } else { 5060 })
    }

    /// Whether both name the same user of the same host, whatever else they say.
    #[must_use]
    pub fn same_user(&self, other: &Uri<'_>) -> bool {
        same_part(self.user, other.user) && self.host.equivalent(&other.host)
    }

    /// Equality as RFC 3261 19.1.4 defines it. More than 64 parameters or headers are not sorted out: they
    /// have to be the same, in the same order.
    #[must_use]
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if !same_scheme(self.scheme, other.scheme) {
            return false;
        }
        if !self.is_sip() {
            return self.rest.eq_ignore_ascii_case(other.rest);
        }
        same_part(self.user, other.user)
            && same_part(self.password, other.password)
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && same_params(self.params, other.params)
            && same_headers(self.headers.unwrap_or_default(), other.headers.unwrap_or_default())
    }
}

#[inline]
fn read_scheme<'a>(cursor: &mut Cursor<'a>) -> Result<Scheme<'a>, ParseError> {
    if cursor.rest().starts_with(b"sip:") {
        cursor.skip(4);
        return Ok(Scheme::Sip);
    }
    cursor.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let text = cursor.since(0);
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(cursor.error_at(0, Problem::Expected("a scheme")));
    }
    cursor.expect(b':', "':' after the scheme")?;
    Ok(match text {
        _ if text.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        _ if text.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        _ if text.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        other => Scheme::Other(ascii(other)),
    })
}

fn same_scheme(a: Scheme<'_>, b: Scheme<'_>) -> bool {
    match (a, b) {
        (Scheme::Other(a), Scheme::Other(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

/// User and password are compared with regard to case, after resolving escapes.
fn same_part(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || unescape(a) == unescape(b),
        (a, b) => a == b,
    }
}

/// Whether every part of a text, as `separator` divides it, can be compared with every other.
fn has_few(text: &[u8], separator: u8) -> bool {
    text.iter().filter(|&&byte| byte == separator).count() <= 64
}

fn same_params(a: Params<'_>, b: Params<'_>) -> bool {
    let (left, right) = (a.as_bytes(), b.as_bytes());
    left.eq_ignore_ascii_case(right)
        || (has_few(left, b';') && has_few(right, b';') && params_agree(a, b) && params_agree(b, a))
}

/// Parameters in both must match; some may not stand in one only.
fn params_agree(a: Params<'_>, b: Params<'_>) -> bool {
    const NEVER_IN_ONE_ONLY: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];
    a.iter().all(|mine| {
        let theirs = b.iter().find(|theirs| same_text(theirs.name, mine.name));
        match theirs {
            Some(theirs) => same_value(mine, theirs),
            None => !NEVER_IN_ONE_ONLY.iter().any(|name| same_text(name, mine.name)),
        }
    })
}

fn same_value(a: Param<'_>, b: Param<'_>) -> bool {
    match (a.value, b.value) {
        (Some(a), Some(b)) => same_text(a, b),
        (a, b) => a == b,
    }
}

fn same_text(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b) || unescape(a).eq_ignore_ascii_case(&unescape(b))
}

/// Headers must all be there in both, in any order.
fn same_headers(a: &[u8], b: &[u8]) -> bool {
    let fields = |bytes| <[u8]>::split(bytes, |&byte| byte == b'&');
    let all_in = |some, all| fields(some).all(|one| fields(all).any(|field| same_text(one, field)));
    a == b || (has_few(a, b'&') && has_few(b, b'&') && all_in(a, b) && all_in(b, a))
}

/// Resolves `%41`; a percent sign that is no escape stays.
pub(crate) fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let hex = |digit: u8| (digit as char).to_digit(16);
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if let [b'%', high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            text.push((high * 16 + low) as u8);
            rest = after;
        } else {
            text.push(*first);
            rest = tail;
        }
    }
    Cow::Owned(text)
}

impl fmt::Display for Scheme<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(text) => text,
        })
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, String::from_utf8_lossy(self.rest))
    }
}
