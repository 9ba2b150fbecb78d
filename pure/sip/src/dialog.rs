//! RFC 3261 12: what two user agents know of each other.

use machine::terse::is_default;
use serde::{Deserialize, Serialize};

use crate::{CSeq, Message, Method, Name, NameAddr, ParseError, Values, Writer};

/// A dialog; until the far side has given its tag, the half of one that we begin a call with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialog {
    /// Its Call-ID.
    #[serde(skip_serializing_if = "is_default")]
    pub call_id: String,
    /// Our tag.
    #[serde(skip_serializing_if = "is_default")]
    pub local_tag: String,
    /// The peer's tag; empty as long as there is none.
    #[serde(skip_serializing_if = "is_default")]
    pub remote_tag: String,
    /// What stands in From of our requests, tag included.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<u8>,
    /// What stands in To of our requests, tag included.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub remote: Vec<u8>,
    /// Where our requests go in the end: the peer's Contact.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<u8>,
    /// Where they pass through: Route values in their order, with commas between them.
    #[serde(with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<u8>,
    /// The number of our newest request.
    #[serde(skip_serializing_if = "is_default")]
    pub local_cseq: u32,
    /// The number of the peer's newest request.
    #[serde(skip_serializing_if = "is_default")]
    pub remote_cseq: Option<u32>,
    /// How many hops our requests may take; 0 for the usual 70.
    #[serde(skip_serializing_if = "is_default")]
    pub max_forwards: u8,
}

/// Whether a request comes in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Order {
    /// It does.
    Next,
    /// A later one was here before (RFC 3261 12.2.2: refuse with 500).
    Late,
}

impl Dialog {
    /// Of an INVITE that was received, answered with `local_tag`.
    ///
    /// # Errors
    /// When a header is missing or malformed that a dialog is made of.
    pub fn of_request<B: AsRef<[u8]>>(invite: &Message<B>, local_tag: &str) -> Result<Dialog, ParseError> {
        let remote_tag = invite.from()?.tag().unwrap_or_default().to_owned();
        invite.to()?;
        let mut local = invite.raw(Name::To).unwrap_or_default().to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        let mut routes = Vec::new();
        for route in invite.record_routes() {
            route?;
        }
        for route in invite.values(Name::RecordRoute) {
            push_route(&mut routes, route);
        }
        Ok(Dialog {
            call_id: String::from_utf8_lossy(invite.call_id()?).into_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag,
            local,
            remote: invite.raw(Name::From).unwrap_or_default().to_vec(),
            target: invite.contact()?.address.uri_bytes.to_vec(),
            routes,
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()?.number),
            max_forwards: 0,
        })
    }

    /// The dialog that a response makes of this half of one.
    ///
    /// # Errors
    /// When a header is malformed that a dialog is made of, or the To-tag is missing.
    pub fn of_response<B: AsRef<[u8]>>(&self, response: &Message<B>) -> Result<Dialog, ParseError> {
        let to = response.to()?;
        let tag = to.tag().ok_or(ParseError::new("To", 0, crate::Problem::Expected("a tag")))?;
        let mut recorded: Vec<&[u8]> = Vec::new();
        for route in response.record_routes() {
            route?;
        }
        recorded.extend(response.values(Name::RecordRoute));
        let mut routes = Vec::new();
        for route in recorded.iter().rev() {
            push_route(&mut routes, route);
        }
        let mut dialog = Dialog {
            remote_tag: tag.to_owned(),
            remote: response.raw(Name::To).unwrap_or_default().to_vec(),
            routes,
            ..self.clone()
        };
        dialog.retarget(response);
        Ok(dialog)
    }

    /// Takes the Contact of a message that refreshes the target (RFC 3261 12.2), if it has a good one.
    pub fn retarget<B: AsRef<[u8]>>(&mut self, message: &Message<B>) {
        if let Ok(contact) = message.contact()
            && self.target != contact.address.uri_bytes
        {
            self.target = contact.address.uri_bytes.to_vec();
        }
    }

    /// Looks at a request's CSeq number.
    pub fn takes(&mut self, number: u32) -> Order {
        if self.remote_cseq.is_some_and(|newest| number <= newest) {
            return Order::Late;
        }
        self.remote_cseq = Some(number);
        Order::Next
    }

    /// The number for our next request.
    pub fn count(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// The Request-URI of our requests: the target, or, before a strict router, the router itself.
    pub fn request_uri(&self) -> &[u8] {
        self.strict_route().map_or(&self.target, |route| route.uri_bytes)
    }

    /// Begins a request of ours: request line, Via, Route, Max-Forwards, From, To, Call-ID and CSeq, as
    /// RFC 3261 12.2.1.1 wants them.
    pub fn write<'w>(
        &self,
        method: Method<'_>,
        number: u32,
        via: &str,
        bytes: &'w mut Vec<u8>,
    ) -> Writer<'w> {
        let strict = self.strict_route();
        let uri = strict.map_or(&self.target[..], |route| route.uri_bytes);
        let mut writer = Writer::request(bytes, method, uri).header(Name::Via, via);
        if strict.is_some() {
            for route in Values::new(&self.routes).skip(1) {
                writer = writer.header(Name::Route, route);
            }
            let target = [b"<", &self.target[..], b">"].concat();
            writer = writer.header(Name::Route, target);
        } else if !self.routes.is_empty() {
            writer = writer.header(Name::Route, &self.routes);
        }
        writer
            .number(Name::MaxForwards, if self.max_forwards == 0 { 70 } else { self.max_forwards.into() })
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .cseq(CSeq { number, method })
    }

    /// The first route, if it is a strict router (RFC 2543).
    fn strict_route(&self) -> Option<NameAddr<'_>> {
        let first = NameAddr::parse(Values::new(&self.routes).next()?).ok()?;
        (!first.uri.has_param("lr")).then_some(first)
    }
}

