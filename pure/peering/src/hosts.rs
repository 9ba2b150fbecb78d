//! What a signalling thread does among those of other hosts: everything but its decisions and its sockets.
//!
//! Whoever drives it runs a turn, and tells it what the turn changed and said ([`Hosts::say_when_safe`]); looks after
//! it between turns ([`Hosts::believe`], [`Hosts::tend`]), each of which may want a turn of its own ([`Going`]); and
//! carries out what it wants done ([`Hosts::take_effects`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::cluster::{Beyond, Owner, View};
use contract::{CellId, Envelope, NodeId, Role};
use journal::{Journal, Region};
use machine::{Epoch, Moment, Owned, Record, Shard};

use crate::doubt::Doubt;
use crate::finals::{Finals, is_final};
use crate::handing::{Handing, Step};
use crate::held_back::HeldBack;
use crate::neighbours::{ForWorld, Neighbours, Said, Way, Wish};
use crate::questions::Questions;
use crate::{Changed, Known, Line, Peer, Undelivered, Wire};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// With a line to another host.
    Line(Wish),
    /// A message is for the machine here.
    Arrived(Vec<u8>),
    /// A message is for the owner of a shard, which is this thread of this host.
    Post(u16, Shard, Vec<u8>),
    /// A message goes out to the world from this host.
    Send(Wire, Vec<u8>),
    /// It did not go out to the world: nobody hears phones there.
    Unsent(Vec<u8>),
    /// What an exchange of another cell says by an edge of ours: the machine here passes it.
    Pass(Vec<u8>),
    /// These other cells answer from now on, and no others.
    Cells(Vec<CellId>),
    /// A neighbour says something about a shard of ours.
    Heard(Peer, Envelope),
    /// The broker of this host is asked something.
    Ask(Envelope),
    /// Something for the bus that had to wait for a buddy.
    Bus(Envelope),
    /// From now on this is ours, by that view.
    Own(Owned, Arc<View>),
}

/// A turn of its own: other shards are ours from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Going {
    /// Where calls can have their audio, the best place first; none: that is as it was.
    pub media: Option<Vec<NodeId>>,
    /// What is ours.
    pub owned: Owned,
    /// What others kept that lives in shards which are ours now.
    pub adopted: Vec<Record>,
    /// How many shards came, and how many of those were not known whole.
    pub gained: (usize, usize),
}

/// What was said to the world and when it may go out, and to whom what is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Messages that went out once a buddy knew what they say.
    pub protected: u64,
    /// Messages that went out before.
    pub unprotected: u64,
}

/// The shards of `me` by `view`, without those that it is about to hand on.
pub fn owned(view: &View, number: u16, threads: u16, without: &[(Shard, Epoch)]) -> Owned {
    let without: BTreeMap<Shard, Epoch> = without.iter().copied().collect();
    let mine = |shard: Shard| {
        let owner = view.owner(shard);
        let is_ours = owner.node == Some(view.me) && shard.thread(threads) == number;
        (is_ours && without.get(&shard) != Some(&owner.epoch)).then_some(owner.epoch)
    };
    Owned::of(mine)
}

/// Where calls can have their audio, the best place first: here, then on the other hosts, each host in another order,
/// and at last where nothing new should be.
pub fn media(view: &View) -> Vec<NodeId> {
    let mut nodes: Vec<_> = view.nodes.iter().filter(|node| node.roles.contains(&Role::Media)).collect();
    nodes.sort_by_key(|node| (node.draining, node.node.0.wrapping_sub(view.me.0)));
    nodes.into_iter().map(|node| node.node).collect()
}

/// A host that is alone and speaks to itself over the wire, which it hears at `inside`.
pub fn alone(inside: &[std::net::SocketAddr]) -> View {
    let node = contract::cluster::Node { inside: inside.to_vec(), ..Default::default() };
    let owner = Owner { node: Some(node.node), ..Owner::default() };
    View { nodes: vec![node], owners: Shard::all().map(|_| owner).collect(), ..View::default() }
}

/// What waits until a buddy knows of it.
#[derive(Debug)]
enum Unsaid {
    World(ForWorld),
    Bus(Envelope),
}

/// One thread among those of other hosts.
#[derive(Debug)]
pub struct Hosts {
    neighbours: Neighbours,
    threads: u16,
    /// What the machine says goes by the wire, even to ourselves.
    by_wire: bool,
    held: HeldBack<Unsaid>,
    /// Messages for shards that may not be ours any more.
    doubtful: Vec<(Shard, Vec<u8>)>,
    /// What this turn says to the world, as long as it is not known whether a buddy must hear of it before.
    unsaid: Vec<Unsaid>,
    handing: Handing,
    questions: Questions,
    effects: Vec<Effect>,
    finals: Finals,
    doubt: Doubt,
}

