//! A follower sees every committed state, whenever it looks; and the log that it writes.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use machine::{Key, Moment, Record, Shard, Tag};
use proptest::prelude::*;
use strowger_journal::{Entry, Journal, Lapped, Tail, log};

const SEGMENT: usize = 1024;

type Model = BTreeMap<(u16, u128), Vec<u8>>;

fn now() -> Moment {
    Moment::from_secs(1_790_000_000)
}

fn record(tag: u16, key: u128, body: &[u8]) -> Record {
    Record { tag: Tag(tag), shard: Shard::of(key as u64), key: Key(key), body: body.to_vec() }
}

fn live(journal: &Journal<Vec<u8>>) -> Model {
    journal.live().map(|entry| ((entry.tag.0, entry.key.0), entry.body.to_vec())).collect()
}

fn note(model: &mut Model, entry: Entry<'_>) {
    let key = (entry.tag.0, entry.key.0);
    if entry.body.is_empty() {
        model.remove(&key);
    } else {
        model.insert(key, entry.body.to_vec());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<(u128, u8, usize)>),
    Uncommitted(Vec<(u128, u8, usize)>),
    Death,
    Look,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let records = || prop::collection::vec((0u128..9, any::<u8>(), 0usize..70), 0..5);
    prop_oneof![
        6 => records().prop_map(Step::Batch),
        1 => records().prop_map(Step::Uncommitted),
        1 => Just(Step::Death),
        2 => Just(Step::Look),
        1 => Just(Step::Resume),
    ]
}

fn append(journal: &mut Journal<Vec<u8>>, records: &[(u128, u8, usize)]) {
    journal.begin([(&b"udp"[..], &b"an input"[..])]);
    for &(key, byte, len) in records {
        let _ = journal.append(&record(1, key, &vec![byte; len]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_follower_knows_what_the_ring_knows(steps in prop::collection::vec(step(), 1..200)) {
        let mut journal = Journal::create_with(vec![0; 4096 + 7 * SEGMENT], now(), SEGMENT).unwrap();
        let mut tail = Tail::start(journal.region()).unwrap();
        let mut followed = Model::new();
        for step in &steps {
            match step {
                Step::Batch(records) => {
                    append(&mut journal, records);
                    journal.commit();
                    journal.sent();
                }
                Step::Uncommitted(records) => append(&mut journal, records),
                Step::Death => journal = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap().0,
                Step::Resume => tail = Tail::resume(journal.region(), tail.position()).unwrap(),
                Step::Look => {
                    if tail.poll(journal.region(), |entry| note(&mut followed, entry)) == Err(Lapped) {
                        followed.clear();
                        tail = Tail::start(journal.region()).unwrap();
                        tail.poll(journal.region(), |entry| note(&mut followed, entry)).unwrap();
                    }
                    prop_assert_eq!(&followed, &live(&journal));
                    prop_assert_eq!(tail.damaged(), 0);
                }
            }
        }
    }

    #[test]
    fn a_log_is_read_as_far_as_it_holds(
        records in prop::collection::vec((0u128..9, any::<u8>(), 0usize..70), 1..40),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cut in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        let mut whole = Model::new();
        log::begin(&mut bytes);
        for (key, byte, len) in &records {
            let record = record(1, *key, &vec![*byte; *len]);
            let entry = Entry { tag: record.tag, shard: record.shard, key: record.key, body: &record.body };
            log::record(&mut bytes, &entry);
            note(&mut whole, entry);
        }
        let read = |bytes: &[u8]| {
            let mut model = Model::new();
            let log = log::Log::read(bytes);
            log.entries().for_each(|entry| note(&mut model, entry));
            (model, log.damage().len(), log.end())
        };
        prop_assert_eq!(read(&bytes), (whole.clone(), 0, bytes.len()));
        let compact = log::Log::read(&bytes).compact();
        prop_assert!(compact.len() <= bytes.len());
        prop_assert_eq!(read(&compact), (whole.clone(), 0, compact.len()));
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            let (found, _, end) = read(&bytes);
            prop_assert!(end <= bytes.len().max(8) && found.len() <= 9);
        } else {
            bytes[at] ^= flip;
            let (found, _, _) = read(&bytes);
            let keys = found.keys().chain(whole.keys()).collect::<std::collections::BTreeSet<_>>();
            let wrong = keys.into_iter().filter(|key| found.get(key) != whole.get(key)).count();
            prop_assert!(wrong <= 1);
        }
    }
}

#[test]
fn a_follower_that_was_overtaken_says_so() {
    let mut journal = Journal::create_with(vec![0; 4096 + 4 * SEGMENT], now(), SEGMENT).unwrap();
    let mut tail = Tail::start(journal.region()).unwrap();
    tail.poll(journal.region(), |_| panic!("nothing was written")).unwrap();
    for number in 0..40 {
        append(&mut journal, &[(number % 3, 1, 60)]);
        journal.commit();
    }
    assert_eq!(tail.poll(journal.region(), |_| ()), Err(Lapped));
}

#[test]
fn another_ring_is_not_gone_on_with() {
    let one = Journal::create_with(vec![0; 4096 + 4 * SEGMENT], now(), SEGMENT).unwrap();
    let later = Moment::from_secs(1_790_000_001);
    let other = Journal::create_with(vec![0; 4096 + 4 * SEGMENT], later, SEGMENT).unwrap();
    let position = Tail::start(one.region()).unwrap().position();
    assert!(Tail::resume(one.region(), position).is_some());
    assert!(Tail::resume(other.region(), position).is_none());
    assert!(Tail::start(&vec![0; 9000]).is_none());
}

#[test]
fn a_mark_says_how_far_the_ring_was_followed() {
    let journal = Journal::create_with(vec![0; 4096 + 4 * SEGMENT], now(), SEGMENT).unwrap();
    let position = Tail::start(journal.region()).unwrap().position();
    let mut bytes = Vec::new();
    log::begin(&mut bytes);
    assert_eq!(log::Log::read(&bytes).mark(), None);
    log::mark(&mut bytes, position);
    let compact = log::Log::read(&bytes).compact();
    assert_eq!(log::Log::read(&compact).mark(), Some(position));
}
