//! What every server looks at before it does anything with a message (RFC 3261 8.2, 16.3).

use crate::error::{ParseError, Problem};
use crate::message::Message;
use crate::name::Name;
use crate::status::Status;
use crate::uri::Scheme;

/// Why a message can't be served, and what to answer if it is a request.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Headers that may stand in a message once, and have one value.
const SINGLE: [Name; 7] =
    [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentLength, Name::Expires];

impl<B: AsRef<[u8]>> Message<B> {
    /// Reads what every server has to look at. An ACK and a response are dropped where others are refused.
    ///
    /// # Errors
    /// With the status of the refusal.
    pub fn check(&self) -> Result<(), Refusal> {
        if !self.index().version_ok {
            return Err(Refusal { status: Status::VERSION_NOT_SUPPORTED, why: "SIP/2.0 only".into() });
        }
        if let Some(trouble) = self.index().trouble {
            return Err(trouble.into());
        }
        for name in SINGLE {
            let mut lines = self.lines().iter().filter(|line| line.name == name).skip(1);
            if let Some(again) = lines.next() {
                return Err(ParseError::new(name.as_str(), again.start as usize, Problem::Repeated).into());
            }
        }
        self.vias().next().ok_or_else(|| self.missing(Name::Via))??;
        for via in self.vias() {
            via?;
        }
        self.from()?;
        self.to()?;
        self.call_id()?;
        let cseq = self.cseq()?;
        if let Some(method) = self.method()
            && method != cseq.method
        {
            let why = format!("CSeq names {}, the request is {method}", cseq.method);
            return Err(Refusal { status: Status::BAD_REQUEST, why });
        }
        self.max_forwards()?;
        self.content_type()?;
        self.expires()?;
        if !self.contact_is_star() {
            for contact in self.contacts() {
                contact?.expires()?;
            }
        }
        for route in self.routes().chain(self.record_routes()) {
            route?;
        }
        if self.is_request() { self.check_target() } else { Ok(()) }
    }

    fn check_target(&self) -> Result<(), Refusal> {
        let uri = self.request_uri()?;
        match uri.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
            Scheme::Other(_) => {
                Err(Refusal { status: Status::UNSUPPORTED_URI_SCHEME, why: format!("scheme {}", uri.scheme) })
            }
        }
    }
}
