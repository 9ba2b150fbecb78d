//! Turns around a machine that counts: whatever dies between two steps, every count is right and was told.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use machine::{Key, Machine, Moment, Outbox, Record, Shard, Tag};
use proptest::prelude::*;
use strowger_journal::{
    Blame, Cause, Damage, Durable, Entry, Journal, Missing, Recovered, Shell, Turn, When,
};

const COUNT: Tag = Tag(1);
const LATER: Tag = Tag(2);
const MISSED: Tag = Tag(3);
const SEGMENT: usize = 1024;

/// Counts what it is given by name, and tells each count. At `deadline` it counts "noon".
#[derive(Default)]
struct Counter {
    counts: BTreeMap<u8, u64>,
    in_hand: Option<u8>,
    deadline: Option<Moment>,
    resumed: bool,
    complete: bool,
    given_up: Vec<u8>,
}

impl Counter {
    fn count(&mut self, name: u8, out: &mut Outbox<(u8, u64)>) {
        self.in_hand = Some(name);
        let count = self.counts.entry(name).or_default();
        *count += 1;
        let (key, body) = (Key(name.into()), count.to_le_bytes().to_vec());
        out.keep(Record { tag: COUNT, shard: Shard::of(0), key, body });
        out.emit((name, *count));
    }
}

impl Machine for Counter {
    type In = Vec<u8>;
    type Out = (u8, u64);

    fn handle(&mut self, _now: Moment, input: Vec<u8>, out: &mut Outbox<(u8, u64)>) {
        for byte in input {
            match byte {
                b'!' => panic!("an exclamation mark"),
                name => self.count(name, out),
            }
        }
    }

    fn expire(&mut self, _now: Moment, out: &mut Outbox<(u8, u64)>) {
        self.count(b'N', out);
        assert!(self.deadline.take().is_none_or(|at| at != Moment::from_secs(13)), "unlucky");
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.deadline
    }
}

impl Durable for Counter {
    fn when(&self, tag: Tag) -> When {
        match tag {
            LATER => When::Whenever,
            MISSED => When::Missed,
            Tag(_) => When::AtOnce,
        }
    }

    fn missing(&self, _now: Moment, input: Option<&Vec<u8>>) -> Missing {
        match input.map(Vec::as_slice) {
            Some(b"*") => Missing::Everything,
            Some(&[name, ..]) => Missing::Thing(MISSED, Key(name.into())),
            Some([]) => Missing::Nothing,
            None => Missing::Thing(MISSED, Key(b'N'.into())),
        }
    }

    fn complete(&mut self) {
        self.complete = true;
    }

    fn restore(&mut self, _now: Moment, entry: Entry<'_>) {
        if entry.body.is_empty() {
            return;
        }
        let count = u64::from_le_bytes(entry.body.try_into().expect("a count of eight bytes"));
        self.counts.insert(entry.key.0 as u8, count);
    }

    fn resume(&mut self, _now: Moment, _out: &mut Outbox<(u8, u64)>) {
        self.resumed = true;
    }

    fn concerned(&self, input: &Vec<u8>) -> Option<(Tag, Key)> {
        input.first().map(|&name| (COUNT, Key(name.into())))
    }

    fn give_up(&mut self, _now: Moment, _tag: Tag, key: Key, out: &mut Outbox<(u8, u64)>) {
        assert_ne!(key, Key(b'#'.into()), "not even that");
        self.given_up.push(key.0 as u8);
        self.counts.remove(&(key.0 as u8));
        out.keep(Record { tag: COUNT, shard: Shard::of(0), key, body: Vec::new() });
    }

    fn rebuild(
        &mut self,
        _now: Moment,
        cause: Cause,
        latest: &dyn Fn(Tag, Key) -> Option<Record>,
        out: &mut Outbox<(u8, u64)>,
    ) {
        let Some(name) = self.in_hand.take() else { return };
        self.counts.remove(&name);
        if let Some(kept) = latest(COUNT, Key(name.into())) {
            self.counts.insert(name, u64::from_le_bytes(kept.body.try_into().unwrap()));
        }
        if cause == Cause::Deadline {
            self.deadline = None;
            out.emit((b'?', 0));
        }
    }
}

#[derive(Default)]
struct World {
    said: Vec<(u8, u64)>,
    set_aside: Vec<(Vec<u8>, Blame)>,
    lost: Vec<(Tag, Key)>,
    damaged: Vec<Damage>,
}

