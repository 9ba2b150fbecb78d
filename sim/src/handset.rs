use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use machine::{Machine as _, Moment, Outbox};
use phone::{CallNo, Command, Event, In, Out, Phone, Settings, Transport};
use sip::leg::LegTiming;
use sip::{Message, Method, Name, Status};

use crate::office::PASSWORD;

/// How many calls a phone can have at a time.
const LINES: u16 = 2;

/// A phone, and what its user saw of it.
#[derive(Debug)]
pub(crate) struct Handset {
    phone: Phone,
    settings: Settings,
    /// Where its packets come from, as the world sees it.
    pub(crate) sip: SocketAddr,
    audio: Vec<SocketAddr>,
    /// It holds a connection, instead of sending datagrams.
    pub(crate) is_connected: bool,
    /// Its connection was cut, at some time.
    pub(crate) was_cut: bool,
    /// Where it takes connections of others.
    pub(crate) listens_at: Option<SocketAddr>,
    pub(crate) is_alive: bool,
    pub(crate) is_registered: bool,
    /// Since when, without a break.
    pub(crate) registered: Moment,
    /// Where it believes to be, which is its contact.
    pub(crate) inside: SocketAddr,
    pub(crate) lines: BTreeMap<CallNo, Line>,
    out: Outbox<Out>,
}

/// What a user saw of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// The Call-ID of the phone's own leg.
    pub(crate) call_id: String,
    /// We were called.
    pub(crate) is_incoming: bool,
    pub(crate) begun: Moment,
    pub(crate) rang: Option<Moment>,
    pub(crate) answered: Option<Moment>,
    pub(crate) is_held: bool,
    /// One side has put the other on hold, at some time.
    pub(crate) was_held: bool,
    pub(crate) digits: String,
    pub(crate) over: Option<Over>,
}

impl Line {
    /// Whether it was answered and is not over.
    pub(crate) fn is_up(&self) -> bool {
        self.answered.is_some() && self.over.is_none()
    }

    /// Whether it is heard to ring.
    pub(crate) fn is_ringing(&self) -> bool {
        self.rang.is_some() && self.answered.is_none() && self.over.is_none()
    }
}

/// How a call ended, as a user saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Over {
    pub(crate) at: Moment,
    pub(crate) refused: Option<Status>,
    pub(crate) by_us: bool,
    pub(crate) cause: String,
    pub(crate) longest_gap: Duration,
    /// Packets of audio that came.
    pub(crate) heard: u64,
}

/// What a phone wants sent.
#[derive(Debug)]
pub(crate) enum Wish {
    Sip(Vec<u8>),
    Audio { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

/// Something that its user would react to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Noticed {
    Incoming(CallNo),
    Answered(CallNo),
    Over(CallNo),
}

impl Handset {
    /// The `number`th phone there is.
    pub(crate) fn new(number: u16, user: &str, domain: &str, kind: Kind, timing: LegTiming) -> Self {
        let is_natted = kind == Kind::BehindNat || kind == Kind::TcpBehindNat;
        let is_tcp = kind == Kind::Tcp || kind == Kind::TcpBehindNat;
        let [net, place] = [number / 250, number % 250 + 1].map(|it| it as u8);
        let host = |port| SocketAddr::from(([192, 0, 2 + net, place], port));
        let inside = |port| match is_natted {
            true => SocketAddr::from(([10, 1, 1 + net, place], port)),
            false => host(port),
        };
        let audio = (0..LINES).map(|line| 4000 + 10 * line);
        let mut settings = Settings::new(user, domain, inside(5060), audio.clone().map(inside).collect());
        settings.password = Some(PASSWORD.into());
        settings.seed = u64::from(number) + 1;
        settings.timing = timing;
        settings.expires = 600;
        if is_tcp {
            settings.transport = Transport::Tcp;
        }
        Handset {
            phone: Phone::new(settings.clone()),
            settings,
            // A NAT gives the phone another port, too.
            sip: host(if is_natted || is_tcp { 30_000 + number } else { 5060 }),
            audio: audio.map(|port| host(if is_natted { port + 20_000 } else { port })).collect(),
            is_connected: is_tcp,
            was_cut: false,
            listens_at: (kind == Kind::Tcp).then(|| host(5060)),
            is_alive: true,
            is_registered: false,
            registered: Moment::START,
            inside: inside(5060),
            lines: BTreeMap::new(),
            out: Outbox::new(),
        }
    }

