use std::collections::BTreeMap;

use contract::CallId;
use contract::record::CallRecord;
use machine::{Record, Shard};

use crate::kept;

const FORMAT: u8 = 1;

/// Records of calls that are over, until the store has them.
#[derive(Debug, Default)]
pub(crate) struct Records {
    held: BTreeMap<CallId, (Shard, Vec<u8>)>,
}

impl Records {
    /// Takes a record, and says what to keep of it: `format 1 | MessagePack`.
    pub(crate) fn take(&mut self, record: &CallRecord, shard: Shard) -> Record {
        let mut body = vec![FORMAT];
        body.extend_from_slice(&contract::encode(record));
        self.held.insert(record.id, (shard, body.clone()));
        Record { tag: kept::CALL_RECORD, shard, key: kept::call_key(record.id), body }
    }

    /// Takes back what was kept; false if it is none of ours.
    pub(crate) fn restore(&mut self, id: CallId, shard: Shard, body: Vec<u8>) -> bool {
        let ours = read(&body).is_some();
        if ours {
            self.held.insert(id, (shard, body));
        }
        ours
    }

    /// The next that the store shall keep.
    pub(crate) fn next(&self, most: usize) -> Vec<CallRecord> {
        self.held.values().take(most).filter_map(|(_, body)| read(body)).collect()
    }

    /// The store has it; says what to keep of it from now on: nothing.
    pub(crate) fn is_safe(&mut self, id: CallId) -> Option<Record> {
        let (shard, _) = self.held.remove(&id)?;
        Some(Record { tag: kept::CALL_RECORD, shard, key: kept::call_key(id), body: Vec::new() })
    }

    /// In which shard such a record lives; none if there is none.
    pub(crate) fn shard(&self, id: CallId) -> Option<Shard> {
        self.held.get(&id).map(|&(shard, _)| shard)
    }

    /// All that wait for the store, with their shards.
    pub(crate) fn all(&self) -> impl Iterator<Item = (CallId, Shard)> {
        self.held.iter().map(|(&id, &(shard, _))| (id, shard))
    }

    /// How many wait for the store.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

fn read(body: &[u8]) -> Option<CallRecord> {
    match body.split_first() {
        Some((&FORMAT, record)) => contract::decode(record).ok(),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::TenantId;
    use contract::record::Outcome;
    use machine::Moment;

    fn record() -> CallRecord {
        CallRecord {
            id: CallId(0x1234_5678_9abc_def0),
            tenant: TenantId(3),
            sip_call_id: "1@phone.example".into(),
            caller: "alice".into(),
            dialed: "1002".into(),
            callee: "bob".into(),
            started: Moment::from_secs(1_700_000_000),
            answered: Some(Moment::from_secs(1_700_000_005)),
            ended: Moment::from_secs(1_700_000_065),
            outcome: Outcome::Answered,
            status: 200,
            cause: "caller hung up".into(),
            ..CallRecord::default()
        }
    }

    #[test]
    fn a_record_is_held_until_the_store_has_it() {
        let mut records = Records::default();
        let kept = records.take(&record(), Shard::of(7));
        let mut restored = Records::default();
        assert!(restored.restore(record().id, kept.shard, kept.body));
        assert_eq!(restored.next(10), [record()]);
        assert!(restored.is_safe(record().id).unwrap().body.is_empty());
        assert!(restored.is_safe(record().id).is_none());
        assert_eq!(restored.len(), 0);
    }

    /// The bytes of release 0.1, which later releases must read.
    #[test]
    fn the_record_of_the_first_release_is_read() {
        let golden = include_bytes!("../tests/golden/call_record.v1");
        assert_eq!(Records::default().take(&record(), Shard::of(7)).body, golden);
        assert_eq!(read(golden), Some(record()));
    }
}