impl Shell<Counter> for World {
    fn decode(&mut self, _now: Moment, source: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(source, b"udp");
        (!bytes.is_empty()).then(|| bytes.to_vec())
    }

    fn encode(&mut self, out: &(u8, u64), kept: &mut Vec<u8>) {
        kept.push(out.0);
        kept.extend_from_slice(&out.1.to_le_bytes());
    }

    fn perform(&mut self, _now: Moment, out: (u8, u64)) {
        self.said.push(out);
    }

    fn perform_again(&mut self, _now: Moment, kept: &[u8]) {
        self.said.push((kept[0], u64::from_le_bytes(kept[1..].try_into().unwrap())));
    }

    fn set_aside(&mut self, _source: &[u8], bytes: &[u8], blame: Blame) {
        self.set_aside.push((bytes.to_vec(), blame));
    }

    fn lost(&mut self, tag: Tag, key: Key, _message: String) {
        self.lost.push((tag, key));
    }

    fn damaged(&mut self, damage: Damage) {
        self.damaged.push(damage);
    }
}

fn now() -> Moment {
    Moment::from_secs(12)
}

fn begin() -> Turn<Counter, Vec<u8>> {
    Turn::new(Counter::default(), Journal::create_with(vec![0; 4096 + 8 * SEGMENT], now(), SEGMENT).unwrap())
}

fn inputs(texts: &[&str]) -> Vec<(&'static [u8], Vec<u8>)> {
    texts.iter().map(|text| (&b"udp"[..], text.as_bytes().to_vec())).collect()
}

/// The process dies, and another one takes over.
fn die(turn: Turn<Counter, Vec<u8>>, world: &mut World) -> Turn<Counter, Vec<u8>> {
    let (journal, mut recovered) = Journal::open_with(turn.journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered.damage, []);
    let mut turn = Turn::new(Counter::default(), journal);
    turn.restore(now(), &mut recovered, world);
    turn.recover(now(), &recovered, [], world);
    assert!(turn.machine.resumed);
    turn
}

#[test]
fn a_panic_takes_back_its_own_decision_and_no_other() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["ab", "b!", "", "ac"]), &mut vec![b"a".to_vec(), b"!".to_vec()], &mut world);
    assert_eq!(world.said, [(b'a', 1), (b'b', 1), (b'a', 2), (b'c', 1), (b'a', 3)]);
    let panicked = Blame::Panic("an exclamation mark".to_owned());
    assert_eq!(world.set_aside, [(b"b!".to_vec(), panicked.clone()), (Vec::new(), panicked)]);
    assert_eq!((turn.stats().panics, turn.stats().said), (2, 5));
    let turn = die(turn, &mut world);
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 3), (b'b', 1), (b'c', 1)]));
    assert_eq!(world.said.len(), 5, "nothing is said twice after a turn that was whole");
}

/// Journals a thing of another kind, which its own turn did not.
fn put(turn: &mut Turn<Counter, Vec<u8>>, tag: Tag, name: u8, body: &[u8]) {
    let record = Record { tag, shard: Shard::of(0), key: Key(name.into()), body: body.to_vec() };
    let _ = turn.journal.append(&record);
    turn.journal.commit();
}

#[test]
fn what_can_wait_is_restored_between_turns_as_it_is_then() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["a"]), &mut vec![], &mut world);
    (b'x'..=b'z').for_each(|name| put(&mut turn, LATER, name, &7u64.to_le_bytes()));
    let mut turn = die(turn, &mut world);
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 1)]));
    put(&mut turn, LATER, b'y', &8u64.to_le_bytes());
    put(&mut turn, LATER, b'z', &[]);
    assert!(!turn.machine.complete);
    assert!(!turn.catch_up(now(), &mut world));
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 1), (b'x', 7), (b'y', 8)]));
    assert!(turn.machine.complete);
}

#[test]
fn what_is_missed_is_restored_before_the_input_that_misses_it_is_decided() {
    let (mut turn, mut world) = (begin(), World::default());
    let seven = 7u64.to_le_bytes();
    turn.run(now(), &inputs(&["a"]), &mut vec![], &mut world);
    [b'b', b'c', b'd', b'N'].iter().for_each(|&name| put(&mut turn, MISSED, name, &seven));
    let mut turn = die(turn, &mut world);
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 1)]));
    turn.machine.deadline = Some(now());
    turn.run(now(), &inputs(&["b"]), &mut vec![b"c".to_vec()], &mut world);
    assert_eq!(world.said[1..], [(b'b', 8), (b'c', 8), (b'N', 8)]);
    assert_eq!(turn.machine.counts.get(&b'd'), None);
    turn.run(now(), &inputs(&["*"]), &mut vec![], &mut world);
    assert_eq!(turn.machine.counts[&b'd'], 7);
    assert!(turn.machine.complete);
}