    /// The same with no audio: calls without number are cheap.
    pub(crate) fn mute(number: u16, user: &str, domain: &str, kind: Kind, timing: LegTiming) -> Self {
        let mut handset = Handset::new(number, user, domain, kind, timing);
        handset.phone = Phone::new(Settings { mute: true, ..handset.settings.clone() });
        handset
    }

    /// The addresses on which it hears.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (SocketAddr, Place)> {
        let audio = self.audio.iter().enumerate();
        let both = |(slot, rtp): (usize, &SocketAddr)| {
            [(*rtp, Place::Audio(slot)), (above(*rtp), Place::Audio(slot))]
        };
        [(self.sip, Place::Sip)].into_iter().chain(audio.flat_map(both))
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.phone.next_deadline().filter(|_| self.is_alive)
    }

    /// Its connection was cut, and it has made another one.
    pub(crate) fn reconnects(&mut self, now: Moment, said: &mut Vec<Wish>) -> Vec<Noticed> {
        self.sip.set_port(self.sip.port() + 100);
        self.phone.handle(now, In::Reconnected, &mut self.out);
        self.carry_out(now, said)
    }

    /// Its user does something.
    pub(crate) fn command(&mut self, now: Moment, command: Command, said: &mut Vec<Wish>) -> Vec<Noticed> {
        if let Command::Hold(call) = command
            && let Some(line) = self.lines.get_mut(&call)
        {
            line.was_held = true;
        }
        self.phone.handle(now, In::Command(command), &mut self.out);
        // If all lines were busy, there is no INVITE, and no call.
        if let Some(call_id) = self.out.emit.iter().find_map(call_id_of_invite)
            && let Some(number) = self.phone.calls().last()
        {
            self.lines.insert(number, Line { call_id, begun: now, ..Line::default() });
        }
        self.carry_out(now, said)
    }

    /// A packet comes.
    pub(crate) fn hears(
        &mut self,
        now: Moment,
        at: Place,
        bytes: Vec<u8>,
        said: &mut Vec<Wish>,
    ) -> Vec<Noticed> {
        if !self.is_alive {
            return Vec::new();
        }
        let invite = if at == Place::Sip { new_invite(&bytes) } else { None };
        let input = match at {
            Place::Sip => In::Sip(bytes),
            Place::Audio(slot) => In::Audio(slot, bytes),
        };
        self.phone.handle(now, input, &mut self.out);
        if let Some(call_id) = invite {
            let incoming = self.out.emit.iter().find_map(|out| match out {
                Out::Event(Event::Incoming(number, _)) => Some(*number),
                _ => None,
            });
            if let Some(number) = incoming {
                let line = Line { call_id, is_incoming: true, begun: now, ..Line::default() };
                self.lines.insert(number, line);
            }
        }
        self.carry_out(now, said)
    }

    /// Time passes.
    pub(crate) fn expire(&mut self, now: Moment, said: &mut Vec<Wish>) -> Vec<Noticed> {
        if !self.is_alive {
            return Vec::new();
        }
        self.phone.expire(now, &mut self.out);
        self.carry_out(now, said)
    }

    /// How many packets of audio came in a call so far.
    pub(crate) fn audio_heard(&self, call: CallNo) -> u64 {
        self.phone.quality(call).map_or(0, |quality| quality.received)
    }

