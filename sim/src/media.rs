use std::collections::BTreeMap;
use std::net::SocketAddr;

use contract::media::{Anchor, Noticed, Release};
use contract::{Conversation, Envelope, NodeId};
use journal::{Blame, Damage, Journal, Shell, Turn};
use machine::{Key, Machine as _, Moment, Secret, Shard, Tag};
use media::{Ask, In, Media, Out, PortPair, Settings, Socket, Sounds, Verdict, Voice};

const SEGMENT: usize = 64 * 1024;
const SEGMENTS: usize = 16;
/// Pairs of ports in the pool.
const PAIRS: u16 = 600;
/// What waits in a dead process's sockets.
const SOCKET_ROOM: usize = 400;

/// What the media process wants done.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To a phone.
    Audio { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// To whoever asked.
    Answer { asker: usize, envelope: Envelope },
    /// To the owner of a shard.
    Notice { shard: Shard, notice: Noticed },
}

/// The media process, and its journal, which outlives it.
#[derive(Debug)]
pub(crate) struct MediaProcess {
    /// Its number; 0: it is alone.
    pub(crate) node: NodeId,
    /// When its host died for ever.
    pub(crate) lost: Option<Moment>,
    pairs: Vec<PortPair>,
    turn: Option<Box<Turn<Media, Vec<u8>>>>,
    region: Vec<u8>,
    secret: Secret,
    sockets: BTreeMap<SocketAddr, Socket>,
    addresses: BTreeMap<Socket, SocketAddr>,
    direct: Vec<In>,
    waiting: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    asks: BTreeMap<Ask, (usize, u64)>,
    next_ask: u64,
}

struct Hands<'a> {
    said: &'a mut Vec<Wish>,
    asks: &'a mut BTreeMap<Ask, (usize, u64)>,
    addresses: &'a BTreeMap<Socket, SocketAddr>,
}

