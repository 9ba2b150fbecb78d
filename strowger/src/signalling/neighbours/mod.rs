//! The signalling threads of other hosts: who is spoken to on which connection, and what was heard.
//!
//! Each thread calls those that it has something to say to, and hears those who call it.

pub(super) mod copying;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::cluster::View;
use contract::{Envelope, NodeId};
use edge::Flow;
use exchange::settings::Owned;
use journal::Journal;
use machine::{Epoch, KeyedHash, Moment, Record, Shard};
use peering::{Changed, Following, Frame, Heard, Outgoing, Peer, Replica, Undelivered, Wire, hears, proof};
use strowger_io::{Event, Interest, Listener, MappedFile, Poller, Stream};

use copying::Copying;
use line::{Cut, Line};

/// A neighbour that could not be reached is called again after this.
const AGAIN: Duration = Duration::from_millis(100);
/// So long what can't be decided yet is kept: until we know what its sender knew.
const PATIENCE: Duration = Duration::from_secs(5);
/// No more of it is kept.
const MOST_LATER: usize = 10_000;
const ROOM: usize = 256 << 10;

/// What a neighbour said, or what is to be done after all.
#[derive(Debug)]
pub(crate) enum Said {
    /// A message for the owner of a shard.
    Inward(Shard, Vec<u8>),
    /// A message for the world.
    Outward(Wire, Vec<u8>),
    /// A question about a shard of ours, or an answer to one of us.
    Bus(Peer, Envelope),
}

/// Who hears what goes out to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// This host.
    Here,
    /// Another one.
    There(Peer),
    /// Nobody, as far as we know.
    Nowhere,
}

/// Somebody we call.
#[derive(Debug, Default)]
struct Called {
    token: Option<u64>,
    /// It knows who we are.
    is_up: bool,
    outgoing: Outgoing,
    again: Option<Moment>,
}

#[derive(Debug)]
enum Talk {
    /// We called.
    To(Peer),
    /// We were called; by whom, once that is proven.
    From { nonce: u64, peer: Option<Peer>, received: u64, acked: u64 },
}

/// What became of neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Messages and changes that a ghost said.
    pub(crate) ghosts: u64,
    /// Connections that broke.
    pub(crate) cut: u64,
    /// Messages that nobody took in time.
    pub(crate) lost: u64,
}

/// The neighbours of one thread.
#[derive(Debug)]
pub(crate) struct Neighbours {
    me: Peer,
    hash: KeyedHash,
    listener: Listener,
    /// Where phones are heard: whoever holds these addresses is spoken to.
    listens: Vec<SocketAddr>,
    first_token: u64,
    next_token: u64,
    view: Arc<View>,
    owned: Owned,
    lines: BTreeMap<u64, (Talk, Line)>,
    called: BTreeMap<Peer, Called>,
    following: Following,
    replica: Replica,
    copying: Option<Copying>,
    later: Vec<(Moment, Peer, Frame)>,
    parked: Vec<(Moment, Undelivered)>,
    /// Who knows all of which shards from now on, for the brokers.
    news: Vec<(NodeId, (Shard, Epoch))>,
    room: Vec<u8>,
    counts: Counts,
}

impl Neighbours {
    /// Hears at `listener`, under tokens from `first_token` on.
    pub(crate) fn new(
        me: Peer,
        hash: KeyedHash,
        listener: Listener,
        listens: Vec<SocketAddr>,
        first_token: u64,
        poller: &Poller,
    ) -> strowger_io::Result<Self> {
        poller.add(&listener, first_token, Interest::READ)?;
        Ok(Neighbours {
            me,
            hash,
            listener,
            listens,
            first_token,
            next_token: first_token + 1,
            view: Arc::default(),
            owned: Owned::of(|_| None),
            lines: BTreeMap::new(),
            called: BTreeMap::new(),
            following: Following::default(),
            replica: Replica::default(),
            copying: None,
            later: Vec::new(),
            parked: Vec::new(),
            news: Vec::new(),
            room: vec![0; ROOM],
            counts: Counts::default(),
        })
    }