    /// How long the longest silence was in a call so far.
    pub(crate) fn longest_gap(&self, call: CallNo) -> Duration {
        let over = self.lines.get(&call).and_then(|line| line.over.as_ref());
        let running = || self.phone.quality(call).map_or(0.0, |quality| quality.longest_gap_ms);
        over.map_or_else(|| Duration::from_secs_f64(running() / 1000.0), |over| over.longest_gap)
    }

    /// The calls that are not over.
    pub(crate) fn open_lines(&self) -> impl Iterator<Item = (CallNo, &Line)> {
        self.lines.iter().filter(|(_, line)| line.over.is_none()).map(|(number, line)| (*number, line))
    }

    /// Whether the phone itself still has a call.
    pub(crate) fn is_busy(&self) -> bool {
        self.phone.calls().next().is_some()
    }

    fn carry_out(&mut self, now: Moment, said: &mut Vec<Wish>) -> Vec<Noticed> {
        let mut noticed = Vec::new();
        for out in std::mem::take(&mut self.out.emit) {
            match out {
                // The platform is one server.
                Out::Sip(bytes) | Out::Beside(_, bytes) => said.push(Wish::Sip(bytes)),
                Out::Rtp(slot, to, bytes) => said.push(Wish::Audio { from: self.audio[slot], to, bytes }),
                Out::Rtcp(slot, to, bytes) => {
                    said.push(Wish::Audio { from: above(self.audio[slot]), to, bytes });
                }
                Out::Event(event) => noticed.extend(self.saw(now, event)),
            }
        }
        noticed
    }

    fn saw(&mut self, now: Moment, event: Event) -> Option<Noticed> {
        match event {
            Event::Registered(_) => {
                if !self.is_registered {
                    self.registered = now;
                }
                self.is_registered = true;
            }
            Event::Unregistered | Event::NotRegistered(_) => self.is_registered = false,
            Event::Incoming(call, _) => return Some(Noticed::Incoming(call)),
            Event::Ringing(call, _) => {
                self.line(call).rang.get_or_insert(now);
            }
            Event::Answered(call) => {
                self.line(call).answered.get_or_insert(now);
                return Some(Noticed::Answered(call));
            }
            Event::Digit(call, digit) => self.line(call).digits.push(digit),
            Event::Held(call, is_held) => {
                let line = self.line(call);
                line.is_held = is_held;
                line.was_held |= is_held;
            }
            Event::Server(_) | Event::NotHeld(..) | Event::Heard(..) => {}
            Event::Over { call, refused, by_us, cause, quality, .. } => {
                let longest_gap = Duration::from_secs_f64(quality.longest_gap_ms / 1000.0);
                let heard = quality.received;
                let over = Over { at: now, refused, by_us, cause, longest_gap, heard };
                let before = self.line(call).over.replace(over);
                assert_eq!(before, None, "a phone was told twice that its call {call:?} is over");
                return Some(Noticed::Over(call));
            }
        }
        None
    }

    fn line(&mut self, call: CallNo) -> &mut Line {
        self.lines.entry(call).or_default()
    }
}

/// How a phone is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Udp,
    /// Behind a NAT it believes to be elsewhere than it is.
    BehindNat,
    Tcp,
    TcpBehindNat,
}

/// Which of its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sip,
    Audio(usize),
}

fn above(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

fn call_id_of_invite(out: &Out) -> Option<String> {
    match out {
        Out::Sip(bytes) | Out::Beside(_, bytes) => new_invite(bytes),
        Out::Rtp(..) | Out::Rtcp(..) | Out::Event(_) => None,
    }
}

/// The Call-ID of an INVITE outside of a dialog.
fn new_invite(bytes: &[u8]) -> Option<String> {
    let message = Message::parse(bytes).ok()?;
    let is_new = message.method() == Some(Method::Invite) && message.to().ok()?.tag().is_none();
    is_new.then(|| message.text(Name::CallId).map(|id| id.into_owned())).flatten()
}
