//! A phone that does as it is told, so that it can also do wrong.

use machine::{Moment, base32};
use sip::digest::{Authenticator, Prospect};
use sip::leg::Login;
use sip::{Message, Method, Name, Status};

use crate::platform::{Platform, Sip, password};

pub(crate) struct Phone {
    pub(crate) user: String,
    pub(crate) domain: String,
    /// Where it is: `phone-1.example`.
    pub(crate) host: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) auth: Authenticator,
    branches: u32,
}

pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

impl Phone {
    pub(crate) fn of(user: &str, domain: &str) -> Self {
        Self::at(user, domain, "phone-1.example")
    }

    pub(crate) fn at(user: &str, domain: &str, host: &str) -> Self {
        // Phones that were told an address for a domain are of the tenant that takes all the rest.
        let home = if domain.ends_with(".example") { domain } else { "red.example" };
        let login = Login { user: user.into(), password: password(user, home) };
        Phone {
            user: user.into(),
            domain: domain.into(),
            host: host.into(),
            call_id: format!("{user}@{host}"),
            cseq: 0,
            auth: Authenticator::new(login),
            branches: 0,
        }
    }

    pub(crate) fn with_password(mut self, password: &str) -> Self {
        self.auth = Authenticator::new(Login { user: self.user.clone(), password: password.into() });
        self
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.host)
    }

    fn branch(&mut self) -> String {
        self.branches += 1;
        let name = format!("{}{}{}", self.host, self.user, self.branches);
        format!("z9hG4bK{}", base32::encode(name.as_bytes()))
    }

    /// A request as the edge hands it on: its Via on top of the phone's.
    pub(crate) fn request(
        &mut self,
        method: Method<'_>,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<u8> {
        let branch = self.branch();
        let Phone { user, domain, host, call_id, cseq, .. } = self;
        let has = |name: &str| headers.iter().any(|(known, _)| *known == name);
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP edge.example;branch={branch}.edge\r\n\
             Via: SIP/2.0/UDP {host};branch={branch};received=192.0.2.7;rport=5062\r\n"
        );
        let flow = format!("<sip:{host}@edge.example;lr>");
        if method == Method::Register {
            text.push_str(&format!("Path: {flow}\r\n"));
        } else {
            text.push_str(&format!("Record-Route: {flow}\r\n"));
        }
        if !has("From") {
            text.push_str(&format!("From: <sip:{user}@{domain}>;tag={user}-tag\r\n"));
        }
        if !has("To") {
            let to = if method == Method::Register { format!("sip:{user}@{domain}") } else { uri.to_owned() };
            text.push_str(&format!("To: <{to}>\r\n"));
        }
        if !has("CSeq") {
            text.push_str(&format!("CSeq: {cseq} {method}\r\n"));
        }
        text.push_str(&format!("Call-ID: {call_id}\r\nMax-Forwards: 70\r\n"));
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        for (name, value) in self.auth.headers(method, uri.as_bytes(), "cnonce") {
            text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(&value)));
        }
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text.into_bytes()
    }

    /// Sends a new request, and answers the challenge if there is one.
    pub(crate) fn send(
        &mut self,
        platform: &mut Platform,
        method: Method<'_>,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<Sip> {
        for _ in 0..2 {
            self.cseq += 1;
            let request = self.request(method, uri, headers, body);
            let heard = platform.hear(&request);
            let Some(response) = heard.first() else { return heard };
            let challenged = matches!(
                response.status(),
                Some(Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED)
            );
            if !challenged || self.auth.challenged(response) == Prospect::Hopeless {
                return heard;
            }
            if method == Method::Invite {
                platform.hear(&self.ack(&request, response));
            }
        }
        self.cseq += 1;
        let request = self.request(method, uri, headers, body);
        platform.hear(&request)
    }

    /// The ACK of a refusal (RFC 3261 17.1.1.3).
    pub(crate) fn ack(&self, request: &[u8], response: &Sip) -> Vec<u8> {
        let request = Message::parse(request).unwrap();
        let mut bytes = Vec::new();
        sip::Writer::request(&mut bytes, Method::Ack, request.request_uri_bytes())
            .copy(&request, Name::Via)
            .copy(&request, Name::From)
            .copy(response, Name::To)
            .copy(&request, Name::CallId)
            .cseq(sip::CSeq { number: request.cseq().unwrap().number, method: Method::Ack })
            .empty_body();
        bytes
    }

    pub(crate) fn register(&mut self, platform: &mut Platform, headers: &[(&str, &str)]) -> Sip {
        let uri = format!("sip:{}", self.domain);
        let mut heard = self.send(platform, Method::Register, &uri, headers, "");
        assert_eq!(heard.len(), 1, "one answer");
        heard.remove(0)
    }

    /// Registers its own contact for an hour.
    pub(crate) fn comes(&mut self, platform: &mut Platform) -> &mut Self {
        let contact = self.contact();
        let response = self.register(platform, &[("Contact", &contact), ("Expires", "3600")]);
        assert_eq!(response.status(), Some(Status::OK), "{}", text(&response));
        self
    }

    /// Calls `user` of its own domain.
    pub(crate) fn calls(&mut self, platform: &mut Platform, user: &str) -> Vec<Sip> {
        let uri = format!("sip:{user}@{}", self.domain);
        self.call_id = format!("call-{}-{}-{}", self.cseq, self.user, self.host);
        let contact = self.contact();
        self.send(platform, Method::Invite, &uri, &[("Contact", &contact)], OFFER)
    }

    /// Answers a request of the platform.
    pub(crate) fn answers(&self, request: &Sip, status: u16, body: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let status = Status::new(status).unwrap();
        let tag = format!("{}-answers", self.user);
        let writer =
            sip::respond(request, status, None, Some(&tag), &mut bytes).header(Name::Contact, self.contact());
        if body.is_empty() {
            writer.empty_body()
        } else {
            writer.body("application/sdp", body.as_bytes())
        }
        bytes
    }

    /// A request inside the dialog that `response` to its INVITE made.
    pub(crate) fn in_dialog(&mut self, method: Method<'_>, response: &Sip) -> Vec<u8> {
        let to = String::from_utf8_lossy(response.raw(Name::To).unwrap()).into_owned();
        let target = response.contacts().next().unwrap().unwrap();
        let uri = String::from_utf8_lossy(target.address.uri_bytes).into_owned();
        if method != Method::Ack {
            self.cseq += 1;
        }
        self.request(method, &uri, &[("To", &to)], "")
    }
}

