use sip::{Message, Method, Name, ParseError, Problem, Status};

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

/// The last word on a stream that can't be framed any further: 513 to a request that is too long (RFC 3261 21.5.14),
/// 400 to others, written into `into` (cleared first). `bytes` begins with the request, as far as it came. False if
/// it doesn't say enough to be answered.
pub fn farewell(bytes: &[u8], why: &ParseError, into: &mut Vec<u8>) -> bool {
    into.clear();
    let mut head = whole_lines(bytes).to_vec();
    head.extend_from_slice(b"\r\n");
    let Ok(request) = Message::parse(&head[..]) else { return false };
    if !request.is_request() || request.method() == Some(Method::Ack) {
        return false;
    }
    let status = match why.problem {
        Problem::TooLong(_) => Status::MESSAGE_TOO_LARGE,
        _ => Status::BAD_REQUEST,
    };
    refuse(&request, status, &why.to_string(), &[], into)
}

/// The start line and all header lines that have come whole.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(length) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        if matches!(&bytes[at..at + length], b"" | b"\r") {
            break;
        }
        at += length + 1;
    }
    &bytes[..at]
}
