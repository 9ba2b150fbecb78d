use std::collections::BTreeMap;
use std::time::Duration;

use contract::media::{Anchor, Anchored, Happening, LegPort, Noticed, Release, Released};
use contract::{CallId, NodeId};
use machine::{KeyedHash, Machine, Moment, Outbox, Secret, Shard, Timers};
use rtp::Sender;

use crate::kept::{self, KeptCounts, KeptSession, MEDIA_COUNTERS, MEDIA_SESSION};
use crate::leg::Leg;
use crate::messages::{In, Out};
use crate::player::Voicing;
use crate::pool::{Pool, PortPair, Socket};
use crate::quality;
use crate::relay::Traffic;
use crate::session::{Gone, Lent, Session};
use crate::settings::Settings;
use crate::sounds::{RATE, Sounds};

/// What our SSRCs and first sequence numbers are drawn with.
const STREAM: u8 = 0x51;
/// When the pool is empty: how soon to try again.
const RETRY_MS: u32 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deadline {
    /// The next packet to the leg on this pair.
    Play(u32),
    /// Something of a session.
    Session(CallId),
    /// A released call is forgotten.
    Gone(CallId),
}

/// What happened since the start, packets aside.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) anchored: u64,
    pub(crate) released: u64,
    pub(crate) full: u64,
    pub(crate) stale: u64,
    pub(crate) unplayable: u64,
    pub(crate) digits: u64,
    pub(crate) inactive: u64,
    pub(crate) forgotten: u64,
    pub(crate) restored: u64,
    pub(crate) not_restored: u64,
    pub(crate) poisoned: u64,
}

/// All calls of one packet thread.
#[derive(Debug)]
pub struct Media {
    pub(crate) node: NodeId,
    pub(crate) settings: Settings,
    /// None until they were loaded: until then nothing is played.
    pub(crate) sounds: Option<Sounds>,
    hash: KeyedHash,
    pub(crate) pool: Pool,
    /// At the place of the pair that it borrowed.
    pub(crate) legs: Vec<Option<Leg>>,
    pub(crate) sessions: BTreeMap<CallId, Session>,
    pub(crate) gone: BTreeMap<CallId, (Shard, Gone)>,
    pub(crate) timers: Timers<Deadline>,
    /// Calls that packets changed.
    unsettled: Vec<CallId>,
    /// Digits heard, with their leg and serial.
    pub(crate) pressed: Vec<(CallId, u8, char, u32)>,
    pub(crate) traffic: Traffic,
    pub(crate) tally: Tally,
    /// The call that is being decided about.
    pub(crate) in_hand: Option<CallId>,
    /// Read from the journal, and not yet taken up.
    pub(crate) read: BTreeMap<CallId, (Option<KeptSession>, Option<KeptCounts>)>,
}

impl Media {
    /// A packet thread without calls, that lends `ports`. What is to be played waits for [`In::Sounds`].
    pub fn new(node: NodeId, secret: Secret, ports: Vec<PortPair>, settings: Settings) -> Self {
        let legs = ports.iter().map(|_| None).collect();
        Media {
            node,
            hash: KeyedHash::new(secret),
            pool: Pool::new(ports, settings.rest),
            settings,
            sounds: None,
            legs,
            sessions: BTreeMap::new(),
            gone: BTreeMap::new(),
            timers: Timers::new(),
            unsettled: Vec::new(),
            pressed: Vec::new(),
            traffic: Traffic::default(),
            tally: Tally::default(),
            in_hand: None,
            read: BTreeMap::new(),
        }
    }

    /// Whether packets changed something that [`In::Settle`] should bring into order.
    #[inline]
    pub fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn unsettle(&mut self, call: CallId) {
        if !self.unsettled.contains(&call) {
            self.unsettled.push(call);
        }
    }

    #[inline]
    pub(crate) fn leg(&self, pair: u32) -> Option<&Leg> {
        self.legs.get(pair as usize)?.as_ref()
    }

    pub(crate) fn leg_mut(&mut self, pair: u32) -> Option<&mut Leg> {
        self.legs.get_mut(pair as usize)?.as_mut()
    }

