//! RFC 8866 5: the session description.

use std::fmt;

use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Address, Connection, Line, Lines, Malformed, Media, Origin, Stream, line};

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
                (b'c', _) if !Connection::is_one(parsed.text()) => {
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
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(b"v=0\r\n");
        line::write(b'o', &self.origin, &mut out);
        self.write_unsigned(&mut out);
        out
    }

    /// The body, whose part behind the `o=` line is written already.
    pub(crate) fn write_around(&self, unsigned: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(unsigned.len() + 64);
        out.extend_from_slice(b"v=0\r\n");
        line::write(b'o', &self.origin, &mut out);
        out.extend_from_slice(unsigned);
        out
    }

    /// Everything that the version of the `o=` line counts changes of.
    pub(crate) fn write_unsigned(&self, out: &mut Vec<u8>) {
        self.lines.iter().for_each(|line| line.write(out));
        for media in &self.media {
            line::write(b'm', media, out);
            media.lines.iter().for_each(|line| line.write(out));
        }
    }

    /// One stream with what the session says about it.
    pub fn stream(&self, index: usize) -> Option<Stream<'_>> {
        self.media.get(index).map(|media| Stream::new(self, media))
    }

    /// The audio stream that counts: the first that is not refused, plain RTP before secured (some phones
    /// offer both, for us to choose); if all are refused, the first.
    pub fn audio(&self) -> Option<Stream<'_>> {
        self.audio_index().and_then(|index| self.stream(index))
    }

    /// Which of the media descriptions [`Session::audio`] means.
    pub fn audio_index(&self) -> Option<usize> {
        let is_audio = |media: &Media| media.kind == "audio" && media.is_rtp();
        let is_live = |media: &Media| is_audio(media) && !media.is_rejected();
        let plain = self.media.iter().position(|media| is_live(media) && media.is_plain_rtp());
        let live = || self.media.iter().position(is_live);
        plain.or_else(live).or_else(|| self.media.iter().position(is_audio))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8866 5.
    const EXAMPLE: &str = "v=0\r\n\
        o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n\
        s=Call to John Smith\r\n\
        i=SDP Offer #1\r\n\
        u=http://www.jdoe.example.com/home.html\r\n\
        e=Jane Doe <jane@jdoe.example.com>\r\n\
        p=+1 617 555-6011\r\n\
        c=IN IP4 198.51.100.1\r\n\
        t=0 0\r\n\
        m=audio 49170 RTP/AVP 0\r\n\
        m=audio 49180 RTP/AVP 0\r\n\
        m=video 51372 RTP/AVP 99\r\n\
        c=IN IP6 2001:db8::2\r\n\
        a=rtpmap:99 h263-1998/90000\r\n";

    fn malformed(body: &str) -> (usize, &'static str) {
        let error = Session::parse(body.as_bytes()).unwrap_err();
        (error.line, error.expected)
    }

    #[test]
    fn the_example_of_rfc_8866_is_read_and_written() {
        let session = Session::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(session.to_string(), EXAMPLE);
        assert_eq!(session.origin.username, "jdoe");
        assert_eq!(session.origin.version, "3724394405");
        assert_eq!(session.media.len(), 3);
        assert_eq!(session.rtp_target(), "198.51.100.1:49170".parse().ok());
        assert_eq!(session.rtcp_target(), "198.51.100.1:49171".parse().ok());
        let video = session.stream(2).unwrap();
        assert_eq!(video.rtp_target(), "[2001:db8::2]:51372".parse().ok());
        assert_eq!(video.codecs(), [crate::Codec::new(99, "h263-1998", 90_000)]);
    }

    #[test]
    fn bare_lf_empty_lines_and_a_missing_end_come_out_normal() {
        let loose = EXAMPLE.replace("\r\n", "\n") + "\n\n";
        assert_eq!(Session::parse(loose.as_bytes()).unwrap().to_string(), EXAMPLE);
        assert_eq!(Session::parse(EXAMPLE.trim_end().as_bytes()).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn unknown_lines_and_latin_1_are_kept() {
        let body = b"v=0\r\no=- 1 1 IN IP4 h.example.org\r\ns=Caf\xe9\r\nx=what\r\nt=0 0\r\na=odd:\xe9\r\na=ptime\r\n";
        let session = Session::parse(body).unwrap();
        assert_eq!(session.write(), body);
        assert_eq!(session.lines.first('s').unwrap().text(), "Caf");
    }

    #[test]
    fn spaces_in_a_user_name_are_borne() {
        let session = Session::parse(b"v=0\r\no=My Phone 1 2 IN IP4 192.0.2.1\r\n").unwrap();
        assert_eq!((session.origin.username.as_str(), session.origin.id.as_str()), ("My Phone", "1"));
        assert_eq!(session.origin.address.ip(), "192.0.2.1".parse().ok());
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let origin = "o=- 1 1 IN IP4 192.0.2.1\r\n";
        assert_eq!(malformed(""), (1, "v=0"));
        assert_eq!(malformed("v=1\r\n"), (1, "v=0"));
        assert_eq!(malformed("v=0\r\ns=-\r\n"), (3, "an o= line"));
        assert_eq!(malformed("v=0\r\no=- 1 1 IN IP5 x\r\n").0, 2);
        assert_eq!(malformed(&format!("v=0\r\n{origin}rubbish\r\n")), (3, "<letter>=<value>"));
        assert_eq!(malformed(&format!("v=0\r\n{origin}s=a\0b\r\n")), (3, "no NUL or CR within a line"));
        let with = |line: &str| malformed(&format!("v=0\r\n{origin}s=-\r\n{line}\r\n"));
        assert_eq!(with("c=IN IP4"), (4, "c=IN <IP4|IP6> <address>"));
        assert_eq!(with("m=audio"), (4, "a port"));
        assert_eq!(with("m=audio 70000 RTP/AVP 0"), (4, "a port between 0 and 65535"));
        assert_eq!(with("m=audio 7000/x RTP/AVP 0"), (4, "a number of ports"));
        assert_eq!(with("m=audio 7000"), (4, "a transport such as RTP/AVP"));
        assert_eq!(with("m="), (4, "a kind of media"));
        let error = Session::parse(b"v=0\no=x\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: expected o=<user> <id> <version> IN <IP4|IP6> <address>, found \"o=x\"");
    }

    #[test]
    fn a_session_is_kept_as_its_body() {
        let session = Session::parse(EXAMPLE.as_bytes()).unwrap();
        let kept = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<Session>(&kept).unwrap(), session);
        let latin = Session::parse(b"v=0\r\no=- 1 1 IN IP4 h\r\ns=\xe9\r\n").unwrap();
        let kept = serde_json::to_string(&latin).unwrap();
        assert_eq!(serde_json::from_str::<Session>(&kept).unwrap(), latin);
    }
}
