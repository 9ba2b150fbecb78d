//! The ring against a plain map: after a death at any byte, what was committed is there and nothing else.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;

use machine::{Key, Moment, Record, Shard, Tag};
use proptest::prelude::*;
use strowger_journal::{Journal, Kept, Recovered, Region, What};

const SEGMENT: usize = 1024;
/// Without and with checkpoints.
const SIZES: [usize; 2] = [8, 36];

fn now() -> Moment {
    Moment::from_secs(1_790_000_000)
}

fn blank(segments: usize) -> Vec<u8> {
    vec![0; 4096 + segments * SEGMENT]
}

fn record(tag: u16, key: u128, body: &[u8]) -> Record {
    Record { tag: Tag(tag), shard: Shard::of(key as u64), key: Key(key), body: body.to_vec() }
}

type Model = BTreeMap<(u16, u128), Vec<u8>>;

fn live<R: Region>(journal: &Journal<R>) -> Model {
    journal.live().map(|entry| ((entry.tag.0, entry.key.0), entry.body.to_vec())).collect()
}

#[derive(Clone, Debug)]
struct Step {
    inputs: Vec<Vec<u8>>,
    records: Vec<(u16, u128, Vec<u8>)>,
    outgoing: Vec<Vec<u8>>,
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), 0..most).prop_map(|(byte, len)| vec![byte; len])
}

fn step() -> impl Strategy<Value = Step> {
    let record = (1u16..3, 0u128..12, bytes(90));
    (
        prop::collection::vec(bytes(80), 0..3),
        prop::collection::vec(record, 0..4),
        prop::collection::vec(bytes(60), 0..3),
    )
        .prop_map(|(inputs, records, outgoing)| Step { inputs, records, outgoing })
}

fn apply(model: &mut Model, step: &Step) {
    for (tag, key, body) in &step.records {
        if body.is_empty() {
            model.remove(&(*tag, *key));
        } else {
            model.insert((*tag, *key), body.clone());
        }
    }
}

fn begin<R: Region>(journal: &mut Journal<R>, step: &Step) {
    journal.begin(step.inputs.iter().map(|input| (&b"udp"[..], input.as_slice())));
}

fn rest<R: Region>(journal: &mut Journal<R>, step: &Step) {
    for number in 0..step.inputs.len() {
        journal.in_hand(number as u32);
    }
    for (tag, key, body) in &step.records {
        assert_eq!(journal.append(&record(*tag, *key, body)), Kept::Safe);
        assert_eq!(journal.latest(Tag(*tag), Key(*key)).unwrap_or(&[]), body);
    }
    for bytes in &step.outgoing {
        assert_eq!(journal.outgoing(bytes), Kept::Safe);
    }
}

fn whole<R: Region>(journal: &mut Journal<R>, step: &Step) {
    begin(journal, step);
    rest(journal, step);
    journal.commit();
    journal.sent();
}