impl MediaProcess {
    /// The one of the `host`th of so many hosts.
    pub(crate) fn new(host: u16, hosts: u16, secret: Secret) -> Self {
        let pairs = pairs(host);
        let (mut sockets, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for (number, pair) in (0..).zip(&pairs) {
            for (socket, address) in [(Socket::rtp(number), pair.rtp), (Socket::rtcp(number), pair.rtcp)] {
                sockets.insert(address, socket);
                addresses.insert(socket, address);
            }
        }
        MediaProcess {
            node: NodeId(if hosts > 1 { host + 1 } else { 0 }),
            lost: None,
            pairs,
            turn: None,
            region: vec![0; 4096 + SEGMENT * SEGMENTS],
            secret,
            sockets,
            addresses,
            direct: Vec::new(),
            waiting: Vec::new(),
            asks: BTreeMap::new(),
            next_ask: 0,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.turn.is_some()
    }

    pub(crate) fn owns(&self, address: &SocketAddr) -> bool {
        self.sockets.contains_key(address)
    }

    pub(crate) fn calls(&self) -> usize {
        self.turn.as_ref().map_or(0, |turn| turn.machine.calls())
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        let turn = self.turn.as_ref()?;
        if !self.direct.is_empty() || turn.machine.is_unsettled() {
            return Some(Moment::START);
        }
        turn.machine.next_deadline()
    }

    /// A question came on the bus; lost if the process is dead.
    pub(crate) fn reads(&mut self, asker: usize, envelope: &Envelope) {
        if !self.is_alive() {
            return;
        }
        self.next_ask += 1;
        let ask = Ask(self.next_ask);
        let input = match envelope.subject.as_str() {
            subject if subject == Anchor::SUBJECT.to_string() => {
                contract::decode(&envelope.body).ok().map(|wish| In::Anchor { ask, wish })
            }
            subject if subject == Release::SUBJECT.to_string() => {
                contract::decode(&envelope.body).ok().map(|release| In::Release { ask, release })
            }
            _ => None,
        };
        let Some(input) = input else { panic!("nobody asks media this: {envelope:?}") };
        self.asks.insert(ask, (asker, envelope.id));
        self.direct.push(input);
    }

    /// A packet comes to one of the pool's ports.
    pub(crate) fn hears(
        &mut self,
        now: Moment,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
        said: &mut Vec<Wish>,
    ) {
        let Some(&socket) = self.sockets.get(&to) else { return };
        let Some(turn) = &mut self.turn else {
            if self.lost.is_none() && self.waiting.len() < SOCKET_ROOM {
                self.waiting.push((from, to, bytes));
            }
            return;
        };
        if let Verdict::Forward { socket, to } = turn.machine.relay(now, socket, from, &bytes) {
            said.push(Wish::Audio { from: self.addresses[&socket], to, bytes });
        }
    }

    /// One turn: everything but packets.
    pub(crate) fn turn(&mut self, now: Moment, said: &mut Vec<Wish>) {
        let Some(turn) = self.turn.as_deref_mut() else { return };
        if turn.machine.is_unsettled() {
            self.direct.push(In::Settle);
        }
        let mut hands = Hands { said, asks: &mut self.asks, addresses: &self.addresses };
        let nothing: &[(&[u8], &[u8])] = &[];
        turn.run(now, nothing, &mut self.direct, &mut hands);
    }

    /// SIGKILL.
    pub(crate) fn die(&mut self) {
        self.direct.clear();
        self.asks.clear();
        if let Some(turn) = self.turn.take() {
            self.region = turn.journal.into_region();
        }
    }

    /// The power goes: its journal and its sockets are gone.
    pub(crate) fn lose_power(&mut self) {
        self.die();
        self.region.fill(0);
        self.waiting.clear();
    }

    /// The supervisor starts it (again).
    pub(crate) fn start(&mut self, now: Moment, said: &mut Vec<Wish>) {
        let region = std::mem::take(&mut self.region);
        let (journal, mut recovered) = match Journal::open_with(region, now, SEGMENT) {
            Ok(opened) => opened,
            Err(error) => panic!("a journal that nobody harmed can't be opened: {error}"),
        };
        let machine = Media::new(self.node, self.secret.clone(), self.pairs.clone(), Settings::default());
        let mut turn = Box::new(Turn::new(machine, journal));
        let mut hands = Hands { said, asks: &mut self.asks, addresses: &self.addresses };
        turn.restore(now, &mut recovered, &mut hands);
        turn.recover(now, &recovered, [], &mut hands);
        self.turn = Some(turn);
        let mut sounds = Sounds::new();
        sounds.teach("welcome", Voice::new(&[900; 8000]));
        self.direct.push(In::Sounds { sounds });
        for (from, to, bytes) in std::mem::take(&mut self.waiting) {
            self.hears(now, from, to, bytes, said);
        }
    }

    /// Decisions that panicked, and records that found no room in the journal.
    pub(crate) fn troubles(&self) -> (u64, u64) {
        let turn = self.turn.as_ref();
        turn.map_or((0, 0), |turn| (turn.stats().panics, turn.journal.stats().unprotected))
    }
}

/// Each host has an address of its own.
fn pairs(host: u16) -> Vec<PortPair> {
    let at = |port| ([198, 51, 100, 2 + host as u8], port).into();
    (0..PAIRS).map(|n| PortPair { rtp: at(20_000 + 2 * n), rtcp: at(20_001 + 2 * n) }).collect()
}

impl Hands<'_> {
    fn answer<C: Conversation>(&mut self, ask: Ask, answer: &C::Answer) {
        if let Some((asker, id)) = self.asks.remove(&ask) {
            self.said.push(Wish::Answer { asker, envelope: Envelope::answer::<C>(id, answer) });
        }
    }
}

impl Shell<Media> for Hands<'_> {
    fn decode(&mut self, _: Moment, _: &[u8], _: &[u8]) -> Option<In> {
        None
    }

    fn encode(&mut self, _: &Out, _: &mut Vec<u8>) {}

    fn perform(&mut self, _: Moment, out: Out) {
        match out {
            Out::Anchored { ask, answer } => self.answer::<Anchor>(ask, &answer),
            Out::Released { ask, answer } => self.answer::<Release>(ask, &answer),
            Out::Noticed { shard, notice } => self.said.push(Wish::Notice { shard, notice }),
            Out::Send { socket, to, datagram } => {
                self.said.push(Wish::Audio { from: self.addresses[&socket], to, bytes: datagram });
            }
            Out::Gauged { .. } | Out::Open { .. } | Out::Reopen { .. } | Out::Close { .. } => {}
        }
    }

    fn perform_again(&mut self, _: Moment, _: &[u8]) {}

    fn set_aside(&mut self, _: &[u8], _: &[u8], blame: Blame) {
        panic!("media panicked: {blame:?}");
    }

    fn lost(&mut self, tag: Tag, key: Key, message: String) {
        panic!("a record of media's can't be restored: {tag:?} {key:?}: {message}");
    }

    fn damaged(&mut self, damage: Damage) {
        panic!("nobody harmed this journal: {damage:?}");
    }
}
