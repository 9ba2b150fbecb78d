//! A SIP message: its bytes, and where in them its parts stand.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use crate::error::{ParseError, Problem};
use crate::method::Method;
use crate::name::Name;
use crate::scan::{Cursor, trim, trim_end};
use crate::status::Status;
use crate::uri::Uri;
use crate::values::Values;
use crate::words;

/// How many headers find place without an allocation.
pub(crate) const INLINE: usize = 32;

/// A range of a message's bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Where a header stands: from the first byte of its name to the last of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Where the value begins behind `start`; [`FAR`](Self::FAR) if that is too far, or there is no colon.
    pub(crate) value: u16,
    pub(crate) name: Name,
}

impl Header {
    /// Says that the colon has to be searched.
    pub(crate) const FAR: u16 = u16::MAX;

    /// From the name to the value, white space behind the value left out.
    #[inline]
    pub(crate) fn line_in(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The name as it stands there; empty if the line has no colon.
    pub(crate) fn name_in(self, bytes: &[u8]) -> &[u8] {
        let line = self.line_in(bytes);
        let colon = words::find(line, b':').unwrap_or_default();
        trim_end(&line[..colon])
    }

    /// The value, trimmed, folds kept; the whole line if it has no colon.
    #[inline]
    pub(crate) fn value_in(self, bytes: &[u8]) -> &[u8] {
        if self.value == Self::FAR {
            self.far_value(bytes)
        } else {
            &self.line_in(bytes)[self.value.into()..]
        }
    }

    #[cold]
    fn far_value(self, bytes: &[u8]) -> &[u8] {
        let line = self.line_in(bytes);
        trim(&line[words::find(line, b':').map_or(0, |colon| colon + 1)..])
    }
}

/// The headers in their order: most messages need no allocation.
pub(crate) type Headers = SmallVec<[Header; INLINE]>;

/// The first line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    Request { method: Span, uri: Span },
    Response { status: Status, reason: Span },
}

/// Where everything stands in a message's bytes.
#[derive(Clone)]
pub(crate) struct Index {
    pub(crate) start: Start,
    /// From the first byte of the start line to the last of the body.
    pub(crate) whole: Span,
    /// Where the first header begins.
    pub(crate) headers_at: u32,
    /// Behind the last header's line end, where the empty line stands.
    pub(crate) headers_end: u32,
    pub(crate) body: Span,
    pub(crate) headers: Headers,
    /// Whether the start line says SIP/2.0.
    pub(crate) version_ok: bool,
    /// The first thing that is wrong with the message's framing; it can still be answered.
    pub(crate) trouble: Option<ParseError>,
}

impl Index {
    #[inline]
    fn new() -> Self {
        const NOTHING: Span = Span { start: 0, end: 0 };
        Self {
            start: Start::Request { method: NOTHING, uri: NOTHING },
            whole: NOTHING,
            headers_at: 0,
            headers_end: 0,
            body: NOTHING,
            headers: Headers::new(),
            version_ok: false,
            trouble: None,
        }
    }

    /// Notes the first trouble only.
    #[cold]
    pub(crate) fn note(&mut self, header: &'static str, offset: usize, problem: Problem) {
        self.trouble.get_or_insert(ParseError::new(header, offset, problem));
    }
}

/// A SIP message: its bytes and an index of its headers.
///
/// Parsing finds where headers stand and looks at nothing else; what a header says is read on access,
/// and its errors name the header and the offset. So even a message with a broken header can be answered.
/// [`check`](Message::check) reads what every server has to look at.
#[derive(Clone)]
pub struct Message<B = Vec<u8>> {
    bytes: B,
    index: Index,
}

impl<B: AsRef<[u8]>> Message<B> {
    /// Reads one message from a datagram, or from as much of a stream as [`Framer`](crate::Framer) found.
    ///
    /// Line ends in front of it are skipped. The body has Content-Length octets, or reaches to the end
    /// if there is no Content-Length; what follows it is not part of the message (RFC 3261 18.3).
    ///
    /// # Errors
    /// When there is nothing that could be answered: no start line of SIP. All other wrongs are found by
    /// [`check`](Message::check) and by the typed headers.
    #[inline]
    pub fn parse(bytes: B) -> Result<Self, ParseError> {
        // Made where it is returned: an index is large, and would be copied.
        let mut message = Ok(Self { bytes, index: Index::new() });
        if let Ok(Self { bytes, index }) = &mut message
            && let Err(error) = index.read(bytes.as_ref())
        {
            message = Err(error);
        }
        message
    }