    fn anchor(&mut self, now: Moment, wish: Anchor, out: &mut Outbox<Out>) -> Anchored {
        let gone = self.gone.get(&wish.call).is_some_and(|(_, gone)| gone.outranks(&wish));
        let session = self.sessions.get(&wish.call);
        if gone || session.is_some_and(|session| session.outranks(wish.epoch)) {
            self.tally.stale += 1;
            return Anchored::Stale;
        }
        let call = wish.call;
        if session.is_some_and(|it| it.wish.epoch == wish.epoch && wish.version <= it.wish.version) {
            self.repeat(now, call, out);
        } else if !self.make_so(now, wish, out) {
            self.tally.full += 1;
            return Anchored::Full { retry_ms: RETRY_MS };
        }
        Anchored::Ready { node: self.node, legs: self.ports(call) }
    }

    /// Whoever asks again may have been born just now: he is told what is still to be told.
    fn repeat(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) {
        let node = self.node;
        let Some(session) = self.sessions.get_mut(&call) else { return };
        session.alive_at = now;
        let shard = session.wish.shard;
        let open: Vec<_> = session.reminders.open().collect();
        let said = self.said(call).into_iter().filter(|it| !open.contains(it));
        for (leg, what) in open.iter().cloned().chain(said) {
            out.emit(Out::Noticed { shard, notice: Noticed { call, leg, what, node } });
        }
    }

    /// What was played to the end, and is still wished.
    fn said(&self, call: CallId) -> Vec<(u8, Happening)> {
        let Some(session) = self.sessions.get(&call) else { return Vec::new() };
        let said = session.lent.iter().filter_map(|it| {
            let (wish, leg) = (session.leg(it.leg)?, self.leg(it.pair)?);
            let serial = wish.say.as_ref()?.serial;
            let done = leg.voicing.over && leg.voicing.serial == serial;
            done.then_some((it.leg, Happening::Said { serial }))
        });
        said.collect()
    }

    fn ports(&self, call: CallId) -> Vec<LegPort> {
        let lent = self.sessions.get(&call).map(|session| session.lent.as_slice()).unwrap_or_default();
        let port = |&Lent { leg, pair }: &Lent| {
            let PortPair { rtp, rtcp } = self.pool.pair(pair);
            let mux = self.leg(pair).is_some_and(|leg| leg.mux);
            LegPort { leg, rtp, rtcp: if mux { rtp } else { rtcp } }
        };
        lent.iter().map(port).collect()
    }

    /// Makes what is there what is wished; false, and nothing changed, if there are no ports for it.
    fn make_so(&mut self, now: Moment, wish: Anchor, out: &mut Outbox<Out>) -> bool {
        let call = wish.call;
        let held = self.sessions.get(&call).map(|session| session.lent.clone()).unwrap_or_default();
        let Some(lent) = self.lend(now, &wish, &held) else { return false };
        for lent in held.iter().filter(|it| !lent.contains(it)) {
            self.close(now, lent.pair, out);
        }
        for lent in lent.iter().filter(|it| !held.contains(it)) {
            let voicing = Voicing::new(self.stream(&wish, lent.leg));
            self.legs[lent.pair as usize] = Some(Leg::new(call, lent.leg, lent.pair, now, voicing));
            out.emit(Out::Open { pair: lent.pair });
        }
        let mut session = match self.sessions.remove(&call) {
            Some(session) => session,
            None => {
                self.gone.remove(&call);
                self.timers.set(Deadline::Gone(call), None);
                self.tally.anchored += 1;
                Session::new(Anchor::default(), Vec::new(), now, self.first_count(call))
            }
        };
        session.lent = lent;
        session.alive_at = now;
        let before = std::mem::replace(&mut session.wish, wish);
        self.wish_legs(now, &session, &before);
        self.sessions.insert(call, session);
        self.speak(now, call);
        self.keep(call, out);
        self.schedule(call);
        true
    }

