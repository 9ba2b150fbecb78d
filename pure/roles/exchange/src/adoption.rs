//! Shards come and go: what lives in them goes with them.

use contract::sharding;
use machine::{Key, Moment, Outbox, Owned, Record, Shard, Tag};

use crate::calls::Held;
use crate::exchange::{Exchange, Out, Timer};
use crate::kept;

impl Exchange {
    /// From now on this thread owns `owned`. Whatever lives in other shards is forgotten without a word: their owners
    /// have it.
    pub(crate) fn own(&mut self, now: Moment, owned: Owned, out: &mut Outbox<Out>) {
        if self.view.settings.owned != owned {
            self.movers.keep_calm(now);
            self.view.pressure.learn(now);
        }
        self.view.settings.owned = owned;
        for (tag, shard, key) in self.foreign() {
            self.forget(tag, key);
            out.keep(Record { tag, shard, key, body: Vec::new() });
        }
        // Who was asked may be no more. Not before what lives in our new shards is here: we may be who is asked.
        for id in self.questions.of_owners() {
            self.timers.set(Timer::Question(id), Some(now));
        }
    }

    fn foreign(&self) -> Vec<(Tag, Shard, Key)> {
        let calls = self.view.calls.all().map(|call| (kept::CALL, call.shard(), kept::call_key(call.id())));
        let records = self.records.all().map(|(id, shard)| (kept::CALL_RECORD, shard, kept::call_key(id)));
        let bindings = self.view.bindings.keys();
        let bindings = bindings.map(|key| (kept::BINDINGS, sharding::shard_of_key(key), Key(key)));
        calls.chain(records).chain(bindings).filter(|&(_, shard, _)| !self.owns(shard)).collect()
    }

    /// Takes up a thing that its former owner kept, and goes on with it: as a successor would, but under the epoch of
    /// the shard's new owner. One of a shard that we don't own (any more) is left alone.
    pub(crate) fn adopt(&mut self, now: Moment, record: Record, out: &mut Outbox<Out>) {
        self.in_hand = Some((record.tag, record.key));
        if !self.owns(record.shard) {
            return;
        }
        let record = match record.tag {
            kept::CALL => match self.under_our_epoch(&record) {
                Some(body) => Record { body, ..record },
                None => return out.keep(record),
            },
            _ => record,
        };
        out.keep(record.clone());
        let (tag, key) = (record.tag, record.key);
        self.restore(record);
        match tag {
            kept::CALL => self.timers.set(Timer::Resume(contract::CallId(key.0 as u64)), Some(now)),
            kept::CALL_RECORD => self.keep_records(now, out),
            Tag(_) => {}
        }
        self.in_hand = None;
    }

    fn under_our_epoch(&self, record: &Record) -> Option<Vec<u8>> {
        let mut held = Held::read(&record.body)?;
        held.call.adopt(self.view.settings.owned.epoch(record.shard));
        Some(held.write())
    }
}