impl Hosts {
    /// A thread with these `neighbours`, one of so many on this host.
    pub fn new(neighbours: Neighbours, threads: u16, by_wire: bool) -> Self {
        Hosts {
            neighbours,
            threads,
            by_wire,
            held: HeldBack::default(),
            doubtful: Vec::new(),
            unsaid: Vec::new(),
            handing: Handing::default(),
            questions: Questions::default(),
            effects: Vec::new(),
            finals: Finals::default(),
            doubt: Doubt::default(),
        }
    }

    /// Begins with `view`: what is ours by it is in our journal.
    pub fn begin(&mut self, view: View) {
        let owned = owned(&view, self.me().thread, self.threads, &[]);
        self.follow(Arc::new(view), &owned);
    }

    /// Who is there.
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// The same, to tell it what came on a line.
    pub fn neighbours_mut(&mut self) -> &mut Neighbours {
        &mut self.neighbours
    }

    fn me(&self) -> Peer {
        self.neighbours.me()
    }

    /// When what is held back goes out, come what may.
    pub fn next_deadline(&self) -> Option<Moment> {
        let held = [self.held.until(), self.finals.until()].into_iter().flatten().min();
        self.doubt.until().filter(|_| self.is_in_doubt()).or(held)
    }

    /// Time passes: whoever slept asks the brokers who he is, and says nothing until he knows.
    fn wakes(&mut self, now: Moment) {
        let is_alone = self.me().node == NodeId(0);
        if self.doubt.wakes(now) && !is_alone {
            self.questions.who_is_there(self.me().node);
        }
    }

