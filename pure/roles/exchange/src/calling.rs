//! Calls decide, and what they say and ask goes its way.

use call::{Answer, Call, CallOut, Question, World};
use contract::{CallId, Envelope, NodeId};
use machine::{Moment, Outbox, Record};

use crate::calls::Held;
use crate::exchange::{Exchange, Out, Rung, Timer};
use crate::kept;
use crate::questions::Topic;

/// Whichever node hears it.
const ANY: NodeId = NodeId(0);

impl Exchange {
    /// Lets a call decide; false if there is no such call.
    pub(crate) fn with_call(
        &mut self,
        id: CallId,
        now: Moment,
        out: &mut Outbox<Out>,
        act: impl FnOnce(&mut Call, &World<'_>, Moment, &mut CallOut),
    ) -> bool {
        let Some(mut held) = self.view.calls.take(id) else { return false };
        self.in_hand = Some((kept::CALL, kept::call_key(id)));
        let mut said = CallOut::default();
        let world = World { mint: &self.view.mint, settings: &self.view.settings.call };
        act(&mut held.call, &world, now, &mut said);
        self.settle(held, said, now, out);
        true
    }

    /// Carries out what a call said, keeps its state, and puts it back.
    pub(crate) fn settle(
        &mut self,
        mut held: Box<Held>,
        mut said: CallOut,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let (id, shard) = (held.call.id(), held.call.shard());
        loop {
            for sent in said.send.drain(..) {
                self.counters.said(&sent.bytes);
                let rung = Rung {
                    call: id,
                    shard: Some(held.call.shard()),
                    party: held.call.party(sent.leg).to_owned(),
                };
                out.emit(Out::Sip { bytes: sent.bytes, rung: Some(rung) });
            }
            let questions = std::mem::take(&mut said.ask);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                self.hear(&mut held, question, &mut said, now, out);
            }
        }
        if self.view.settings.events {
            let Held { call, told, .. } = &mut *held;
            call.news(told, now, |event| out.emit(Out::Bus(Envelope::notice(None, &event))));
        }
        let key = kept::call_key(id);
        if held.call.is_over() {
            self.timers.set(Timer::Call(id), None);
            self.close_questions(&held);
            self.view.calls.end(&held);
            out.keep(Record { tag: kept::CALL, shard, key, body: Vec::new() });
        } else {
            self.timers.set(Timer::Call(id), held.call.deadline());
            if said.keep {
                out.keep(Record { tag: kept::CALL, shard, key, body: held.write() });
            }
            self.view.calls.put(held);
        }
        self.in_hand = None;
    }

    /// Answers what we know ourselves, and asks others for the rest.
    fn hear(
        &mut self,
        held: &mut Held,
        question: Question,
        said: &mut CallOut,
        now: Moment,
        out: &mut Outbox<Out>,
    ) {
        let serial = question.serial();
        let answer = match question {
            Question::Route(wanted) => match self.route(held.call.id(), wanted, now, out) {
                Some(route) => Answer::Route { serial, route },
                None => return,
            },
            Question::Keep(record) => {
                // It is as safe as the call itself was; the store hears of it as soon as it can.
                self.counters.records += 1;
                out.keep(self.records.take(&record, held.call.shard()));
                self.keep_records(now, out);
                Answer::Kept
            }
            Question::Anchor(at, wish) => return self.ask_for(held, (Topic::Anchor, serial, at), &wish, out),
            Question::Release(at, wish) => {
                return self.ask_for(held, (Topic::Release, serial, at), &wish, out);
            }
            Question::Leave(at, wish) => return self.ask_for(held, (Topic::Leave, serial, at), &wish, out),
            Question::Reserve(wish) => return self.ask_for(held, (Topic::Reserve, serial, ANY), &wish, out),
            Question::Settle(wish) => return self.ask_for(held, (Topic::Settle, serial, ANY), &wish, out),
            Question::App(happened) => return self.ask_for(held, (Topic::App, serial, ANY), &happened, out),
        };
        let world = World { mint: &self.view.mint, settings: &self.view.settings.call };
        held.call.answer(answer, &world, now, said);
    }

    fn ask_for<C: contract::Conversation>(
        &mut self,
        held: &mut Held,
        (topic, serial, at): (Topic, u32, NodeId),
        wish: &C,
        out: &mut Outbox<Out>,
    ) {
        let id = self.questions.open_for_call(held.call.id(), topic, serial);
        if !held.questions.contains(&id) {
            held.questions.push(id);
        }
        let node = (at != ANY).then_some(at);
        out.emit(Out::Bus(Envelope { node, ..Envelope::request(id, None, wish) }));
    }

    /// Nobody waits for the answers any more.
    pub(crate) fn close_questions(&mut self, held: &Held) {
        for &id in &held.questions {
            self.questions.close(id);
        }
    }

    /// Gives a call an answer.
    pub(crate) fn tell(&mut self, call: CallId, answer: Answer, now: Moment, out: &mut Outbox<Out>) {
        self.with_call(call, now, out, |call, world, now, said| call.answer(answer, world, now, said));
    }
}