    fn wish_legs(&mut self, now: Moment, session: &Session, before: &Anchor) {
        let awake = before.inactivity_ms == 0 && session.wish.inactivity_ms != 0;
        for wish in &session.wish.legs {
            let heard_by = wish.peer.and_then(|peer| session.pair_of(peer));
            let Some(leg) = session.pair_of(wish.leg).and_then(|pair| self.leg_mut(pair)) else { continue };
            leg.wish(now, wish, before.legs.iter().find(|it| it.leg == wish.leg));
            leg.heard_by = heard_by;
            if awake {
                leg.quiet_from = now;
            }
        }
    }

    /// Counts of calls that began together are kept at different moments.
    fn first_count(&self, call: CallId) -> Duration {
        let every = self.settings.count_every;
        every / 2 + every * (call.0 % 64) as u32 / 128
    }

    fn stream(&self, wish: &Anchor, leg: u8) -> Sender {
        let parts = [&wish.call.0.to_be_bytes()[..], &wish.epoch.0.to_be_bytes(), &[leg]];
        let drawn = self.hash.sum128(STREAM, &parts);
        Sender::new(drawn as u32, RATE, (drawn >> 32) as u16, (drawn >> 64) as u32)
    }

    /// Pairs for all legs of a wish: those they have, and others; `None`, and nothing lent, if there are too few.
    fn lend(&mut self, now: Moment, wish: &Anchor, held: &[Lent]) -> Option<Vec<Lent>> {
        let (mut lent, mut fresh): (Vec<Lent>, Vec<u32>) = (Vec::new(), Vec::new());
        for wish in &wish.legs {
            if lent.iter().any(|it| it.leg == wish.leg) {
                continue;
            }
            let fits = |it: &&Lent| it.leg == wish.leg && self.pool.pair(it.pair).rtp.is_ipv6() == wish.ipv6;
            let pair = held.iter().find(fits).map(|it| it.pair).or_else(|| {
                let pair = self.pool.borrow(now, wish.ipv6)?;
                fresh.push(pair);
                Some(pair)
            });
            let Some(pair) = pair else {
                fresh.into_iter().for_each(|pair| self.pool.give_back(now, pair));
                return None;
            };
            lent.push(Lent { leg: wish.leg, pair });
        }
        Some(lent)
    }

    pub(crate) fn close(&mut self, now: Moment, pair: u32, out: &mut Outbox<Out>) {
        self.legs[pair as usize] = None;
        self.timers.set(Deadline::Play(pair), None);
        self.pool.give_back(now, pair);
        out.emit(Out::Close { pair });
    }

    fn release(&mut self, now: Moment, release: &Release, out: &mut Outbox<Out>) -> Released {
        let Some(session) = self.sessions.get(&release.call) else {
            let gone = self.gone.get(&release.call);
            return Released { quality: gone.map(|(_, gone)| gone.quality.clone()).unwrap_or_default() };
        };
        if release.epoch == session.wish.epoch && (1..session.wish.version).contains(&release.version) {
            // It was left, and is wanted again.
            return Released::default();
        }
        if session.outranks(release.epoch) {
            self.tally.stale += 1;
            return Released::default();
        }
        self.tally.released += 1;
        self.end(now, release.call, out)
    }

    /// A call is over: its ports rest, and how it sounded is remembered for a while.
    pub(crate) fn end(&mut self, now: Moment, call: CallId, out: &mut Outbox<Out>) -> Released {
        let Some(session) = self.sessions.remove(&call) else { return Released::default() };
        let mut gone =
            Gone { epoch: session.wish.epoch, version: session.wish.version, at: now, ..Gone::default() };
        for &Lent { leg: number, pair } in &session.lent {
            if let Some(leg) = self.leg(pair) {
                gone.quality.push(quality::of(leg, session.leg(number)));
            }
            gone.ports.push(self.pool.pair(pair).rtp);
            self.close(now, pair, out);
        }
        let released = Released { quality: gone.quality.clone() };
        out.keep(kept::gone(&session.wish, &gone));
        out.keep(kept::forget(MEDIA_COUNTERS, call, session.wish.shard));
        self.timers.set(Deadline::Session(call), None);
        self.timers.set(Deadline::Gone(call), Some(now.after(self.settings.remember)));
        self.gone.insert(call, (session.wish.shard, gone));
        released
    }