#[test]
fn what_the_open_batch_has_changed_is_not_restored_as_it_was() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["a"]), &mut vec![], &mut world);
    [b'b', b'c', b'd'].iter().for_each(|&name| put(&mut turn, MISSED, name, &7u64.to_le_bytes()));
    let mut turn = die(turn, &mut world);
    let changed =
        |name: u8, body: Vec<u8>| Record { tag: MISSED, shard: Shard::of(0), key: Key(name.into()), body };
    turn.receive(&inputs(&["*"]));
    let _ = turn.journal.append(&changed(b'b', 8u64.to_le_bytes().to_vec()));
    let _ = turn.journal.append(&changed(b'c', Vec::new()));
    turn.decide(now(), 0, (b"udp", b"*"), &mut world);
    assert_eq!((turn.machine.counts.get(&b'b'), turn.machine.counts.get(&b'c')), (None, None));
    assert_eq!(turn.machine.counts[&b'd'], 7);
}

#[test]
fn what_is_missed_and_broken_is_told_and_is_not_there() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["a"]), &mut vec![], &mut world);
    let (seven, eight) = (7u64.to_le_bytes(), 0x0808_0808_0808_0808_u64.to_le_bytes());
    put(&mut turn, MISSED, b'b', &eight);
    put(&mut turn, MISSED, b'c', &seven[..5]);
    // What a page was flipped in after it was read at the start.
    let (journal, _) = Journal::open_with(turn.journal.into_region(), now(), SEGMENT).unwrap();
    let mut region = journal.into_region();
    let at = region.windows(8).position(|bytes| bytes == eight).unwrap();
    region[at] ^= 1;
    let (journal, mut recovered) = Journal::open_with(region, now(), SEGMENT).unwrap();
    let told = recovered.damage.len();
    let mut turn = Turn::new(Counter::default(), journal);
    turn.restore(now(), &mut recovered, &mut world);
    turn.recover(now(), &recovered, [], &mut world);
    turn.run(now(), &inputs(&["b", "c"]), &mut vec![], &mut world);
    assert_eq!(world.said[1..], [(b'b', 1), (b'c', 1)]);
    assert_eq!((told + world.damaged.len(), world.lost.as_slice()), (1, &[(MISSED, Key(b'c'.into()))][..]));
}

#[test]
fn a_deadline_that_panics_is_not_met_again() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.machine.deadline = Some(now());
    turn.run(now(), &inputs(&[]), &mut vec![], &mut world);
    turn.machine.deadline = Some(Moment::from_secs(13));
    turn.run(Moment::from_secs(13), &inputs(&["a"]), &mut vec![], &mut world);
    assert_eq!(world.said, [(b'N', 1), (b'a', 1), (b'?', 0)]);
    assert_eq!(world.set_aside, [(Vec::new(), Blame::Panic("unlucky".to_owned()))]);
    assert_eq!(turn.machine.counts[&b'N'], 1);
}

#[test]
fn an_input_that_kills_twice_is_shown_and_the_others_are_decided() {
    let (mut turn, mut world) = (begin(), World::default());
    let texts = inputs(&["a", "poison", "b"]);
    turn.receive(&texts);
    turn.decide(now(), 0, (b"udp", b"a"), &mut world);
    turn.journal.in_hand(1);
    // The first death: all three are decided again, and the second one kills again.
    let (journal, recovered) = Journal::open_with(turn.journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered.undecided.len(), 3);
    let mut turn = Turn::new(Counter::default(), journal);
    turn.decide(now(), 0, (b"udp", b"a"), &mut world);
    turn.journal.in_hand(1);
    let turn = die(turn, &mut world);
    assert_eq!(world.set_aside, [(b"poison".to_vec(), Blame::Deaths(2))]);
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 1), (b'b', 1)]));
    assert_eq!(world.said, [(b'a', 1), (b'b', 1)]);
}

