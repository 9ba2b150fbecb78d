//! The host part of URIs and Vias.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{ParseError, Problem};
use crate::scan::{Cursor, ascii, is_host_byte};

/// Where something is: an address or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets on the wire.
    V6(Ipv6Addr),
    /// A domain name, as it stands on the wire.
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads a host that fills all of `bytes`.
    ///
    /// # Errors
    /// When it is neither an address nor a name.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("host", bytes).whole(Self::read)
    }

    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.at();
        if cursor.eat(b'[') {
            return Self::read_v6(cursor);
        }
        if cursor.peek().is_some_and(|byte| byte.is_ascii_digit())
            && let Some((address, length)) = read_v4(cursor.rest())
        {
            let mut behind = *cursor;
            behind.skip(length);
            if !behind.peek().is_some_and(is_host_byte) {
                *cursor = behind;
                return Ok(Self::V4(address));
            }
        }
        cursor.skip_while(is_host_byte);
        let text = cursor.since(start);
        match text.last() {
            None => Err(cursor.expected("a host")),
            // A name's last label has a letter.
            Some(last) if last.is_ascii_alphabetic() || has_letter(text) => Ok(Self::Name(ascii(text))),
            Some(_) => Err(cursor.error_at(start, Problem::Expected("an IPv4 address or a domain name"))),
        }
    }

    fn read_v6(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.at();
        cursor.skip_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        let wrong = |_| cursor.error_at(start, Problem::Expected("an IPv6 address"));
        let address = ascii(cursor.since(start)).parse().map_err(wrong)?;
        cursor.expect(b']', "']'")?;
        Ok(Self::V6(address))
    }

    /// Reads `host [: port]`, white space around the colon allowed as in a Via.
    pub(crate) fn read_with_port(cursor: &mut Cursor<'a>) -> Result<(Self, Option<u16>), ParseError> {
        let host = Self::read(cursor)?;
        let mut ahead = *cursor;
        ahead.skip_space();
        if !ahead.eat(b':') {
            return Ok((host, None));
        }
        ahead.skip_space();
        let port = ahead.number_u16()?;
        *cursor = ahead;
        Ok((host, Some(port)))
    }

    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match *self {
            Self::V4(address) => Some(address.into()),
            Self::V6(address) => Some(address.into()),
            Self::Name(_) => None,
        }
    }

    /// Whether both name the same host: names are compared without regard to case.
    #[must_use]
    pub fn equivalent(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }
}

/// Whether the last label of a name like `host-1` or `example.com.` is no number.
fn has_letter(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let top = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    !top.iter().all(u8::is_ascii_digit)
}

/// Four decimal numbers (RFC 3261 allows leading zeros) in front, and how many bytes they are.
#[inline]
fn read_v4(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut address, mut octet, mut digits, mut dots, mut at) = (0u32, 0u32, 0, 0, 0);
    while let Some(&byte) = text.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            octet = octet * 10 + u32::from(digit);
            digits += 1;
            if digits > 3 {
                return None;
            }
        } else if byte == b'.' && digits > 0 && octet < 256 {
            address = address << 8 | octet;
            (octet, digits, dots) = (0, 0, dots + 1);
        } else {
            break;
        }
        at += 1;
    }
    let whole = dots == 3 && digits > 0 && octet < 256;
    whole.then(|| (Ipv4Addr::from_bits(address << 8 | octet), at))
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl From<IpAddr> for Host<'_> {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}
