use sip::{Message, Name, ParseError, Status};

/// Why the edge itself refuses a request.
pub(crate) enum Refusal {
    /// It can't be read as far as the edge must.
    Malformed(ParseError),
    /// It insists on extensions of the proxies on its way (RFC 3261 16.3, step 5): these.
    Unsupported(String),
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Refusal::Malformed(error)
    }
}

impl Refusal {
    /// Answers so.
    pub(crate) fn tell(&self, request: &Message<&[u8]>, into: &mut Vec<u8>) -> bool {
        match self {
            Refusal::Malformed(error) => refuse(request, Status::BAD_REQUEST, &error.to_string(), &[], into),
            Refusal::Unsupported(tags) => {
                refuse(request, Status::BAD_EXTENSION, "Bad Extension", &[(Name::Unsupported, tags)], into)
            }
        }
    }
}

/// Writes a stateless answer to `request`, if it says enough to be answered.
pub(crate) fn refuse(
    request: &Message<&[u8]>,
    status: Status,
    reason: &str,
    headers: &[(Name, &str)],
    into: &mut Vec<u8>,
) -> bool {
    into.clear();
    if request.top_via().is_err() || request.call_id().is_err() || request.cseq().is_err() {
        return false;
    }
    // The tag only has to be there: nobody will come back with it.
    let writer = sip::respond(request, status, Some(reason), Some("edge"), into);
    headers.iter().fold(writer, |writer, (name, value)| writer.header(*name, value)).empty_body();
    true
}
