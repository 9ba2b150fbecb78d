use contract::app::Happened;
use contract::billing::{Reserve, Reserved, Settle};
use contract::media::{Anchor, Release};
use contract::record::CallRecord;

use crate::asking::Topic;
use crate::context::Context;
use crate::state::Happening;
use crate::{Call, LegNo, Question, Wanted};

/// How often a media node is asked before another one is.
const PATIENCE: u8 = 3;

impl Call {
    /// Asks about `topic`, as things stand.
    pub(crate) fn ask(&mut self, topic: Topic, cx: &mut Context<'_>) {
        if let Some(question) = self.question(topic, cx) {
            self.asking.open(topic, question.serial(), cx.now);
            cx.ask(question);
        }
    }

    /// Asks the same again.
    pub(crate) fn repeat(&mut self, topic: Topic, cx: &mut Context<'_>) {
        match self.question(topic, cx) {
            Some(question) => cx.ask(question),
            None => self.asking.close(topic),
        }
    }

    /// Asks again what waited too long. What can't be waited for any longer is news, once.
    pub(crate) fn ask_again(&mut self, cx: &mut Context<'_>) {
        while let Some(asked) = self.asking.overdue(cx.now) {
            if asked.topic == Topic::Anchor && asked.tries > PATIENCE && self.go_elsewhere(true, cx) {
                continue;
            }
            if asked.tries == cx.settings().tries.saturating_add(1) {
                cx.news.push_back(Happening::GaveUp(asked.topic));
            } else {
                self.repeat(asked.topic, cx);
            }
        }
    }

    /// Asks for one more slice of talk.
    pub(crate) fn reserve(&mut self, cx: &mut Context<'_>) {
        self.billing.reserve(cx.settings());
        self.ask(Topic::Reserve, cx);
    }

    /// Reads the answer to a reservation of a call that is under way: a refusal takes effect when the
    /// granted seconds are over.
    pub(crate) fn late_reserved(&mut self, reserved: &Reserved, cx: &mut Context<'_>) {
        self.billing.reserved(reserved, cx.settings());
    }

    fn question(&self, topic: Topic, cx: &Context<'_>) -> Option<Question> {
        Some(match topic {
            Topic::Route => Question::Route(Wanted {
                tenant: self.tenant.id,
                caller: self.caller.user.clone(),
                dialed: self.wanted.clone(),
                serial: self.routes,
                cells: 0,
            }),
            Topic::Anchor => {
                let inactivity_ms = cx.settings().inactivity.as_millis() as u32;
                let wish = self.audio.wish(inactivity_ms);
                let wish = Anchor { call: self.id, shard: self.shard, epoch: self.epoch, ..wish };
                Question::Anchor(self.audio.node(), wish)
            }
            Topic::Release => {
                let release = Release { call: self.id, epoch: self.epoch, ..Release::default() };
                Question::Release(self.audio.node(), release)
            }
            Topic::Leave => {
                let (at, release) = self.audio.next_left()?;
                Question::Leave(at, Release { call: self.id, epoch: self.epoch, ..release })
            }
            Topic::Reserve => Question::Reserve(Reserve {
                call: self.id,
                tenant: self.tenant.id,
                account: self.caller.user.clone(),
                dialed: self.chronicle.dialed.clone(),
                serial: self.billing.serial,
                seconds: cx.settings().reserve_seconds,
            }),
            Topic::Settle => Question::Settle(Settle {
                call: self.id,
                tenant: self.tenant.id,
                account: self.caller.user.clone(),
                dialed: self.chronicle.dialed.clone(),
                talked_ms: self.chronicle.talked_ms(),
                serial: self.billing.serial,
            }),
            Topic::App => {
                let happened = self.app.as_ref()?.happened()?;
                Question::App(Happened { call: self.id, tenant: self.tenant.id, ..happened })
            }
            Topic::Keep => Question::Keep(Box::new(self.record()?)),
        })
    }

    /// The record, once the call is over.
    fn record(&self) -> Option<CallRecord> {
        let settled = self.billing.settled.clone();
        Some(CallRecord {
            id: self.id,
            tenant: self.tenant.id,
            caller: self.caller.user.clone(),
            sip_call_id: self.leg(LegNo::CALLER).map(|leg| leg.call_id().to_owned()).unwrap_or_default(),
            price: settled.as_ref().map(|settled| settled.charged.clone()),
            reserved: settled.as_ref().map(|settled| settled.reserved.clone()),
            released: settled.map(|settled| settled.released),
            ..self.chronicle.record()?
        })
    }
}
