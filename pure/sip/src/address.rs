//! Addresses in headers: From, To, Route, Contact and their kin.

use std::borrow::Cow;

use crate::error::{ParseError, Problem};
use crate::params::{Param, Params, unescape_text};
use crate::scan::{Cursor, is_space, is_uri_byte, offset, trim};
use crate::uri::Uri;
use crate::words;

/// A URI with an optional display name and parameters of the header.
#[derive(Debug, Clone, Copy)]
pub struct NameAddr<'a> {
    /// The display name without quotes, escapes kept.
    pub display: Option<&'a [u8]>,
    /// The URI.
    pub uri: Uri<'a>,
    /// The URI as it stands on the wire, without angle brackets.
    pub uri_bytes: &'a [u8],
    /// The header's parameters, such as `tag`.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads an address that fills all of `bytes`: `"Name" <uri>;params` or `uri;params`.
    ///
    /// # Errors
    /// When a part of it is malformed. A tag has to be a token.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("address", bytes).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        cursor.skip_space();
        let (display, uri_bytes) = read_display(cursor)?;
        let uri = Uri::read_fit(cursor.part(uri_bytes))?;
        let params = Params::visit(cursor, check_tag)?;
        Ok(Self { display, uri, uri_bytes, params })
    }

    /// The tag, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get_str("tag")
    }

    /// A parameter's value (of the header, not of the URI); empty for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        self.params.get(name)
    }

    /// The display name as its sender meant it, escapes and folds resolved; other bytes than UTF-8 replaced.
    #[must_use]
    pub fn display_text(&self) -> Option<Cow<'a, str>> {
        self.display.map(unescape_text)
    }
}

#[inline]
fn check_tag<'a>(cursor: &Cursor<'a>, param: Param<'a>) -> Result<(), ParseError> {
    if param.is("tag") && param.token().is_none() {
        return Err(cursor.expected("a token as tag"));
    }
    Ok(())
}

/// The display name and the URI; leaves the cursor behind the latter.
#[inline]
fn read_display<'a>(cursor: &mut Cursor<'a>) -> Result<(Option<&'a [u8]>, &'a [u8]), ParseError> {
    match cursor.peek() {
        Some(b'<') => Ok((None, read_brackets(cursor)?)),
        Some(b'"') => {
            let text = cursor.quoted()?;
            cursor.skip_space();
            Ok((Some(text), read_brackets(cursor)?))
        }
        Some(_) => read_unquoted(cursor),
        None => Err(cursor.expected("an address")),
    }
}

/// A URI without brackets, or a display name without quotes.
fn read_unquoted<'a>(cursor: &mut Cursor<'a>) -> Result<(Option<&'a [u8]>, &'a [u8]), ParseError> {
    let mut ahead = *cursor;
    ahead.skip_while(|byte| !matches!(byte, b'<' | b'"' | b',' | b'>' | 0));
    if ahead.peek() == Some(b'<') {
        let text = trim(ahead.since(cursor.at()));
        *cursor = ahead;
        return Ok((Some(text), read_brackets(cursor)?));
    }
    // Without brackets, parameters are the header's, and there can be no headers.
    let start = cursor.at();
    cursor.skip_while(|byte| is_uri_byte(byte) && !matches!(byte, b';' | b'?' | b','));
    match cursor.peek() {
        None | Some(b';' | b',') => Ok((None, cursor.since(start))),
        Some(byte) if is_space(byte) => Ok((None, cursor.since(start))),
        Some(_) => Err(cursor.unexpected()),
    }
}

/// A URI in brackets, all of whose bytes may stand in a URI.
#[inline]
fn read_brackets<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ParseError> {
    let open = cursor.at();
    cursor.expect(b'<', "'<'")?;
    let start = cursor.at();
    cursor.skip(words::uri_length(cursor.rest()));
    let uri = cursor.since(start);
    match cursor.peek() {
        Some(b'>') => {
            cursor.skip(1);
            Ok(uri)
        }
        Some(_) => Err(cursor.unexpected()),
        None => Err(cursor.error_at(open, Problem::Unterminated("angle bracket"))),
    }
}

/// One value of a Contact header.
#[derive(Debug, Clone, Copy)]
pub struct Contact<'a> {
    /// Where somebody can be reached.
    pub address: NameAddr<'a>,
    /// Where the parameters begin in the message.
    params_at: usize,
}

impl<'a> Contact<'a> {
    /// Reads one contact that fills all of `bytes`.
    ///
    /// # Errors
    /// When a part of it is malformed, or `*`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Contact", bytes).whole(Self::read)
    }

    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let address = NameAddr::read(cursor)?;
        Ok(Self { address, params_at: cursor.place() - address.params.as_bytes().len() })
    }

    /// Over the value of a parameter.
    fn param(&self, name: &str) -> Option<Cursor<'a>> {
        let value = self.address.params.get(name)?;
        let base = self.params_at + offset(self.address.params.as_bytes(), value);
        Some(Cursor::within("Contact", base, value))
    }

    /// The `expires` parameter in seconds.
    ///
    /// # Errors
    /// When it is no number, or one above 2^32 - 1.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        self.param("expires").map(|cursor| cursor.whole(Cursor::number_u32)).transpose()
    }

    /// The `q` parameter in thousandths (0 to 1000).
    ///
    /// # Errors
    /// When it isn't a number from 0 to 1 with at most three digits after the point.
    pub fn q(&self) -> Result<Option<u16>, ParseError> {
        self.param("q").map(read_q).transpose()
    }
}

fn read_q(cursor: Cursor<'_>) -> Result<u16, ParseError> {
    let wrong = cursor.expected("q from 0 to 1");
    let value = cursor.rest();
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (*whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        [b'.', fraction @ ..] if (1..=3).contains(&fraction.len()) => (b'0', fraction),
        _ => return Err(wrong),
    };
    let mut thousandths = u16::from(whole - b'0');
    for at in 0..3 {
        let digit = fraction.get(at).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return Err(wrong);
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    if thousandths > 1000 { Err(wrong) } else { Ok(thousandths) }
}
