use std::fmt;
use std::net::IpAddr;

use crate::{Codec, Connection, Direction, Line, Lines};

/// One media description: the `m=` line and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `image`, `application` ...
    pub kind: String,
    /// Where packets are wanted; 0 refuses the stream.
    pub port: u16,
    /// How many pairs of ports, if it was said.
    pub ports: Option<u16>,
    /// `RTP/AVP`, `RTP/SAVP`, `UDP/TLS/RTP/SAVPF`, `udptl` ...
    pub proto: String,
    /// For RTP: the payload numbers, best first.
    pub formats: Vec<String>,
    /// All lines after the `m=` line.
    pub lines: Lines,
}

/// What `a=rtcp` says (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpPort {
    /// Where RTCP is wanted.
    pub port: u16,
    /// On which address, if not on the stream's.
    pub ip: Option<IpAddr>,
}

impl Media {
    /// An empty media description of plain RTP.
    pub fn rtp(kind: &str, port: u16) -> Self {
        Media {
            kind: kind.to_owned(),
            port,
            ports: None,
            proto: "RTP/AVP".to_owned(),
            formats: Vec::new(),
            lines: Lines::default(),
        }
    }

    /// Reads an `m=` line; the error says what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut words = text.split_ascii_whitespace();
        let kind = words.next().ok_or("a kind of media")?;
        let port = words.next().ok_or("a port")?;
        let (port, ports) = match port.split_once('/') {
            Some((port, count)) => (port, Some(count.parse().map_err(|_| "a number of ports")?)),
            None => (port, None),
        };
        let port = port.parse().map_err(|_| "a port between 0 and 65535")?;
        let proto = words.next().ok_or("a transport such as RTP/AVP")?;
        Ok(Media {
            kind: kind.to_owned(),
            port,
            ports,
            proto: proto.to_owned(),
            formats: words.map(str::to_owned).collect(),
            lines: Lines::default(),
        })
    }

    /// Whether packets of RTP flow here, secured or not.
    pub fn is_rtp(&self) -> bool {
        self.proto.contains("RTP/")
    }

    /// Whether it is RTP that anybody on the way can read (RFC 3551, RFC 4585).
    pub fn is_plain_rtp(&self) -> bool {
        matches!(self.proto.as_str(), "RTP/AVP" | "RTP/AVPF")
    }

    /// Whether it is refused (RFC 3264 6).
    pub fn is_rejected(&self) -> bool {
        self.port == 0
    }

    /// Refuses it: port 0, its formats kept since the grammar wants one, its lines gone.
    pub fn reject(&mut self) {
        self.port = 0;
        self.ports = None;
        self.lines.clear();
    }

    /// The codecs named by `formats`, best first; formats without a meaning are left out.
    pub fn codecs(&self) -> Vec<Codec> {
        self.formats.iter().filter_map(|format| self.codec(format.parse().ok()?)).collect()
    }

    /// What a payload number means here.
    pub fn codec(&self, payload: u8) -> Option<Codec> {
        if payload > 127 {
            return None;
        }
        let mapped = self.mapped("rtpmap", payload);
        let codec = mapped.and_then(|encoding| Codec::of_encoding(payload, encoding));
        let codec = codec.or_else(|| Codec::of_static(payload).filter(|_| mapped.is_none()))?;
        Some(Codec { fmtp: self.mapped("fmtp", payload).map(str::to_owned), ..codec })
    }

    /// Adds a codec after those already there.
    pub fn push_codec(&mut self, codec: &Codec) {
        let payload = codec.payload;
        self.formats.push(payload.to_string());
        self.lines.push(Line::attribute("rtpmap", &format!("{payload} {}", codec.encoding())));
        if let Some(fmtp) = &codec.fmtp {
            self.lines.push(Line::attribute("fmtp", &format!("{payload} {fmtp}")));
        }
    }

    /// Leaves out the codecs that are not `wanted`, with all that is said about them.
    pub fn retain_codecs(&mut self, wanted: impl Fn(&Codec) -> bool) {
        let unwanted: Vec<Codec> = self.codecs().into_iter().filter(|codec| !wanted(codec)).collect();
        let numbers: Vec<String> = unwanted.iter().map(|codec| codec.payload.to_string()).collect();
        self.formats.retain(|format| !numbers.contains(format));
        let about = |line: &Line| {
            let value = ["rtpmap", "fmtp", "rtcp-fb"].into_iter().find_map(|name| line.value_of(name));
            value.and_then(|value| value.split(' ').next()).map(str::to_owned)
        };
        self.lines.retain(|line| about(line).is_none_or(|number| !numbers.contains(&number)));
    }

    /// Milliseconds of sound in a packet, if it was said.
    pub fn ptime(&self) -> Option<u32> {
        self.lines.value("ptime")?.split('.').next()?.parse().ok()
    }

    /// The direction said here; `None` leaves it to the session.
    pub fn direction(&self) -> Option<Direction> {
        self.lines.direction()
    }

    /// The connection said here; `None` leaves it to the session.
    pub fn connection(&self) -> Option<Connection> {
        self.lines.connection()
    }

    /// The port said by `a=rtcp`.
    pub fn rtcp(&self) -> Option<RtcpPort> {
        let value = self.lines.value("rtcp")?;
        let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
        let ip = Connection::parse(rest).and_then(|connection| connection.address.ip());
        Some(RtcpPort { port: port.parse().ok()?, ip })
    }

    /// Whether RTCP shares RTP's port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.lines.has("rtcp-mux")
    }

    /// The value behind `payload` of the attribute `name`.
    fn mapped(&self, name: &str, payload: u8) -> Option<&str> {
        self.lines.iter().filter_map(|line| line.value_of(name)).find_map(|line| {
            let (number, value) = line.split_once(' ')?;
            (number.parse() == Ok(payload)).then(|| value.trim())
        })
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.port)?;
        if let Some(count) = self.ports {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.proto)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))
    }
}
