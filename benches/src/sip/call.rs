//! Calls from INVITE to BYE, both ends of them: a phone calls, the other answers at once, and after a while the
//! first one hangs up.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::answer::{Answering, Audio, SDP, acknowledge, audio_of, sdp_at};
use super::digest::{Asked, Credentials};
use super::drive::{Counts, Load};
use super::resend::{Resend, TRIES};
use super::text::{bracketed, branch, lines, put_decimal, put_hex, quoted, status, value};
use super::wire::{Ear, Mouth};

/// Whom the calls are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towards {
    /// Users of the domain, whose phones have registered: the server finds them.
    Users,
    /// The address of the callee stands in the Request-URI.
    Address,
}

/// Who calls whom.
#[derive(Clone, Debug)]
pub(crate) struct Calling {
    pub(crate) server: SocketAddr,
    pub(crate) domain: String,
    /// Numbers of those who call.
    pub(crate) callers: Range<u32>,
    /// Numbers of those who are called; as many.
    pub(crate) callees: Range<u32>,
    pub(crate) towards: Towards,
    /// How long a call lasts from its answer, microseconds.
    pub(crate) hold: u64,
    /// How many sockets call; as many behind them are called.
    pub(crate) sockets: usize,
    /// Keeps the Call-IDs of one generator from those of the next.
    pub(crate) run: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Over,
    /// An INVITE has no answer yet.
    Calling,
    Talking,
    /// A BYE has no answer yet.
    Leaving,
}

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u32,
    generation: u32,
    cseq: u32,
    state: State,
}

#[derive(Debug, Default)]
struct Call {
    state: State,
    generation: u32,
    pair: u32,
    /// Of the INVITE; the BYE's is the next.
    cseq: u32,
    since: u64,
    /// A provisional answer came.
    heard: bool,
    invite: Vec<u8>,
    target: Vec<u8>,
    routes: Vec<u8>,
    to: Vec<u8>,
}

/// All calls of a generator.
#[derive(Debug)]
pub(crate) struct Calls {
    what: Calling,
    places: Vec<String>,
    credentials: Vec<Credentials>,
    calls: Vec<Call>,
    free: Vec<u32>,
    next: u32,
    /// Calls that are to end, in order.
    ends: VecDeque<(u64, u32, u32)>,
    resend: Resend<Sent>,
    answering: Answering,
    /// Where those who call hear, by the number of the pair, and where they were told to send to.
    hears: Vec<SocketAddr>,
    sends: BTreeMap<u32, SocketAddr>,
    counts: Counts,
}

impl Calls {
    /// `places` are where the sockets are: first those that call, then those that are called.
    pub(crate) fn new(what: Calling, places: &[SocketAddr]) -> Self {
        let credential = |user: u32| Credentials::new(&format!("u{user}"), &what.domain, "secret");
        Calls {
            credentials: what.callers.clone().map(credential).collect(),
            places: places.iter().map(ToString::to_string).collect(),
            calls: Vec::new(),
            free: Vec::new(),
            next: 0,
            ends: VecDeque::new(),
            resend: Resend::default(),
            answering: Answering::new(places),
            hears: Vec::new(),
            sends: BTreeMap::new(),
            counts: Counts::default(),
            what,
        }
    }

