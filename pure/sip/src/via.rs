//! Via: the way a response goes back (RFC 3261 18.2.2, 20.42; RFC 3581).

use std::fmt;

use crate::error::{ParseError, Problem};
use crate::host::Host;
use crate::params::{Param, Params};
use crate::scan::{Cursor, ascii, is_space};

/// What a message travels over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport<'a> {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss,
    /// SCTP (RFC 4168).
    Sctp,
    /// One that we don't know.
    Other(&'a str),
}

const TRANSPORTS: [(&str, Transport<'static>); 6] = [
    ("UDP", Transport::Udp),
    ("TCP", Transport::Tcp),
    ("TLS", Transport::Tls),
    ("WS", Transport::Ws),
    ("WSS", Transport::Wss),
    ("SCTP", Transport::Sctp),
];

impl<'a> Transport<'a> {
    /// The transport of this name, in any case.
    #[must_use]
    pub fn named(text: &'a str) -> Self {
        let known = TRANSPORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map_or(Self::Other(text), |(_, transport)| *transport)
    }

    /// As it stands in a Via.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Sctp => "SCTP",
            Self::Other(text) => text,
        }
    }

    /// As it stands in a URI's `transport` parameter.
    #[must_use]
    pub fn as_param(self) -> &'a str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Sctp => "sctp",
            Self::Other(text) => text,
        }
    }

    /// Whether it repeats what was lost by itself, so that transactions need not.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp | Self::Other(_) => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss | Self::Sctp => true,
        }
    }

    /// The port where this transport is expected if none is named.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Tls | Self::Wss => 5061,
            Self::Udp | Self::Tcp | Self::Ws | Self::Sctp | Self::Other(_) => 5060,
        }
    }
}

impl fmt::Display for Transport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One hop that a request took.
#[derive(Debug, Clone, Copy)]
pub struct Via<'a> {
    /// What the request was sent over.
    pub transport: Transport<'a>,
    /// The sender's own idea of where it is.
    pub host: Host<'a>,
    /// The sender's own idea of its port.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params<'a>,
    known: Known<'a>,
}

/// The parameters that every hop looks at, found on the way.
#[derive(Debug, Clone, Copy, Default)]
struct Known<'a> {
    branch: Option<&'a [u8]>,
    received: Option<Host<'a>>,
    rport: Option<Option<u16>>,
    maddr: Option<Host<'a>>,
}

impl<'a> Via<'a> {
    /// Reads one Via that fills all of `bytes`.
    ///
    /// # Errors
    /// When a part of it is malformed, or its protocol isn't SIP/2.0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Via", bytes).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let transport = read_protocol(cursor)?;
        cursor.skip_space();
        let (host, port) = Host::read_with_port(cursor)?;
        let mut known = Known::default();
        let params = Params::visit(cursor, |cursor, param| known.note(cursor, param))?;
        Ok(Self { transport, host, port, params, known })
    }

    /// The branch, which names the transaction.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.known.branch.map(ascii)
    }

    /// Where the request really came from, if the receiver noted it.
    #[must_use]
    pub fn received(&self) -> Option<Host<'a>> {
        self.known.received
    }

    /// RFC 3581: `None` if not asked for, `Some(None)` if asked, `Some(Some(port))` if filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.known.rport
    }

    /// Where responses shall go instead, for multicast.
    #[must_use]
    pub fn maddr(&self) -> Option<Host<'a>> {
        self.known.maddr
    }

    /// The port of sent-by, or the transport's default.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport.default_port())
    }

    /// Where a response goes if there is no connection to use (RFC 3261 18.2.2, RFC 3581 4).
    #[must_use]
    pub fn response_target(&self) -> (Host<'a>, u16) {
        if let Some(maddr) = self.known.maddr
            && !self.transport.is_reliable()
        {
            return (maddr, self.port_or_default());
        }
        match (self.known.received, self.known.rport) {
            (Some(received), Some(Some(port))) => (received, port),
            (Some(received), _) => (received, self.port_or_default()),
            (None, Some(Some(port))) => (self.host, port),
            (None, _) => (self.host, self.port_or_default()),
        }
    }
}

/// `SIP/2.0/UDP`, white space around the slashes allowed.
#[inline]
fn read_protocol<'a>(cursor: &mut Cursor<'a>) -> Result<Transport<'a>, ParseError> {
    if cursor.rest().starts_with(b"SIP/2.0/UDP ") {
        cursor.skip(12);
        return Ok(Transport::Udp);
    }
    cursor.skip_space();
    for part in ["SIP", "2.0"] {
        let start = cursor.at();
        if !cursor.token(part)?.eq_ignore_ascii_case(part) {
            return Err(cursor.error_at(start, Problem::Expected("SIP/2.0")));
        }
        cursor.skip_space();
        cursor.expect(b'/', "'/'")?;
        cursor.skip_space();
    }
    let transport = Transport::named(cursor.token("a transport")?);
    if cursor.peek().is_some_and(is_space) { Ok(transport) } else { Err(cursor.expected("white space")) }
}

impl<'a> Known<'a> {
    /// Takes note of a parameter; the first of a name counts.
    #[inline]
    fn note(&mut self, cursor: &Cursor<'a>, param: Param<'a>) -> Result<(), ParseError> {
        let value = param.value.unwrap_or_default();
        if param.is("branch") && self.branch.is_none() {
            self.branch = Some(param.token().ok_or_else(|| cursor.expected("a token as branch"))?);
        } else if param.is("rport") && self.rport.is_none() {
            self.rport =
                Some(param.value.map(|value| cursor.part(value).whole(Cursor::number_u16)).transpose()?);
        } else if param.is("received") && self.received.is_none() {
            self.received = Some(read_received(cursor.part(value))?);
        } else if param.is("maddr") && self.maddr.is_none() {
            self.maddr = Some(cursor.part(value).whole(Host::read)?);
        }
        Ok(())
    }
}

/// RFC 5118 4.5: an IPv6 address in `received` stands with or without brackets.
fn read_received<'a>(cursor: Cursor<'a>) -> Result<Host<'a>, ParseError> {
    let bare = std::str::from_utf8(cursor.rest()).ok().and_then(|text| text.parse().ok());
    if let Some(address) = bare {
        return Ok(Host::V6(address));
    }
    cursor.whole(Host::read)
}
