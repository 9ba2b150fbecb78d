use std::collections::VecDeque;
use std::time::Duration;

use call::Wanted;
use contract::account::Tenants;
use contract::domains::Domains;
use contract::moving::Move;
use contract::{CallId, Envelope, Kind, NodeId, sharding};
use machine::{Key, Machine, Moment, Outbox, Owned, Record, Secret, Shard, Tag, Timers};
use sip::Message;

use crate::answer::Answerer;
use crate::bindings::Ended;
use crate::bus;
use crate::calls::Held;
use crate::cells::Cells;
use crate::counters::Counters;
use crate::hashes;
use crate::kept;
use crate::moving::Movers;
use crate::questions::{About, Questions};
use crate::records::Records;
use crate::settings::Settings;
use crate::view::View;
use crate::waiting::Waiting;

/// What can happen to an exchange thread.
#[derive(Clone, Debug, PartialEq)]
pub enum In {
    /// A SIP message came from the edge: a request with the edge's Via on top, a response without.
    Sip(Vec<u8>),
    /// A request, an answer or a notice came on the bus. A request's `id` is whatever leads the answer back.
    Bus(Envelope),
    /// So long has the oldest message waited that is still to be looked at.
    Pressure(Duration),
    /// From now on it owns these shards. What lives in others lives elsewhere.
    Owned(Owned),
    /// Something that another owner kept lives in a shard of ours now.
    Adopt(Record),
    /// These media nodes are there, and no others; the best for new calls first. Calls whose node is none of them
    /// are moved. None at all means that nobody knows.
    Media(Vec<NodeId>),
    /// These other cells answer, and no others.
    Cells(Cells),
}

/// What an exchange thread wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    /// A SIP message for the edge: a response with the edge's Via on top, a request with the edge's flow as
    /// its Route.
    Sip {
        /// The whole message.
        bytes: Vec<u8>,
        /// In which call it was said; none if in no call.
        rung: Option<Rung>,
    },
    /// A message that came in belongs to a call: for whoever draws the ladder.
    Heard {
        /// The whole message, as it came.
        bytes: Vec<u8>,
        /// In which call it was said.
        rung: Rung,
    },
    /// A request or an answer for the bus. An answer has the `id` that its request had.
    Bus(Envelope),
    /// The owner of `shard` must get this message: it came to the wrong thread, or it waited for something
    /// that is known now, and is decided again like one that has just come.
    Forward {
        /// Whose.
        shard: Shard,
        /// The whole message, as it came.
        bytes: Vec<u8>,
    },
    /// A call's audio is on its way to another media node: for whoever keeps the log.
    Moving {
        /// Which call.
        call: CallId,
        /// From where.
        from: NodeId,
        /// To where, and why.
        how: Move,
    },
}

/// Between whom a message was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The call.
    pub call: CallId,
    /// In which shard that lives: what somebody says who owned it before is not heard. None before it is a call.
    pub shard: Option<Shard>,
    /// The party at the other end: `caller`, or the callee's contact.
    pub party: String,
}

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Call(CallId),
    Resume(CallId),
    Media(CallId),
    Move(CallId),
    Policy,
    Question(u64),
    Tenants,
    Records,
}

/// What became of a record that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is state again.
    Taken,
    /// Its tag is none of ours.
    Foreign,
    /// It is of a shard that this thread does not own.
    Elsewhere,
    /// It is of a format that we don't know, or broken: it stays as it was.
    Unreadable,
}

/// The exchange of one thread: registrar, authentication, location, routing and the calls of its shards.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) view: View,
    pub(crate) questions: Questions,
    pub(crate) waiting: Waiting,
    pub(crate) records: Records,
    pub(crate) timers: Timers<Timer>,
    pub(crate) counters: Counters,
    pub(crate) in_hand: Option<(Tag, Key)>,
    /// What waited for an answer that has come.
    pub(crate) ready: VecDeque<(CallId, Wanted)>,
    /// Where calls move by themselves.
    pub(crate) movers: Movers,
    ended: Vec<Ended>,
}

impl Exchange {
    /// An exchange that knows nothing yet. [`Exchange::restore`] it, then [`Exchange::resume`] it.
    pub fn new(settings: Settings, secret: Secret, now: Moment) -> Self {
        let waiting = Waiting::new(settings.waiting.room);
        let movers = Movers::new(&settings, now);
        let view = View::new(settings, secret, now);
        Exchange {
            questions: Questions::new(view.mint.hash().clone()),
            view,
            waiting,
            records: Records::default(),
            timers: Timers::new(),
            counters: Counters::default(),
            in_hand: None,
            ready: VecDeque::new(),
            movers,
            ended: Vec::new(),
        }
    }

