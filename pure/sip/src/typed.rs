//! Typed headers, read on access. Every error names the header and the offset in the message.

use crate::address::{Contact, NameAddr};
use crate::auth::Auth;
use crate::error::{ParseError, Problem};
use crate::message::Message;
use crate::name::Name;
use crate::scan::{Cursor, offset};
use crate::value::{CSeq, ContentType, Event, RAck, Reason, RetryAfter, SessionExpires};
use crate::via::Via;

impl<B: AsRef<[u8]>> Message<B> {
    /// The header that must be there, read by `read`.
    fn must<'a, T>(
        &'a self,
        name: Name,
        read: impl FnOnce(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        match self.raw(name) {
            Some(value) => self.located(name, value, read(value)),
            None => Err(self.missing(name)),
        }
    }

    /// The header that may be there, read by `read`.
    fn may<'a, T>(
        &'a self,
        name: Name,
        read: impl FnOnce(&'a [u8]) -> Result<T, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        self.raw(name).map(|value| self.located(name, value, read(value))).transpose()
    }

    fn located<T>(&self, name: Name, value: &[u8], read: Result<T, ParseError>) -> Result<T, ParseError> {
        read.map_err(|error| error.within(name.as_str(), offset(self.all(), value)))
    }

    pub(crate) fn missing(&self, name: Name) -> ParseError {
        ParseError::new(name.as_str(), self.index().headers_end as usize, Problem::Missing)
    }

    /// Each value of a list, read by `read`.
    fn each<'a, T>(
        &'a self,
        name: Name,
        read: impl Fn(&'a [u8]) -> Result<T, ParseError>,
    ) -> impl Iterator<Item = Result<T, ParseError>> {
        self.values(name).map(move |value| self.located(name, value, read(value)))
    }

    /// `Call-ID`: visible ASCII.
    ///
    /// # Errors
    /// When it is missing, empty, or has other bytes than visible ASCII.
    pub fn call_id(&self) -> Result<&[u8], ParseError> {
        self.must(Name::CallId, |value| match value.iter().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(ParseError::new("value", at, Problem::Unexpected(value[at]))),
            None if value.is_empty() => Err(ParseError::new("value", 0, Problem::Expected("an identifier"))),
            None => Ok(value),
        })
    }

    /// `CSeq`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn cseq(&self) -> Result<CSeq<'_>, ParseError> {
        self.must(Name::CSeq, CSeq::parse)
    }

    /// `From`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'_>, ParseError> {
        self.must(Name::From, NameAddr::parse)
    }

    /// `To`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'_>, ParseError> {
        self.must(Name::To, NameAddr::parse)
    }

    /// The topmost `Via`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn top_via(&self) -> Result<Via<'_>, ParseError> {
        self.vias().next().unwrap_or_else(|| Err(self.missing(Name::Via)))
    }

    /// All `Via` values, from the top.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, ParseError>> {
        self.each(Name::Via, Via::parse)
    }

    /// Whether `Contact` is `*`.
    #[must_use]
    pub fn contact_is_star(&self) -> bool {
        self.raw(Name::Contact) == Some(b"*")
    }

    /// All `Contact` values; `*` is an error here.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, ParseError>> {
        self.each(Name::Contact, Contact::parse)
    }

    /// The first `Contact`.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn contact(&self) -> Result<Contact<'_>, ParseError> {
        self.contacts().next().unwrap_or_else(|| Err(self.missing(Name::Contact)))
    }

    /// Addresses of any header that is a list of them, such as `P-Asserted-Identity`.
    pub fn addresses(&self, name: Name) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.each(name, NameAddr::parse)
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
        self.may(name, |value| {
            let mut cursor = Cursor::new(value);
            let number = cursor.number(max)?;
            cursor.end().map(|()| number)
        })
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
        self.may(Name::ContentType, ContentType::parse)
    }

    /// The credentials of every line of `Authorization` or `Proxy-Authorization`.
    pub fn credentials(&self, name: Name) -> impl Iterator<Item = Result<Auth<'_>, ParseError>> {
        self.raw_all(name).map(move |value| self.located(name, value, Auth::parse(value)))
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
        self.may(Name::SessionExpires, SessionExpires::parse)
    }

    /// `Min-SE`, in seconds.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn min_se(&self) -> Result<Option<u32>, ParseError> {
        // It may carry parameters, none of which is defined.
        self.may(Name::MinSe, SessionExpires::parse).map(|min| min.map(|min| min.secs))
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

    /// Option tags of `Supported`.
    pub fn supported(&self) -> impl Iterator<Item = &[u8]> {
        self.tokens(Name::Supported)
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
        self.may(Name::RAck, RAck::parse)
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
        self.may(Name::RetryAfter, RetryAfter::parse)
    }

    /// `Event`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn event(&self) -> Result<Option<Event<'_>>, ParseError> {
        self.may(Name::Event, Event::parse)
    }

    /// All `Reason` values.
    pub fn reasons(&self) -> impl Iterator<Item = Result<Reason<'_>, ParseError>> {
        self.each(Name::Reason, Reason::parse)
    }

    /// The first `Reason`.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn reason_header(&self) -> Result<Option<Reason<'_>>, ParseError> {
        self.reasons().next().transpose()
    }
}
