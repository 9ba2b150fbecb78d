//! Typed headers, read on access. Every error names the header and the offset in the message.

use crate::address::{Contact, NameAddr};
use crate::auth::Auth;
use crate::error::{ParseError, Problem};
use crate::message::{Header, Message};
use crate::name::Name;
use crate::scan::{Cursor, offset};
use crate::value::{CSeq, ContentType, Event, RAck, Reason, RetryAfter, SessionExpires};
use crate::values::value_end;
use crate::via::Via;
use crate::words;

impl<B: AsRef<[u8]>> Message<B> {
    /// Over the value of a line.
    #[inline]
    pub(crate) fn cursor(&self, line: &Header) -> Cursor<'_> {
        let value = line.value_in(self.all());
        Cursor::within(line.name.as_str(), offset(self.all(), value), value)
    }

    /// The header that must be there, read by `read`.
    #[inline]
    fn must<'a, T>(
        &'a self,
        name: Name,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        match self.line(name) {
            Some(line) => self.cursor(line).whole(read),
            None => Err(self.missing(name)),
        }
    }

    /// The header that may be there, read by `read`.
    #[inline]
    fn may<'a, T>(
        &'a self,
        name: Name,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        self.line(name).map(|line| self.cursor(line).whole(read)).transpose()
    }

    #[cold]
    pub(crate) fn missing(&self, name: Name) -> ParseError {
        ParseError::new(name.as_str(), self.index().headers_end as usize, Problem::Missing)
    }

    /// Each value of a list, read by `read`.
    #[inline]
    fn each<'a, T>(
        &'a self,
        name: Name,
        read: impl Fn(&mut Cursor<'a>) -> Result<T, ParseError> + Copy,
    ) -> impl Iterator<Item = Result<T, ParseError>> {
        let lines = self.lines().iter().filter(move |line| line.name == name);
        lines.flat_map(move |line| self.list(line, read))
    }

    /// Each value of one line, read by `read`.
    #[inline]
    pub(crate) fn list<'a, T>(
        &'a self,
        line: &Header,
        read: impl Fn(&mut Cursor<'a>) -> Result<T, ParseError>,
    ) -> impl Iterator<Item = Result<T, ParseError>> {
        List::new(self.cursor(line), read)
    }

    /// The first value of a list.
    #[inline]
    fn first<'a, T>(
        &'a self,
        name: Name,
        read: impl Fn(&mut Cursor<'a>) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let line = self.line(name).ok_or_else(|| self.missing(name))?;
        read_value(&mut self.cursor(line), read)
    }

    /// `Call-ID`: visible ASCII.
    ///
    /// # Errors
    /// When it is missing, empty, or has other bytes than visible ASCII.
    pub fn call_id(&self) -> Result<&[u8], ParseError> {
        self.must(Name::CallId, |cursor| {
            let id = cursor.rest();
            if words::is_graphic(id) && !id.is_empty() {
                cursor.skip(id.len());
                return Ok(id);
            }
            cursor.skip_while(|byte| byte.is_ascii_graphic());
            Err(cursor.unexpected())
        })
    }

    /// `CSeq`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn cseq(&self) -> Result<CSeq<'_>, ParseError> {
        self.must(Name::CSeq, CSeq::read)
    }

    /// `From`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'_>, ParseError> {
        self.must(Name::From, NameAddr::read)
    }

    /// `To`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'_>, ParseError> {
        self.must(Name::To, NameAddr::read)
    }

    /// The topmost `Via`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn top_via(&self) -> Result<Via<'_>, ParseError> {
        self.first(Name::Via, Via::read)
    }

    /// All `Via` values, from the top.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, ParseError>> {
        self.each(Name::Via, Via::read)
    }

    /// Whether `Contact` is `*`.
    #[must_use]
    pub fn contact_is_star(&self) -> bool {
        self.raw(Name::Contact) == Some(b"*")
    }

    /// All `Contact` values; `*` is an error here.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, ParseError>> {
        self.each(Name::Contact, Contact::read)
    }

    /// The first `Contact`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn contact(&self) -> Result<Contact<'_>, ParseError> {
        self.first(Name::Contact, Contact::read)
    }

    /// Addresses of any header that is a list of them, such as `P-Asserted-Identity`.
    pub fn addresses(&self, name: Name) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.each(name, NameAddr::read)
    }

    /// All `Route` values, from the top.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(Name::Route)
    }

    /// All `Record-Route` values, from the top.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(Name::RecordRoute)
    }

    /// All `Path` values, from the top.
    pub fn paths(&self) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.addresses(Name::Path)
    }

    fn number(&self, name: Name, max: u64) -> Result<Option<u64>, ParseError> {
        self.may(name, |cursor| cursor.number(max))
    }

    fn seconds(&self, name: Name) -> Result<Option<u32>, ParseError> {
        self.number(name, u64::from(u32::MAX)).map(|number| number.map(|number| number as u32))
    }

    /// `Expires`, in seconds.
    ///
    /// # Errors
    /// When it is malformed or above 2^32 - 1.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(Name::Expires)
    }

    /// `Min-Expires`, in seconds.
    ///
    /// # Errors
    /// When it is malformed or above 2^32 - 1.
    pub fn min_expires(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(Name::MinExpires)
    }

    /// `Max-Forwards`.
    ///
    /// # Errors
    /// When it is malformed or above 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, ParseError> {
        self.number(Name::MaxForwards, 255).map(|number| number.map(|number| number as u8))
    }

    /// `Content-Length`. A message's [`body`](Message::body) has been cut to it already.
    ///
    /// # Errors
    /// When it is malformed or not below 2^31.
    pub fn content_length(&self) -> Result<Option<usize>, ParseError> {
        self.may(Name::ContentLength, crate::parse::read_length)
    }

    /// `Content-Type`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn content_type(&self) -> Result<Option<ContentType<'_>>, ParseError> {
        self.may(Name::ContentType, ContentType::read)
    }

    /// The credentials of every line of `Authorization` or `Proxy-Authorization`.
    pub fn credentials(&self, name: Name) -> impl Iterator<Item = Result<Auth<'_>, ParseError>> {
        self.lines()
            .iter()
            .filter(move |line| line.name == name)
            .map(|line| Auth::read(&mut self.cursor(line)))
    }

    /// The first Digest credentials for this realm in `Authorization` or `Proxy-Authorization`.
    ///
    /// # Errors
    /// When a line of that header is malformed.
    pub fn authorization(&self, name: Name, realm: &[u8]) -> Result<Option<Auth<'_>>, ParseError> {
        for credentials in self.credentials(name) {
            let credentials = credentials?;
            if credentials.is_digest() && credentials.realm() == Some(realm) {
                return Ok(Some(credentials));
            }
        }
        Ok(None)
    }

    /// The challenges of a 401 (`Name::WwwAuthenticate`) or 407 (`Name::ProxyAuthenticate`).
    pub fn challenges(&self, name: Name) -> impl Iterator<Item = Result<Auth<'_>, ParseError>> {
        self.credentials(name)
    }

    /// `Session-Expires`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, ParseError> {
        self.may(Name::SessionExpires, SessionExpires::read)
    }

    /// `Min-SE`, in seconds.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn min_se(&self) -> Result<Option<u32>, ParseError> {
        // It may carry parameters, none of which is defined.
        self.may(Name::MinSe, SessionExpires::read).map(|min| min.map(|min| min.secs))
    }

    /// The tokens of a list header, such as `Supported` or `Accept`.
    pub fn tokens(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.values(name).filter(|token| !token.is_empty())
    }

    /// Whether a list header has this token, in any case.
    #[must_use]
    pub fn has_token(&self, name: Name, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Option tags of `Require`.
    pub fn require(&self) -> impl Iterator<Item = &[u8]> {
        self.tokens(Name::Require)
    }

    /// Methods of `Allow`.
    pub fn allow(&self) -> impl Iterator<Item = &[u8]> {
        self.tokens(Name::Allow)
    }

    /// `RAck`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn rack(&self) -> Result<Option<RAck<'_>>, ParseError> {
        self.may(Name::RAck, RAck::read)
    }

    /// `RSeq`.
    ///
    /// # Errors
    /// When it is malformed or above 2^32 - 1.
    pub fn rseq(&self) -> Result<Option<u32>, ParseError> {
        self.seconds(Name::RSeq)
    }

    /// `Retry-After`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn retry_after(&self) -> Result<Option<RetryAfter<'_>>, ParseError> {
        self.may(Name::RetryAfter, RetryAfter::read)
    }

    /// `Event`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn event(&self) -> Result<Option<Event<'_>>, ParseError> {
        self.may(Name::Event, Event::read)
    }

    /// All `Reason` values.
    pub fn reasons(&self) -> impl Iterator<Item = Result<Reason<'_>, ParseError>> {
        self.each(Name::Reason, Reason::read)
    }
}

/// Reads one value of a list, which ends at a comma or at the end.
#[inline]
fn read_value<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let mut value = read(cursor);
    if value.is_ok() {
        cursor.skip_space();
        if !cursor.is_value_end() {
            value = Err(cursor.unexpected());
        }
    }
    value
}

/// Reads the values of one line, each from where the one before it ended.
struct List<'a, R> {
    cursor: Option<Cursor<'a>>,
    read: R,
}

impl<'a, R> List<'a, R> {
    /// A line of nothing but white space has no values.
    fn new(cursor: Cursor<'a>, read: R) -> Self {
        Self { cursor: Some(cursor).filter(|cursor| !cursor.is_end()), read }
    }
}

impl<'a, T, R: Fn(&mut Cursor<'a>) -> Result<T, ParseError>> Iterator for List<'a, R> {
    type Item = Result<T, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.cursor?;
        let mut cursor = start;
        let value = read_value(&mut cursor, &self.read);
        if value.is_err() {
            // A bad value hides none of those behind it.
            cursor = start;
            cursor.skip(value_end(start.rest()));
        }
        self.cursor = cursor.eat(b',').then_some(cursor);
        Some(value)
    }
}