    /// How many addresses-of-record have bindings.
    pub fn bindings(&self) -> usize {
        self.view.bindings.count().0
    }

    /// Makes room for so many things of `tag`, which are about to be restored.
    pub fn expect(&mut self, tag: Tag, count: usize) {
        match tag {
            kept::BINDINGS => self.view.bindings.expect(count),
            kept::ACCOUNT => self.view.accounts.reserve(count),
            kept::NONCE => self.view.replays.reserve(count),
            Tag(_) => {}
        }
    }

    /// All that was kept is restored.
    pub fn complete(&mut self) {
        self.view.bindings.complete();
    }

    /// Takes back a thing that was kept; of one thing only the newest record.
    pub fn restore(&mut self, record: Record) -> Restored {
        let key = record.key.0;
        let taken = match record.tag {
            kept::BINDINGS if !self.owns(sharding::shard_of_key(key)) => return Restored::Elsewhere,
            _ if record.body.is_empty() && record.tag != kept::BINDINGS => {
                self.forget(record.tag, record.key);
                true
            }
            kept::BINDINGS => self.view.bindings.restore(key, record.body),
            kept::ACCOUNT => self.view.accounts.restore(key, record.body),
            kept::CALL => match Held::read(&record.body) {
                Some(held) if !self.owns(held.call.shard()) => return Restored::Elsewhere,
                Some(held) => {
                    self.timers.set(Timer::Call(held.call.id()), held.call.deadline());
                    self.view.calls.put(held);
                    true
                }
                None => false,
            },
            kept::TENANTS => match contract::decode::<Tenants>(&record.body) {
                Ok(tenants) => {
                    self.view.domains = Some(Domains::new(tenants));
                    true
                }
                Err(_) => false,
            },
            kept::CALL_RECORD => self.records.restore(CallId(key as u64), record.shard, record.body),
            kept::NONCE => self.view.replays.restore(key, &record.body),
            kept::NONCES_SINCE => self.view.replays.restore_since(&record.body),
            Tag(_) => return Restored::Foreign,
        };
        if taken { Restored::Taken } else { Restored::Unreadable }
    }

    /// Forgets a thing, as it was never kept: after a panic the one in hand is forgotten, and restored from
    /// its last record if it has one.
    pub fn forget(&mut self, tag: Tag, key: Key) {
        match tag {
            kept::BINDINGS => self.view.bindings.remove(key.0),
            kept::ACCOUNT => {
                self.view.accounts.forget(key.0);
            }
            kept::CALL => {
                let id = CallId(key.0 as u64);
                self.timers.set(Timer::Call(id), None);
                if let Some(held) = self.view.calls.forget(id) {
                    self.close_questions(&held);
                }
            }
            kept::TENANTS => self.view.domains = None,
            kept::CALL_RECORD => {
                self.records.is_safe(CallId(key.0 as u64));
            }
            kept::NONCE => self.view.replays.forget(key.0),
            Tag(_) => {}
        }
    }

    /// Ends a thing that decisions can't be made about any more: a call with a record, if it lets that be done.
    /// Everything else is forgotten, here and in what is kept.
    pub fn abandon(&mut self, now: Moment, tag: Tag, key: Key, out: &mut Outbox<Out>) {
        self.counters.given_up += 1;
        if tag == kept::CALL {
            self.with_call(CallId(key.0 as u64), now, out, |call, world, now, said| {
                call.abandon("given up after a fault", world, now, said);
            });
            return;
        }
        let shard = self.home(tag, key);
        self.forget(tag, key);
        out.keep(Record { tag, shard, key, body: Vec::new() });
    }

    /// In which shard a thing lives: whoever follows that shard must hear what becomes of it.
    fn home(&self, tag: Tag, key: Key) -> Shard {
        match tag {
            kept::BINDINGS => sharding::shard_of_key(key.0),
            kept::CALL_RECORD => self.records.shard(CallId(key.0 as u64)).unwrap_or_default(),
            // What each thread has for itself lives in none.
            Tag(_) => Shard::default(),
        }
    }

    /// What was being changed when the last decision panicked; none if it was nothing that is kept.
    pub fn in_hand(&self) -> Option<(Tag, Key)> {
        self.in_hand
    }

