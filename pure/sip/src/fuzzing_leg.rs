//! What the fuzzer does to a leg: any sequence of messages, commands and pauses. Here and not in `fuzz/`, so
//! that the corpus is replayed by the stable tests too.

use std::time::Duration;

use machine::Moment;

use crate::leg::{Env, Identity, Leg, LegCommand, LegEvent, LegOut, LegTiming, Login, Reception};
use crate::{CSeq, Message, Method, Name, Status, Writer, respond};

/// Plays `data` to a leg.
///
/// # Panics
/// When the leg breaks a promise: it says something that isn't SIP, is told to be over twice, never rests,
/// grows without end, or doesn't end once it was hung up.
pub fn play(data: &[u8]) {
    let mut script = Script { data };
    let mut stage = Stage::new(&mut script);
    while let Some(step) = script.byte() {
        match step % 8 {
            0 | 1 => stage.wait(u64::from(script.number()) * 7),
            2 => stage.command(&mut script),
            3 | 4 => stage.respond(&mut script),
            5 | 6 => stage.request(&mut script),
            _ => {
                let length = usize::from(script.number() % 2_048);
                stage.receive(script.take(length));
            }
        }
    }
    stage.turn(|leg, now, env, out| leg.command(now, LegCommand::Bye { reason: None }, env, out));
    stage.wait(300_000);
    assert!(stage.leg.is_over(), "it never ends: {:?}", stage.leg);
    assert_eq!(stage.finals, 1, "it was told how it ended");
}

/// The bytes that decide.
struct Script<'a> {
    data: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.data.split_first()?;
        self.data = rest;
        Some(first)
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte().unwrap_or(0), self.byte().unwrap_or(0)])
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.data.split_at(length.min(self.data.len()));
        self.data = rest;
        taken
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte().unwrap_or(0)) % choices.len()]
    }
}

struct Stage {
    leg: Leg,
    now: Moment,
    timing: LegTiming,
    branches: u32,
    peer_branches: u32,
    peer_number: u32,
    /// The newest messages of the leg's, for the peer to answer.
    sent: Vec<Vec<u8>>,
    finals: usize,
}

