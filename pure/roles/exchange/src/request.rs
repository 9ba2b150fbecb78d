use contract::account::Tenant;
use contract::{TenantId, sharding};
use sip::{CSeq, Host, Message, Method, NameAddr, ParseError, Uri};

/// A request, with what every step of the decision looks at.
#[derive(Clone, Debug)]
pub(crate) struct Request<'m> {
    pub(crate) message: &'m Message<&'m [u8]>,
    pub(crate) method: Method<'m>,
    pub(crate) uri: Uri<'m>,
    pub(crate) from: NameAddr<'m>,
    pub(crate) to: NameAddr<'m>,
    pub(crate) call_id: &'m [u8],
    pub(crate) cseq: CSeq<'m>,
}

impl<'m> Request<'m> {
    /// Reads what must be there.
    pub(crate) fn read(message: &'m Message<&'m [u8]>, method: Method<'m>) -> Result<Self, ParseError> {
        Ok(Request {
            message,
            method,
            uri: message.request_uri()?,
            from: message.from()?,
            to: message.to()?,
            call_id: message.call_id()?,
            cseq: message.cseq()?,
        })
    }

    /// The caller's tag; old phones have none.
    pub(crate) fn callers_tag(&self) -> &'m [u8] {
        self.from.tag().unwrap_or_default().as_bytes()
    }

    /// Whether it is said inside a dialog.
    pub(crate) fn is_in_dialog(&self) -> bool {
        self.to.tag().is_some()
    }

    /// The name that it is for: the user of To in a REGISTER, of the Request-URI in all others.
    pub(crate) fn name(&self) -> &'m [u8] {
        let uri = if self.method == Method::Register { &self.to.uri } else { &self.uri };
        uri.user.unwrap_or_default()
    }

    /// What was dialed, as accounts know it: without escapes, and a number without `+` and what people put
    /// between digits.
    pub(crate) fn dialed(&self) -> String {
        dialed(self.uri.user.unwrap_or_default())
    }
}

fn dialed(user: &[u8]) -> String {
    let name = String::from_utf8_lossy(&sharding::user_name(user)).into_owned();
    let digits = name.strip_prefix('+').unwrap_or(&name);
    let is_number = digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b"-.()".contains(&byte));
    if is_number { digits.chars().filter(char::is_ascii_digit).collect() } else { name }
}

/// A host as text, for looking a domain up; addresses as they are usually written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostText<'m> {
    Name(&'m str),
    Address { text: [u8; HostText::LONGEST], length: usize },
}

impl HostText<'_> {
    const LONGEST: usize = 48;

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            HostText::Name(name) => name.as_bytes(),
            HostText::Address { text, length } => &text[..*length],
        }
    }
}

impl<'m> From<Host<'m>> for HostText<'m> {
    fn from(host: Host<'m>) -> Self {
        use std::io::Write as _;
        let mut text = [0; HostText::LONGEST];
        let mut free = &mut text[..];
        let written = match host {
            Host::Name(name) => return HostText::Name(name),
            Host::V4(address) => write!(free, "{address}"),
            Host::V6(address) => write!(free, "[{address}]"),
        };
        let length = if written.is_ok() { HostText::LONGEST - free.len() } else { 0 };
        HostText::Address { text, length }
    }
}

/// Whose a request is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'v> {
    pub(crate) id: TenantId,
    /// The realm of its passwords: its first domain.
    pub(crate) realm: &'v str,
    pub(crate) tenant: &'v Tenant,
}

impl<'v> From<&'v Tenant> for Home<'v> {
    fn from(tenant: &'v Tenant) -> Self {
        Home { id: tenant.id, realm: tenant.domains.first().map_or("", String::as_str), tenant }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dialed_is_known_by_its_digits() {
        for (written, meant) in [
            ("+49-30-123", "4930123"),
            ("%2B4930123", "4930123"),
            ("1001", "1001"),
            ("(030)123.45", "03012345"),
            ("bob", "bob"),
            ("%62ob", "bob"),
            ("+bob", "+bob"),
            ("*97", "*97"),
            ("-", "-"),
        ] {
            assert_eq!(dialed(written.as_bytes()), meant);
        }
    }
}
