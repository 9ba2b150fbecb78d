//! The signalling threads of other hosts: who is spoken to on which line, and what was heard.
//!
//! Each thread calls those that it has something to say to, and hears those who call it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use contract::cluster::{self, View};
use contract::registration::Reach;
use contract::{Conversation as _, Envelope, Kind, NodeId};
use journal::{Journal, Region};
use machine::{Epoch, KeyedHash, Moment, Owned, Record, Shard};

use crate::copying::{Copying, Followed};
use crate::estate::{Estate, Giving};
use crate::{
    Beyond, Changed, Following, Frame, Heard, Outgoing, Peer, Replica, Undelivered, Waits, Wire, hears, proof,
};

/// A neighbour that could not be reached is called again after this.
const AGAIN: Duration = Duration::from_millis(100);
/// So long what can't be decided yet is kept: until we know what its sender knew.
const PATIENCE: Duration = Duration::from_secs(5);
/// No more of it is kept.
const MOST_LATER: usize = 10_000;
/// A message for the world waits so long for a line to whoever sends it out: who hears nothing asks again.
const OUTWARD: Duration = Duration::from_millis(500);

/// A connection, by the number that it has for as long as its thread lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(pub u64);

/// What is to be done with lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Begin a connection.
    Call {
        /// Its number.
        line: Line,
        /// Where to.
        to: SocketAddr,
    },
    /// Say this.
    Say {
        /// On which one.
        line: Line,
        /// What.
        frame: Frame,
    },
    /// It is not wanted any more.
    HangUp {
        /// Which one.
        line: Line,
    },
}

/// What a neighbour said, or what is to be done after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message for the owner of a shard.
    Inward(Shard, Vec<u8>),
    /// A message for the world, and in which shard and under which epoch it was said.
    Outward(Wire, Option<(Shard, Epoch)>, Vec<u8>),
    /// What an exchange of another cell says by an edge of ours.
    Through(Vec<u8>),
    /// A question about a shard of ours, or an answer to one of us.
    Bus(Peer, Envelope),
}

/// A message for the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForWorld {
    pub(crate) wire: Wire,
    /// In which shard it was said, and under which epoch.
    pub(crate) of: Option<(Shard, Epoch)>,
    pub(crate) bytes: Vec<u8>,
}

/// Who hears what goes out to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// This host.
    Here,
    /// Another one.
    There(Peer),
    /// Nobody, as far as we know.
    Nowhere,
}

/// Somebody we call.
#[derive(Debug, Default)]
pub(crate) struct Called {
    line: Option<Line>,
    /// It knows who we are.
    pub(crate) is_up: bool,
    pub(crate) outgoing: Outgoing,
    pub(crate) giving: Giving,
    /// Messages for the world, from before it knew.
    outward: Vec<(Moment, Frame)>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages and changes that a ghost said.
    pub ghosts: u64,
    /// Connections that broke.
    pub cut: u64,
    /// Messages that nobody took in time.
    pub lost: u64,
    /// Frames that were said to others.
    pub said: u64,
    /// Frames that others said.
    pub heard: u64,
}

/// The neighbours of one thread.
#[derive(Debug)]
pub struct Neighbours {
    me: Peer,
    hash: KeyedHash,
    /// Where phones are heard: whoever holds these addresses is spoken to.
    listens: Vec<IpAddr>,
    pub(crate) followed: Followed,
    next_line: u64,
    pub(crate) view: Arc<View>,
    beyond: Beyond,
    owned: Owned,
    lines: BTreeMap<Line, Talk>,
    pub(crate) called: BTreeMap<Peer, Called>,
    pub(crate) following: Following,
    pub(crate) replica: Replica,
    pub(crate) estate: Estate,
    pub(crate) copying: Option<Copying>,
    /// Who may have to send something out to the world for us: a line to them is there before it is needed.
    edges: BTreeSet<Peer>,
    later: Vec<(Moment, Peer, Frame)>,
    parked: Vec<(Moment, Undelivered)>,
    /// Who knows all of which shards from now on, for the brokers.
    news: Vec<(NodeId, (Shard, Epoch))>,
    wishes: Vec<Wish>,
    /// The highest epoch under which something went out to the world from here, of each shard.
    spoken: Vec<Epoch>,
    counts: Counts,
}

