//! A packet thread, its journal, and phones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use contract::media::{Anchor, Anchored, Happening, LegPort, LegWish, Payload, Release, Released};
use contract::{CallId, NodeId};
use journal::{Cause, Durable, Entry};
use machine::{Epoch, Key, Machine, Moment, Outbox, Record, Secret, Tag};
use rtp::{Datagram, Header};

use crate::{Ask, In, Media, Out, PortPair, Settings, Socket, Sounds, Verdict, Voice};

pub(super) const CALL: CallId = CallId(0xca11);
pub(super) const FRAME: Duration = Duration::from_millis(20);

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A packet that our side sent to somebody.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) at: Moment,
    pub(super) to: SocketAddr,
    pub(super) datagram: Vec<u8>,
}

impl Delivered {
    pub(super) fn header(&self) -> Header {
        Header::read(&self.datagram).unwrap()
    }
}

pub(super) struct Stage {
    pub(super) media: Media,
    pub(super) now: Moment,
    pub(super) kept: BTreeMap<(Tag, Key), Vec<u8>>,
    pub(super) noticed: Vec<(u8, Happening)>,
    pub(super) delivered: Vec<Delivered>,
    pub(super) open: Vec<u32>,
    answers: Vec<Out>,
}

fn ports(legs: u16) -> Vec<PortPair> {
    let pair = |index: u16| PortPair {
        rtp: ([192, 0, 2, 1], 30_000 + 2 * index).into(),
        rtcp: ([192, 0, 2, 1], 30_001 + 2 * index).into(),
    };
    (0..legs).map(pair).collect()
}

fn media(legs: u16) -> Media {
    Media::new(NodeId(1), Secret::new([7; 16]), ports(legs), Settings::default())
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with_legs(4)
    }

    pub(super) fn with_legs(legs: u16) -> Self {
        let mut stage = Stage {
            media: media(legs),
            now: Moment::from_secs(1_000_000),
            kept: BTreeMap::new(),
            noticed: Vec::new(),
            delivered: Vec::new(),
            open: Vec::new(),
            answers: Vec::new(),
        };
        stage.load_sounds();
        stage
    }

    fn load_sounds(&mut self) {
        let mut sounds = Sounds::new();
        sounds.teach("second", Voice::new(&[1000; 8000]));
        self.handle(In::Sounds { sounds });
    }

    fn hear(&mut self, out: Outbox<Out>) {
        for record in out.keep {
            if record.body.is_empty() {
                self.kept.remove(&(record.tag, record.key));
            } else {
                self.kept.insert((record.tag, record.key), record.body);
            }
        }
        for out in out.emit {
            match out {
                Out::Noticed { notice, .. } => self.noticed.push((notice.leg, notice.what)),
                Out::Send { to, datagram, .. } => {
                    self.delivered.push(Delivered { at: self.now, to, datagram })
                }
                Out::Open { pair } | Out::Reopen { pair } => self.open.push(pair),
                Out::Close { pair } => self.open.retain(|&open| open != pair),
                answer => self.answers.push(answer),
            }
        }
    }

    fn handle(&mut self, input: In) {
        let mut out = Outbox::new();
        self.media.handle(self.now, input, &mut out);
        self.hear(out);
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn advance(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(next) = self.media.next_deadline().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            let mut out = Outbox::new();
            self.media.expire(self.now, &mut out);
            self.hear(out);
        }
        self.now = end;
    }

    /// The process dies; its successor knows what was kept.
    pub(super) fn kill(&mut self) {
        self.media = media(4);
        self.open.clear();
        for (&(tag, key), body) in &self.kept {
            self.media.restore(self.now, Entry { tag, shard: Default::default(), key, body });
        }
        let mut out = Outbox::new();
        self.media.resume(self.now, &mut out);
        self.hear(out);
        self.load_sounds();
    }

    /// A decision about the call in hand panicked.
    pub(super) fn panic(&mut self, cause: Cause) {
        let mut out = Outbox::new();
        let kept = self.kept.clone();
        let latest = |tag, key| {
            let body = kept.get(&(tag, key)).cloned()?;
            Some(Record { tag, shard: Default::default(), key, body })
        };
        self.media.rebuild(self.now, cause, &latest, &mut out);
        self.hear(out);
    }

    pub(super) fn anchor(&mut self, wish: &Anchor) -> Anchored {
        self.handle(In::Anchor { ask: Ask(1), wish: wish.clone() });
        match self.answers.pop() {
            Some(Out::Anchored { answer, .. }) => answer,
            other => panic!("an anchor was answered with {other:?}"),
        }
    }

    /// Anchors, and expects ports.
    pub(super) fn connect(&mut self, wish: &Anchor) -> Vec<LegPort> {
        match self.anchor(wish) {
            Anchored::Ready { legs, .. } => legs,
            other => panic!("ports were expected, not {other:?}"),
        }
    }

    pub(super) fn release(&mut self, epoch: u32) -> Released {
        self.leave(epoch, 0)
    }

    /// Releases what a wish of at most that version holds.
    pub(super) fn leave(&mut self, epoch: u32, version: u32) -> Released {
        let release = Release { call: CALL, epoch: Epoch(epoch), version };
        self.handle(In::Release { ask: Ask(2), release });
        match self.answers.pop() {
            Some(Out::Released { answer, .. }) => answer,
            other => panic!("a release was answered with {other:?}"),
        }
    }

    pub(super) fn gauge(&mut self, name: &str) -> f64 {
        self.handle(In::Gauge { ask: Ask(3) });
        match self.answers.pop() {
            Some(Out::Gauged { answer, .. }) => {
                answer.values.iter().find(|it| it.0 == name).expect("the gauge is there").1
            }
            other => panic!("a gauge was answered with {other:?}"),
        }
    }

    /// A datagram from somewhere to one of our ports.
    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) -> Verdict {
        let socket = Socket::of(u32::from(to.port() - 30_000));
        let verdict = self.media.relay(self.now, socket, from, datagram);
        if let Verdict::Forward { to, .. } = verdict {
            self.delivered.push(Delivered { at: self.now, to, datagram: datagram.to_vec() });
        }
        if self.media.is_unsettled() {
            self.handle(In::Settle);
        }
        verdict
    }

    /// What somebody got of sound so far; forgets it.
    pub(super) fn sound_to(&mut self, phone: &Phone) -> Vec<Delivered> {
        self.to(phone.address, Datagram::Rtp)
    }

    pub(super) fn to(&mut self, address: SocketAddr, kind: Datagram) -> Vec<Delivered> {
        let wanted = |it: &Delivered| it.to == address && Datagram::of(&it.datagram) == kind;
        let (found, rest) = std::mem::take(&mut self.delivered).into_iter().partition(wanted);
        self.delivered = rest;
        found
    }
}