    /// Calls that are answered from now on last so long.
    pub(crate) fn hold(&mut self, hold: Duration) {
        self.what.hold = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX);
    }

    /// From now on the audio of each pair is at these places: two for each, the caller's first.
    pub(crate) fn give_audio(&mut self, places: &[SocketAddr]) {
        self.hears = places.iter().copied().step_by(2).collect();
        let hears = places.iter().copied().skip(1).step_by(2).collect();
        self.answering.audio = Audio { first_user: self.what.callees.start, hears, sends: BTreeMap::new() };
        self.next = 0;
    }

    /// Where each of them sends to; as many as were told so.
    pub(crate) fn audio_goes(&self) -> Vec<SocketAddr> {
        let callees = &self.answering.audio.sends;
        let both = self.sends.iter().filter_map(|(pair, &to)| Some([to, *callees.get(pair)?]));
        both.flatten().collect()
    }

    /// How many are up.
    pub(crate) fn talking(&self) -> u64 {
        self.calls.iter().filter(|call| call.state == State::Talking).count() as u64
    }

    fn socket(&self, number: u32) -> usize {
        number as usize % self.what.sockets
    }

    fn request_uri(&self, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"sip:u");
        put_decimal(out, self.what.callees.start + self.calls[number as usize].pair);
        out.push(b'@');
        out.extend_from_slice(match self.what.towards {
            Towards::Users => self.what.domain.as_bytes(),
            Towards::Address => self.places[self.what.sockets + self.socket(number)].as_bytes(),
        });
    }

    /// The headers up to the CSeq of a request whose start line is there already.
    fn head(&self, out: &mut Vec<u8>, number: u32, cseq: u32, method: &[u8], routes: &[u8]) {
        let call = &self.calls[number as usize];
        let put =
            |out: &mut Vec<u8>, pieces: &[&[u8]]| pieces.iter().for_each(|it| out.extend_from_slice(it));
        let (place, domain) = (self.places[self.socket(number)].as_bytes(), self.what.domain.as_bytes());
        put(out, &[b" SIP/2.0\r\nVia: SIP/2.0/UDP ", place, b";rport;branch=z9hG4bK"]);
        for part in [number, call.generation, cseq] {
            put_hex(out, part);
            out.push(b'x');
        }
        put_hex(out, self.what.run);
        put(out, &[b"\r\n", routes, b"Max-Forwards: 70\r\nFrom: <sip:u"]);
        put_decimal(out, self.what.callers.start + call.pair);
        put(out, &[b"@", domain, b">;tag=c"]);
        put_hex(out, call.generation);
        put(out, &[b"\r\nTo: "]);
        if call.to.is_empty() {
            put(out, &[b"<sip:u"]);
            put_decimal(out, self.what.callees.start + call.pair);
            put(out, &[b"@", domain, b">"]);
        } else {
            put(out, &[&call.to]);
        }
        put(out, &[b"\r\nCall-ID: b7e1"]);
        for part in [self.what.run, number, call.generation] {
            put_hex(out, part);
            out.push(b'-');
        }
        put(out, &[b"@", place, b"\r\nCSeq: "]);
        put_decimal(out, if method == b"ACK" { call.cseq } else { cseq });
        put(out, &[b" ", method, b"\r\n"]);
    }

    /// Writes the INVITE and says it.
    fn invite(&mut self, now: u64, number: u32, mouth: &mut Mouth) {
        let call = &mut self.calls[number as usize];
        let (pair, cseq) = (call.pair, call.cseq);
        let mut out = std::mem::take(&mut call.invite);
        out.clear();
        out.extend_from_slice(b"INVITE ");
        self.request_uri(number, &mut out);
        let uri = out[b"INVITE ".len()..].to_vec();
        self.head(&mut out, number, cseq, b"INVITE", b"");
        out.extend_from_slice(b"Contact: <sip:caller@");
        out.extend_from_slice(self.places[self.socket(number)].as_bytes());
        out.extend_from_slice(
            b">\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nSupported: timer\r\nUser-Agent: strowger-benches\r\n",
        );
        let user = self.what.callers.start + pair;
        let credentials = &mut self.credentials[pair as usize];
        if credentials.has_nonce() {
            let asked = Asked { method: b"INVITE", uri: &uri, realm: self.what.domain.as_bytes() };
            credentials.write(&mut out, "Proxy-Authorization", &asked, |out| {
                out.push(b'u');
                put_decimal(out, user);
            });
        }
        let audio = self.hears.get(pair as usize).map(|&place| sdp_at(place));
        let sdp = audio.as_deref().unwrap_or(SDP);
        out.extend_from_slice(b"Content-Type: application/sdp\r\nContent-Length: ");
        put_decimal(&mut out, sdp.len() as u32);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(sdp.as_bytes());
        self.calls[number as usize].invite = out;
        self.sent(now, number, cseq, State::Calling);
        self.say_invite(number, mouth);
    }

    fn say_invite(&self, number: u32, mouth: &mut Mouth) {
        let invite = &self.calls[number as usize].invite;
        mouth.say(self.socket(number), self.what.server, |out| out.extend_from_slice(invite));
    }

    fn sent(&mut self, now: u64, number: u32, cseq: u32, state: State) {
        let generation = self.calls[number as usize].generation;
        self.resend.sent(now, 0, Sent { number, generation, cseq, state });
    }

    /// A request inside the dialog.
    fn within(&mut self, number: u32, method: &[u8], cseq: u32, mouth: &mut Mouth) {
        let call = &self.calls[number as usize];
        mouth.say(self.socket(number), self.what.server, |out| {
            out.extend_from_slice(method);
            out.push(b' ');
            out.extend_from_slice(&call.target);
            self.head(out, number, cseq, method, &call.routes);
            out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        });
    }

    /// The ACK to a refusal goes the way of the INVITE.
    fn acknowledge_refusal(&mut self, number: u32, response: &[u8], mouth: &mut Mouth) {
        if let Some(to) = lines(response).find_map(|line| value(line, "To")) {
            self.calls[number as usize].to = to.to_vec();
        }
        let mut target = Vec::new();
        self.request_uri(number, &mut target);
        let cseq = self.calls[number as usize].cseq;
        let call = &mut self.calls[number as usize];
        call.target = target;
        call.routes.clear();
        self.within(number, b"ACK", cseq, mouth);
    }

    fn answered(&mut self, now: u64, number: u32, response: &[u8], mouth: &mut Mouth) {
        let hold = self.what.hold;
        let call = &mut self.calls[number as usize];
        if call.state == State::Calling {
            call.learn(response);
            if !self.hears.is_empty() {
                self.sends.extend(audio_of(response).map(|to| (call.pair, to)));
            }
            call.state = State::Talking;
            self.counts.delays.note(now - call.since);
            self.ends.push_back((now + hold, number, call.generation));
        }
        let cseq = call.cseq | 0x8000;
        self.within(number, b"ACK", cseq, mouth);
    }

    fn refused(&mut self, now: u64, number: u32, code: u16, response: &[u8], mouth: &mut Mouth) {
        self.acknowledge_refusal(number, response, mouth);
        let call = &mut self.calls[number as usize];
        if call.state != State::Calling {
            return;
        }
        let credentials = &mut self.credentials[call.pair as usize];
        if matches!(code, 401 | 407)
            && call.cseq < 3
            && quoted(response, b"nonce").is_some_and(|nonce| credentials.challenged(nonce))
        {
            self.counts.challenged += 1;
            call.cseq += 1;
            call.to.clear();
            call.heard = false;
            return self.invite(now, number, mouth);
        }
        self.counts.refused += 1;
        self.over(number);
    }

    fn over(&mut self, number: u32) {
        self.calls[number as usize].state = State::Over;
        self.free.push(number);
    }

    fn hang_up(&mut self, now: u64, number: u32, mouth: &mut Mouth) {
        let call = &mut self.calls[number as usize];
        call.state = State::Leaving;
        let cseq = call.cseq + 1;
        self.sent(now, number, cseq, State::Leaving);
        self.within(number, b"BYE", cseq, mouth);
    }

    /// Says a request again, if it still has no answer.
    fn say_again(&mut self, now: u64, tries: u8, sent: Sent, mouth: &mut Mouth) {
        let call = &self.calls[sent.number as usize];
        let awaited = match sent.state {
            State::Calling => call.cseq == sent.cseq && !call.heard,
            State::Leaving => true,
            State::Over | State::Talking => false,
        };
        if call.generation != sent.generation || call.state != sent.state || !awaited {
            return;
        }
        if tries > TRIES {
            self.counts.lost += 1;
            return self.over(sent.number);
        }
        self.counts.again += 1;
        match sent.state {
            State::Leaving => self.within(sent.number, b"BYE", sent.cseq, mouth),
            _ => self.say_invite(sent.number, mouth),
        }
        self.resend.sent(now, tries, sent);
    }

    fn response(&mut self, now: u64, code: u16, bytes: &[u8], mouth: &mut Mouth) {
        let Some([number, generation, cseq, run]) = branch(bytes) else { return };
        let Some(call) = self.calls.get_mut(number as usize) else { return };
        if call.generation != generation || run != self.what.run || call.state == State::Over {
            return;
        }
        match code {
            100..200 => call.heard |= cseq == call.cseq,
            200..300 if cseq == call.cseq => self.answered(now, number, bytes, mouth),
            200..300 if call.state == State::Leaving => {
                self.counts.done += 1;
                self.over(number);
            }
            _ if cseq == call.cseq => self.refused(now, number, code, bytes, mouth),
            _ if call.state == State::Leaving => {
                self.counts.refused += 1;
                self.over(number);
            }
            _ => {}
        }
    }
}