#[test]
fn all_that_was_held_back_is_said_again_by_a_successor_and_nothing_else() {
    for said in 0..=5 {
        let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
        for number in 1..=5u8 {
            journal.begin([(&b"udp"[..], &[number][..])]);
            assert_eq!(journal.outgoing(&[number, 1]), Kept::Safe);
            assert_eq!(journal.outgoing(&[number, 2]), Kept::Safe);
            journal.commit();
            assert_eq!(journal.committed(), number.into());
            journal.sent_up_to(said.min(number.into()));
        }
        let (mut journal, recovered) = Journal::open(journal.into_region(), now()).unwrap();
        let expected: Vec<_> =
            (said as u8 + 1..=5).flat_map(|number| [vec![number, 1], vec![number, 2]]).collect();
        assert_eq!(recovered.unsent, expected, "after {said}");
        journal.sent();
        let (_, recovered) = Journal::open(journal.into_region(), now()).unwrap();
        assert_eq!(recovered.unsent, Vec::<Vec<u8>>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_turns_many_times_and_holds_what_a_map_would(
        steps in prop::collection::vec(step(), 1..200),
        segments in prop::sample::select(&SIZES[..]),
    ) {
        let mut journal = Journal::create_with(blank(segments), now(), SEGMENT).unwrap();
        let mut model = Model::new();
        for step in &steps {
            whole(&mut journal, step);
            apply(&mut model, step);
        }
        prop_assert_eq!(live(&journal), model.clone());
        prop_assert_eq!(journal.stats().unprotected, 0);
        let (reopened, recovered) = Journal::open(journal.into_region(), now()).unwrap();
        prop_assert_eq!(live(&reopened), model);
        prop_assert_eq!(recovered, Recovered::default());
    }

    #[test]
    fn deaths_between_any_two_steps_lose_nothing_that_was_committed(
        steps in prop::collection::vec((step(), 0u8..8), 1..120),
        segments in prop::sample::select(&SIZES[..]),
    ) {
        let mut journal = Journal::create_with(blank(segments), now(), SEGMENT).unwrap();
        let mut model = Model::new();
        for (step, death) in &steps {
            begin(&mut journal, step);
            if *death > 1 {
                rest(&mut journal, step);
            }
            if *death > 2 {
                journal.commit();
                apply(&mut model, step);
            }
            if *death > 3 {
                journal.sent();
            }
            if *death < 6 {
                let (opened, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
                journal = opened;
                prop_assert_eq!(live(&journal), model.clone(), "death {}", death);
                prop_assert_eq!(&recovered.damage, &vec![]);
                let undecided: Vec<_> = recovered.undecided.iter().map(|input| input.bytes.clone()).collect();
                let expected = if *death > 2 { vec![] } else { step.inputs.clone() };
                prop_assert_eq!(undecided, expected);
                let expected = if *death == 3 { step.outgoing.clone() } else { vec![] };
                prop_assert_eq!(recovered.unsent, expected);
                journal.sent();
                journal.commit();
            }
        }
    }

    #[test]
    fn one_flipped_byte_is_reported_and_costs_no_other_record(
        steps in prop::collection::vec(step(), 1..160),
        segments in prop::sample::select(&SIZES[..]),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut journal = Journal::create_with(blank(segments), now(), SEGMENT).unwrap();
        let mut model = Model::new();
        for step in &steps {
            whole(&mut journal, step);
            apply(&mut model, step);
        }
        let mut region = journal.into_region();
        let at = at.index(region.len());
        region[at] ^= flip;
        let (mut reopened, mut recovered) = Journal::open_with(region, now(), SEGMENT).unwrap();
        recovered.damage.extend(reopened.show(|_| true, |_| ()));
        let found = live(&reopened);
        let wrong: Vec<_> = model.iter().filter(|(key, body)| found.get(key) != Some(body)).collect();
        let risen: Vec<_> = found.keys().filter(|key| !model.contains_key(key)).collect();
        prop_assert!(wrong.len() + risen.len() <= 1, "{wrong:?} {risen:?}");
        if wrong.len() + risen.len() == 1 {
            prop_assert!(!recovered.damage.is_empty());
        }
        prop_assert!(recovered.undecided.is_empty() && recovered.set_aside.is_empty());
    }
}

/// Memory that remembers every write, so that a death can be replayed at any of them.
struct Crashing<'a> {
    bytes: Vec<u8>,
    left: &'a Cell<usize>,
    kept: Option<Vec<u8>>,
}

impl AsRef<[u8]> for Crashing<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Crashing<'_> {
    /// Each borrow is followed by a few writes; the memory as it is now is what a death would leave.
    fn as_mut(&mut self) -> &mut [u8] {
        match self.left.get() {
            0 if self.kept.is_none() => self.kept = Some(self.bytes.clone()),
            0 => {}
            left => self.left.set(left - 1),
        }
        &mut self.bytes
    }
}

#[test]
fn a_death_at_any_write_leaves_the_last_committed_batch() {
    let steps: Vec<Step> = (0..60u8)
        .map(|number| Step {
            inputs: vec![vec![number; 70]],
            records: vec![
                (1, u128::from(number % 7), vec![number; 64]),
                (2, u128::from(number % 3), vec![number; usize::from(number % 2) * 40]),
            ],
            outgoing: vec![vec![number; 30]],
        })
        .collect();
    SIZES.into_iter().for_each(|segments| dies_at_any_write(segments, &steps));
}

fn dies_at_any_write(segments: usize, steps: &[Step]) {
    for death in 0.. {
        let left = Cell::new(usize::MAX);
        let region = Crashing { bytes: blank(segments), left: &left, kept: None };
        let mut journal = Journal::create_with(region, now(), SEGMENT).unwrap();
        left.set(death);
        let mut models = vec![Model::new()];
        for step in steps {
            whole(&mut journal, step);
            let mut model = models.last().unwrap().clone();
            apply(&mut model, step);
            models.push(model);
        }
        let Some(kept) = journal.into_region().kept else {
            assert!(death > 500, "the ring was written {death} times");
            return;
        };
        let (reopened, recovered) = Journal::open_with(kept, now(), SEGMENT).unwrap();
        assert_eq!(recovered.damage, [], "at {death}");
        let found = live(&reopened);
        // The batch that is undecided says which one was the last.
        let committed = match recovered.undecided.first() {
            Some(input) => usize::from(input.bytes[0]),
            None => models.iter().position(|model| *model == found).expect("some committed batch"),
        };
        assert_eq!(found, models[committed], "at {death}");
        if let Some(unsent) = recovered.unsent.first() {
            assert_eq!(usize::from(unsent[0]) + 1, committed, "at {death}");
        }
    }
}

#[test]
fn a_ring_torn_or_cut_at_any_byte_is_read_as_far_as_it_holds() {
    let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
    for number in 0..30u8 {
        journal.begin([(&b"udp"[..], &[number; 40][..])]);
        let _ = journal.append(&record(1, u128::from(number % 5), &[number; 50]));
        journal.commit();
        journal.sent();
    }
    let whole = journal.into_region();
    for at in 0..whole.len() {
        let mut cut = whole.clone();
        cut[at..].fill(0);
        let (reopened, recovered) = Journal::open_with(cut, now(), SEGMENT).unwrap();
        for (key, body) in live(&reopened) {
            assert!(body.len() == 50 && u128::from(body[0] % 5) == key.1);
        }
        let all = live(&reopened).len() == 5 && live(&reopened).values().any(|body| body[0] == 29);
        assert!(all || recovered.fresh || !recovered.damage.is_empty(), "cut at {at} was not told");
    }
}

#[test]
fn an_input_in_hand_at_two_deaths_is_set_aside() {
    let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
    journal.begin([(&b"a"[..], &b"good"[..]), (b"b", b"poison"), (b"c", b"late")]);
    journal.in_hand(0);
    journal.in_hand(1);
    let (mut journal, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    let seen: Vec<_> = recovered.undecided.iter().map(|input| (&input.bytes[..], input.deaths)).collect();
    assert_eq!(seen, [(&b"good"[..], 0), (b"poison", 1), (b"late", 0)]);
    // A death before anything is in hand again is nobody's fault.
    let (reopened, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    journal = reopened;
    assert_eq!(recovered.undecided[1].deaths, 1);
    journal.in_hand(0);
    journal.in_hand(1);
    let (mut journal, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered.set_aside.len(), 1);
    assert_eq!(
        (&recovered.set_aside[0].source[..], &recovered.set_aside[0].bytes[..]),
        (&b"b"[..], &b"poison"[..])
    );
    assert_eq!(recovered.undecided.len(), 2);
    journal.in_hand(0);
    journal.in_hand(1);
    journal.commit();
    let (_, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered, Recovered::default());
}

#[test]
fn an_input_that_panicked_is_not_decided_again() {
    let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
    journal.begin([(&b"a"[..], &b"good"[..]), (b"b", b"poison")]);
    journal.in_hand(1);
    journal.set_aside(1);
    let (_, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered.undecided.len(), 1);
    assert_eq!(recovered.set_aside[0].bytes, b"poison");
}

#[test]
fn a_full_ring_goes_on_unprotected_and_counts() {
    let mut journal = Journal::create_with(blank(6), now(), SEGMENT).unwrap();
    let mut refused = 0;
    for key in 0..60 {
        journal.begin([(&b""[..], &b"input"[..])]);
        refused += u64::from(journal.append(&record(1, key, &[9; 100])) == Kept::Unprotected);
        journal.commit();
        journal.sent();
    }
    let stats = journal.stats();
    assert!(refused > 0 && stats.unprotected == refused);
    assert!(stats.live_bytes <= stats.capacity);
    assert_eq!(stats.live_records as u64, 60 - refused);
    // What is kept stays kept while the ring turns on, and there is room again once something ends.
    for _ in 0..50 {
        journal.begin([(&b""[..], &[0; 200][..])]);
        journal.commit();
    }
    assert_eq!(journal.append(&record(1, 0, &[])), Kept::Safe);
    journal.commit();
    assert_eq!(journal.append(&record(1, 99, &[9; 100])), Kept::Safe);
    journal.commit();
    let (reopened, recovered) = Journal::open_with(journal.into_region(), now(), SEGMENT).unwrap();
    assert_eq!(recovered.damage, []);
    assert_eq!(reopened.live().count() as u64, 60 - refused);
}

#[test]
fn a_record_larger_than_a_segment_goes_unprotected() {
    let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
    assert_eq!(journal.append(&record(1, 1, &[1; SEGMENT])), Kept::Unprotected);
    assert_eq!(journal.append(&record(1, 1, &[1; 100])), Kept::Safe);
    journal.commit();
    assert_eq!(journal.stats().unprotected, 1);
}

#[test]
fn a_broken_state_is_named_and_the_one_before_it_counts() {
    let mut journal = Journal::create_with(blank(4), now(), SEGMENT).unwrap();
    for body in [b"old", b"new"] {
        let _ = journal.append(&record(7, 42, body));
        journal.commit();
    }
    let mut region = journal.into_region();
    let at = region.windows(3).position(|bytes| bytes == b"new").expect("the newer body");
    region[at] ^= 1;
    let (journal, recovered) = Journal::open_with(region, now(), SEGMENT).unwrap();
    assert_eq!(journal.latest(Tag(7), Key(42)), Some(&b"old"[..]));
    assert_eq!(recovered.damage.len(), 1);
    assert_eq!(recovered.damage[0].what, What::State(Tag(7), Key(42)));
}

#[test]
fn a_ring_of_another_format_is_left_alone() {
    let mut region = Journal::create_with(blank(4), now(), SEGMENT).unwrap().into_region();
    region[8] = 2;
    let check = crc32fast::hash(&region[..28]).to_le_bytes();
    region[28..32].copy_from_slice(&check);
    let error = Journal::open_with(region, now(), SEGMENT).unwrap_err();
    assert_eq!(error.to_string(), "the journal is of format 2, and this release reads format 1");
}

/// A ring that was written a few times round, and its last checkpoint: what was written since is less than all.
fn far_gone() -> (Vec<u8>, Model) {
    let mut journal = Journal::create_with(blank(36), now(), SEGMENT).unwrap();
    let mut model = Model::new();
    for number in 0..400u128 {
        let step = Step {
            inputs: vec![vec![1; 60]],
            records: vec![(1, number % 50, vec![number as u8; 40]), (2, 7, vec![number as u8; 10])],
            outgoing: vec![vec![2; 50]],
        };
        whole(&mut journal, &step);
        apply(&mut model, &step);
    }
    (journal.into_region(), model)
}

#[test]
fn behind_a_checkpoint_only_what_lives_is_read() {
    let (region, model) = far_gone();
    let mut untold = 0;
    for at in (4096..4096 + 34 * SEGMENT).step_by(8) {
        let mut broken = region.clone();
        broken[at] ^= 1;
        let (mut reopened, mut recovered) = Journal::open_with(broken, now(), SEGMENT).unwrap();
        recovered.damage.extend(reopened.show(|_| true, |_| ()));
        let found = live(&reopened);
        let wrong = model.iter().filter(|(key, body)| found.get(key) != Some(body)).count();
        assert!(wrong <= 1 && found.len() <= model.len(), "at {at}");
        assert!(wrong == 0 || !recovered.damage.is_empty(), "at {at}");
        untold += usize::from(recovered.damage.is_empty());
    }
    // Had the whole ring been read, nearly every flip would have been seen.
    assert!((1500..4000).contains(&untold), "{untold}");
}

#[test]
fn a_broken_checkpoint_is_passed_over() {
    let (region, model) = far_gone();
    for at in (4096 + 34 * SEGMENT..region.len()).step_by(3) {
        let mut broken = region.clone();
        broken[at] ^= 0x10;
        let (reopened, recovered) = Journal::open_with(broken, now(), SEGMENT).unwrap();
        assert!(live(&reopened) == model && recovered.damage.is_empty(), "at {at}: {:?}", recovered.damage);
    }
}
