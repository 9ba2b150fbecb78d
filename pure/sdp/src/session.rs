//! RFC 8866 5: the session description.

use std::fmt;

use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Address, Connection, Line, Lines, Malformed, Media, Origin, Stream};

/// A session description. `parse` then `write` of a normal body gives the same bytes; what is not normal
/// (bare LF, empty lines, doubled spaces, an `o=` that is not second) comes out normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `o=` line.
    pub origin: Origin,
    /// The other lines before the first `m=`, without `v=`.
    pub lines: Lines,
    /// The media descriptions, in order; offer and answer have equally many.
    pub media: Vec<Media>,
}

impl Session {
    /// A session with an address and nothing to hear.
    pub fn new(origin: Origin, address: Address) -> Self {
        let mut lines = Lines::default();
        lines.push(Line::new('s', "-"));
        lines.push(Line::new('c', &address.to_string()));
        lines.push(Line::new('t', "0 0"));
        Session { origin, lines, media: Vec::new() }
    }

    /// Reads a body. `v=0` must come first, `o=` must be there; `s=` and `t=` are not missed.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut lines = numbered(body);
        let (number, first) = lines.next().unwrap_or((1, b""));
        if first.trim_ascii_end() != b"v=0" {
            return Err(Malformed::new(number, "v=0", first));
        }
        let (mut origin, mut session, mut media) = (None, Lines::default(), Vec::<Media>::new());
        let mut last = number;
        for (number, line) in lines {
            last = number;
            let (kind, value) = split(number, line)?;
            let parsed = Line::raw(kind, value);
            match (kind, media.last_mut()) {
                (b'm', _) => {
                    let found = Media::parse(parsed.text());
                    media.push(found.map_err(|expected| Malformed::new(number, expected, line))?);
                    continue;
                }
                (b'o', None) if origin.is_none() => {
                    let expected = "o=<user> <id> <version> IN <IP4|IP6> <address>";
                    let found = Origin::parse(parsed.text());
                    origin = Some(found.ok_or_else(|| Malformed::new(number, expected, line))?);
                    continue;
                }
                (b'c', _) if Connection::parse(parsed.text()).is_none() => {
                    return Err(Malformed::new(number, "c=IN <IP4|IP6> <address>", line));
                }
                (_, Some(media)) => media.lines.push(parsed),
                (_, None) => session.push(parsed),
            }
        }
        let origin = origin.ok_or_else(|| Malformed::new(last + 1, "an o= line", b""))?;
        Ok(Session { origin, lines: session, media })
    }

    /// The body, with CRLF after every line.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"v=0\r\n");
        Line::new('o', &self.origin.to_string()).write(&mut out);
        self.write_unsigned(&mut out);
        out
    }

    /// Everything that the version of the `o=` line counts changes of.
    pub(crate) fn write_unsigned(&self, out: &mut Vec<u8>) {
        self.lines.iter().for_each(|line| line.write(out));
        for media in &self.media {
            Line::new('m', &media.to_string()).write(out);
            media.lines.iter().for_each(|line| line.write(out));
        }
    }

    /// One stream with what the session says about it.
    pub fn stream(&self, index: usize) -> Option<Stream<'_>> {
        self.media.get(index).map(|media| Stream::new(self, media))
    }

    /// The first audio stream that is not refused; if all are, the first.
    pub fn audio(&self) -> Option<Stream<'_>> {
        self.audio_index().and_then(|index| self.stream(index))
    }

    /// Which of the media descriptions [`Session::audio`] means.
    pub fn audio_index(&self) -> Option<usize> {
        let is_audio = |media: &Media| media.kind == "audio" && media.is_rtp();
        let live = self.media.iter().position(|media| is_audio(media) && !media.is_rejected());
        live.or_else(|| self.media.iter().position(is_audio))
    }

    /// Where the other side wants our RTP; see [`Stream::rtp_target`].
    pub fn rtp_target(&self) -> Option<std::net::SocketAddr> {
        self.audio()?.rtp_target()
    }

    /// Where the other side wants our RTCP; see [`Stream::rtcp_target`].
    pub fn rtcp_target(&self) -> Option<std::net::SocketAddr> {
        self.audio()?.rtcp_target()
    }

    /// Whether whoever said this has put us on hold: the first audio stream does not want to hear us.
    pub fn is_hold(&self) -> bool {
        self.audio().is_some_and(|audio| !audio.media().is_rejected() && !audio.direction().receives())
    }
}

/// Lines with their numbers, without their ends; empty ones are left out.
fn numbered(mut body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut number = 0;
    std::iter::from_fn(move || {
        while !body.is_empty() {
            number += 1;
            let line;
            (line, body) = match memchr(b'\n', body) {
                Some(end) => (&body[..end], &body[end + 1..]),
                None => (body, &body[body.len()..]),
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some((number, line));
            }
        }
        None
    })
}

fn split(number: usize, line: &[u8]) -> Result<(u8, &[u8]), Malformed> {
    let forbidden = |byte: &u8| matches!(byte, 0 | b'\r');
    match line {
        [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => match value.iter().find(|it| forbidden(it))
        {
            Some(_) => Err(Malformed::new(number, "no NUL or CR within a line", line)),
            None => Ok((*kind, value)),
        },
        _ => Err(Malformed::new(number, "<letter>=<value>", line)),
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.write()))
    }
}

/// As the body itself: text if it is UTF-8, else bytes.
impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = self.write();
        match std::str::from_utf8(&body) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(&body),
        }
    }
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body;
        impl<'de> de::Visitor<'de> for Body {
            type Value = Session;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a session description")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Session, E> {
                self.visit_bytes(text.as_bytes())
            }

            fn visit_bytes<E: de::Error>(self, body: &[u8]) -> Result<Session, E> {
                Session::parse(body).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut bytes: A) -> Result<Session, A::Error> {
                let mut body = Vec::new();
                while let Some(byte) = bytes.next_element::<u8>()? {
                    body.push(byte);
                }
                self.visit_bytes(&body)
            }
        }
        deserializer.deserialize_any(Body)
    }
}
