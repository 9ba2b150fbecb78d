//! A phone that does what the test says, and by itself only what every transaction layer does.

use sip::{Message, Method, Name, Status, Writer, respond};

use crate::scene::Scene;

/// What a phone remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// All it received, in order; what came once more counts in `repeats`.
    pub(crate) heard: Vec<Message<Vec<u8>>>,
    /// How many of them came once more.
    pub(crate) repeats: usize,
    /// Its call's Call-ID, own and other address with tags, the Request-URI inside the call.
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) cseq: u32,
    /// It does nothing by itself any more.
    pub(crate) dead: bool,
}

/// One phone of a scene, to be told what to do.
pub(crate) struct Phone<'a> {
    pub(crate) scene: &'a mut Scene,
    pub(crate) leg: u16,
}

pub(crate) const ALICES_SDP: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
pub(crate) const BOBS_SDP: &str = "v=0\r\no=bob 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
    m=audio 5000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";

/// The same session, on hold (or not any more): under a new version.
pub(crate) fn held(sdp: &str, direction: &str) -> String {
    sdp.replace(" 1 1 IN", " 1 2 IN").replace("sendrecv", direction)
}

impl Phone<'_> {
    fn memory(&mut self) -> &mut Memory {
        self.scene.memories.entry(self.leg).or_default()
    }

    /// Begins the call to `dialed`.
    pub(crate) fn invites(self, dialed: &str, sdp: Option<&str>) {
        self.invites_with(dialed, sdp, &[]);
    }

    pub(crate) fn invites_with(mut self, dialed: &str, sdp: Option<&str>, headers: &[(&str, &str)]) {
        let memory = self.memory();
        memory.call_id = "alices-call".into();
        memory.local = "<sip:alice@red.example>;tag=alice".into();
        memory.remote = format!("<sip:{dialed}@red.example>");
        memory.target = format!("sip:{dialed}@red.example");
        let invite = self.request(Method::Invite, sdp, headers);
        self.scene.begin(dialed, &invite);
    }

    /// The same INVITE once more.
    pub(crate) fn invites_again(mut self, sdp: Option<&str>) {
        self.memory().cseq -= 1;
        let invite = self.request(Method::Invite, sdp, &[]);
        self.scene.hears(self.leg, &invite);
    }

    /// 180.
    pub(crate) fn rings(self) {
        self.progresses(180, None);
    }

    /// 180 or 183, maybe with early media.
    pub(crate) fn progresses(mut self, status: u16, sdp: Option<&str>) {
        let invite = self.last_request(Method::Invite);
        self.respond(&invite, status, sdp);
    }

    /// The same of a phone that knows UPDATE.
    pub(crate) fn speaks_early(mut self, sdp: &str) {
        let invite = self.last_request(Method::Invite);
        let contact = format!("<sip:phone-{}@192.0.2.9>", self.leg);
        let headers = [("Contact", contact.as_str()), ("Allow", "INVITE, ACK, CANCEL, BYE, UPDATE")];
        self.respond_with(&invite, 183, Some(sdp), &headers);
    }

    /// 200 to the INVITE, whatever came since.
    pub(crate) fn picks_up(self, sdp: &str) {
        self.progresses(200, Some(sdp));
    }

    /// 200 to the INVITE.
    pub(crate) fn answers(self) {
        self.answers_with(BOBS_SDP);
    }

    /// 200 to the last INVITE or UPDATE with this answer (or offer).
    pub(crate) fn answers_with(self, sdp: &str) {
        self.responds(200, Some(sdp));
    }

    /// A final response to the last INVITE, re-INVITE or UPDATE.
    pub(crate) fn responds(mut self, status: u16, sdp: Option<&str>) {
        let offers = [Some(Method::Invite), Some(Method::Update)];
        let mut heard = self.memory().heard.iter().rev();
        let request =
            heard.find(|message| offers.contains(&message.method())).expect("no offer came").clone();
        self.respond(&request, status, sdp);
    }

    pub(crate) fn refuses(self, status: u16) {
        self.responds(status, None);
    }

    /// 302 to these.
    pub(crate) fn redirects_to(mut self, contacts: &str) {
        let invite = self.last_request(Method::Invite);
        self.respond_with(&invite, 302, None, &[("Contact", contacts)]);
    }

    pub(crate) fn acks(self) {
        self.acks_with(None);
    }

    pub(crate) fn acks_with(mut self, sdp: Option<&str>) {
        self.learn();
        let ack = self.request(Method::Ack, sdp, &[]);
        self.scene.hears(self.leg, &ack);
    }

    pub(crate) fn cancels(mut self) {
        let cancel = self.request(Method::Cancel, None, &[("Reason", "SIP;cause=600")]);
        self.scene.hears(self.leg, &cancel);
    }

    pub(crate) fn hangs_up(self) {
        self.sends(Method::Bye, None);
    }

    pub(crate) fn reinvites(self, sdp: Option<&str>) {
        self.sends(Method::Invite, sdp);
    }

    /// Sends a request inside the call.
    pub(crate) fn sends(self, method: Method<'_>, sdp: Option<&str>) {
        self.sends_with(method, sdp, &[]);
    }

    pub(crate) fn sends_with(mut self, method: Method<'_>, body: Option<&str>, headers: &[(&str, &str)]) {
        self.learn();
        let request = self.request(method, body, headers);
        self.scene.hears(self.leg, &request);
    }

    /// Sends a request inside the call with a body of another kind.
    pub(crate) fn sends_body(mut self, method: Method<'_>, content_type: &str, body: &str) {
        self.learn();
        let mut bytes = Vec::new();
        let memory = self.memory();
        memory.cseq += 1;
        let memory = memory.clone();
        head(&mut bytes, method, &memory, self.leg).body(content_type, body.as_bytes());
        self.scene.hears(self.leg, &bytes);
    }

    /// From now on it neither answers nor acknowledges anything.
    pub(crate) fn dies(mut self) {
        self.memory().dead = true;
    }

    /// What it heard so far: methods and statuses.
    pub(crate) fn heard(mut self) -> Vec<String> {
        let name = |message: &Message<Vec<u8>>| match message.status() {
            Some(status) => status.code().to_string(),
            None => message.method().map(|method| method.as_str().to_owned()).unwrap_or_default(),
        };
        self.memory().heard.iter().map(name).collect()
    }

    /// How often it heard something once more.
    pub(crate) fn repeats(mut self) -> usize {
        self.memory().repeats
    }

    /// The last message it heard.
    pub(crate) fn last(mut self) -> Message<Vec<u8>> {
        self.memory().heard.last().expect("it heard nothing").clone()
    }

    /// The last SDP it heard.
    pub(crate) fn last_sdp(mut self) -> String {
        let bodies = self.memory().heard.iter().rev();
        let mut bodies = bodies.map(|message| String::from_utf8_lossy(message.body()).into_owned());
        bodies.find(|body| body.starts_with("v=0")).expect("it heard no SDP")
    }

    pub(crate) fn hears(mut self, message: &Message<Vec<u8>>) {
        let memory = self.memory();
        if memory.heard.iter().any(|before| before.bytes() == message.bytes()) {
            memory.repeats += 1;
        } else {
            memory.heard.push(message.clone());
        }
        if !self.memory().dead {
            self.reflexes(message);
        }
    }

    /// What every transaction layer does by itself: it acknowledges refusals, and says yes to BYE and CANCEL.
    fn reflexes(&mut self, message: &Message<Vec<u8>>) {
        let of_invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        match (message.method(), message.status()) {
            (None, Some(status)) if of_invite && status.code() >= 300 => {
                let mut ack = Vec::new();
                let memory = self.memory().clone();
                let to = message.raw(Name::To).unwrap_or_default().to_vec();
                let number = message.cseq().map_or(0, |cseq| cseq.number);
                Writer::request(&mut ack, Method::Ack, &memory.target)
                    .copy(message, Name::Via)
                    .header(Name::From, &memory.local)
                    .header(Name::To, to)
                    .header(Name::CallId, &memory.call_id)
                    .header(Name::CSeq, format!("{number} ACK"))
                    .empty_body();
                self.scene.post(self.leg, ack);
            }
            (Some(Method::Invite), None) if self.memory().local.is_empty() => self.is_called(message),
            (Some(Method::Bye | Method::Info), None) => self.reply(message, 200),
            (Some(Method::Update), None) if message.body().is_empty() => self.reply(message, 200),
            (Some(Method::Cancel), None) => {
                self.reply(message, 200);
                let mut heard = self.memory().heard.iter().rev();
                let invite = heard.find(|message| message.method() == Some(Method::Invite)).cloned();
                if let Some(invite) = invite {
                    self.reply(&invite, 487);
                }
            }
            _ => {}
        }
    }

    fn is_called(&mut self, invite: &Message<Vec<u8>>) {
        let text = |name| invite.text(name).map(std::borrow::Cow::into_owned).unwrap_or_default();
        let leg = self.leg;
        let memory = self.memory();
        memory.call_id = text(Name::CallId);
        memory.local = format!("{};tag=phone-{leg}", text(Name::To));
        memory.remote = text(Name::From);
        memory.target = target_of(invite);
        memory.cseq = 100;
    }

    /// Takes the tag and the Contact out of what it heard.
    fn learn(&mut self) {
        let memory = self.memory();
        let is_answer = |message: &&Message<Vec<u8>>| {
            message.status().is_some_and(Status::is_success) && message.contacts().next().is_some()
        };
        if let Some(response) = memory.heard.iter().rev().find(is_answer) {
            if !memory.remote.contains(";tag=") {
                memory.remote = response.text(Name::To).unwrap_or_default().into_owned();
            }
            memory.target = target_of(response);
        }
    }

    fn last_request(&mut self, method: Method<'_>) -> Message<Vec<u8>> {
        let mut heard = self.memory().heard.iter().rev();
        heard.find(|message| message.method() == Some(method)).expect("no such request came").clone()
    }

    fn request(&mut self, method: Method<'_>, sdp: Option<&str>, headers: &[(&str, &str)]) -> Vec<u8> {
        let leg = self.leg;
        let memory = self.memory();
        memory.cseq += u32::from(!matches!(method, Method::Ack | Method::Cancel));
        let memory = memory.clone();
        let mut bytes = Vec::new();
        let mut writer = head(&mut bytes, method, &memory, leg);
        for (name, value) in headers {
            writer = writer.other(name, value);
        }
        match sdp {
            Some(sdp) => writer.body("application/sdp", sdp.as_bytes()),
            None => writer.empty_body(),
        }
        bytes
    }

    fn reply(&mut self, request: &Message<Vec<u8>>, status: u16) {
        let tag = format!("phone-{}", self.leg);
        let mut bytes = Vec::new();
        let status = Status::new(status).unwrap();
        respond(request, status, None, Some(&tag), &mut bytes).empty_body();
        self.scene.post(self.leg, bytes);
    }

    fn respond(&mut self, request: &Message<Vec<u8>>, status: u16, sdp: Option<&str>) {
        self.respond_with(request, status, sdp, &[]);
    }

    fn respond_with(
        &mut self,
        request: &Message<Vec<u8>>,
        status: u16,
        sdp: Option<&str>,
        headers: &[(&str, &str)],
    ) {
        let tag = format!("phone-{}", self.leg);
        let mut bytes = Vec::new();
        let status = Status::new(status).unwrap();
        let mut writer = respond(request, status, None, Some(&tag), &mut bytes);
        if headers.is_empty() {
            writer = writer.header(Name::Contact, format!("<sip:phone-{}@192.0.2.9>", self.leg));
        }
        for (name, value) in headers {
            writer = writer.other(name, value);
        }
        match sdp {
            Some(sdp) => writer.body("application/sdp", sdp.as_bytes()),
            None => writer.empty_body(),
        }
        self.scene.hears(self.leg, &bytes);
    }
}