    /// The message's bytes, from the start line to the end of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.index.whole.of(self.all())
    }

    /// All bytes that were given to `parse`: what offsets count in.
    #[inline]
    pub(crate) fn all(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    #[inline]
    pub(crate) fn lines(&self) -> &[Header] {
        self.index.headers.as_slice()
    }

    /// The bytes that were given to `parse`.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.bytes
    }

    /// A copy that owns its bytes.
    #[must_use]
    pub fn to_owned(&self) -> Message<Vec<u8>> {
        Message { bytes: self.all().to_vec(), index: self.index.clone() }
    }

    /// Whether it is a request.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// Whether it is a response.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        !self.is_request()
    }

    /// The request's method; `None` of a response.
    #[must_use]
    pub fn method(&self) -> Option<Method<'_>> {
        match self.index.start {
            Start::Request { method, .. } => Some(Method::of_token(method.of(self.all()))),
            Start::Response { .. } => None,
        }
    }

    /// The request's target.
    ///
    /// # Errors
    /// When it is malformed, or the message is a response.
    pub fn request_uri(&self) -> Result<Uri<'_>, ParseError> {
        match self.index.start {
            Start::Request { uri, .. } => {
                Uri::read(Cursor::within("Request-URI", uri.start as usize, uri.of(self.all())))
            }
            Start::Response { .. } => Err(ParseError::new("Request-URI", 0, Problem::Missing)),
        }
    }

    /// The request's target as it stands there; empty of a response.
    #[must_use]
    pub fn request_uri_bytes(&self) -> &[u8] {
        match self.index.start {
            Start::Request { uri, .. } => uri.of(self.all()),
            Start::Response { .. } => &[],
        }
    }

    /// The response's status; `None` of a request.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self.index.start {
            Start::Response { status, .. } => Some(status),
            Start::Request { .. } => None,
        }
    }

    /// The response's reason phrase; empty of a request.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        match self.index.start {
            Start::Response { reason, .. } => reason.of(self.all()),
            Start::Request { .. } => &[],
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.index.body.of(self.all())
    }

    /// The value of the first line of this header, trimmed, folds kept.
    #[must_use]
    pub fn raw(&self, name: Name) -> Option<&[u8]> {
        self.line(name).map(|header| header.value_in(self.all()))
    }

    #[inline]
    pub(crate) fn line(&self, name: Name) -> Option<&Header> {
        self.lines().iter().find(|header| header.name == name)
    }

    /// The values of all lines of this header.
    pub fn raw_all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let bytes = self.all();
        self.lines().iter().filter(move |header| header.name == name).map(|header| header.value_in(bytes))
    }

    /// The comma-separated values of this header, over all of its lines. Only for headers that are lists.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.raw_all(name).flat_map(Values::new)
    }

    /// The first value of a header that is a list.
    #[must_use]
    pub fn first_value(&self, name: Name) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The value of the first header line of this name, whatever the name; its compact form counts too.
    #[must_use]
    pub fn other(&self, name: &str) -> Option<&[u8]> {
        match Name::of(name.as_bytes()) {
            Name::Other => self.others(name).next(),
            known => self.raw(known),
        }
    }

    /// The values of all lines of a header that has no [`Name`].
    pub fn others(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let bytes = self.all();
        self.lines()
            .iter()
            .filter(move |header| {
                header.name == Name::Other && header.name_in(bytes).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|header| header.value_in(bytes))
    }

    /// Every header line in its order: its name as known, as it stands there, and its value.
    pub fn headers(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        let bytes = self.all();
        self.lines().iter().map(move |header| (header.name, header.name_in(bytes), header.value_in(bytes)))
    }

    /// The value of the first line of this header as text for humans: folds made one space, other bytes
    /// than UTF-8 replaced.
    #[must_use]
    pub fn text(&self, name: Name) -> Option<Cow<'_, str>> {
        self.raw(name).map(|raw| match unfold(raw) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

/// Makes each fold (line end and the white space around it) one space.
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut text = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n') {
        let line = trim(line);
        if !text.is_empty() && !line.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(line);
    }
    Cow::Owned(text)
}

impl<B: AsRef<[u8]>> fmt::Debug for Message<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.bytes();
        let line = memchr::memchr2(b'\r', b'\n', head).map_or(head, |end| &head[..end]);
        write!(
            f,
            "Message({}, {} headers, {} bytes of body)",
            String::from_utf8_lossy(line),
            self.lines().len(),
            self.body().len()
        )
    }
}