/// Somebody with a telephone.
pub(super) struct Phone {
    pub(super) address: SocketAddr,
    pub(super) rtcp: SocketAddr,
    pub(super) header: Header,
    /// Where it was told to send to.
    pub(super) anchor: Option<SocketAddr>,
}

impl Phone {
    pub(super) fn at(address: &str, ssrc: u32) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let rtcp = SocketAddr::new(address.ip(), address.port() + 1);
        Phone { address, rtcp, header: Header { ssrc, sequence: 1000, ..Header::default() }, anchor: None }
    }

    pub(super) fn told(&mut self, port: &LegPort) {
        self.anchor = Some(port.rtp);
    }

    pub(super) fn speaks(&mut self, stage: &mut Stage) -> Verdict {
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(160);
        let mut packet = self.header.bytes().to_vec();
        packet.resize(172, 0x55);
        stage.send(self.address, self.anchor.unwrap(), &packet)
    }

    /// A key: five packets and three ends, 20 ms apart.
    pub(super) fn presses(&mut self, stage: &mut Stage, digit: char) {
        let mut sender =
            rtp::Sender::new(self.header.ssrc, 8000, self.header.sequence + 1, self.header.timestamp);
        let mut press = rtp::event::Press::new(&sender, 101, digit, 800, 160).unwrap();
        while let Some((header, payload)) = press.packet(&mut sender) {
            let packet = [&header.bytes()[..], &payload].concat();
            stage.send(self.address, self.anchor.unwrap(), &packet);
            stage.advance(FRAME);
            self.header.sequence = header.sequence;
        }
        self.header.timestamp += 2000;
    }
}

fn payloads() -> Vec<Payload> {
    let payload = |number, name: &str| Payload { number, name: name.into(), clock: 8000 };
    vec![payload(8, "PCMA"), payload(0, "PCMU"), payload(101, "telephone-event")]
}

/// Two legs that hear each other.
pub(super) fn conversation(version: u32, alice: Option<&Phone>, bob: Option<&Phone>) -> Anchor {
    let leg = |leg, peer, phone: Option<&Phone>| LegWish {
        leg,
        peer: Some(peer),
        remote_rtp: phone.map(|phone| phone.address),
        payloads: payloads(),
        ..LegWish::default()
    };
    Anchor {
        call: CALL,
        epoch: Epoch(3),
        version,
        legs: vec![leg(0, 1, alice), leg(1, 0, bob)],
        ..Anchor::default()
    }
}

/// One leg that talks to nobody but us.
pub(super) fn monologue(version: u32, phone: &Phone) -> Anchor {
    let leg = LegWish {
        leg: 0,
        remote_rtp: Some(phone.address),
        payloads: payloads(),
        hear_digits: true,
        ..LegWish::default()
    };
    Anchor { call: CALL, epoch: Epoch(3), version, legs: vec![leg], ..Anchor::default() }
}

/// Alice and Bob, connected, and each told where to send to.
pub(super) fn two_who_talk(stage: &mut Stage) -> (Phone, Phone) {
    let (mut alice, mut bob) = (Phone::at("198.51.100.1:4000", 1), Phone::at("203.0.113.2:5000", 2));
    let ports = stage.connect(&conversation(1, Some(&alice), Some(&bob)));
    alice.told(&ports[0]);
    bob.told(&ports[1]);
    (alice, bob)
}