pub(crate) fn text(message: &Sip) -> String {
    String::from_utf8_lossy(message.bytes()).into_owned()
}

pub(crate) fn statuses(messages: &[Sip]) -> Vec<u16> {
    messages.iter().filter_map(|message| message.status()).map(Status::code).collect()
}

/// The first request of this method.
pub(crate) fn request<'m>(messages: &'m [Sip], method: Method<'_>) -> &'m Sip {
    let found = messages.iter().find(|message| message.method() == Some(method));
    found.unwrap_or_else(|| panic!("no {method} in {messages:?}"))
}

/// The response of this status.
pub(crate) fn response(messages: &[Sip], status: u16) -> &Sip {
    let found = messages.iter().find(|message| message.status().map(Status::code) == Some(status));
    found.unwrap_or_else(|| panic!("no {status} in {messages:?}"))
}

/// The contacts of a 200 to a REGISTER: URI and seconds.
pub(crate) fn contacts(response: &Sip) -> Vec<(String, u32)> {
    let contacts = response.contacts().map(Result::unwrap);
    contacts
        .map(|contact| {
            let uri = String::from_utf8_lossy(contact.address.uri_bytes).into_owned();
            (uri, contact.expires().unwrap().unwrap())
        })
        .collect()
}

pub(crate) fn seconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count)
}

#[allow(dead_code)]
pub(crate) fn later(now: Moment, count: u64) -> Moment {
    now.after(seconds(count))
}