impl Neighbours {
    /// Those of thread `me`. Whoever holds the addresses `listens`, in the order that flow tokens count, hears what
    /// goes out to the world; what is `followed` is told.
    pub fn new(me: Peer, hash: KeyedHash, listens: Vec<IpAddr>, followed: Followed) -> Self {
        Neighbours {
            me,
            hash,
            listens,
            followed,
            next_line: 0,
            view: Arc::default(),
            beyond: Beyond::default(),
            owned: Owned::of(|_| None),
            lines: BTreeMap::new(),
            called: BTreeMap::new(),
            following: Following::default(),
            replica: Replica::default(),
            estate: Estate::default(),
            copying: None,
            edges: BTreeSet::new(),
            later: Vec::new(),
            parked: Vec::new(),
            news: Vec::new(),
            wishes: Vec::new(),
            spoken: Shard::all().map(|_| Epoch::default()).collect(),
            counts: Counts::default(),
        }
    }

    /// Which thread this is.
    pub fn me(&self) -> Peer {
        self.me
    }

    /// What it owns.
    pub fn owned(&self) -> &Owned {
        &self.owned
    }

    /// By what it goes.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What is known of others' shards.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// What became of neighbours.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Shards of ours whose buddy knows all, shards of others that we know whole, and how many things of theirs.
    pub fn protection(&self) -> (usize, usize, usize) {
        let (whole, things) = self.replica.size();
        (self.following.protected(), whole, things)
    }

    /// Messages that wait for somebody to take them.
    pub fn waiting(&self) -> usize {
        let of = |called: &Called| called.outgoing.waiting() + called.giving.len() + called.outward.len();
        let unsaid: usize = self.called.values().map(of).sum();
        unsaid + self.later.len() + self.parked.len()
    }