    /// Tells the exchange, and will tell it again.
    pub(crate) fn notice(
        &mut self,
        now: Moment,
        call: CallId,
        leg: u8,
        what: Happening,
        out: &mut Outbox<Out>,
    ) {
        let node = self.node;
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let shard = session.wish.shard;
        if matches!(what, Happening::Digit { .. }) {
            // Should those before it be lost, they come first all the same.
            for (leg, what) in session.reminders.open() {
                out.emit(Out::Noticed { shard, notice: Noticed { call, leg, what, node } });
            }
        }
        session.reminders.add(now, leg, what.clone());
        out.emit(Out::Noticed { shard, notice: Noticed { call, leg, what, node } });
    }

    /// Keeps a session as it is now.
    pub(crate) fn keep(&self, call: CallId, out: &mut Outbox<Out>) {
        let Some(session) = self.sessions.get(&call) else { return };
        let legs =
            session.lent.iter().filter_map(|it| Some((self.leg(it.pair)?, self.pool.pair(it.pair).rtp)));
        out.keep(kept::session(session, legs));
    }

    /// What packets changed is kept and told.
    fn settle(&mut self, now: Moment, out: &mut Outbox<Out>) {
        for (call, leg, digit, serial) in std::mem::take(&mut self.pressed) {
            self.tally.digits += 1;
            self.notice(now, call, leg, Happening::Digit { digit, serial }, out);
        }
        for call in std::mem::take(&mut self.unsettled) {
            self.in_hand = Some(call);
            self.speak(now, call);
            self.keep(call, out);
            self.schedule(call);
        }
    }

    /// There is something to play; whoever waited for it hears it now.
    fn learn(&mut self, now: Moment, sounds: Sounds, out: &mut Outbox<Out>) {
        self.sounds = Some(sounds);
        let waits = |leg: &&Leg| !leg.voicing.over && leg.player.is_none();
        let waiting: Vec<CallId> = self.legs.iter().flatten().filter(waits).map(|leg| leg.call).collect();
        for call in waiting {
            self.in_hand = Some(call);
            self.speak(now, call);
            self.keep(call, out);
        }
    }

    fn poisoned(&mut self, socket: Socket) {
        self.tally.poisoned += 1;
        if let Some(leg) = self.leg_mut(socket.pair()) {
            leg.counts.receiver = rtp::Receiver::default();
        }
    }

    fn let_go(&mut self, call: CallId, out: &mut Outbox<Out>) {
        if let Some((shard, _)) = self.gone.remove(&call) {
            out.keep(kept::forget(MEDIA_SESSION, call, shard));
        }
    }
}

impl Machine for Media {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        self.in_hand = None;
        match input {
            In::Anchor { ask, wish } => {
                self.in_hand = Some(wish.call);
                let answer = self.anchor(now, wish, out);
                out.emit(Out::Anchored { ask, answer });
            }
            In::Release { ask, release } => {
                self.in_hand = Some(release.call);
                let answer = self.release(now, &release, out);
                out.emit(Out::Released { ask, answer });
            }
            In::Gauge { ask } => out.emit(Out::Gauged { ask, answer: self.gauges() }),
            In::Settle => self.settle(now, out),
            In::Sounds { sounds } => self.learn(now, sounds, out),
            In::Poisoned { socket } => self.poisoned(socket),
        }
    }

    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        while let Some(due) = self.timers.pop_due(now) {
            self.in_hand = match due {
                Deadline::Play(pair) => self.leg(pair).map(|leg| leg.call),
                Deadline::Session(call) | Deadline::Gone(call) => Some(call),
            };
            match due {
                Deadline::Play(pair) => self.play(now, pair, out),
                Deadline::Session(call) => self.look_after(now, call, out),
                Deadline::Gone(call) => self.let_go(call, out),
            }
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.timers.next()
    }
}
