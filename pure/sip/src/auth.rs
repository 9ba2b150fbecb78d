//! Authentication headers: a scheme and its parameters (RFC 3261 20.7, 20.44; RFC 8760).

use std::borrow::Cow;

use crate::error::ParseError;
use crate::params::{Param, unescape};
use crate::scan::Cursor;

/// The value of an authentication header: `Digest realm="x", nonce="y"`.
#[derive(Debug, Clone, Copy)]
pub struct Auth<'a> {
    /// Such as `Digest`; compared without regard to case.
    pub scheme: &'a str,
    list: &'a [u8],
}

/// What a server asks for: `WWW-Authenticate`, `Proxy-Authenticate`.
pub type Challenge<'a> = Auth<'a>;
/// What a client answers with: `Authorization`, `Proxy-Authorization`.
pub type Credentials<'a> = Auth<'a>;

impl<'a> Auth<'a> {
    /// Reads a header's value. Of other schemes than Digest only the scheme is looked at.
    ///
    /// # Errors
    /// When the scheme is missing, or Digest's list of parameters is malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::read(&mut Cursor::new("credentials", value))
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        cursor.skip_space();
        let scheme = cursor.token("an authentication scheme")?;
        cursor.skip_space();
        let auth = Self { scheme, list: cursor.rest() };
        if auth.is_digest() {
            while next(cursor)?.is_some() {}
        }
        Ok(auth)
    }

    /// Whether the scheme is Digest.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor::new("credentials", self.list);
        std::iter::from_fn(move || next(&mut cursor).ok().flatten())
    }

    /// A parameter's value without quotes, escapes kept: the bytes that digests are made of.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let mut fields = self.iter();
        fields.find(|field| field.is(name)).and_then(|field| field.bare())
    }

    /// A parameter's value with its escapes resolved.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.get(name).map(unescape)
    }

    /// `username`.
    #[must_use]
    pub fn username(&self) -> Option<&'a [u8]> {
        self.get("username")
    }

    /// `realm`.
    #[must_use]
    pub fn realm(&self) -> Option<&'a [u8]> {
        self.get("realm")
    }

    /// `nonce`.
    #[must_use]
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.get("nonce")
    }

    /// `uri`, as the client hashed it.
    #[must_use]
    pub fn uri(&self) -> Option<&'a [u8]> {
        self.get("uri")
    }

    /// `response`, hexadecimal.
    #[must_use]
    pub fn response(&self) -> Option<&'a [u8]> {
        self.get("response")
    }

    /// `algorithm`; MD5 is meant if there is none.
    #[must_use]
    pub fn algorithm(&self) -> Option<&'a [u8]> {
        self.get("algorithm")
    }

    /// `cnonce`.
    #[must_use]
    pub fn cnonce(&self) -> Option<&'a [u8]> {
        self.get("cnonce")
    }

    /// `opaque`.
    #[must_use]
    pub fn opaque(&self) -> Option<&'a [u8]> {
        self.get("opaque")
    }

    /// `qop`: one word in credentials, a list in a challenge.
    #[must_use]
    pub fn qop(&self) -> Option<&'a [u8]> {
        self.get("qop")
    }

    /// `nc`: eight hexadecimal digits.
    #[must_use]
    pub fn nc(&self) -> Option<&'a [u8]> {
        self.get("nc")
    }

    /// Whether a challenge says that only the nonce was too old.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.get("stale").is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
    }
}

/// The next `name = value`; empty places between commas are passed over.
fn next<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Param<'a>>, ParseError> {
    cursor.skip_space();
    while cursor.eat(b',') {
        cursor.skip_space();
    }
    if cursor.is_end() {
        return Ok(None);
    }
    let name = cursor.token("a parameter name")?.as_bytes();
    cursor.skip_space();
    cursor.expect(b'=', "'='")?;
    cursor.skip_space();
    let (value, is_token) = cursor.gen_value()?;
    cursor.skip_space();
    if !cursor.is_end() && cursor.peek() != Some(b',') {
        return Err(cursor.expected("','"));
    }
    Ok(Some(Param::new(name, Some(value), is_token)))
}
