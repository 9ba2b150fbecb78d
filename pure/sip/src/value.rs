//! Small typed headers.

use std::borrow::Cow;

use crate::error::{ParseError, Problem};
use crate::method::Method;
use crate::params::{Params, unescape_text};
use crate::scan::Cursor;

/// `CSeq`: the request's place in its dialog, and its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Counts up in each direction of a dialog; below 2^31.
    pub number: u32,
    /// The request's method.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads a `CSeq` value.
    ///
    /// # Errors
    /// When the number is missing or not below 2^31, or the method is no token.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("CSeq", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let number = cursor.number((1 << 31) - 1)? as u32;
        let method = read_method(cursor)?;
        Ok(Self { number, method })
    }
}

fn read_method<'a>(cursor: &mut Cursor<'a>) -> Result<Method<'a>, ParseError> {
    let before = cursor.at();
    cursor.skip_space();
    if cursor.at() == before {
        return Err(cursor.expected("white space"));
    }
    cursor.token_bytes("a method").map(Method::of_token)
}

/// `RAck` (RFC 3262): which provisional response a PRACK acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RAck<'a> {
    /// The response's `RSeq`.
    pub response: u32,
    /// The response's `CSeq`.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Reads a `RAck` value.
    ///
    /// # Errors
    /// When one of its three parts is missing or too large.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("RAck", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let response = cursor.number_u32()?;
        cursor.skip_space();
        let number = cursor.number((1 << 31) - 1)? as u32;
        let method = read_method(cursor)?;
        Ok(Self { response, cseq: CSeq { number, method } })
    }
}

/// Who refreshes a session (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// The caller of the request that carried it.
    Uac,
    /// The callee.
    Uas,
}

/// `Session-Expires` (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// How long the session lives without a refresh.
    pub secs: u32,
    /// Who refreshes it, if said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads a `Session-Expires` value.
    ///
    /// # Errors
    /// When the seconds or the refresher are malformed.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        Cursor::new("Session-Expires", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let secs = cursor.number_u32()?;
        let params = Params::read(cursor)?;
        let refresher = match params.get("refresher") {
            None => None,
            Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) => return Err(cursor.expected("uac or uas")),
        };
        Ok(Self { secs, refresher })
    }
}

/// `Content-Type`: `type/subtype;params`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// Such as `application`.
    pub kind: &'a str,
    /// Such as `sdp`.
    pub subtype: &'a str,
    /// Such as `;charset=utf-8`.
    pub params: Params<'a>,
}

impl<'a> ContentType<'a> {
    /// Reads a `Content-Type` value.
    ///
    /// # Errors
    /// When type or subtype are missing or a parameter is malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Content-Type", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let kind = cursor.token("a media type")?;
        cursor.skip_space();
        cursor.expect(b'/', "'/'")?;
        cursor.skip_space();
        let subtype = cursor.token("a media subtype")?;
        let params = Params::read(cursor)?;
        Ok(Self { kind, subtype, params })
    }

    /// Whether it is this type, such as `application/sdp`.
    #[must_use]
    pub fn is(&self, wanted: &str) -> bool {
        wanted.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }
}

/// `Event` (RFC 6665): what is subscribed to. `Subscription-State` and `Privacy` have the same shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event package, such as `message-summary`.
    pub package: &'a str,
    /// Such as `;id=7`.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads a token followed by parameters.
    ///
    /// # Errors
    /// When the token is missing or a parameter is malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Event", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let package = cursor.token("a token")?;
        let params = Params::read(cursor)?;
        Ok(Self { package, params })
    }
}

/// `Reason` (RFC 3326): why a request was sent or a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another.
    pub protocol: &'a str,
    /// The protocol's own code.
    pub cause: Option<u16>,
    /// All parameters, such as `;text="Call completed elsewhere"`.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one `Reason` value.
    ///
    /// # Errors
    /// When the protocol is missing, or the cause is no number below 65,536.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Reason", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let Event { package: protocol, params } = Event::read(cursor)?;
        let cause = params.get("cause").map(|digits| cursor.part(digits).whole(Cursor::number_u16));
        let cause = cause.transpose()?;
        Ok(Self { protocol, cause, params })
    }

    /// The text for humans, escapes resolved.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.get("text").map(unescape_text)
    }
}

/// `Retry-After`: when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter<'a> {
    /// In so many seconds.
    pub secs: u32,
    /// Such as `;duration=3600`.
    pub params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// Reads a `Retry-After` value; a comment in it is passed over.
    ///
    /// # Errors
    /// When the seconds are missing or too many, or a parameter is malformed.
    pub fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        Cursor::new("Retry-After", value).whole(Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, ParseError> {
        let secs = cursor.number_u32()?;
        cursor.skip_space();
        if cursor.peek() == Some(b'(') {
            skip_comment(cursor)?;
        }
        let params = Params::read(cursor)?;
        Ok(Self { secs, params })
    }
}

/// Comments nest, and have escapes.
fn skip_comment(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let open = cursor.error(Problem::Unterminated("comment"));
    let mut depth = 0usize;
    loop {
        match cursor.peek().ok_or(open)? {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' => cursor.skip(1),
            _ => {}
        }
        cursor.skip(1);
        if depth == 0 {
            return Ok(());
        }
    }
}
