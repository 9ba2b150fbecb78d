//! What decisions do.

use call::{Call, CallOut, LegNo, World};
use contract::CallId;
use contract::sharding;
use machine::{Moment, Outbox, Record};
use sip::{Message, Method, Name, Status};

use crate::calls::Held;
use crate::decide::{Decision, Dropped, Part, Question, Reply, decide};
use crate::destination::Begin;
use crate::exchange::{Exchange, Out, Rung};
use crate::kept;
use crate::overload;
use crate::questions::About;
use crate::registration::{Bind, Change};
use crate::replays::For;

/// What becomes of a message's bytes when it was decided.
enum Then {
    /// Nothing.
    Done,
    /// They belong to a call's ladder.
    Heard(Rung),
    /// They wait for the answer to a question.
    Wait(About),
    /// They are another thread's.
    Forward(machine::Shard),
}

impl Exchange {
    /// Decides about a message from the edge.
    pub(crate) fn sip(&mut self, now: Moment, bytes: Vec<u8>, out: &mut Outbox<Out>) {
        let said_before = out.emit.len();
        let then = match Message::parse(&bytes[..]) {
            Ok(message) => {
                let decision = decide(&message, &self.view, now);
                self.perform(&message, decision, now, out)
            }
            Err(_) => self.drop_message(Dropped::Unreadable),
        };
        match then {
            Then::Done => {}
            Then::Heard(rung) => out.emit.insert(said_before, Out::Heard { bytes, rung }),
            Then::Forward(shard) => {
                self.counters.forwarded += 1;
                out.emit(Out::Forward { shard, bytes });
            }
            Then::Wait(about) => {
                let question = self.questions.id(&about);
                match self.waiting.request(question, bytes) {
                    Ok(()) => self.ask(about, now, out),
                    Err(bytes) => self.turn_away(&bytes, out),
                }
            }
        }
    }

    fn perform(
        &mut self,
        message: &Message<&[u8]>,
        decision: Decision,
        now: Moment,
        out: &mut Outbox<Out>,
    ) -> Then {
        match decision {
            Decision::Drop(why) => return self.drop_from_ladder(message, why),
            Decision::Deliver(call, part) => return self.deliver(message, call, part, now, out),
            Decision::Reply(reply) => return self.refuse(message, &reply, out),
            Decision::Bind(bind) => self.bind(message, *bind, now, out),
            Decision::Begin(begin) => return self.begin(message, *begin, now, out),
            Decision::Ask(Question::Tenants) => return Then::Wait(About::Tenants),
            Decision::Ask(Question::Account(look_up)) => return Then::Wait(About::Account(look_up)),
            Decision::Forward(shard) => return Then::Forward(shard),
            Decision::Elsewhere(to) => self.hand_elsewhere(message, to, now, out),
        }
        Then::Done
    }

    /// Answers; an INVITE that is asked who it comes from is the first rung of a call's ladder.
    fn refuse(&mut self, message: &Message<&[u8]>, reply: &Reply, out: &mut Outbox<Out>) -> Then {
        let is_asked =
            message.method() == Some(Method::Invite) && reply.status == Status::PROXY_AUTHENTICATION_REQUIRED;
        let rung = if is_asked { self.early_rung(message) } else { None };
        self.answer(message, reply, rung.clone(), out);
        rung.map_or(Then::Done, Then::Heard)
    }

    fn drop_from_ladder(&mut self, message: &Message<&[u8]>, why: Dropped) -> Then {
        let rung = if why == Dropped::LostAck { self.early_rung(message) } else { None };
        let then = self.drop_message(why);
        rung.map_or(then, Then::Heard)
    }

    fn early_rung(&self, message: &Message<&[u8]>) -> Option<Rung> {
        Some(Rung { call: self.attempt(message)?, shard: None, party: "caller".to_owned() })
    }

    fn drop_message(&mut self, _why: Dropped) -> Then {
        self.counters.dropped += 1;
        Then::Done
    }

    /// Answers without keeping anything.
    pub(crate) fn reply(&mut self, message: &Message<&[u8]>, reply: &Reply, out: &mut Outbox<Out>) {
        self.answer(message, reply, None, out);
    }

    fn answer(&mut self, message: &Message<&[u8]>, reply: &Reply, rung: Option<Rung>, out: &mut Outbox<Out>) {
        self.counters.replied(reply.status);
        self.counters.replays += u64::from(reply.is_replay);
        let bytes = self.answerer().reply(message, reply);
        out.emit(Out::Sip { bytes, rung });
    }