    /// Which call an answer or a notice of the bus is about.
    pub fn concerned(&self, envelope: &Envelope) -> Option<(Tag, Key)> {
        let call = match envelope.kind {
            Kind::Answer => self.questions.get(envelope.id)?.call()?,
            Kind::Notice if bus::is_about_media(envelope) => bus::noticed_call(&envelope.body)?,
            Kind::Notice | Kind::Request => return None,
        };
        Some((kept::CALL, kept::call_key(call)))
    }

    /// Which call has the next deadline, if a call has it.
    pub fn due(&self) -> Option<(Tag, Key)> {
        let call = match (self.ready.front(), self.timers.first()) {
            (Some(&(call, _)), _) => call,
            (
                None,
                Some(Timer::Call(call) | Timer::Resume(call) | Timer::Media(call) | Timer::Move(call)),
            ) => call,
            (None, Some(Timer::Question(_) | Timer::Tenants | Timer::Records | Timer::Policy) | None) => {
                return None;
            }
        };
        Some((kept::CALL, kept::call_key(call)))
    }

    /// Goes on, once everything is restored: what was asked is asked again. (The calls do so one by one, as
    /// [`Exchange::expire`] comes to them.)
    pub fn resume(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.view.replays.keep_since(&mut |record| out.keep(record));
        self.ask(About::Tenants, now, out);
        for id in self.view.calls.all().map(call::Call::id) {
            self.timers.set(Timer::Resume(id), Some(now));
        }
        self.keep_records(now, out);
    }

    /// Under which name the ladder has what was said before a call began that this message of its caller belongs
    /// to: the INVITE without credentials, its challenge, the ACK of that.
    pub fn attempt(&self, message: &Message<&[u8]>) -> Option<CallId> {
        let (call_id, from) = (message.call_id().ok()?, message.from().ok()?);
        let tag = from.tag().unwrap_or_default();
        Some(CallId(self.view.mint.hash().sum64(hashes::ATTEMPT, &[call_id, tag.as_bytes()])))
    }

    pub(crate) fn owns(&self, shard: Shard) -> bool {
        self.view.settings.owned.owns(shard)
    }

    /// What decisions are made by.
    pub fn settings(&self) -> &Settings {
        &self.view.settings
    }

    pub(crate) fn answerer(&self) -> Answerer<'_> {
        Answerer { hash: self.view.mint.hash(), server: &self.view.settings.server }
    }

    fn expire_bindings(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.view.bindings.expire(now, &mut self.ended);
        for Ended { key, body } in self.ended.drain(..) {
            let shard = sharding::shard_of_key(key);
            out.keep(Record { tag: kept::BINDINGS, shard, key: Key(key), body });
        }
    }
}

impl Machine for Exchange {
    type In = In;
    type Out = Out;

    fn handle(&mut self, now: Moment, input: In, out: &mut Outbox<Out>) {
        self.in_hand = None;
        match input {
            In::Sip(bytes) => {
                self.counters.received += 1;
                self.sip(now, bytes, out);
            }
            In::Bus(envelope) => self.bus(now, envelope, out),
            In::Pressure(waited) => {
                self.view.pressure.feel(waited, &self.view.settings.overload, now);
            }
            In::Owned(owned) => self.own(now, owned, out),
            In::Adopt(record) => self.adopt(now, record, out),
            In::Media(nodes) => self.learn_media(nodes, now),
            In::Cells(cells) => self.learn_cells(cells, now, out),
        }
    }

    /// Lets one thing that is due take effect, so that a panic takes no other with it: call it again as long
    /// as [`Exchange::next_deadline`] is not in the future.
    fn expire(&mut self, now: Moment, out: &mut Outbox<Out>) {
        self.in_hand = None;
        if let Some((call, wanted)) = self.ready.pop_front() {
            return self.route_again(call, wanted, now, out);
        }
        match self.timers.pop_due(now) {
            Some(Timer::Call(id)) => {
                self.with_call(id, now, out, |call, world, now, said| call.expire(world, now, said));
            }
            Some(Timer::Resume(id)) => {
                self.with_call(id, now, out, |call, world, now, said| call.resume(world, now, said));
            }
            Some(Timer::Media(id)) => self.media_is_gone(id, now, out),
            Some(Timer::Move(id)) => self.move_as_planned(id, now, out),
            Some(Timer::Policy) => self.plan_moves(now),
            Some(Timer::Question(id)) => self.ask_again(id, now, out),
            Some(Timer::Tenants) => self.ask(About::Tenants, now, out),
            Some(Timer::Records) => self.keep_records(now, out),
            None => self.expire_bindings(now, out),
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        let ready = (!self.ready.is_empty()).then_some(Moment::START);
        [ready, self.timers.next(), self.view.bindings.next_deadline()].into_iter().flatten().min()
    }
}