    /// Whether we may have been taken for lost: until the brokers have spoken nothing is decided here.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_open() && self.me().node != NodeId(0)
    }

    /// How what was said was protected.
    pub fn answers(&self) -> Answers {
        Answers { protected: self.held.protected(), unprotected: self.held.unprotected() }
    }

    /// Whether there is something that was begun and not finished: shards on their way, messages that wait.
    pub fn is_busy(&self) -> bool {
        !self.held.is_empty()
            || !self.finals.is_empty()
            || !self.handing.shards().is_empty()
            || !self.doubtful.is_empty()
            || self.neighbours.waiting() > 0
    }

    /// Takes what is to be done.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.extend(self.neighbours.take_wishes().into_iter().map(Effect::Line));
        std::mem::take(&mut self.effects)
    }

    /// An answer or a notice came on the bus: the rest of it is the machine's.
    pub fn hear(&mut self, envelope: Envelope) -> Option<Envelope> {
        self.questions.hear(envelope)
    }

    /// The brokers' newest word, however it came.
    pub fn is_told(&mut self, view: View) {
        self.questions.is_told(view);
    }

    /// The machine says something to the world, in that shard of ours if it belongs to one. It waits for the end of the
    /// turn.
    pub fn say(&mut self, wire: Wire, shard: Option<Shard>, bytes: Vec<u8>) {
        let owned = self.neighbours.owned();
        let of = shard.filter(|&shard| owned.owns(shard)).map(|shard| (shard, owned.epoch(shard)));
        self.unsaid.push(Unsaid::World(ForWorld { wire, of, bytes }));
    }

    /// The journal has what the turn decided, in batches up to `committed`. Tells what changed to whoever follows,
    /// and says what was said to the world: at once if nobody follows, else when they know.
    pub fn say_when_safe<R: Region>(&mut self, now: Moment, changes: &[Record], journal: &mut Journal<R>) {
        let waits = self.neighbours.tell(changes);
        let said = std::mem::take(&mut self.unsaid);
        let is_end = |unsaid: &Unsaid| matches!(unsaid, Unsaid::Bus(envelope) if is_final(envelope));
        let (ends, said): (Vec<_>, Vec<_>) = said.into_iter().partition(is_end);
        for unsaid in ends {
            if let Unsaid::Bus(envelope) = unsaid {
                self.finals.hold(now, envelope, self.neighbours.told_last());
            }
        }
        self.held.hold(now, waits, journal.committed(), said);
        self.release(now, journal);
    }

    /// Says what was held back and need not be any more.
    pub fn release<R: Region>(&mut self, now: Moment, journal: &mut Journal<R>) {
        self.wakes(now);
        if self.is_in_doubt() {
            return;
        }
        for (shard, bytes) in std::mem::take(&mut self.doubtful) {
            self.do_as_said(now, Said::Inward(shard, bytes));
        }
        let neighbours = &self.neighbours;
        let released = self.held.released(now, |waits| neighbours.is_safe(waits));
        let ends = self.finals.released(now, |waits| neighbours.is_known(waits));
        for unsaid in released {
            match unsaid {
                Unsaid::World(it) => self.send_out(now, it),
                Unsaid::Bus(envelope) => self.effects.push(Effect::Bus(envelope)),
            }
        }
        self.effects.extend(ends.into_iter().map(Effect::Bus));
        journal.sent_up_to(self.held.said_up_to(journal.committed()));
    }

    /// Sends what goes out to the world by whoever has its way.
    fn send_out(&mut self, now: Moment, it: ForWorld) {
        match self.neighbours.way(&it.wire) {
            Way::Here if self.by_wire => {
                let me = self.me();
                self.neighbours.outward(now, me, it);
            }
            Way::Here if !self.neighbours.is_spoken(it.of) => {}
            Way::Here => self.effects.push(Effect::Send(it.wire, it.bytes)),
            Way::There(peer) => self.neighbours.outward(now, peer, it),
            Way::Nowhere if it.wire.cell.is_home() => self.effects.push(Effect::Unsent(it.bytes)),
            // Its cell is out of reach, as of just now: whoever waits for an answer says it again.
            Way::Nowhere => {}
        }
        self.effects.extend(self.neighbours.take_wishes().into_iter().map(Effect::Line));
    }

    /// Brings a message to the exchange that owns `shard`.
    pub fn send_inward(&mut self, now: Moment, shard: Shard, bytes: Vec<u8>) {
        let me = self.me();
        match self.neighbours.owner(shard) {
            // On its way to another owner.
            Some(peer) if peer == me && !self.neighbours.owned().owns(shard) => {
                self.neighbours.park(now, shard, bytes);
            }
            Some(peer) if peer.node == me.node && !self.by_wire => {
                self.effects.push(Effect::Post(peer.thread, shard, bytes));
            }
            Some(peer) => self.neighbours.inward(peer, shard, bytes),
            None => self.neighbours.park(now, shard, bytes),
        }
    }

    /// The machine asks the owner of a shard; what it asks somebody else, or us, comes back, unless it must wait for those
    /// who may go on to know of it.
    pub fn ask(&mut self, envelope: Envelope) -> Option<Envelope> {
        let is_exchange = Role::of(&envelope.subject) == Some(Role::Exchange);
        let owner = envelope.shard.filter(|_| is_exchange).and_then(|shard| self.neighbours.owner(shard));
        let is_elsewhere = envelope.shard.is_some_and(|shard| !shard.cell().is_home());
        match owner.filter(|owner| owner.node != self.me().node) {
            // Who asks will ask again.
            Some(owner) => {
                self.neighbours.ask(owner, envelope);
                None
            }
            None if is_elsewhere => None,
            None if is_final(&envelope) => {
                self.unsaid.push(Unsaid::Bus(envelope));
                None
            }
            None => Some(envelope),
        }
    }

    /// A message that a neighbour, or another thread here, brought: it is for the exchange here, or goes out from
    /// here, or goes on.
    pub fn do_as_said(&mut self, now: Moment, said: Said) {
        match said {
            Said::Inward(shard, bytes) if self.is_in_doubt() => self.doubtful.push((shard, bytes)),
            Said::Inward(shard, bytes) => match self.neighbours.owned().owns(shard) {
                true => self.effects.push(Effect::Arrived(bytes)),
                false => self.send_inward(now, shard, bytes),
            },
            // An edge that slept has old news to tell.
            Said::Outward(wire, of, bytes) if self.is_in_doubt() => {
                self.unsaid.push(Unsaid::World(ForWorld { wire, of, bytes }));
            }
            Said::Outward(_, of, _) if !self.neighbours.is_spoken(of) => {}
            Said::Outward(wire, _, bytes) => self.effects.push(Effect::Send(wire, bytes)),
            Said::Through(bytes) => self.effects.push(Effect::Pass(bytes)),
            Said::Bus(from, envelope) => self.effects.push(Effect::Heard(from, envelope)),
        }
    }

    /// Something was said on a line.
    pub fn read(&mut self, now: Moment, line: Line, frame: crate::Frame) {
        self.wakes(now);
        let mut told = Vec::new();
        self.neighbours.hear(now, line, frame, &mut told);
        told.into_iter().for_each(|it| self.do_as_said(now, it));
    }

    /// Between turns, first: goes by the newest view that the brokers told, if there is a newer one.
    pub fn believe<R: Region>(&mut self, now: Moment, journal: &mut Journal<R>) -> Option<Going> {
        self.wakes(now);
        let ours = self.neighbours.view().version;
        if let Some(agreed) = self.questions.take_standing() {
            self.doubt.is_told(agreed, ours);
        }
        let Some(view) = self.questions.take_view().filter(|view| view.version > ours) else {
            return self.take_what_was_given(journal);
        };
        self.doubt.goes_by(view.version);
        let agreed = self.questions.take_handed_on();
        self.handing.settle(self.me().node, &view, agreed);
        Some(self.own_by(now, Arc::new(view), journal))
    }

    /// Other cells do so by now: our exchange hears who answers, and what waits goes to whom it is for.
    pub fn learn_beyond(&mut self, now: Moment, told: Vec<Beyond>) {
        for it in told {
            let Some(back) = self.neighbours.learn_beyond(it) else { continue };
            self.effects.push(Effect::Cells(self.neighbours.beyond().reachable().collect()));
            let mut said = Vec::new();
            self.neighbours.take_later(now, &mut said);
            said.into_iter().for_each(|it| self.do_as_said(now, it));
            back.into_iter().for_each(|it| self.do_as_said(now, Said::Inward(it.shard, it.bytes)));
        }
    }

    /// Between turns, then: calls neighbours, copies (but not on lines that are busy), hands on.
    pub fn tend<R: Region>(
        &mut self,
        now: Moment,
        journal: &mut Journal<R>,
        is_busy: impl Fn(Line) -> bool,
    ) -> Option<Going> {
        let beyond = self.questions.take_beyond();
        self.learn_beyond(now, beyond);
        self.neighbours.tend(now, journal, is_busy);
        self.neighbours.estate.expire(now);
        for (node, shards) in self.neighbours.take_news() {
            self.questions.followed(node, &shards);
        }
        let neighbours = &self.neighbours;
        let step = self.handing.step(now, &neighbours.following, |waits| neighbours.is_safe(waits));
        let going = match step {
            Step::Wait => None,
            // First he gives us what he has.
            Step::LetGo(..) if self.neighbours.estate.is_awaited(now) => None,
            Step::Ask(to, shards) => {
                self.questions.hand_on(to, shards);
                None
            }
            Step::LetGo(to, shards) => Some(self.let_go(now, to, shards, journal)),
            Step::TakeBack => Some(self.take_back(now, journal)),
        };
        self.effects.extend(self.questions.due(now).into_iter().map(Effect::Ask));
        going
    }

    /// Owns what `view` says, without what is on its way to another: what comes is adopted, what goes is forgotten.
    fn own_by<R: Region>(&mut self, now: Moment, view: Arc<View>, journal: &mut Journal<R>) -> Going {
        let owned = owned(&view, self.me().thread, self.threads, self.handing.shards());
        if !gained(&owned, self.neighbours.owned()).is_empty() {
            self.say_no_ends();
        }
        let had = self.had(&view, journal);
        let ours = self.neighbours.owned().clone();
        let gained = gained(&ours, &owned);
        let (mut adopted, mut ours_again, mut half) = (Vec::new(), BTreeSet::new(), 0);
        for &shard in &gained {
            let Known { records, is_whole, heard } = self.neighbours.replica.take(shard);
            self.neighbours.estate.came(now, shard, owned.epoch(shard), heard, &records);
            adopted.extend(records);
            half += usize::from(!is_whole);
            if heard.is_none() && ours.owns(shard) {
                ours_again.insert(shard);
            }
        }
        let media = Some(media(&view));
        let before = self.neighbours.view().version;
        if view.nodes.iter().any(|node| node.since > before) {
            self.neighbours.estate.joined(now);
        }
        let was_lost = before > 0 && view.node(self.me().node).is_some_and(|me| me.since > before);
        let copies = match was_lost {
            true => self.neighbours.replica.left_behind(|shard| view.owner(shard).epoch),
            false => Vec::new(),
        };
        let back = self.follow(view, &owned);
        if was_lost {
            self.neighbours.say_again();
        }
        self.neighbours.give(had, false);
        self.neighbours.give(copies, true);
        adopted.extend(self.left_over(&gained, &adopted, &ours_again, journal));
        let mut said = Vec::new();
        self.neighbours.take_later(now, &mut said);
        said.into_iter().for_each(|it| self.do_as_said(now, it));
        back.into_iter().for_each(|it| self.do_as_said(now, Said::Inward(it.shard, it.bytes)));
        Going { media, owned, adopted, gained: (gained.len(), half) }
    }

    /// What lives in shards that are ours, and by `view` another's: who was not handed them may not know all of it.
    fn had<R: Region>(&self, view: &View, journal: &mut Journal<R>) -> Vec<Changed> {
        let ours = self.neighbours.owned();
        let is_another_s = |shard: &Shard| view.owner(*shard).node.is_some_and(|node| node != self.me().node);
        let gone: BTreeMap<Shard, Epoch> =
            ours.all().filter(is_another_s).map(|shard| (shard, ours.epoch(shard))).collect();
        match gone.is_empty() {
            true => Vec::new(),
            false => self.neighbours.had(journal, &gone),
        }
    }

    /// Goes on with what somebody gave us who owned our shards before.
    fn take_what_was_given<R: Region>(&mut self, journal: &Journal<R>) -> Option<Going> {
        let adopted = self.neighbours.take_given(journal);
        let owned = self.neighbours.owned().clone();
        (!adopted.is_empty()).then_some(Going { media: None, owned, adopted, gained: (0, 0) })
    }

    /// Something is another's by now: what we took for the end of a call there is his to say. What is ours is asked again.
    fn say_no_ends(&mut self) {
        self.finals.forget();
        self.unsaid.retain(|unsaid| matches!(unsaid, Unsaid::World(_)));
        self.held.retain(|unsaid| matches!(unsaid, Unsaid::World(_)));
    }

    fn follow(&mut self, view: Arc<View>, owned: &Owned) -> Vec<Undelivered> {
        self.effects.push(Effect::Own(owned.clone(), Arc::clone(&view)));
        self.handing.go_by(&view, owned);
        self.neighbours.go_by(view, owned.clone())
    }

    /// What our journal has in `gained`, from the last time that they were ours, and nobody has any more; but we do, if they
    /// are ours again and nobody knew more of them meanwhile.
    fn left_over<R: Region>(
        &self,
        gained: &[Shard],
        adopted: &[Record],
        ours_again: &BTreeSet<Shard>,
        journal: &mut Journal<R>,
    ) -> Vec<Record> {
        let mut left = Vec::new();
        if gained.is_empty() {
            return left;
        }
        let gained: BTreeSet<Shard> = gained.iter().copied().collect();
        let known: BTreeSet<_> = adopted.iter().map(|record| (record.tag, record.key)).collect();
        self.neighbours.walk(journal, |entry, shard| {
            if gained.contains(&shard) && !known.contains(&(entry.tag, entry.key)) {
                let body = if ours_again.contains(&shard) { entry.body.to_vec() } else { Vec::new() };
                left.push(Record { tag: entry.tag, shard, key: entry.key, body });
            }
        });
        left
    }

    /// From here on nothing is decided about these shards here. They are forgotten once they are another's; until then
    /// we know all of them, in case the brokers leave them with us.
    fn let_go<R: Region>(
        &mut self,
        now: Moment,
        to: NodeId,
        some: Vec<(Shard, Epoch)>,
        journal: &mut Journal<R>,
    ) -> Going {
        let view = Arc::clone(self.neighbours.view());
        let waits = self.neighbours.last_told(&some);
        let owned = owned(&view, self.me().thread, self.threads, &some);
        self.say_no_ends();
        let back = self.follow(view, &owned);
        self.neighbours.keep_own(journal, &some);
        back.into_iter().for_each(|it| self.send_inward(now, it.shard, it.bytes));
        self.handing.begin(now, to, some, waits);
        Going { media: None, owned, adopted: Vec::new(), gained: (0, 0) }
    }

    /// We go on with what was to be handed on.
    fn take_back<R: Region>(&mut self, now: Moment, journal: &mut Journal<R>) -> Going {
        self.questions.forget_hand_on();
        let view = Arc::clone(self.neighbours.view());
        self.own_by(now, view, journal)
    }
}

/// Shards that are ours by `owned` and were not, or not under this epoch: somebody else kept what lives in them.
fn gained(before: &Owned, owned: &Owned) -> Vec<Shard> {
    let is_known = |shard: Shard| before.owns(shard) && before.epoch(shard) == owned.epoch(shard);
    owned.all().filter(|&shard| !is_known(shard)).collect()
}
