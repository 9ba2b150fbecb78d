//! A leg and a peer whose every word the test speaks.

use std::time::Duration;

use machine::Moment;
use sip::leg::{
    Env, Identity, Leg, LegCommand, LegEvent, LegOut, LegState, LegTiming, Login, Reception, Refusal,
};
use sip::{Message, Method, Name, Status, Writer, respond};

pub(crate) const BEGIN: Moment = Moment::from_secs(1_700_000_000);
pub(crate) const OFFER: &str = "v=0 offer";
pub(crate) const ANSWER: &str = "v=0 answer";

pub(crate) struct Solo {
    pub(crate) leg: Leg,
    pub(crate) now: Moment,
    pub(crate) timing: LegTiming,
    /// Everything the leg has sent and nobody looked at.
    pub(crate) sent: Vec<Message<Vec<u8>>>,
    pub(crate) events: Vec<LegEvent>,
    branches: u32,
    peer_branches: u32,
    pub(crate) peer_cseq: u32,
}

pub(crate) fn parse(bytes: Vec<u8>) -> Message<Vec<u8>> {
    let message = Message::parse(bytes).expect("the leg says SIP");
    message.check().unwrap_or_else(|wrong| panic!("{wrong:?} in {}", text(&message)));
    message
}

pub(crate) fn text(message: &Message<Vec<u8>>) -> String {
    String::from_utf8_lossy(message.bytes()).into_owned()
}

pub(crate) fn identity() -> Identity {
    Identity {
        call_id: "call-1".into(),
        local: "\"Alice\" <sip:alice@example.com>".into(),
        local_tag: "a1".into(),
        remote: "<sip:bob@example.com>".into(),
        target: "sip:bob@example.com".into(),
        routes: vec!["<sip:edge.example.com;lr>".into()],
        contact: "<sip:alice@10.0.0.1:5060>".into(),
        reliable: false,
        sent_by: "10.0.0.1:5060".into(),
        via_transport: "UDP".into(),
        ..Identity::default()
    }
}

pub(crate) fn reception() -> Reception {
    Reception {
        local_tag: "b1".into(),
        contact: "<sip:bob@10.0.0.2:5060>".into(),
        sent_by: "10.0.0.2:5060".into(),
        via_transport: "UDP".into(),
        ..Reception::default()
    }
}

/// An INVITE from a peer, with `more` header lines.
pub(crate) fn invite(more: &str, sdp: &str) -> Vec<u8> {
    let typed = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKpeer0\r\n\
         Record-Route: <sip:edge.example.com;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a1\r\n\
         To: <sip:bob@example.com>\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:alice@10.0.0.1:5060>\r\n{more}{typed}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len(),
    )
    .into_bytes()
}

impl Solo {
    fn new(leg: Leg, timing: LegTiming) -> Solo {
        Solo {
            leg,
            now: BEGIN,
            timing,
            sent: Vec::new(),
            events: Vec::new(),
            branches: 0,
            peer_branches: 0,
            peer_cseq: 1,
        }
    }

    /// A leg that calls.
    pub(crate) fn dial(offer: Option<&str>) -> Solo {
        Solo::dial_as(identity(), offer, LegTiming::default())
    }

    pub(crate) fn dial_with_login(password: &str) -> Solo {
        let login = Some(Login { user: "alice".into(), password: password.into() });
        Solo::dial_as(Identity { login, ..identity() }, Some(OFFER), LegTiming::default())
    }

