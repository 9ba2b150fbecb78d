//! Writing messages into a buffer of the caller's.

use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::status::Status;
use crate::value::CSeq;

/// Appends one message to a buffer. Ends with [`body`](Writer::body) or [`empty_body`](Writer::empty_body).
///
/// Line ends in values become spaces: no value can add a header.
#[must_use = "a message ends with its body"]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Begins a request.
    pub fn request(out: &'a mut Vec<u8>, method: Method<'_>, uri: impl AsRef<[u8]>) -> Self {
        out.extend_from_slice(method.as_str().as_bytes());
        out.push(b' ');
        push_clean(out, uri.as_ref());
        out.extend_from_slice(b" SIP/2.0\r\n");
        Self { out }
    }

    /// Begins a response, with the status's own reason phrase if none is given.
    pub fn response(out: &'a mut Vec<u8>, status: Status, reason: Option<&str>) -> Self {
        out.extend_from_slice(b"SIP/2.0 ");
        push_number(out, u64::from(status.code()));
        out.push(b' ');
        push_clean(out, reason.unwrap_or(status.default_reason()).as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Adds a header line.
    pub fn header(self, name: Name, value: impl AsRef<[u8]>) -> Self {
        self.other(name.as_str(), value)
    }

    /// Adds a header line of any name.
    pub fn other(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        push_line(self.out, name.as_bytes(), value.as_ref());
        self
    }

    /// Adds a header line whose value is a number.
    pub fn number(self, name: Name, value: u64) -> Self {
        self.out.extend_from_slice(name.as_str().as_bytes());
        self.out.extend_from_slice(b": ");
        push_number(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a `CSeq`.
    pub fn cseq(self, cseq: CSeq<'_>) -> Self {
        self.out.extend_from_slice(b"CSeq: ");
        push_number(self.out, u64::from(cseq.number));
        self.out.push(b' ');
        self.out.extend_from_slice(cseq.method.as_str().as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Copies all lines of this header, byte for byte.
    pub fn copy<B: AsRef<[u8]>>(self, message: &Message<B>, name: Name) -> Self {
        let bytes = message.all();
        for line in message.lines().iter().filter(|line| line.name == name) {
            self.out.extend_from_slice(line.line_in(bytes));
            self.out.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Ends the message with a body; Content-Length is the last header.
    pub fn body(self, content_type: &str, body: &[u8]) {
        let writer = if body.is_empty() { self } else { self.header(Name::ContentType, content_type) };
        writer.end(body);
    }

    /// Ends the message without a body.
    pub fn empty_body(self) {
        self.end(&[]);
    }

    fn end(self, body: &[u8]) {
        self.number(Name::ContentLength, body.len() as u64).end_with(body);
    }

    /// Ends the message with a body whose headers, Content-Length among them, are written already.
    pub fn end_with(self, body: &[u8]) {
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
    }
}

/// Begins the response to a request (RFC 3261 8.2.6.2): Via, From, To with our tag, Call-ID and CSeq are
/// the request's; so are Record-Route where the response makes a dialog, and the Timestamp in a 100.
pub fn respond<'a, B: AsRef<[u8]>>(
    request: &Message<B>,
    status: Status,
    reason: Option<&str>,
    to_tag: Option<&str>,
    out: &'a mut Vec<u8>,
) -> Writer<'a> {
    let writer = Writer::response(out, status, reason).copy(request, Name::Via);
    let writer = if makes_dialog(request, status) { writer.copy(request, Name::RecordRoute) } else { writer };
    let writer = writer.copy(request, Name::From);
    let writer = match to_tag.filter(|_| status != Status::TRYING && !has_tag(request)) {
        None => writer.copy(request, Name::To),
        Some(tag) => {
            let to = request.raw(Name::To).unwrap_or_default();
            writer.out.extend_from_slice(b"To: ");
            writer.out.extend_from_slice(to);
            writer.out.extend_from_slice(b";tag=");
            push_clean(writer.out, tag.as_bytes());
            writer.out.extend_from_slice(b"\r\n");
            writer
        }
    };
    let writer = writer.copy(request, Name::CallId).copy(request, Name::CSeq);
    if status == Status::TRYING { writer.copy(request, Name::Timestamp) } else { writer }
}

fn makes_dialog<B: AsRef<[u8]>>(request: &Message<B>, status: Status) -> bool {
    let forms = matches!(
        request.method(),
        Some(Method::Invite | Method::Subscribe | Method::Refer | Method::Notify | Method::Update)
    );
    forms && status > Status::TRYING && status.class() <= 2
}

fn has_tag<B: AsRef<[u8]>>(request: &Message<B>) -> bool {
    request.to().is_ok_and(|to| to.tag().is_some())
}

pub(crate) fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    push_clean(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a value; line ends in it become spaces.
pub(crate) fn push_clean(out: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a number in decimal, without formatting machinery.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
