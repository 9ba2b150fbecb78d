//! A phone of the load: the softphone's core, a socket for SIP, and slowness where the call's plan wants it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use machine::{Machine as _, Moment, Outbox};
use phone::{CallNo, Event, In, Out, Phone, Settings};
use sip::{Message, Method};
use strowger_io::{UdpOptions, UdpSocket};

use crate::Trouble;

/// A request without a final answer is given up after 64 times T1 (RFC 3261 17.1); a little later we say so.
const PATIENCE: Duration = Duration::from_secs(34);

/// What a phone can be slow at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    /// The INVITE that begins a call.
    Invite,
    /// The 2xx to that.
    Answer,
    /// An INVITE within a call that puts it on hold.
    Hold,
    /// CANCEL.
    Cancel,
    /// BYE.
    Bye,
}

/// A phone that takes its time with one matter: what came of it waits, and what is said again meanwhile is not heard.
#[derive(Debug)]
struct Slow {
    matter: Matter,
    by: Duration,
    kept: Option<(Moment, Vec<u8>)>,
}

/// A request of ours: its Call-ID, number and method.
type Asked = (Vec<u8>, u32, String);

/// A packet of voice, where from, and where to.
pub(crate) struct Voice {
    /// Where to.
    pub(crate) to: SocketAddr,
    /// The packet.
    pub(crate) bytes: Vec<u8>,
}

/// A phone and its socket.
#[derive(Debug)]
pub(crate) struct Handset {
    phone: Phone,
    sip: UdpSocket,
    server: SocketAddr,
    slow: Vec<Slow>,
    asked: BTreeMap<Asked, Moment>,
    /// The Call-ID of the call that it began last.
    pub(crate) dialed: Option<String>,
    /// BYEs that nobody ever answered, and other requests.
    pub(crate) unanswered: [usize; 2],
}

impl Handset {
    /// The phone of `user`, that hears voices at `audio`.
    pub(crate) fn open(
        user: &str,
        me: Ipv4Addr,
        (server, audio): (SocketAddr, SocketAddr),
        seed: u64,
    ) -> Result<Handset, Trouble> {
        let options = UdpOptions { receive_buffer: 256 << 10, ..UdpOptions::default() };
        let sip = UdpSocket::bind((me, 0).into(), &options)?;
        let mut settings = Settings::new(user, crate::host::DOMAIN, sip.local()?, vec![audio]);
        settings.password = Some(crate::host::password(user));
        settings.seed = seed;
        settings.expires = 3600;
        let phone = Phone::new(settings);
        let (slow, asked) = (Vec::new(), BTreeMap::new());
        Ok(Handset { phone, sip, server, slow, asked, dialed: None, unanswered: [0; 2] })
    }