    /// Refuses a request that waited in vain, or has no place to wait.
    pub(crate) fn turn_away(&mut self, bytes: &[u8], out: &mut Outbox<Out>) {
        let Ok(message) = Message::parse(bytes) else { return };
        let name = message.raw(Name::CallId).unwrap_or_default();
        let lot = self.view.mint.hash().sum64(crate::hashes::LOT, &[name]);
        let reply = overload::later(&self.view, lot);
        self.reply(&message, &reply, out);
    }

    fn bind(&mut self, message: &Message<&[u8]>, bind: Bind, now: Moment, out: &mut Outbox<Out>) {
        let Bind { key, account, change, checked } = bind;
        let cseq = message.cseq().map_or(0, |cseq| cseq.number);
        let used = (cseq, For::Registration);
        self.view.replays.note(&checked, used, now, &mut |record| out.keep(record));
        let is_refresh = matches!(change, Change::Refresh { .. });
        let kept = match change {
            Change::Nothing => None,
            Change::Refresh { at, clock } => {
                self.counters.refreshed += 1;
                self.view.bindings.refresh(key.0, at, clock);
                Some(self.view.bindings.bytes(key.0).to_vec())
            }
            Change::Replace(body) => {
                self.counters.registered += 1;
                self.view.bindings.put(key.0, body.clone());
                Some(body)
            }
        };
        if let Some(body) = kept {
            out.keep(Record { tag: kept::BINDINGS, shard: sharding::shard_of_key(key.0), key, body });
        }
        self.counters.replied(Status::OK);
        let bytes = self.answerer().registered(message, self.view.bindings.get(key.0), is_refresh, now);
        out.emit(Out::Sip { bytes, rung: None });
        self.confirm(account, now, out);
    }

    fn begin(&mut self, message: &Message<&[u8]>, begin: Begin, now: Moment, out: &mut Outbox<Out>) -> Then {
        let Begin { start, invite, branch, account, checked } = begin;
        let (id, shard) = (start.id, start.shard);
        self.in_hand = Some((kept::CALL, kept::call_key(id)));
        for failpoint in &self.view.settings.failpoints {
            failpoint.strike(start.dialed.as_bytes());
        }
        let mut said = CallOut::default();
        let world = World { mint: &self.view.mint, settings: &self.view.settings.call };
        let call = match Call::begin(start, message, &world, now, &mut said) {
            Ok(call) => call,
            Err(refusal) => {
                self.in_hand = None;
                let bytes = self.answerer().refusal(message, &refusal);
                self.counters.replied(refusal.status);
                out.emit(Out::Sip { bytes, rung: None });
                return Then::Done;
            }
        };
        self.counters.begun += 1;
        let cseq = message.cseq().map_or(0, |cseq| cseq.number);
        self.view.replays.note(&checked, (cseq, For::Call), now, &mut |record| out.keep(record));
        let rung = Rung { call: id, shard: Some(shard), party: call.party(LegNo::CALLER).to_owned() };
        debug_assert_eq!(call.shard(), shard);
        self.settle(Held::new(call, invite, branch), said, now, out);
        self.confirm(account, now, out);
        Then::Heard(rung)
    }

    fn deliver(
        &mut self,
        message: &Message<&[u8]>,
        id: CallId,
        part: Part,
        now: Moment,
        out: &mut Outbox<Out>,
    ) -> Then {
        let call_id = message.raw(Name::CallId).unwrap_or_default();
        let Some(held) = self.view.calls.get(id).filter(|held| held.has_leg(part, call_id)) else {
            return self.astray(message, out);
        };
        let leg = LegNo(part);
        let rung = Rung { call: id, shard: Some(held.call.shard()), party: held.call.party(leg).to_owned() };
        self.with_call(id, now, out, |call, world, now, said| call.sip(leg, message, world, now, said));
        Then::Heard(rung)
    }

    /// The tag is ours, but nothing else fits (any more).
    fn astray(&mut self, message: &Message<&[u8]>, out: &mut Outbox<Out>) -> Then {
        match message.method() {
            None => self.drop_message(Dropped::Stray),
            Some(sip::Method::Ack) => self.drop_message(Dropped::LostAck),
            Some(_) => {
                self.reply(message, &Reply::new(Status::CALL_DOES_NOT_EXIST), out);
                Then::Done
            }
        }
    }
}
