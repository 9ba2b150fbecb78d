//! Parameters: `;name=value;flag`, after an address, in a Via, in a URI.

use std::borrow::Cow;

use crate::error::ParseError;
use crate::scan::Cursor;

/// A run of parameters, kept as it stands on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Params<'a> {
    raw: &'a [u8],
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name; names are compared without regard to case.
    pub name: &'a [u8],
    /// Its value as it stands there, with quotes if it has any; `None` for a flag.
    pub value: Option<&'a [u8]>,
    is_token: bool,
}

impl<'a> Params<'a> {
    /// Reads parameters to the end of `raw`, which begins with a semicolon or is empty.
    ///
    /// # Errors
    /// When a name or a value is missing, or a quoted string does not end.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new("parameters", raw);
        let params = Self::read(&mut cursor)?;
        cursor.end().map(|()| params)
    }

    /// Reads up to a comma or to the end.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        Self::visit(cursor, |_, _| Ok(()))
    }

    /// What was looked at already.
    pub(crate) const fn trusted(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// Like `read`, showing each parameter on the way; the cursor is behind it.
    #[inline]
    pub(crate) fn visit(
        cursor: &mut Cursor<'a>,
        mut see: impl FnMut(&Cursor<'a>, Param<'a>) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        cursor.skip_space();
        let start = cursor.at();
        while !cursor.is_value_end() {
            let param = next(cursor)?;
            see(cursor, param)?;
            cursor.skip_space();
        }
        Ok(Self { raw: cursor.since(start) })
    }

    /// The parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor::new("parameters", self.raw);
        std::iter::from_fn(move || {
            cursor.skip_space();
            if cursor.is_end() { None } else { next(&mut cursor).ok() }
        })
    }

    /// The value of the first parameter of this name: without its quotes, escapes kept; empty for a flag.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.find(name).map(|param| param.bare().unwrap_or_default())
    }

    /// Like [`get`](Self::get), for values that are text.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first parameter of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        if self.raw.is_empty() {
            return None;
        }
        self.iter().find(|param| param.is(name))
    }

    /// Whether there is a parameter of this name, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// As they stand on the wire, beginning with the semicolon.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }
}

impl<'a> Param<'a> {
    #[inline]
    pub(crate) const fn new(name: &'a [u8], value: Option<&'a [u8]>, is_token: bool) -> Self {
        Self { name, value, is_token }
    }

    /// The value if it is a token.
    #[inline]
    pub(crate) const fn token(&self) -> Option<&'a [u8]> {
        if self.is_token { self.value } else { None }
    }

    /// Whether this is its name, in any case.
    #[inline]
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.len() == name.len() && self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value without its quotes, escapes kept.
    #[must_use]
    pub fn bare(&self) -> Option<&'a [u8]> {
        self.value.map(|value| match value {
            [b'"', inside @ .., b'"'] => inside,
            other => other,
        })
    }

    /// The value as its sender meant it: without quotes, escapes and folds resolved.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        self.bare().map(unescape)
    }
}

/// Resolves escapes (`\x`) and folds of what stood between quotes.
pub(crate) fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr3(b'\\', b'\r', b'\n', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut text = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.extend(bytes.next().filter(|escaped| !matches!(escaped, b'\r' | b'\n'))),
            b'\r' | b'\n' => {}
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// Like [`unescape`], as text; other bytes than UTF-8 are replaced.
pub(crate) fn unescape_text(inside: &[u8]) -> Cow<'_, str> {
    match unescape(inside) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[inline]
fn next<'a>(cursor: &mut Cursor<'a>) -> Result<Param<'a>, ParseError> {
    cursor.expect(b';', "';'")?;
    cursor.skip_space();
    let name = cursor.param_name()?;
    cursor.skip_space();
    if !cursor.eat(b'=') {
        return Ok(Param::new(name, None, false));
    }
    cursor.skip_space();
    let (value, is_token) = cursor.gen_value()?;
    Ok(Param::new(name, Some(value), is_token))
}