    pub(crate) fn me(&self) -> Peer {
        self.me
    }

    pub(crate) fn owned(&self) -> &Owned {
        &self.owned
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Shards of ours whose buddy knows all, shards of others that we know whole, and how many things of theirs.
    pub(crate) fn protection(&self) -> (usize, usize, usize) {
        let (whole, things) = self.replica.size();
        (self.following.protected(), whole, things)
    }

    /// Who hears what goes out by `flow`.
    pub(crate) fn way(&self, flow: Flow) -> Way {
        let Some(listen) = self.listens.get(usize::from(flow.listener)) else { return Way::Nowhere };
        match self.view.holder(listen.ip()) {
            _ if self.me.node == NodeId(0) => Way::Here,
            Some(node) if node == self.me.node => Way::Here,
            Some(node) => {
                let threads = self.view.node(node).map_or(1, |node| node.threads());
                Way::There(Peer { node, thread: u16::from(flow.thread) % threads })
            }
            None => Way::Nowhere,
        }
    }

    /// Who owns `shard`.
    pub(crate) fn owner(&self, shard: Shard) -> Option<Peer> {
        Peer::of_owner(&self.view, shard)
    }

    /// Who knows everything about another owner's shard, to go on with it.
    pub(crate) fn take_replica(&mut self, shard: Shard) -> (Vec<Record>, bool) {
        self.replica.take(shard)
    }

    /// Who knows all of which shards, since this was asked last: the brokers should know.
    pub(crate) fn take_news(&mut self) -> BTreeMap<NodeId, Vec<(Shard, Epoch)>> {
        let mut by: BTreeMap<NodeId, Vec<(Shard, Epoch)>> = BTreeMap::new();
        self.news.drain(..).for_each(|(node, shard)| by.entry(node).or_default().push(shard));
        by
    }

    /// Whether somebody at `node` knows all of `shard`.
    pub(crate) fn knows_all(&self, node: NodeId, shard: Shard) -> bool {
        self.following.knows_all(node, shard)
    }

    /// From now on `view` counts, and this thread owns `owned`. What was for others than it is now
    /// comes back, to be said to them.
    pub(crate) fn go_by(&mut self, view: Arc<View>, owned: Owned) -> Vec<Undelivered> {
        self.following.go_by(&view, |shard| owned.owns(shard));
        let mut back: Vec<Undelivered> =
            std::mem::take(&mut self.parked).into_iter().map(|(_, it)| it).collect();
        for (&peer, called) in &mut self.called {
            back.extend(called.outgoing.misdirected(peer, &view));
        }
        let me = self.me;
        self.replica.keep(|shard| {
            let owner = view.owner(shard);
            match owner.node == Some(me.node) {
                // What we are about to hand on may stay with us.
                true => !owned.owns(shard),
                false => [owner.buddy, owner.next, owner.wanted].contains(&Some(me.node)),
            }
        });
        (self.view, self.owned) = (view, owned);
        back
    }

    /// Nobody takes this for now: it is kept until somebody may.
    pub(crate) fn park(&mut self, now: Moment, shard: Shard, bytes: Vec<u8>) {
        if self.parked.len() < MOST_LATER {
            self.parked.push((now, Undelivered { shard, bytes }));
        } else {
            self.counts.lost += 1;
        }
    }

    /// Brings a message to the owner of a shard.
    pub(crate) fn inward(&mut self, peer: Peer, shard: Shard, bytes: Vec<u8>) {
        let version = self.view.version;
        let called = self.called.entry(peer).or_default();
        let Some(frame) = called.outgoing.inward(version, shard, bytes) else {
            self.counts.lost += 1;
            return;
        };
        if called.is_up {
            self.say(peer, &frame);
        }
    }

    /// Brings a message to whoever sends it out to the world.
    pub(crate) fn outward(&mut self, peer: Peer, wire: Wire, bytes: Vec<u8>) -> bool {
        let frame = Frame::Outward { view: self.view.version, wire, bytes };
        let called = self.called.entry(peer).or_default();
        called.is_up && self.say(peer, &frame)
    }

    /// Asks the owner of a shard, or answers somebody.
    pub(crate) fn ask(&mut self, peer: Peer, envelope: Envelope) -> bool {
        let frame = Frame::Bus { view: self.view.version, envelope };
        let called = self.called.entry(peer).or_default();
        called.is_up && self.say(peer, &frame)
    }

    /// Tells those who follow what changed, and says what to wait for before the world hears of it.
    pub(crate) fn tell(&mut self, changes: &[Record]) -> Vec<(Peer, u64)> {
        let mut told: BTreeMap<Peer, (Vec<Changed>, bool)> = BTreeMap::new();
        for record in changes.iter().filter(|record| copying::FOLLOWED.contains(&record.tag)) {
            let shard = copying::shard_of(record.tag, record.shard, record.key);
            let buddy = self.following.buddy(shard);
            for (peer, epoch) in self.following.told(shard) {
                let (changes, protects) = told.entry(peer).or_default();
                changes.push(Changed { shard, ..Changed::of(record, epoch) });
                *protects |= buddy == Some(peer);
            }
        }
        let view = self.view.version;
        let mut waits = Vec::new();
        for (peer, (changes, protects)) in told {
            let Some(called) = self.called.get_mut(&peer) else { continue };
            let number = called.outgoing.number();
            if self.say(peer, &Frame::Changes { number, view, changes }) && protects {
                waits.push((peer, number));
            }
        }
        waits
    }

    /// The last that was told to those who follow `shards`.
    pub(crate) fn last_told(&self, shards: &[(Shard, Epoch)]) -> Vec<(Peer, u64)> {
        let peers = shards.iter().flat_map(|&(shard, _)| self.following.told(shard).map(|(peer, _)| peer));
        let peers: BTreeSet<Peer> = peers.collect();
        let last = |peer| self.called.get(&peer).map(|called| (peer, called.outgoing.last()));
        peers.into_iter().filter_map(last).collect()
    }

    /// Whether everything that was to be waited for has come; who is not there is not waited for.
    pub(crate) fn is_safe(&self, waits: &[(Peer, u64)]) -> bool {
        waits
            .iter()
            .all(|(peer, number)| self.called.get(peer).is_none_or(|it| it.outgoing.safe() >= *number))
    }

    fn say(&mut self, peer: Peer, frame: &Frame) -> bool {
        let token = self.called.get(&peer).and_then(|called| called.token);
        let line = token.and_then(|token| self.lines.get_mut(&token));
        line.map(|(_, line)| line.say(frame)).is_some()
    }

    /// Reads and writes what is possible.
    pub(crate) fn ready(&mut self, event: Event, now: Moment, poller: &Poller, told: &mut impl FnMut(Said)) {
        if event.token == self.first_token {
            return self.accept(poller);
        }
        let mut frames = Vec::new();
        let Some((_, line)) = self.lines.get_mut(&event.token) else { return };
        let mut talked = if event.writable { line.connected() } else { Ok(()) };
        if talked.is_ok() && (event.readable || event.closed) {
            talked = line.read(&mut self.room, &mut |frame| frames.push(frame));
        }
        let talked = talked.and_then(|()| line.flush(event.token, poller));
        for frame in frames {
            self.hear(event.token, frame, now, told);
        }
        if let Err(why) = talked {
            self.cut(event.token, &why, now, poller);
        }
    }

    fn accept(&mut self, poller: &Poller) {
        while let Ok(Some((stream, _))) = self.listener.accept() {
            let mut nonce = [0; 8];
            if getrandom::fill(&mut nonce).is_err() {
                return;
            }
            let nonce = u64::from_le_bytes(nonce);
            if let Some(token) =
                self.add(Talk::From { nonce, peer: None, received: 0, acked: 0 }, stream, false, poller)
                && let Some((_, line)) = self.lines.get_mut(&token)
            {
                line.say(&Frame::Challenge { nonce });
            }
        }
    }

    fn add(&mut self, talk: Talk, stream: Stream, is_connecting: bool, poller: &Poller) -> Option<u64> {
        let token = self.next_token;
        self.next_token += 1;
        let line = Line::new(stream, is_connecting, token, poller)?;
        self.lines.insert(token, (talk, line));
        Some(token)
    }

    fn cut(&mut self, token: u64, why: &Cut, now: Moment, poller: &Poller) {
        let Some((talk, line)) = self.lines.remove(&token) else { return };
        line.leave(poller);
        self.counts.cut += 1;
        if let Talk::To(peer) = talk {
            tracing::debug!(?peer, %why, "a neighbour is not reached");
            self.following.lost(peer);
            if let Some(called) = self.called.get_mut(&peer) {
                (called.token, called.is_up, called.again) = (None, false, Some(now.after(AGAIN)));
            }
        }
    }

    fn hear(&mut self, token: u64, frame: Frame, now: Moment, told: &mut impl FnMut(Said)) {
        let Some((talk, line)) = self.lines.get_mut(&token) else { return };
        match (talk, frame) {
            (Talk::To(peer), Frame::Challenge { nonce }) => {
                let (peer, Peer { node, thread }) = (*peer, self.me);
                line.say(&Frame::Hello { node, thread, proof: proof(&self.hash, nonce, node, thread) });
                self.is_up(peer);
            }
            (Talk::To(peer), Frame::Ack { number }) => {
                let peer = *peer;
                if let Some(called) = self.called.get_mut(&peer) {
                    called.outgoing.acked(number);
                }
                self.news.extend(self.following.acked(peer, number).into_iter().map(|it| (peer.node, it)));
            }
            (
                Talk::From { nonce, peer: unknown @ None, .. },
                Frame::Hello { node, thread, proof: proven },
            ) => {
                if proof(&self.hash, *nonce, node, thread) == proven {
                    *unknown = Some(Peer { node, thread });
                }
            }
            (Talk::From { peer: Some(peer), received, .. }, frame) => {
                if let Frame::Inward { number, .. }
                | Frame::Changes { number, .. }
                | Frame::Whole { number, .. } = &frame
                {
                    *received = *number;
                }
                let peer = *peer;
                self.take(peer, frame, now, told);
            }
            // Strangers, and what does not belong where it was said, are not heard.
            _ => self.counts.ghosts += 1,
        }
    }

    fn is_up(&mut self, peer: Peer) {
        let version = self.view.version;
        let Some(called) = self.called.get_mut(&peer) else { return };
        called.is_up = true;
        for frame in called.outgoing.again(version) {
            self.say(peer, &frame);
        }
    }

    fn take(&mut self, from: Peer, frame: Frame, now: Moment, told: &mut impl FnMut(Said)) {
        let by = match &frame {
            Frame::Inward { view, .. }
            | Frame::Outward { view, .. }
            | Frame::Bus { view, .. }
            | Frame::Changes { view, .. } => *view,
            _ => self.view.version,
        };
        match hears(&self.view, from.node, by) {
            _ if self.me.node == NodeId(0) => {}
            Heard::Yes => {}
            Heard::Ghost => {
                self.counts.ghosts += 1;
                return;
            }
            Heard::Later if self.later.len() < MOST_LATER => return self.later.push((now, from, frame)),
            Heard::Later => return self.counts.lost += 1,
        }
        match frame {
            Frame::Inward { view, shard, bytes, .. } => {
                // Whoever sent it knew more than we do: it may be ours.
                if view > self.view.version && self.owner(shard).map(|it| it.node) != Some(self.me.node) {
                    return self.park(now, shard, bytes);
                }
                told(Said::Inward(shard, bytes));
            }
            Frame::Outward { wire, bytes, .. } => told(Said::Outward(wire, bytes)),
            Frame::Bus { view, envelope } => {
                let is_ours = envelope.shard.is_none_or(|shard| self.owned.owns(shard));
                match is_ours || view <= self.view.version || self.later.len() >= MOST_LATER {
                    true => told(Said::Bus(from, envelope)),
                    // It will be ours as soon as we know as much.
                    false => self.later.push((now, from, Frame::Bus { view, envelope })),
                }
            }
            Frame::Changes { changes, .. } => self.replica.change(changes),
            Frame::Begin { shards } => self.replica.begin(&shards),
            Frame::Whole { shards, .. } => self.replica.whole(&shards),
            Frame::Challenge { .. } | Frame::Hello { .. } | Frame::Ack { .. } => {}
        }
    }

    /// What was heard too early and can be looked at now.
    pub(crate) fn take_later(&mut self, now: Moment, told: &mut impl FnMut(Said)) {
        for (at, from, frame) in std::mem::take(&mut self.later) {
            match now.since(at) < PATIENCE {
                true => self.take(from, frame, now, told),
                false => self.counts.lost += 1,
            }
        }
    }

    /// What came in this turn is safe with us: says so.
    pub(crate) fn acknowledge(&mut self) {
        for (talk, line) in self.lines.values_mut() {
            if let Talk::From { received, acked, .. } = talk
                && received > acked
            {
                *acked = *received;
                line.say(&Frame::Ack { number: *received });
            }
        }
    }

    /// Writes what was said.
    pub(crate) fn flush(&mut self, now: Moment, poller: &Poller) {
        let mut cut = Vec::new();
        for (&token, (_, line)) in &mut self.lines {
            if let Err(why) = line.flush(token, poller) {
                cut.push((token, why));
            }
        }
        cut.into_iter().for_each(|(token, why)| self.cut(token, &why, now, poller));
    }

    /// Calls whom we have something to say to, copies what somebody has to know, and forgets what waited too long.
    pub(crate) fn tend(&mut self, now: Moment, journal: &mut Journal<MappedFile>, poller: &Poller) {
        for peer in self.following.wants() {
            self.called.entry(peer).or_default();
        }
        self.hang_up(now, poller);
        let due = |called: &Called| called.token.is_none() && called.again.is_none_or(|at| at <= now);
        let due: Vec<Peer> = self.called.iter().filter(|(_, it)| due(it)).map(|(&peer, _)| peer).collect();
        due.into_iter().for_each(|peer| self.call(peer, now, poller));
        self.copy(journal);
        let before = self.parked.len();
        self.parked.retain(|(at, _)| now.since(*at) < PATIENCE);
        self.counts.lost += (before - self.parked.len()) as u64;
    }

    /// Ends what leads to those who are not there any more.
    fn hang_up(&mut self, now: Moment, poller: &Poller) {
        if self.me.node == NodeId(0) {
            return;
        }
        let gone: Vec<Peer> =
            self.called.keys().copied().filter(|peer| self.view.node(peer.node).is_none()).collect();
        for peer in gone {
            if let Some(token) = self.called.get(&peer).and_then(|called| called.token) {
                self.cut(token, &Cut::Closed, now, poller);
            }
            let left = self.called.remove(&peer).map(|called| called.outgoing.waiting());
            self.counts.lost += left.unwrap_or_default() as u64;
        }
    }

    fn call(&mut self, peer: Peer, now: Moment, poller: &Poller) {
        let address = self.view.node(peer.node).and_then(|node| node.inside.get(usize::from(peer.thread)));
        let stream = address.and_then(|&address| Stream::connect(address, None).ok());
        let token = stream.and_then(|stream| self.add(Talk::To(peer), stream, true, poller));
        let called = self.called.entry(peer).or_default();
        called.token = token;
        called.again = Some(now.after(AGAIN));
    }
}