const TAGS: [&str; 3] = ["b1", "b2", "b3"];
const SDP: [&str; 3] = ["", "v=0", "v=0 again"];
const HEADERS: [(&str, &str); 12] = [
    ("Contact", "<sip:peer@10.0.0.9:5060>"),
    ("Contact", "*"),
    ("Allow", "INVITE, UPDATE"),
    ("Session-Expires", "90;refresher=uas"),
    ("Session-Expires", "100;refresher=uac"),
    ("Supported", "timer"),
    ("Require", "100rel"),
    ("Min-SE", "2000"),
    ("Retry-After", "3"),
    ("Record-Route", "<sip:p2>, <sip:p1;lr>"),
    ("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
    ("Reason", "SIP;cause=200"),
];
const METHODS: [Method<'static>; 10] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Update,
    Method::Info,
    Method::Options,
    Method::Prack,
    Method::Refer,
    Method::Other("X"),
];
const CODES: [u16; 18] =
    [100, 180, 183, 200, 202, 300, 302, 401, 404, 407, 408, 422, 481, 486, 487, 491, 500, 603];

impl Stage {
    fn new(script: &mut Script<'_>) -> Stage {
        let shape = script.byte().unwrap_or(0);
        let mut stage = Stage {
            leg: Leg::default(),
            now: Moment::from_secs(1_700_000_000),
            timing: LegTiming::default(),
            branches: 0,
            peer_branches: 0,
            peer_number: 1,
            sent: Vec::new(),
            finals: 0,
        };
        let reliable = shape & 1 != 0;
        let login = (shape & 2 != 0).then(|| Login { user: "a".into(), password: "b".into() });
        if shape & 4 != 0 {
            stage.dial((reliable, login), shape & 8 != 0, shape & 16 != 0);
        } else {
            stage.be_invited((reliable, login), shape & 8 != 0, shape & 16 != 0);
        }
        stage
    }

    fn dial(&mut self, (reliable, login): (bool, Option<Login>), offers: bool, early_offers: bool) {
        let identity = Identity {
            call_id: "c".into(),
            local: "<sip:a@a>".into(),
            local_tag: "us".into(),
            remote: "<sip:b@b>".into(),
            target: "sip:b@b".into(),
            contact: "<sip:a@10.0.0.1>".into(),
            reliable,
            sent_by: "10.0.0.1".into(),
            via_transport: "UDP".into(),
            login,
            early_offers,
            ..Identity::default()
        };
        let offer = offers.then_some(&b"v=0"[..]);
        self.turn(|leg, now, env, out| *leg = Leg::dial(identity, offer, &[], now, env, out));
    }

    fn be_invited(&mut self, (reliable, login): (bool, Option<Login>), offers: bool, early_offers: bool) {
        let reception = Reception {
            local_tag: "us".into(),
            contact: "<sip:a@10.0.0.1>".into(),
            reliable,
            sent_by: "10.0.0.1".into(),
            via_transport: "UDP".into(),
            login,
            early_offers,
        };
        let mut bytes = Vec::new();
        Writer::request(&mut bytes, Method::Invite, "sip:a@a")
            .header(Name::Via, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKp0")
            .header(Name::From, "<sip:b@b>;tag=b1")
            .header(Name::To, "<sip:a@a>")
            .header(Name::CallId, "c")
            .header(Name::CSeq, "1 INVITE")
            .header(Name::Contact, "<sip:b@10.0.0.9>")
            .body("application/sdp", if offers { b"v=0" } else { b"" });
        self.turn(|leg, now, env, out| {
            let invited =
                Message::parse(&bytes[..]).map(|invite| Leg::invited(&invite, reception, now, env, out));
            match invited {
                Ok(Ok(new)) => *leg = new,
                other => panic!("a good INVITE was refused: {other:?}"),
            }
        });
    }

    fn turn(&mut self, decide: impl FnOnce(&mut Leg, Moment, &mut Env<'_>, &mut LegOut)) {
        let branches = &mut self.branches;
        let mut branch = || {
            *branches += 1;
            branches.to_string()
        };
        let mut env = Env { timing: &self.timing, branch: &mut branch, user_agent: "" };
        let mut out = LegOut::default();
        decide(&mut self.leg, self.now, &mut env, &mut out);
        for event in &out.events {
            assert_eq!(self.finals, 0, "{event:?} after the last word");
            let last = matches!(
                event,
                LegEvent::Refused { .. } | LegEvent::Cancelled { .. } | LegEvent::Ended { .. }
            );
            self.finals += usize::from(last);
        }
        assert!(out.send.len() < 100, "a flood");
        for bytes in out.send {
            match Message::parse(&bytes[..]) {
                Ok(message) => assert_eq!(message.check(), Ok(())),
                Err(wrong) => panic!("{wrong}"),
            }
            self.sent.push(bytes);
        }
        let excess = self.sent.len().saturating_sub(16);
        self.sent.drain(..excess);
    }

    fn receive(&mut self, bytes: &[u8]) {
        if let Ok(message) = Message::parse(bytes) {
            self.turn(|leg, now, env, out| leg.receive(now, &message, env, out));
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        let mut turns = 0;
        while let Some(due) = self.leg.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.turn(|leg, now, env, out| leg.expire(now, env, out));
            turns += 1;
            assert!(turns < 20_000, "it never rests: {:?}", self.leg);
        }
        self.now = end;
    }

    fn command(&mut self, script: &mut Script<'_>) {
        let sdp = script.one_of(&SDP).as_bytes().to_vec();
        let some = Some(sdp.clone()).filter(|sdp| !sdp.is_empty());
        let status = Status::new(script.one_of(&CODES)).unwrap_or(Status::BUSY_HERE);
        let command = match script.byte().unwrap_or(0) % 12 {
            0 => LegCommand::Progress { status, sdp: some },
            1 => LegCommand::Answer { sdp: some },
            2 => LegCommand::Reject { status, reason: None, headers: Vec::new() },
            3 => LegCommand::Cancel { reason: Some("SIP;cause=200".into()) },
            4 => LegCommand::Bye { reason: None },
            5 => LegCommand::Reoffer { sdp },
            6 => LegCommand::Update { sdp: some },
            7 => LegCommand::AcceptOffer { sdp },
            8 => LegCommand::RefuseOffer { status },
            9 => LegCommand::Info { content_type: "a/b".into(), body: sdp },
            10 => LegCommand::UpdateEarly { sdp },
            _ => return self.turn(|leg, now, env, out| leg.resume(now, env, out)),
        };
        self.turn(|leg, now, env, out| leg.command(now, command, env, out));
    }

    /// The peer answers something that the leg sent.
    fn respond(&mut self, script: &mut Script<'_>) {
        let back = usize::from(script.byte().unwrap_or(0)) % self.sent.len().max(1);
        let Some(bytes) = self.sent.iter().rev().nth(back).cloned() else { return };
        let Ok(request) = Message::parse(&bytes[..]) else { return };
        if request.is_response() {
            return self.receive(&bytes);
        }
        let status = Status::new(script.one_of(&CODES)).unwrap_or(Status::OK);
        let mut answer = Vec::new();
        let writer = respond(&request, status, None, Some(script.one_of(&TAGS)), &mut answer);
        finish(writer, script);
        self.receive(&answer);
    }

    /// The peer asks something.
    fn request(&mut self, script: &mut Script<'_>) {
        let method = script.one_of(&METHODS);
        let (step, branch) = (script.byte().unwrap_or(0), script.byte().unwrap_or(0));
        self.peer_number = self.peer_number.saturating_add(u32::from(step % 3));
        if branch % 4 != 0 {
            self.peer_branches += 1;
        }
        let number = if step & 128 == 0 { self.peer_number } else { u32::from(step & 127) };
        let mut bytes = Vec::new();
        let writer = Writer::request(&mut bytes, method, "sip:us@10.0.0.1")
            .header(Name::Via, format!("SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKp{}", self.peer_branches))
            .header(Name::From, format!("<sip:b@b>;tag={}", script.one_of(&TAGS)))
            .header(Name::To, if branch & 64 == 0 { "<sip:a@a>;tag=us" } else { "<sip:a@a>" })
            .header(Name::CallId, "c")
            .cseq(CSeq { number, method });
        finish(writer, script);
        self.receive(&bytes);
    }
}

fn finish(mut writer: Writer<'_>, script: &mut Script<'_>) {
    let set = script.number();
    for (at, (name, value)) in HEADERS.iter().enumerate() {
        if set >> at & 1 != 0 {
            writer = writer.other(name, value);
        }
    }
    writer.body("application/sdp", SDP[usize::from(set >> 12) % SDP.len()].as_bytes());
}