impl Call {
    /// Takes the way to the other side from its answer.
    fn learn(&mut self, response: &[u8]) {
        self.target.clear();
        self.routes.clear();
        self.to.clear();
        for line in lines(response) {
            if let Some(contact) = value(line, "Contact").and_then(bracketed) {
                self.target.extend_from_slice(contact);
            } else if let Some(to) = value(line, "To") {
                self.to.extend_from_slice(to);
            } else if let Some(route) = value(line, "Record-Route") {
                // Seen from the caller the last one is the nearest.
                let rest = std::mem::take(&mut self.routes);
                for piece in [b"Route: ", route, b"\r\n", &rest] {
                    self.routes.extend_from_slice(piece);
                }
            }
        }
    }
}

impl Ear for Calls {
    fn hear(&mut self, now: u64, socket: usize, from: SocketAddr, bytes: &[u8], mouth: &mut Mouth) {
        match status(bytes) {
            Some(code) if socket < self.what.sockets => self.response(now, code, bytes, mouth),
            None if socket >= self.what.sockets => self.answering.hear(now, socket, from, bytes, mouth),
            None => acknowledge(socket, from, bytes, mouth),
            Some(_) => {}
        }
    }
}

impl Load for Calls {
    fn begin(&mut self, now: u64, mouth: &mut Mouth) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Call::default());
            self.calls.len() as u32 - 1
        });
        let pairs = self.what.callers.len() as u32;
        let call = &mut self.calls[number as usize];
        call.generation += 1;
        call.pair = self.next;
        (call.state, call.cseq, call.since, call.heard) = (State::Calling, 1, now, false);
        call.to.clear();
        self.next = (self.next + 1) % pairs;
        self.counts.offered += 1;
        self.invite(now, number, mouth);
    }

    fn tick(&mut self, now: u64, mouth: &mut Mouth) {
        while let Some((_, number, generation)) = self.ends.pop_front_if(|(at, ..)| *at <= now) {
            let call = &self.calls[number as usize];
            if call.generation == generation && call.state == State::Talking {
                self.hang_up(now, number, mouth);
            }
        }
        while let Some((tries, sent)) = self.resend.due(now) {
            self.say_again(now, tries, sent, mouth);
        }
        self.answering.tick(now, mouth);
        self.counts.again += std::mem::take(&mut self.answering.again);
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn open(&self) -> usize {
        self.calls.len() - self.free.len()
    }

    fn forget(&mut self) {
        for number in 0..self.calls.len() {
            if self.calls[number].state != State::Over {
                self.counts.lost += 1;
                self.over(number as u32);
            }
        }
    }
}