    pub(crate) fn dial_as(identity: Identity, offer: Option<&str>, timing: LegTiming) -> Solo {
        let mut solo = Solo::new(Leg::default(), timing);
        let extra = [("X-Ours", "yes"), ("call-id", "forged"), ("v", "SIP/2.0/UDP forged")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        solo.turn(|leg, now, env, out| {
            *leg = Leg::dial(identity, offer.map(str::as_bytes), &extra, now, env, out);
        });
        solo
    }

    /// A leg that is called, with more header lines in the INVITE.
    pub(crate) fn invited(more: &str, sdp: &str) -> Solo {
        Solo::try_invited(more, sdp).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    pub(crate) fn try_invited(more: &str, sdp: &str) -> Result<Solo, Refusal> {
        Solo::try_invited_as(reception(), more, sdp)
    }

    pub(crate) fn try_invited_as(reception: Reception, more: &str, sdp: &str) -> Result<Solo, Refusal> {
        let mut solo = Solo::new(Leg::default(), LegTiming::default());
        let bytes = invite(more, sdp);
        let mut result = Ok(());
        solo.turn(|leg, now, env, out| {
            let message = Message::parse(&bytes[..]).unwrap();
            match Leg::invited(&message, reception, now, env, out) {
                Ok(new) => *leg = new,
                Err(refusal) => result = Err(refusal),
            }
        });
        result.map(|()| solo)
    }

    /// A call that is up: we called.
    pub(crate) fn up_as_caller(more: &str) -> Solo {
        let mut solo = Solo::dial(Some(OFFER));
        solo.answer(200, "b1", more, ANSWER);
        solo.forget();
        solo
    }

    /// A call that is up: we were called.
    pub(crate) fn up_as_called(more: &str) -> Solo {
        let mut solo = Solo::invited(more, OFFER);
        solo.command(LegCommand::Answer { sdp: Some(ANSWER.into()) });
        solo.ack("");
        solo.forget();
        solo
    }

    fn turn(&mut self, decide: impl FnOnce(&mut Leg, Moment, &mut Env<'_>, &mut LegOut)) {
        let branches = &mut self.branches;
        let mut branch = || {
            *branches += 1;
            format!("{branches}")
        };
        let mut env = Env { timing: &self.timing, branch: &mut branch, user_agent: "Strowger" };
        let mut out = LegOut::default();
        decide(&mut self.leg, self.now, &mut env, &mut out);
        // Whatever happens, a leg that is kept and restored is the same leg.
        let kept = rmp_serde::to_vec_named(&self.leg).unwrap();
        assert_eq!(rmp_serde::from_slice::<Leg>(&kept).unwrap(), self.leg);
        self.sent.extend(out.send.into_iter().map(parse));
        self.events.extend(out.events);
    }

    pub(crate) fn command(&mut self, command: LegCommand) {
        self.turn(|leg, now, env, out| leg.command(now, command, env, out));
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let message = Message::parse(bytes).unwrap();
        self.turn(|leg, now, env, out| leg.receive(now, &message, env, out));
    }

    /// The leg was away, and is back.
    pub(crate) fn resume(&mut self) {
        self.turn(|leg, now, env, out| leg.resume(now, env, out));
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn wait(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        let mut turns = 0;
        while let Some(due) = self.leg.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.turn(|leg, now, env, out| leg.expire(now, env, out));
            turns += 1;
            assert!(turns < 100_000, "the leg is never satisfied");
        }
        self.now = end;
    }

    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.events.clear();
    }

    pub(crate) fn forget_events(&mut self) {
        self.events.clear();
    }

    pub(crate) fn state(&self) -> LegState {
        self.leg.state()
    }

    /// The newest request of this method.
    pub(crate) fn request(&self, method: Method<'_>) -> Message<Vec<u8>> {
        let found = self.sent.iter().rev().find(|message| message.method() == Some(method));
        found.unwrap_or_else(|| panic!("no {method} in {:?}", self.sent)).clone()
    }

    pub(crate) fn count(&self, method: Method<'_>) -> usize {
        self.sent.iter().filter(|message| message.method() == Some(method)).count()
    }

    /// The statuses of the responses to this method.
    pub(crate) fn responses(&self, method: Method<'_>) -> Vec<u16> {
        let of = |message: &&Message<Vec<u8>>| {
            message.is_response() && message.cseq().is_ok_and(|cseq| cseq.method == method)
        };
        self.sent.iter().filter(of).filter_map(|message| message.status()).map(Status::code).collect()
    }

    pub(crate) fn response(&self, method: Method<'_>) -> Message<Vec<u8>> {
        let of = |message: &&Message<Vec<u8>>| {
            message.is_response() && message.cseq().is_ok_and(|cseq| cseq.method == method)
        };
        self.sent.iter().rev().find(of).expect("a response").clone()
    }

    /// The peer answers our newest INVITE.
    pub(crate) fn answer(&mut self, code: u16, tag: &str, more: &str, sdp: &str) {
        let invite = self.request(Method::Invite);
        self.answer_to(&invite, code, tag, more, sdp);
    }

    /// The peer answers a request of ours.
    pub(crate) fn answer_to(
        &mut self,
        request: &Message<Vec<u8>>,
        code: u16,
        tag: &str,
        more: &str,
        sdp: &str,
    ) {
        let mut bytes = Vec::new();
        let status = Status::new(code).unwrap();
        let tag = Some(tag).filter(|tag| !tag.is_empty());
        let mut writer = respond(request, status, None, tag, &mut bytes);
        if !more.contains("Contact:") && code < 300 {
            writer = writer.header(Name::Contact, "<sip:bob@10.0.0.2:5060>");
        }
        for (name, value) in more.lines().filter_map(|line| line.split_once(": ")) {
            writer = writer.other(name, value);
        }
        writer.body("application/sdp", sdp.as_bytes());
        self.receive(&bytes);
    }

    /// The peer sends a request inside the dialog; gives its bytes, to be sent again.
    pub(crate) fn peer_sends(&mut self, method: Method<'_>, more: &str, sdp: &str) -> Vec<u8> {
        self.peer_cseq += 1;
        let bytes = self.peer_says(method, self.peer_cseq, more, sdp);
        self.receive(&bytes);
        bytes
    }

    /// A request as the peer would write it.
    pub(crate) fn peer_says(&mut self, method: Method<'_>, number: u32, more: &str, sdp: &str) -> Vec<u8> {
        self.peer_branches += 1;
        let (ours, theirs) = match self.leg.local_tag() {
            "a1" => ("\"Alice\" <sip:alice@example.com>;tag=a1", "<sip:bob@example.com>;tag=b1"),
            _ => ("<sip:bob@example.com>;tag=b1", "<sip:alice@example.com>;tag=a1"),
        };
        let mut bytes = Vec::new();
        let via = format!("SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKpeer{}", self.peer_branches);
        let mut writer = Writer::request(&mut bytes, method, "sip:us@10.0.0.1:5060")
            .header(Name::Via, via)
            .header(Name::From, theirs)
            .header(Name::To, ours)
            .header(Name::CallId, self.leg.call_id())
            .header(Name::CSeq, format!("{number} {method}"))
            .header(Name::MaxForwards, "70");
        if !more.contains("Contact:") {
            writer = writer.header(Name::Contact, "<sip:peer@10.0.0.9:5060>");
        }
        for (name, value) in more.lines().filter_map(|line| line.split_once(": ")) {
            writer = writer.other(name, value);
        }
        writer.body("application/sdp", sdp.as_bytes());
        bytes
    }

    /// The peer acknowledges our newest 2xx.
    pub(crate) fn ack(&mut self, sdp: &str) {
        let number = self.response(Method::Invite).cseq().unwrap().number;
        let bytes = self.peer_says(Method::Ack, number, "", sdp);
        self.receive(&bytes);
    }

    /// The peer's CANCEL of the INVITE that began the call.
    pub(crate) fn peer_cancels(&mut self, more: &str) {
        let bytes = invite(more, "");
        let text = String::from_utf8(bytes)
            .unwrap()
            .replace("INVITE sip:", "CANCEL sip:")
            .replace("1 INVITE", "1 CANCEL");
        self.receive(text.as_bytes());
    }

    /// Lets all transactions run out.
    pub(crate) fn wait_for_the_end(&mut self) {
        self.wait(200_000);
        assert_eq!(self.state(), LegState::Over);
        assert_eq!(self.leg.deadline(), None);
    }
}