    /// Its socket, to wait for.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.sip
    }

    /// The call that it began, or was called for, last.
    pub(crate) fn newest_call(&self) -> Option<CallNo> {
        self.phone.calls().max()
    }

    /// From now on, once, it is slow with `matter`.
    pub(crate) fn be_slow(&mut self, matter: Matter, by: Duration) {
        self.slow.push(Slow { matter, by, kept: None });
    }

    /// What it was slow with does not matter any more.
    pub(crate) fn forget_slowness(&mut self) {
        self.slow.clear();
    }

    /// Whether every request of it was answered; for those that never will be, it doesn't wait.
    pub(crate) fn is_settled(&mut self, now: Moment) -> bool {
        let unanswered = &mut self.unanswered;
        self.asked.retain(|(_, _, method), since| {
            let is_given_up = now.since(*since) > PATIENCE;
            if is_given_up {
                unanswered[usize::from(method != "BYE")] += 1;
            }
            !is_given_up
        });
        self.asked.is_empty()
    }

    /// Reads what came, as far as it is quick with it.
    pub(crate) fn read(&mut self, now: Moment, room: &mut [u8]) -> Vec<In> {
        let mut came = Vec::new();
        while let Ok(Some((length, _))) = self.sip.receive(room) {
            let bytes = &room[..length];
            if !self.keeps(now, bytes) {
                came.push(In::Sip(bytes.to_vec()));
            }
        }
        came
    }

    /// Whether that waits for later, or is not heard at all.
    fn keeps(&mut self, now: Moment, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(bytes) else { return false };
        self.note_answer(&message);
        let Some(matter) = matter(&message) else { return false };
        let Some(slow) = self.slow.iter_mut().find(|slow| slow.matter == matter) else { return false };
        slow.kept.get_or_insert_with(|| (now.after(slow.by), bytes.to_vec()));
        true
    }

    fn note_answer(&mut self, message: &Message<&[u8]>) {
        if message.status().is_some_and(|status| status.is_final())
            && let Some(asked) = asked(message)
        {
            self.asked.remove(&asked);
        }
    }

    /// When it has to do something.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let kept = self.slow.iter().filter_map(|slow| slow.kept.as_ref().map(|(at, _)| *at));
        kept.chain(self.phone.next_deadline()).min()
    }

    /// Takes up what it was slow with, as far as that is due.
    pub(crate) fn wake(&mut self, now: Moment) -> Vec<In> {
        let mut due = Vec::new();
        self.slow.retain_mut(|slow| match slow.kept.take_if(|(at, _)| *at <= now) {
            Some((_, bytes)) => {
                due.push(In::Sip(bytes));
                false
            }
            None => true,
        });
        due
    }

    /// Lets something happen to the phone, or, without anything, what is due.
    pub(crate) fn step(
        &mut self,
        now: Moment,
        input: Option<In>,
        out: &mut Outbox<Out>,
        voices: &mut Vec<Voice>,
    ) -> Vec<Event> {
        match input {
            Some(input) => self.phone.handle(now, input, out),
            None => self.phone.expire(now, out),
        }
        let mut events = Vec::new();
        for said in out.emit.drain(..) {
            match said {
                // Those of the load have one server.
                Out::Sip(bytes) | Out::Beside(_, bytes) => self.say(now, &bytes),
                Out::Rtp(_, to, bytes) => voices.push(Voice { to, bytes }),
                Out::Rtcp(..) => {}
                Out::Event(event) => events.push(event),
            }
        }
        events
    }

    fn say(&mut self, now: Moment, bytes: &[u8]) {
        if let Ok(message) = Message::parse(bytes)
            && message.is_request()
            && let Some(asked) = asked(&message).filter(|(_, _, method)| method != "ACK")
        {
            let begins = asked.2 == "INVITE" && !message.to().is_ok_and(|to| to.tag().is_some());
            if begins {
                self.dialed = Some(String::from_utf8_lossy(&asked.0).into_owned());
            }
            self.asked.entry(asked).or_insert(now);
        }
        // What the kernel refuses is lost on the way, as on any network.
        let _ = self.sip.send(bytes, self.server);
    }
}

fn asked(message: &Message<&[u8]>) -> Option<Asked> {
    let (call, cseq) = (message.call_id().ok()?, message.cseq().ok()?);
    Some((call.to_vec(), cseq.number, cseq.method.to_string()))
}

fn holds(message: &Message<&[u8]>) -> bool {
    let lines = message.body().split(|byte| *byte == b'\n');
    lines.map(<[u8]>::trim_ascii).any(|line| line == b"a=sendonly")
}

fn matter(message: &Message<&[u8]>) -> Option<Matter> {
    let is_inside = message.to().is_ok_and(|to| to.tag().is_some());
    match (message.method(), message.status()) {
        (Some(Method::Invite), _) if is_inside => holds(message).then_some(Matter::Hold),
        (Some(Method::Invite), _) => Some(Matter::Invite),
        (Some(Method::Cancel), _) => Some(Matter::Cancel),
        (Some(Method::Bye), _) => Some(Matter::Bye),
        (None, Some(status)) if status.is_success() => {
            let is_invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
            is_invite.then_some(Matter::Answer)
        }
        _ => None,
    }
}
