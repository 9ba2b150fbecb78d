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
        cursor.skip_while(is_host_byte);
        let text = cursor.since(start);
        match text.last() {
            None => Err(cursor.expected("a host")),
            // A name's last label has a letter, an address's has none.
            Some(last) if last.is_ascii_alphabetic() => Ok(Self::Name(ascii(text))),
            Some(_) => Self::read_digits(text).ok_or_else(|| {
                cursor.error_at(start, Problem::Expected("an IPv4 address or a domain name"))
            }),
        }
    }

    /// What doesn't end in a letter: an address, or a name like `host-1` or `example.com.`.
    fn read_digits(text: &'a [u8]) -> Option<Self> {
        if let Some(address) = read_v4(text) {
            return Some(Self::V4(address));
        }
        let name = text.strip_suffix(b".").unwrap_or(text);
        let top = name.rsplit(|&byte| byte == b'.').next()?;
        (!top.iter().all(u8::is_ascii_digit)).then(|| Self::Name(ascii(text)))
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

/// Four decimal numbers (RFC 3261 allows leading zeros).
fn read_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u16; 4];
    let (mut at, mut digits) = (0, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' if digits < 3 => {
                octets[at] = octets[at] * 10 + u16::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && at < 3 => (at, digits) = (at + 1, 0),
            _ => return None,
        }
    }
    let [a, b, c, d] = octets.map(|octet| u8::try_from(octet).ok());
    if at == 3 && digits > 0 { Some(Ipv4Addr::new(a?, b?, c?, d?)) } else { None }
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