    /// Takes what is to be done with lines.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        let wishes = std::mem::take(&mut self.wishes);
        self.counts.said += wishes.iter().filter(|wish| matches!(wish, Wish::Say { .. })).count() as u64;
        wishes
    }

    /// Who hears what goes out by `wire`.
    pub fn way(&self, wire: &Wire) -> Way {
        if !wire.cell.is_home() {
            return self.beyond.edge(wire.cell, wire.remote).map_or(Way::Nowhere, Way::There);
        }
        let Some(&listen) = self.listens.get(usize::from(wire.listener)) else { return Way::Nowhere };
        match self.view.holder(listen) {
            _ if self.me.node == NodeId(0) => Way::Here,
            Some(node) if node == self.me.node => Way::Here,
            Some(node) => {
                let threads = self.view.node(node).map_or(1, |node| node.threads());
                Way::There(Peer { node, thread: u16::from(wire.thread) % threads })
            }
            None => Way::Nowhere,
        }
    }

    /// Who owns `shard`, in whichever cell.
    pub fn owner(&self, shard: Shard) -> Option<Peer> {
        owner(&self.view, &self.beyond, shard)
    }

    /// The other cells.
    pub fn beyond(&self) -> &Beyond {
        &self.beyond
    }

    /// How another cell does: what was for others there than it is now comes back. None if that is known already.
    pub(crate) fn learn_beyond(&mut self, told: cluster::Beyond) -> Option<Vec<Undelivered>> {
        if !self.beyond.learn(told.cell, told.reachable, told.view) {
            return None;
        }
        let parked = std::mem::take(&mut self.parked).into_iter();
        let (back, parked): (Vec<_>, Vec<_>) = parked.partition(|(_, it)| it.shard.cell() == told.cell);
        self.parked = parked;
        let mut back: Vec<Undelivered> = back.into_iter().map(|(_, it)| it).collect();
        let (view, beyond) = (&self.view, &self.beyond);
        for (&peer, called) in &mut self.called {
            back.extend(called.outgoing.misdirected(peer, |shard| owner(view, beyond, shard)));
        }
        Some(back)
    }

    /// Who knows all of which shards, since this was asked last: the brokers should know.
    pub(crate) fn take_news(&mut self) -> BTreeMap<NodeId, Vec<(Shard, Epoch)>> {
        let mut by: BTreeMap<NodeId, Vec<(Shard, Epoch)>> = BTreeMap::new();
        self.news.drain(..).for_each(|(node, shard)| by.entry(node).or_default().push(shard));
        by
    }

    /// From now on `view` counts, and this thread owns `owned`. What was for others than it is now
    /// comes back, to be said to them.
    pub(crate) fn go_by(&mut self, view: Arc<View>, owned: Owned) -> Vec<Undelivered> {
        self.following.go_by(&view, |shard| owned.owns(shard));
        let mut back: Vec<Undelivered> =
            std::mem::take(&mut self.parked).into_iter().map(|(_, it)| it).collect();
        for (&peer, called) in &mut self.called {
            back.extend(called.outgoing.misdirected(peer, |shard| owner(&view, &self.beyond, shard)));
        }
        let me = self.me;
        self.replica.keep(view.version, |shard| {
            let owner = view.owner(shard);
            match owner.node == Some(me.node) {
                // What we are about to hand on may stay with us.
                true => !owned.owns(shard),
                false => [owner.buddy, owner.next, owner.wanted].contains(&Some(me.node)),
            }
        });
        let holders: BTreeSet<NodeId> = self.listens.iter().filter_map(|&it| view.holder(it)).collect();
        let others = holders.into_iter().filter(|&node| node != me.node && me.node != NodeId(0));
        let threads = |node| 0..view.node(node).map_or(0, |it| it.threads());
        self.edges = others.flat_map(|node| threads(node).map(move |thread| Peer { node, thread })).collect();
        (self.view, self.owned) = (view, owned);
        let giving = self.called.iter().filter(|(_, called)| called.giving.len() > 0);
        let giving: Vec<Peer> = giving.map(|(&peer, _)| peer).collect();
        giving.into_iter().for_each(|peer| self.give_again(peer));
        back
    }

    /// Whether what is said in a shard under an epoch goes out to the world: not if somebody who owned it later has been
    /// heard, whether we know of him already or not.
    pub(crate) fn is_spoken(&mut self, of: Option<(Shard, Epoch)>) -> bool {
        let Some((shard, epoch)) = of else { return true };
        let known = self.view.owner(shard).epoch;
        let spoken = &mut self.spoken[usize::from(shard.number())];
        let is_heard = epoch >= known.max(*spoken);
        *spoken = epoch.max(*spoken);
        self.counts.ghosts += u64::from(!is_heard);
        is_heard
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
            self.say(peer, frame);
        }
    }

    /// Brings a message to whoever sends it out to the world.
    pub(crate) fn outward(&mut self, now: Moment, peer: Peer, it: ForWorld) {
        let ForWorld { wire, of, bytes } = it;
        let frame = Frame::Outward { view: self.view.version, wire, of, bytes };
        let called = self.called.entry(peer).or_default();
        if called.is_up {
            self.say(peer, frame);
        } else if called.outward.len() < MOST_LATER {
            called.outward.push((now, frame));
        } else {
            self.counts.lost += 1;
        }
    }

    /// Asks the owner of a shard, or answers somebody.
    pub fn ask(&mut self, peer: Peer, mut envelope: Envelope) -> bool {
        envelope.shard = envelope.shard.map(Shard::at_home);
        let frame = Frame::Bus { view: self.view.version, envelope };
        let called = self.called.entry(peer).or_default();
        called.is_up && self.say(peer, frame)
    }

    /// Tells those who follow what changed, and says what to wait for before the world hears of it.
    pub(crate) fn tell(&mut self, changes: &[Record]) -> Waits {
        let mut told: BTreeMap<Peer, (Vec<Changed>, bool)> = BTreeMap::new();
        let mut waits = Waits::default();
        for record in changes {
            let Some(shard) = (self.followed)(record.tag, record.shard, record.key) else { continue };
            let buddy = self.following.buddy(shard);
            waits.is_exposed |= buddy.is_none() && self.following.has_buddy(shard);
            for (peer, epoch) in self.following.told(shard) {
                let (changes, protects) = told.entry(peer).or_default();
                changes.push(Changed { shard, ..Changed::of(record, epoch) });
                *protects |= buddy == Some(peer);
            }
        }
        let view = self.view.version;
        for (peer, (changes, protects)) in told {
            let Some(called) = self.called.get_mut(&peer) else { continue };
            let number = called.outgoing.number();
            if self.say(peer, Frame::Changes { number, view, changes }) && protects {
                waits.acks.push((peer, number));
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

    /// The last that was told to everybody who follows.
    pub(crate) fn told_last(&self) -> Vec<(Peer, u64)> {
        let last = |&peer: &Peer| Some((peer, self.called.get(&peer)?.outgoing.last()));
        self.following.wants().iter().filter_map(last).collect()
    }

    /// Whether all who may go on in our place know what was told up to there.
    pub(crate) fn is_known(&self, told: &[(Peer, u64)]) -> bool {
        let follows = |peer: &Peer| self.following.wants().contains(peer);
        let is_past =
            |peer: &Peer, number| self.called.get(peer).is_some_and(|it| it.outgoing.is_past(number));
        let all_know = told.iter().all(|(peer, number)| !follows(peer) || is_past(peer, *number));
        all_know && self.copying.is_none() && self.following.is_told()
    }

    /// Whether everything that was to be waited for has come; who is not there is not waited for.
    pub(crate) fn is_safe(&self, waits: &[(Peer, u64)]) -> bool {
        waits.iter().all(|(peer, number)| self.called.get(peer).is_none_or(|it| it.outgoing.is_safe(*number)))
    }

    /// The line to somebody we called.
    pub(crate) fn line(&self, peer: Peer) -> Option<Line> {
        self.called.get(&peer)?.line
    }

    pub(crate) fn say(&mut self, peer: Peer, frame: Frame) -> bool {
        let line = self.line(peer);
        self.wishes.extend(line.map(|line| Wish::Say { line, frame }));
        line.is_some()
    }

    /// Somebody has called us. `nonce` is a fresh random number.
    pub fn called(&mut self, nonce: u64) -> Line {
        let line = self.add(Talk::From { nonce, peer: None, received: 0, acked: 0 });
        self.wishes.push(Wish::Say { line, frame: Frame::Challenge { nonce } });
        line
    }

    fn add(&mut self, talk: Talk) -> Line {
        self.next_line += 1;
        let line = Line(self.next_line);
        self.lines.insert(line, talk);
        line
    }

    /// A connection is gone, or could not be made.
    pub fn cut(&mut self, now: Moment, line: Line) {
        let Some(talk) = self.lines.remove(&line) else { return };
        self.counts.cut += 1;
        let Talk::To(peer) = talk else { return };
        self.following.lost(peer);
        if let Some(copying) = &mut self.copying {
            // What it has of the copy is not whole, whatever else it is told.
            copying.forget(peer);
        }
        if let Some(called) = self.called.get_mut(&peer) {
            (called.line, called.is_up, called.again) = (None, false, Some(now.after(AGAIN)));
            called.outgoing.cut();
        }
    }

    /// Something was said on a line.
    pub fn hear(&mut self, now: Moment, line: Line, frame: Frame, told: &mut Vec<Said>) {
        let Some(talk) = self.lines.get_mut(&line) else { return };
        self.counts.heard += 1;
        match (talk, frame) {
            (Talk::To(peer), Frame::Challenge { nonce }) => {
                let (peer, Peer { node, thread }) = (*peer, self.me);
                let proof = proof(&self.hash, nonce, node, thread);
                self.wishes.push(Wish::Say { line, frame: Frame::Hello { node, thread, proof } });
                self.is_up(now, peer);
            }
            (Talk::To(peer), Frame::Ack { number }) => {
                let peer = *peer;
                if let Some(called) = self.called.get_mut(&peer) {
                    called.outgoing.acked(number);
                    called.giving.acked(number);
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
            (Talk::From { peer: Some(peer), .. }, frame) => {
                let (peer, number) = (*peer, frame.number());
                let is_heard = self.take(now, peer, frame, told);
                // What a ghost says is safe nowhere.
                if let Some(Talk::From { received, .. }) = self.lines.get_mut(&line)
                    && let Some(number) = number.filter(|_| is_heard)
                {
                    *received = number;
                }
            }
            // Strangers, and what does not belong where it was said, are not heard.
            _ => self.counts.ghosts += 1,
        }
    }

    /// What we said as a ghost was not heard: what nobody has acknowledged is said again.
    pub(crate) fn say_again(&mut self) {
        let version = self.view.version;
        let up = self.called.iter_mut().filter(|(_, called)| called.is_up);
        let again: Vec<_> = up.map(|(&peer, called)| (peer, called.outgoing.again(version))).collect();
        for (peer, frames) in again {
            for frame in frames {
                self.say(peer, frame);
            }
            self.give_again(peer);
        }
    }

    fn is_up(&mut self, now: Moment, peer: Peer) {
        let version = self.view.version;
        let Some(called) = self.called.get_mut(&peer) else { return };
        called.is_up = true;
        let (again, outward) = (called.outgoing.again(version), std::mem::take(&mut called.outward));
        let (young, old): (Vec<_>, Vec<_>) =
            outward.into_iter().partition(|(at, _)| now.since(*at) < OUTWARD);
        self.counts.lost += old.len() as u64;
        for frame in again.into_iter().chain(young.into_iter().map(|(_, frame)| frame)) {
            self.say(peer, frame);
        }
        self.give_again(peer);
    }

    /// False if a ghost said it.
    fn take(&mut self, now: Moment, from: Peer, frame: Frame, told: &mut Vec<Said>) -> bool {
        let by = match &frame {
            Frame::Inward { view, .. }
            | Frame::Outward { view, .. }
            | Frame::Bus { view, .. }
            | Frame::Estate { view, .. }
            | Frame::Changes { view, .. } => *view,
            // Of a release that does not say it.
            Frame::Begin { view, .. } | Frame::Whole { view, .. } if *view > 0 => *view,
            _ => self.view.version,
        };
        let is_of_ours = self.view.node(from.node).is_some();
        if !is_of_ours && self.beyond.cell_of(from.node).is_some() {
            self.take_from_beyond(from, by, frame, told);
            return true;
        }
        match hears(&self.view, from.node, by) {
            _ if self.me.node == NodeId(0) => {}
            // Of another cell, maybe, where it has just come.
            Heard::Ghost if !is_of_ours && self.beyond.count() > 0 => {
                self.look_later(now, from, frame);
                return true;
            }
            Heard::Yes => {}
            Heard::Ghost => {
                self.counts.ghosts += 1;
                return false;
            }
            Heard::Later => {
                self.look_later(now, from, frame);
                return true;
            }
        }
        match frame {
            Frame::Inward { view, shard, bytes, .. } => {
                // Whoever sent it knew more than we do: it may be ours.
                if view > self.view.version && self.owner(shard).map(|it| it.node) != Some(self.me.node) {
                    self.park(now, shard, bytes);
                } else {
                    told.push(Said::Inward(shard, bytes));
                }
            }
            Frame::Outward { wire, of, bytes, .. } => told.push(Said::Outward(wire, of, bytes)),
            Frame::Bus { view, envelope } => {
                let is_ours = envelope.shard.is_none_or(|shard| self.owned.owns(shard));
                match is_ours || view <= self.view.version || self.later.len() >= MOST_LATER {
                    true => told.push(Said::Bus(from, envelope)),
                    // It will be ours as soon as we know as much.
                    false => self.later.push((now, from, Frame::Bus { view, envelope })),
                }
            }
            Frame::Changes { changes, .. } => self.replica.change(changes),
            // It may be for us by what the sender knows.
            Frame::Estate { .. } if by > self.view.version => self.look_later(now, from, frame),
            Frame::Estate { are_copies, things, .. } => self.take_estate(now, things, are_copies),
            Frame::Begin { shards, .. } => self.replica.begin(by, &shards),
            Frame::Whole { shards, .. } => self.replica.whole(&shards),
            Frame::Challenge { .. } | Frame::Hello { .. } | Frame::Ack { .. } => {}
        }
        true
    }

    /// Another cell brings messages, asks where calls lead, and answers; nothing else is taken from it.
    fn take_from_beyond(&mut self, from: Peer, by: u64, frame: Frame, told: &mut Vec<Said>) {
        let may_say = |envelope: &Envelope| {
            envelope.kind == Kind::Answer
                || envelope.kind == Kind::Request && envelope.subject == Reach::SUBJECT.to_string()
        };
        match frame {
            _ if self.beyond.is_ghost(from.node, by) => self.counts.ghosts += 1,
            Frame::Inward { shard, bytes, .. } => told.push(Said::Inward(shard.at_home(), bytes)),
            Frame::Outward { wire, bytes, .. } if !wire.cell.is_home() => told.push(Said::Through(bytes)),
            Frame::Bus { mut envelope, .. } if may_say(&envelope) => {
                envelope.shard = envelope.shard.map(Shard::at_home);
                told.push(Said::Bus(from, envelope));
            }
            _ => self.counts.ghosts += 1,
        }
    }

    fn look_later(&mut self, now: Moment, from: Peer, frame: Frame) {
        match self.later.len() < MOST_LATER {
            true => self.later.push((now, from, frame)),
            false => self.counts.lost += 1,
        }
    }

    /// What was heard too early and can be looked at now.
    pub(crate) fn take_later(&mut self, now: Moment, told: &mut Vec<Said>) {
        for (at, from, frame) in std::mem::take(&mut self.later) {
            match now.since(at) < PATIENCE {
                true => {
                    self.take(now, from, frame, told);
                }
                false => self.counts.lost += 1,
            }
        }
    }

    /// What came in this turn is safe with us: says so.
    pub fn acknowledge(&mut self) {
        for (&line, talk) in &mut self.lines {
            if let Talk::From { received, acked, .. } = talk
                && received > acked
            {
                *acked = *received;
                self.wishes.push(Wish::Say { line, frame: Frame::Ack { number: *received } });
            }
        }
    }

    /// Calls whom we have something to say to, copies what somebody has to know (unless its line `is_busy`), and
    /// forgets what waited too long.
    pub(crate) fn tend<R: Region>(
        &mut self,
        now: Moment,
        journal: &mut Journal<R>,
        is_busy: impl Fn(Line) -> bool,
    ) {
        for &peer in self.following.wants().iter().chain(&self.edges) {
            self.called.entry(peer).or_default();
        }
        for peer in self.beyond.peers() {
            self.called.entry(peer).or_default();
        }
        self.hang_up(now);
        let due = |called: &Called| called.line.is_none() && called.again.is_none_or(|at| at <= now);
        let due: Vec<Peer> = self.called.iter().filter(|(_, it)| due(it)).map(|(&peer, _)| peer).collect();
        due.into_iter().for_each(|peer| self.call(peer, now));
        self.copy(journal, is_busy);
        let before = self.parked.len();
        self.parked.retain(|(at, _)| now.since(*at) < PATIENCE);
        self.counts.lost += (before - self.parked.len()) as u64;
    }

    /// Ends what leads to those who are not there any more.
    fn hang_up(&mut self, now: Moment) {
        if self.me.node == NodeId(0) {
            return;
        }
        let is_there =
            |peer: &Peer| self.view.node(peer.node).is_some() || self.beyond.cell_of(peer.node).is_some();
        let gone: Vec<Peer> = self.called.keys().copied().filter(|peer| !is_there(peer)).collect();
        for peer in gone {
            if let Some(line) = self.line(peer) {
                self.wishes.push(Wish::HangUp { line });
                self.cut(now, line);
            }
            let left = self.called.remove(&peer).map(|called| called.outgoing.waiting());
            self.counts.lost += left.unwrap_or_default() as u64;
        }
    }

    fn call(&mut self, peer: Peer, now: Moment) {
        let here = self.view.node(peer.node).and_then(|node| node.inside.get(usize::from(peer.thread)));
        let to = here.copied().or_else(|| self.beyond.address(peer));
        let line = to.map(|_| self.add(Talk::To(peer)));
        self.wishes.extend(line.zip(to).map(|(line, to)| Wish::Call { line, to }));
        let called = self.called.entry(peer).or_default();
        (called.line, called.again) = (line, Some(now.after(AGAIN)));
    }
}

/// Who owns `shard`, in whichever cell.
fn owner(view: &View, beyond: &Beyond, shard: Shard) -> Option<Peer> {
    match shard.cell().is_home() {
        true => Peer::of_owner(view, shard),
        false => beyond.owner(shard),
    }
}
