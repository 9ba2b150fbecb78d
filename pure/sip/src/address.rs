//! Addresses in headers: From, To, Route, Contact and their kin.

use std::borrow::Cow;

use crate::error::{ParseError, Problem};
use crate::params::{Params, unescape};
use crate::scan::{Cursor, is_token_byte, trim};
use crate::uri::Uri;

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
        let mut cursor = Cursor::new(bytes);
        cursor.skip_space();
        let display = read_display(&mut cursor)?;
        let start = cursor.at();
        let uri_bytes = match display {
            Display::Bare => {
                // Without brackets, parameters are the header's, and there can be no headers.
                cursor.skip_while(|byte| !matches!(byte, b';' | b' ' | b'\t' | b'\r' | b'\n'));
                let uri = cursor.since(start);
                if let Some(at) = memchr::memchr3(b'?', b',', b'>', uri) {
                    return Err(ParseError::new("value", start + at, Problem::Unexpected(uri[at])));
                }
                uri
            }
            Display::None | Display::Text(_) => read_brackets(&mut cursor)?,
        };
        let base = start + usize::from(!matches!(display, Display::Bare));
        let uri = Uri::parse(uri_bytes).map_err(|error| error.within("value", base))?;
        let params_at = cursor.at();
        let params = Params::visit(cursor.rest(), |param| match param.value {
            Some(value)
                if param.name.eq_ignore_ascii_case(b"tag") && !value.iter().all(|&b| is_token_byte(b)) =>
            {
                Err(ParseError::new("value", 0, Problem::Expected("a token as tag")))
            }
            None if param.name.eq_ignore_ascii_case(b"tag") => {
                Err(ParseError::new("value", 0, Problem::Expected("a value of tag")))
            }
            _ => Ok(()),
        })
        .map_err(|error| error.within("value", params_at))?;
        let display = if let Display::Text(text) = display { Some(text) } else { None };
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
        self.display.map(|raw| match unescape(raw) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

/// What stands before the URI.
#[derive(Clone, Copy)]
enum Display<'a> {
    /// Nothing, and the URI has no brackets.
    Bare,
    /// Nothing but an opening bracket.
    None,
    Text(&'a [u8]),
}

/// Leaves the cursor at the opening bracket, or at the bare URI.
fn read_display<'a>(cursor: &mut Cursor<'a>) -> Result<Display<'a>, ParseError> {
    match cursor.peek() {
        None => Err(cursor.expected("an address")),
        Some(b'<') => Ok(Display::None),
        Some(b'"') => {
            let text = cursor.quoted()?;
            cursor.skip_space();
            if cursor.peek() == Some(b'<') { Ok(Display::Text(text)) } else { Err(cursor.expected("'<'")) }
        }
        Some(_) => {
            let Some(length) = memchr::memchr(b'<', cursor.rest()) else { return Ok(Display::Bare) };
            let text = &cursor.rest()[..length];
            if let Some(at) = text.iter().position(|&byte| matches!(byte, b'"' | b',' | b';' | b'>' | 0)) {
                cursor.skip(at);
                return Err(cursor.error(Problem::Unexpected(text[at])));
            }
            cursor.skip(length);
            Ok(Display::Text(trim(text)))
        }
    }
}

fn read_brackets<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ParseError> {
    cursor.expect(b'<', "'<'")?;
    let start = cursor.at();
    let Some(length) = memchr::memchr(b'>', cursor.rest()) else {
        return Err(cursor.error(Problem::Unterminated("angle bracket")));
    };
    cursor.skip(length);
    let inside = cursor.since(start);
    cursor.skip(1);
    Ok(inside)
}

/// One value of a Contact header.
#[derive(Debug, Clone, Copy)]
pub struct Contact<'a> {
    /// Where somebody can be reached.
    pub address: NameAddr<'a>,
}

impl<'a> Contact<'a> {
    /// Reads one contact that fills all of `bytes`.
    ///
    /// # Errors
    /// When a part of it is malformed, or `*`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        NameAddr::parse(bytes).map(|address| Self { address })
    }

    /// The `expires` parameter in seconds.
    ///
    /// # Errors
    /// When it is no number, or one above 2^32 - 1.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        let Some(value) = self.address.params.get("expires") else { return Ok(None) };
        let mut cursor = Cursor::new(value);
        let seconds = cursor.number_u32();
        let seconds = seconds.and_then(|seconds| cursor.end().map(|()| seconds));
        seconds.map(Some).map_err(|error| error.within("Contact", 0))
    }

    /// The `q` parameter in thousandths (0 to 1000).
    ///
    /// # Errors
    /// When it isn't a number from 0 to 1 with at most three digits after the point.
    pub fn q(&self) -> Result<Option<u16>, ParseError> {
        self.address.params.get("q").map(read_q).transpose()
    }
}

fn read_q(value: &[u8]) -> Result<u16, ParseError> {
    let wrong = ParseError::new("Contact", 0, Problem::Expected("q from 0 to 1"));
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
