//! Via: the way a response goes back (RFC 3261 18.2.2, 20.42; RFC 3581).

use std::fmt;

use crate::error::{ParseError, Problem};
use crate::host::Host;
use crate::params::{Param, Params};
use crate::scan::{Cursor, is_token_byte};

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
    branch: Option<&'a str>,
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
        let mut cursor = Cursor::new(bytes);
        let transport = read_protocol(&mut cursor)?;
        cursor.skip_space();
        let (host, port) = Host::read_with_port(&mut cursor)?;
        let mut known = Known::default();
        let base = cursor.at();
        let params = Params::visit(cursor.rest(), |param| known.note(param));
        let params = params.map_err(|error| error.within("Via", base))?;
        Ok(Self { transport, host, port, params, known })
    }

    /// The branch, which names the transaction.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.known.branch
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
fn read_protocol<'a>(cursor: &mut Cursor<'a>) -> Result<Transport<'a>, ParseError> {
    if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b'/', b'U', b'D', b'P', b' ', ..] = cursor.rest() {
        cursor.skip(12);
        return Ok(Transport::Udp);
    }
    cursor.skip_space();
    let start = cursor.at();
    for (part, what) in [("SIP", "SIP"), ("2.0", "2.0")] {
        if !cursor.token(what)?.eq_ignore_ascii_case(part) {
            return Err(ParseError::new("Via", start, Problem::Expected("SIP/2.0")));
        }
        cursor.skip_space();
        cursor.expect(b'/', "'/'")?;
        cursor.skip_space();
    }
    let transport = Transport::named(cursor.token("a transport")?);
    match cursor.peek() {
        Some(b' ' | b'\t' | b'\r' | b'\n') => Ok(transport),
        _ => Err(cursor.expected("white space")),
    }
}

impl<'a> Known<'a> {
    /// Takes note of a parameter; the first of a name counts.
    fn note(&mut self, param: Param<'a>) -> Result<(), ParseError> {
        let wrong = |what| ParseError::new("Via", 0, Problem::Expected(what));
        match param.name.len() {
            5 if param.name.eq_ignore_ascii_case(b"rport") && self.rport.is_none() => {
                self.rport = Some(param.value.map(read_port).transpose()?);
            }
            5 if param.name.eq_ignore_ascii_case(b"maddr") && self.maddr.is_none() => {
                self.maddr = Some(Host::parse(param.value.unwrap_or_default())?);
            }
            6 if param.name.eq_ignore_ascii_case(b"branch") && self.branch.is_none() => {
                let value = param.value.filter(|value| value.iter().all(|&b| is_token_byte(b)));
                self.branch = Some(value.map(crate::scan::ascii).ok_or(wrong("a token as branch"))?);
            }
            8 if param.name.eq_ignore_ascii_case(b"received") && self.received.is_none() => {
                self.received = Some(read_received(param.value.unwrap_or_default())?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn read_port(value: &[u8]) -> Result<u16, ParseError> {
    let mut cursor = Cursor::new(value);
    let port = cursor.number(u64::from(u16::MAX))? as u16;
    cursor.end().map(|()| port)
}

/// RFC 5118 4.5: an IPv6 address in `received` stands with or without brackets.
fn read_received(value: &[u8]) -> Result<Host<'_>, ParseError> {
    let host = Host::parse(value);
    let bare = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).map(Host::V6);
    host.or_else(|error| bare.ok_or(error))
}