#[test]
fn records_beside_the_ring_are_taken_where_it_knows_nothing_and_a_broken_one_is_lost_alone() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["a"]), &mut vec![], &mut world);
    let nine = 9u64.to_le_bytes();
    let beside = |name: u8, body| Entry { tag: COUNT, shard: Shard::of(0), key: Key(name.into()), body };
    let entries = [beside(b'a', &nine[..]), beside(b'b', &nine[..]), beside(b'c', &nine[..3])];
    turn.recover(now(), &Recovered::default(), entries, &mut world);
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'a', 1), (b'b', 9)]));
    assert_eq!(world.lost, [(COUNT, Key(b'c'.into()))]);
    assert_eq!(die(turn, &mut World::default()).machine.counts[&b'b'], 9);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_input_counts_once_and_every_count_is_told(
        turns in prop::collection::vec((prop::collection::vec("[a-e]{1,3}", 0..4), 0usize..12), 1..60),
    ) {
        let (mut turn, mut world) = (begin(), World::default());
        let mut expected = BTreeMap::<u8, u64>::new();
        for (texts, death) in turns {
            let batch = inputs(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            texts.iter().flat_map(|text| text.bytes()).for_each(|name| *expected.entry(name).or_default() += 1);
            let first = turn.receive(&batch);
            for (number, (source, bytes)) in batch.iter().enumerate().take(death) {
                turn.decide(now(), first + number as u32, (source, bytes), &mut world);
            }
            if death >= 6 {
                turn.commit(&mut world);
            }
            if death >= 8 {
                turn.perform(now(), &mut world);
            }
            if death < 10 {
                turn = die(turn, &mut world);
            }
        }
        prop_assert_eq!(&turn.machine.counts, &expected);
        prop_assert_eq!(world.set_aside, vec![]);
        let told: BTreeSet<_> = world.said.into_iter().collect();
        let all = expected.into_iter().flat_map(|(name, count)| (1..=count).map(move |count| (name, count)));
        prop_assert_eq!(told, all.collect::<BTreeSet<_>>());
    }
}

#[test]
fn a_thing_in_hand_at_two_deaths_is_given_up() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["ab"]), &mut vec![b"a".to_vec()], &mut world);
    // At rest nobody is to blame.
    turn = die(turn, &mut world);
    turn = die(turn, &mut world);
    for _ in 0..2 {
        assert_eq!(turn.machine.given_up, []);
        turn.journal.thing_in_hand(COUNT, Key(b'a'.into()));
        turn = die(turn, &mut world);
    }
    assert_eq!(turn.machine.given_up, *b"a");
    assert_eq!(turn.machine.counts, BTreeMap::from([(b'b', 1)]));
    let blame = Blame::Thing(COUNT, Key(b'a'.into()), 2);
    assert_eq!(world.set_aside, [(2u64.to_le_bytes().to_vec(), blame)]);
    turn = die(turn, &mut world);
    assert_eq!((turn.machine.given_up, world.set_aside.len()), (vec![], 1));
}

#[test]
fn a_death_with_an_input_in_hand_is_not_a_things_fault() {
    let (mut turn, mut world) = (begin(), World::default());
    for _ in 0..3 {
        turn.journal.thing_in_hand(COUNT, Key(b'a'.into()));
        let number = turn.receive(&inputs(&["b"]));
        turn.journal.in_hand(number);
        turn = die(turn, &mut world);
        assert_eq!(turn.machine.given_up, []);
    }
}

#[test]
fn what_can_not_even_be_given_up_is_let_go() {
    let (mut turn, mut world) = (begin(), World::default());
    turn.run(now(), &inputs(&["ab"]), &mut Vec::new(), &mut world);
    for _ in 0..2 {
        turn.journal.thing_in_hand(COUNT, Key(b'a'.into()));
        turn = die(turn, &mut world);
    }
    // As if the process had died in the midst of it.
    turn.journal.thing_in_hand(COUNT, Key(b'a'.into()));
    turn = die(turn, &mut world);
    assert_eq!((turn.machine.given_up, turn.machine.counts), (vec![], BTreeMap::from([(b'b', 1)])));
}

#[test]
fn giving_up_may_fail_too() {
    let (mut turn, mut world) = (begin(), World::default());
    for _ in 0..2 {
        turn.journal.thing_in_hand(COUNT, Key(b'#'.into()));
        turn = die(turn, &mut world);
    }
    assert_eq!((turn.stats().panics, world.set_aside.len()), (1, 1));
}
