//! Two phones, a registrar, and a wire in memory that loses and delays by a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use machine::{KeyedHash, Machine, Moment, Outbox, Secret};
use phone::{CallNo, Command, Event, In, OnCall, Out, Phone, Settings};
use sip::digest::{Algorithm, Checked, Given, Ha1, NonceMint, challenge};
use sip::{Message, Method, Name, Status, respond};

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const FIRST: CallNo = CallNo(1);

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) phones: Vec<Phone>,
    pub(crate) events: Vec<Vec<Event>>,
    /// Every SIP message, by who sent it.
    pub(crate) said: Vec<(usize, Message<Vec<u8>>)>,
    /// Packets of a hundred that the wire loses, and the delay of the others, milliseconds.
    pub(crate) loss: u64,
    pub(crate) jitter: u64,
    pub(crate) registrar: Registrar,
    /// Alice's servers that hear nothing.
    pub(crate) dead: BTreeSet<usize>,
    /// What was said to which of her servers.
    pub(crate) said_to: Vec<(usize, Message<Vec<u8>>)>,
    /// The server that each phone talks to.
    at: Vec<usize>,
    flights: BTreeMap<(Moment, u64), (usize, In)>,
    count: u64,
    dice: u64,
}

pub(crate) struct Registrar {
    mint: NonceMint,
    /// The highest count of the newest nonce that was used.
    used: (Option<u64>, Option<u32>),
    pub(crate) password: &'static str,
    pub(crate) algorithm: Algorithm,
    pub(crate) least: u32,
    pub(crate) nonces: u16,
    /// What it answers instead.
    pub(crate) refuses: Option<(Status, u32)>,
    pub(crate) is_dead: bool,
    pub(crate) bound: u32,
}

fn settings(user: &str, host: u8) -> Settings {
    let address = |port| SocketAddr::from(([10, 0, 0, host], port));
    let mut settings = Settings::new(user, "example.com", address(5060), vec![address(4000), address(4002)]);
    settings.password = Some("secret".into());
    settings.seed = u64::from(host);
    settings
}

impl World {
    pub(crate) fn new() -> World {
        World::with(|_, _| {})
    }

    /// With phones set as `set` wants it.
    pub(crate) fn with(set: impl Fn(usize, &mut Settings)) -> World {
        let phone = |index, user| {
            let mut settings = settings(user, index as u8 + 1);
            set(index, &mut settings);
            Phone::new(settings)
        };
        World {
            now: Moment::from_secs(1_700_000_000),
            phones: vec![phone(ALICE, "alice"), phone(BOB, "bob")],
            events: vec![Vec::new(), Vec::new()],
            said: Vec::new(),
            loss: 0,
            jitter: 0,
            registrar: Registrar {
                mint: NonceMint::new(KeyedHash::new(Secret::new([5; 16])), Duration::from_secs(600)),
                used: (None, None),
                password: "secret",
                algorithm: Algorithm::Md5,
                least: 60,
                nonces: 0,
                refuses: None,
                is_dead: false,
                bound: 0,
            },
            dead: BTreeSet::new(),
            said_to: Vec::new(),
            at: vec![0, 0],
            flights: BTreeMap::new(),
            count: 0,
            dice: 7,
        }
    }

    /// Bob answers at once.
    pub(crate) fn with_bob_answering() -> World {
        World::with(|who, settings| {
            if who == BOB {
                settings.on_call = OnCall::Answer(Duration::from_millis(500));
            }
        })
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % below
    }

    pub(crate) fn command(&mut self, who: usize, command: Command) {
        self.input(who, In::Command(command));
    }

    pub(crate) fn input(&mut self, who: usize, input: In) {
        let mut out = Outbox::new();
        self.phones[who].handle(self.now, input, &mut out);
        self.carry_out(who, out);
    }

    fn carry_out(&mut self, who: usize, out: Outbox<Out>) {
        for out in out.emit {
            match out {
                Out::Event(event) => {
                    if let Event::Server(server) = event {
                        self.at[who] = server;
                    }
                    self.events[who].push(event);
                }
                Out::Sip(bytes) => self.carry_sip(who, self.at[who], bytes),
                Out::Beside(server, bytes) => self.carry_sip(who, server, bytes),
                Out::Rtp(_, to, bytes) => self.carry_audio(to, bytes),
                Out::Rtcp(_, to, bytes) => self.carry_audio((to.ip(), to.port() - 1).into(), bytes),
            }
        }
    }

