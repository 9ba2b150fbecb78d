//! What every server looks at before it does anything with a message (RFC 3261 8.2, 16.3).

use thiserror::Error;

use crate::address::{Contact, NameAddr};
use crate::error::{ParseError, Problem};
use crate::message::{Header, Message, Start};
use crate::name::Name;
use crate::status::Status;
use crate::uri::Scheme;
use crate::value::{CSeq, ContentType};

/// Why a message can't be served, and what to answer if it is a request.
///
/// Only requests are answered, and never an ACK: anything else that is refused is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{status}: {why}")]
pub struct Refusal {
    /// What to answer.
    pub status: Status,
    /// What is wrong, for the reason phrase and for logs.
    pub why: String,
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self { status: Status::BAD_REQUEST, why: error.to_string() }
    }
}

const fn set(names: &[Name]) -> u128 {
    let (mut set, mut at) = (0, 0);
    while at < names.len() {
        set |= 1 << names[at] as u32;
        at += 1;
    }
    set
}

/// Headers that a message can't do without.
const NEEDED: [Name; 5] = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];

/// Headers of which a message has one, with one value.
const SINGLE: u128 = set(&[
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::MaxForwards,
    Name::ContentLength,
    Name::ContentType,
    Name::Expires,
    Name::MinExpires,
    Name::RAck,
    Name::RSeq,
    Name::SessionExpires,
    Name::MinSe,
    Name::Event,
    Name::ReferTo,
    Name::Replaces,
]);

impl<B: AsRef<[u8]>> Message<B> {
    /// Reads what every server has to look at: that the message is framed well, that what has to be there
    /// is there, once and well-formed, and that a request's target can be served at all.
    ///
    /// An expiry that is no number is no reason to refuse anything (RFC 3261 20.10, RFC 4475 3.1.2.4). What depends
    /// on who looks stays to be looked at: whether Max-Forwards is used up, which extensions
    /// are required ([`unsupported`](Self::unsupported)), which types of bodies are understood.
    ///
    /// # Errors
    /// With the status of the refusal.
    pub fn check(&self) -> Result<(), Refusal> {
        let index = self.index();
        if !index.version_ok {
            return Err(Refusal { status: Status::VERSION_NOT_SUPPORTED, why: "SIP/2.0 only".into() });
        }
        if let Some(trouble) = index.trouble {
            return Err(trouble.into());
        }
        let mut seen = 0;
        for line in self.lines() {
            let bit = set(&[line.name]);
            if seen & bit & SINGLE != 0 {
                let place = line.start as usize;
                return Err(ParseError::new(line.name.as_str(), place, Problem::Repeated).into());
            }
            self.check_line(line, seen & bit == 0)?;
            seen |= bit;
        }
        for name in NEEDED {
            if seen & set(&[name]) == 0 {
                return Err(self.missing(name).into());
            }
        }
        self.check_target()
    }

    fn check_line(&self, line: &Header, is_first: bool) -> Result<(), Refusal> {
        match line.name {
            // The Vias below the top one were the business of those who put them there.
            Name::Via if is_first => self.top_via().map(drop)?,
            Name::From | Name::To => self.cursor(line).whole(NameAddr::read).map(drop)?,
            Name::CallId => self.call_id().map(drop)?,
            Name::CSeq => self.check_cseq(line)?,
            Name::MaxForwards => self.max_forwards().map(drop)?,
            Name::ContentType => self.cursor(line).whole(ContentType::read).map(drop)?,
            Name::Contact if !self.contact_is_star() => {
                for contact in self.list(line, Contact::read) {
                    contact?;
                }
            }
            Name::Route | Name::RecordRoute => {
                for route in self.list(line, NameAddr::read) {
                    route?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_cseq(&self, line: &Header) -> Result<(), Refusal> {
        let cseq = self.cursor(line).whole(CSeq::read)?;
        match self.method() {
            Some(method) if method != cseq.method => {
                let why = format!("CSeq is of {}, the request is {method}", cseq.method);
                Err(Refusal { status: Status::BAD_REQUEST, why })
            }
            _ => Ok(()),
        }
    }

    /// RFC 3261 8.2.2.1, 16.3 and 19.1.1.
    fn check_target(&self) -> Result<(), Refusal> {
        let Start::Request { uri: place, .. } = self.index().start else { return Ok(()) };
        let uri = self.request_uri()?;
        if let Scheme::Other(scheme) = uri.scheme {
            let why = format!("scheme {scheme} is not known here");
            return Err(Refusal { status: Status::UNSUPPORTED_URI_SCHEME, why });
        }
        if uri.headers.is_some() {
            let problem = Problem::Expected("a URI without headers");
            return Err(ParseError::new("Request-URI", place.start as usize, problem).into());
        }
        Ok(())
    }

    /// The option tags of `Require` or `Proxy-Require` that are not among `known`, as the value of the
    /// `Unsupported` header of a 420 (RFC 3261 8.2.2.3).
    #[must_use]
    pub fn unsupported(&self, name: Name, known: &[&str]) -> Option<String> {
        let is_known = |tag: &&[u8]| known.iter().any(|known| tag.eq_ignore_ascii_case(known.as_bytes()));
        let unknown = self.tokens(name).filter(|tag| !is_known(tag)).map(String::from_utf8_lossy);
        let unknown: Vec<_> = unknown.collect();
        (!unknown.is_empty()).then(|| unknown.join(", "))
    }
}