fn head<'w>(bytes: &'w mut Vec<u8>, method: Method<'_>, memory: &Memory, leg: u16) -> Writer<'w> {
    let own = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKphone-{leg}-{}{}", memory.cseq, ack(method));
    Writer::request(bytes, method, &memory.target)
        .header(Name::Via, "SIP/2.0/UDP edge.example;branch=z9hG4bKedge".to_owned() + &own[own.len() - 6..])
        .header(Name::Via, own)
        .number(Name::MaxForwards, 20)
        .header(Name::From, &memory.local)
        .header(Name::To, &memory.remote)
        .header(Name::CallId, &memory.call_id)
        .header(Name::CSeq, format!("{} {}", memory.cseq, method.as_str()))
        .header(Name::Contact, "<sip:phone@192.0.2.1:5060>")
        .header(Name::Allow, "INVITE, ACK, CANCEL, BYE, UPDATE, INFO")
}

/// The ACK of a 2xx is a transaction of its own.
fn ack(method: Method<'_>) -> &'static str {
    if method == Method::Ack { "-ack" } else { "" }
}

fn target_of(message: &Message<Vec<u8>>) -> String {
    let contact = message.contact().expect("a Contact");
    String::from_utf8_lossy(contact.address.uri_bytes).into_owned()
}
