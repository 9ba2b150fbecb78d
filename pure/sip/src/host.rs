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
        let mut cursor = Cursor::new(bytes);
        let host = Self::read(&mut cursor)?;
        cursor.end().map(|()| host)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.at();
        if cursor.eat(b'[') {
            return Self::read_v6(cursor);
        }
        cursor.skip_while(is_host_byte);
        let text = ascii(cursor.since(start));
        if text.is_empty() {
            return Err(cursor.expected("a host"));
        }
        let top = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        if !top.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Name(text));
        }
        let wrong = ParseError::new("host", start, Problem::Expected("an IPv4 address or a domain name"));
        text.parse().map(Self::V4).map_err(|_| wrong)
    }

    fn read_v6(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let start = cursor.at();
        cursor.skip_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        let wrong = ParseError::new("host", start, Problem::Expected("an IPv6 address"));
        let address = ascii(cursor.since(start)).parse().map_err(|_| wrong)?;
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
        let port = ahead.number(u64::from(u16::MAX))? as u16;
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