fn push_route(routes: &mut Vec<u8>, route: &[u8]) {
    if !routes.is_empty() {
        routes.extend_from_slice(b", ");
    }
    routes.extend_from_slice(route);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message<Vec<u8>> {
        Message::parse(text.replace('\n', "\r\n").into_bytes()).unwrap()
    }

    fn half() -> Dialog {
        Dialog {
            call_id: "c1".into(),
            local_tag: "a".into(),
            local: b"<sip:alice@a>;tag=a".to_vec(),
            remote: b"<sip:bob@b>".to_vec(),
            target: b"sip:bob@b".to_vec(),
            local_cseq: 1,
            ..Dialog::default()
        }
    }

    fn answer(record_routes: &str) -> Message<Vec<u8>> {
        message(&format!(
            "SIP/2.0 200 OK\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n{record_routes}From: <sip:alice@a>;tag=a\n\
             To: Bob <sip:bob@b>;tag=b\nCall-ID: c1\nCSeq: 1 INVITE\nContact: <sip:bob@10.0.0.2:5070>\n\n"
        ))
    }

    fn bye(dialog: &Dialog) -> String {
        let mut bytes = Vec::new();
        dialog.write(Method::Bye, 2, "SIP/2.0/UDP a;branch=z9hG4bK2", &mut bytes).empty_body();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_caller_s_routes_are_recorded_in_reverse() {
        let dialog = half().of_response(&answer("Record-Route: <sip:p2;lr>, <sip:p1;lr>\n")).unwrap();
        let bye = bye(&dialog);
        assert!(bye.starts_with("BYE sip:bob@10.0.0.2:5070 SIP/2.0\r\n"), "{bye}");
        assert!(bye.contains("\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\n"), "{bye}");
        assert!(bye.contains("\r\nTo: Bob <sip:bob@b>;tag=b\r\n"), "{bye}");
        assert!(bye.contains("\r\nCSeq: 2 BYE\r\n"), "{bye}");
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri() {
        let dialog =
            half().of_response(&answer("Record-Route: <sip:p2;lr>\nRecord-Route: <sip:p1>\n")).unwrap();
        let bye = bye(&dialog);
        assert!(bye.starts_with("BYE sip:p1 SIP/2.0\r\n"), "{bye}");
        assert!(bye.contains("\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:bob@10.0.0.2:5070>\r\n"), "{bye}");
        assert_eq!(dialog.request_uri(), b"sip:p1");
    }

    #[test]
    fn without_recorded_routes_requests_go_straight_to_the_contact() {
        let begun = Dialog { routes: b"<sip:outbound;lr>".to_vec(), ..half() };
        let dialog = begun.of_response(&answer("")).unwrap();
        assert!(!bye(&dialog).contains("Route:"));
    }

    #[test]
    fn the_called_side_keeps_the_order_of_routes_and_the_caller_s_own_words() {
        let invite = message(
            "INVITE sip:bob@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n\
             Record-Route: <sip:p2;lr>, <sip:p1;lr>\nFrom: \"A, l\" <sip:alice@a>;x=y;tag=a\nTo: <sip:bob@b>\n\
             Call-ID: c1\nCSeq: 7 INVITE\nContact: <sip:alice@10.0.0.1>\n\n",
        );
        let mut dialog = Dialog::of_request(&invite, "b").unwrap();
        let bye = bye(&dialog);
        assert!(bye.starts_with("BYE sip:alice@10.0.0.1 SIP/2.0\r\n"), "{bye}");
        assert!(bye.contains("\r\nRoute: <sip:p2;lr>, <sip:p1;lr>\r\n"), "{bye}");
        assert!(bye.contains("\r\nFrom: <sip:bob@b>;tag=b\r\n"), "{bye}");
        assert!(bye.contains("\r\nTo: \"A, l\" <sip:alice@a>;x=y;tag=a\r\n"), "{bye}");
        assert_eq!(dialog.takes(7), Order::Late);
        assert_eq!(dialog.takes(9), Order::Next);
        assert_eq!(dialog.takes(8), Order::Late);
    }

    #[test]
    fn a_dialog_needs_its_headers() {
        let no_contact = message(
            "INVITE sip:bob@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nFrom: <sip:alice@a>;tag=a\n\
             To: <sip:bob@b>\nCall-ID: c1\nCSeq: 7 INVITE\n\n",
        );
        assert_eq!(Dialog::of_request(&no_contact, "b").unwrap_err().header, "Contact");
        let no_tag = message("SIP/2.0 200 OK\nTo: <sip:bob@b>\n\n");
        assert_eq!(half().of_response(&no_tag).unwrap_err().header, "To");
    }
}