    fn carry_sip(&mut self, who: usize, server: usize, bytes: Vec<u8>) {
        let message = Message::parse(bytes.clone()).unwrap();
        message.check().unwrap();
        self.said.push((who, message.clone()));
        if who == ALICE {
            self.said_to.push((server, message.clone()));
            if self.dead.contains(&server) {
                return;
            }
        }
        match message.method() {
            Some(Method::Register) => {
                if let Some(answer) = self.registrar.answer(self.now, &message) {
                    self.fly(who, In::Sip(answer));
                }
            }
            _ => self.fly(1 - who, In::Sip(bytes)),
        }
    }

    fn carry_audio(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        let SocketAddr::V4(address) = to else { panic!("{to}") };
        let (who, slot) = (usize::from(address.ip().octets()[3]) - 1, usize::from(to.port() - 4000) / 2);
        self.fly(who, In::Audio(slot, bytes));
    }

    fn fly(&mut self, to: usize, input: In) {
        if self.roll(100) < self.loss {
            return;
        }
        let delay = 10 + self.roll(self.jitter + 1);
        self.count += 1;
        self.flights.insert((self.now.after(Duration::from_millis(delay)), self.count), (to, input));
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        loop {
            let flight = self.flights.first_key_value().map(|((at, _), _)| *at);
            let timer = self.phones.iter().filter_map(Phone::next_deadline).min();
            let next = flight.into_iter().chain(timer).min().filter(|&next| next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if flight == Some(next) {
                if let Some((_, (to, input))) = self.flights.pop_first() {
                    self.input(to, input);
                }
                continue;
            }
            for who in 0..self.phones.len() {
                if self.phones[who].next_deadline().is_some_and(|due| due <= self.now) {
                    let mut out = Outbox::new();
                    self.phones[who].expire(self.now, &mut out);
                    self.carry_out(who, out);
                }
            }
        }
        self.now = end;
    }

    /// What a phone has told since somebody last asked.
    pub(crate) fn told(&mut self, who: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[who])
    }

    /// How many requests of this method a phone has sent.
    pub(crate) fn requests(&self, who: usize, method: Method<'_>) -> usize {
        let is = |(sender, message): &&(usize, Message<Vec<u8>>)| {
            *sender == who && message.method() == Some(method)
        };
        self.said.iter().filter(is).count()
    }

    /// The statuses that a phone answered this method with.
    pub(crate) fn answers(&self, who: usize, method: Method<'_>) -> Vec<u16> {
        let of = |(sender, message): &&(usize, Message<Vec<u8>>)| {
            *sender == who && message.is_response() && message.cseq().unwrap().method == method
        };
        self.said.iter().filter(of).map(|(_, message)| message.status().unwrap().code()).collect()
    }
}

impl Registrar {
    fn answer(&mut self, now: Moment, request: &Message<Vec<u8>>) -> Option<Vec<u8>> {
        if self.is_dead {
            return None;
        }
        let mut bytes = Vec::new();
        if let Some((status, after)) = self.refuses {
            respond(request, status, None, Some("r"), &mut bytes)
                .number(Name::RetryAfter, after.into())
                .empty_body();
            return Some(bytes);
        }
        let ha1 = Ha1::new(self.algorithm, b"alice", b"example.com", self.password.as_bytes());
        let credentials = request.authorization(Name::Authorization, b"example.com").unwrap();
        let checked = credentials
            .and_then(|credentials| Given::of(&credentials).check(Method::Register, &ha1, &self.mint, now));
        let is_new = |checked: &Checked| checked.nonce.is_some() && (checked.nonce, checked.nc) > self.used;
        let accepted = checked.filter(is_new);
        self.used = accepted.map_or(self.used, |checked| (checked.nonce, checked.nc));
        let expires = request.expires().unwrap().unwrap();
        let writer = |status, bytes| respond(request, status, None, Some("r"), bytes);
        match accepted {
            Some(_) if expires > 0 && expires < self.least => {
                writer(Status::INTERVAL_TOO_BRIEF, &mut bytes)
                    .number(Name::MinExpires, self.least.into())
                    .empty_body();
            }
            Some(_) => {
                self.bound = expires;
                let contact = String::from_utf8(request.raw(Name::Contact).unwrap().to_vec()).unwrap();
                let writer = writer(Status::OK, &mut bytes);
                let writer = match expires {
                    0 => writer,
                    _ => writer
                        .header(Name::Contact, format!("<sip:x@y>;expires=7, {contact};expires={expires}")),
                };
                writer.empty_body();
            }
            None => {
                self.nonces += 1;
                let nonce = self.mint.mint(now, self.nonces);
                let stale = checked.is_some();
                writer(Status::UNAUTHORIZED, &mut bytes)
                    .header(Name::WwwAuthenticate, challenge("example.com", &nonce, self.algorithm, stale))
                    .empty_body();
            }
        }
        Some(bytes)
    }
}
