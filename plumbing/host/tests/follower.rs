//! What a power loss costs: the ring is destroyed, and the log on the disk has the rest.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use journal::{Journal, log::Log};
use machine::{Key, Moment, Record, Shard, Tag};
use strowger_host::follower::{Beside, Follower, FollowerSpec, FollowerStats};
use strowger_io::{Clock, MappedFile};

const BINDING: Tag = Tag(1);
const CALL: Tag = Tag(2);

type Model = BTreeMap<u128, Vec<u8>>;

struct Host {
    folder: PathBuf,
    megabytes: usize,
}

impl Host {
    fn new(name: &str, megabytes: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("strowger-follower-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Host { folder, megabytes }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("bindings.log")
    }

    fn journal(&self) -> (Journal<MappedFile>, Beside) {
        let region = MappedFile::create(&self.folder.join("ring"), self.megabytes << 20).unwrap();
        let (journal, recovered) = Journal::open(region, Clock::start(Moment::START).now()).unwrap();
        let beside = Beside::of(&journal, &recovered, &self.log()).unwrap();
        (journal, beside)
    }

    fn follow(&self, every_ms: u64) -> Follower {
        let spec = FollowerSpec {
            name: "follower".into(),
            ring: self.folder.join("ring"),
            log: self.log(),
            durable: |tag| tag == BINDING,
            every: Duration::from_millis(every_ms),
            after: Duration::ZERO,
        };
        Follower::start(spec).unwrap()
    }

    fn on_disk(&self) -> Model {
        let bytes = std::fs::read(self.log()).unwrap_or_default();
        Log::read(&bytes).entries().map(|entry| (entry.key.0, entry.body.to_vec())).collect()
    }

    fn destroy_ring(&self) {
        std::fs::remove_file(self.folder.join("ring")).unwrap();
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let by = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < by, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn keep(journal: &mut Journal<MappedFile>, tag: Tag, key: u128, body: &[u8]) {
    journal.begin([(&b"udp"[..], &b"REGISTER"[..])]);
    let shard = Shard::of(key as u64);
    let _ = journal.append(&Record { tag, shard, key: Key(key), body: body.to_vec() });
    journal.commit();
    journal.sent();
}

fn live(journal: &Journal<MappedFile>) -> Model {
    let live = journal.live().filter(|entry| entry.tag == BINDING);
    live.map(|entry| (entry.key.0, entry.body.to_vec())).collect()
}

#[test]
fn bindings_survive_the_ring_and_calls_do_not() {
    let host = Host::new("loss", 2);
    let (mut journal, beside) = host.journal();
    assert_eq!(beside.entries().count(), 0);
    let follower = host.follow(20);
    for key in 0..100 {
        keep(&mut journal, BINDING, key, b"sip:alice@192.0.2.1");
        keep(&mut journal, CALL, key, b"a call");
    }
    keep(&mut journal, BINDING, 7, b"");
    let start = Instant::now();
    host.until("not on the disk", || host.on_disk() == live(&journal));
    println!("on the disk after {:?}: {:?}", start.elapsed(), follower.stats());
    drop((follower, journal));
    host.destroy_ring();
    let (_, beside) = host.journal();
    let keys: Vec<_> = beside.entries().map(|entry| entry.key.0).collect();
    assert_eq!((keys.len(), keys.contains(&7)), (99, false));
    assert!(beside.entries().all(|entry| entry.body == b"sip:alice@192.0.2.1"));
}

#[test]
fn a_whole_ring_knows_better_than_the_log() {
    let host = Host::new("whole", 2);
    let (mut journal, _) = host.journal();
    keep(&mut journal, BINDING, 1, b"gone soon");
    drop(host.follow(20));
    keep(&mut journal, BINDING, 1, b"");
    drop(journal);
    assert_eq!(host.on_disk().len(), 1);
    let (_, beside) = host.journal();
    assert_eq!(beside.entries().count(), 0);
}

#[test]
fn a_successor_goes_on_where_the_follower_was() {
    let host = Host::new("resume", 2);
    let (mut journal, _) = host.journal();
    keep(&mut journal, BINDING, 1, b"one");
    drop(host.follow(20));
    keep(&mut journal, BINDING, 2, b"two");
    drop(journal);
    let (mut journal, _) = host.journal();
    keep(&mut journal, BINDING, 1, b"");
    let follower = host.follow(20);
    host.until("not on the disk", || host.on_disk() == live(&journal));
    assert_eq!(follower.stats().from_scratch, 0);
    // But another ring is another story, and only what it knows counts.
    drop((follower, journal));
    host.destroy_ring();
    let (mut journal, beside) = host.journal();
    assert_eq!(beside.entries().map(|entry| entry.body.to_vec()).collect::<Vec<_>>(), [b"two"]);
    keep(&mut journal, BINDING, 3, b"three");
    drop(host.follow(20));
    assert_eq!(host.on_disk(), live(&journal));
}

/// Each `round` leaves something else behind, so that who waits for it waits for the follower.
fn register(journal: &mut Journal<MappedFile>, round: u32, batches: u32, keys: u32) {
    for number in 0..batches {
        let len = 200 + number as usize % 100;
        keep(journal, BINDING, u128::from(number % keys), &vec![(number + round) as u8; len]);
        if number % 3 == 0 {
            keep(journal, BINDING, u128::from(number % 7), b"");
        }
    }
}

fn sound(follower: &Follower) -> FollowerStats {
    let stats = follower.stats();
    println!("{stats:?}");
    assert_eq!((stats.damaged, stats.failures), (0, 0));
    stats
}

#[test]
fn a_follower_keeps_up_with_a_writer_in_a_hurry_and_throws_history_away() {
    let host = Host::new("hurry", 64);
    let (mut journal, _) = host.journal();
    let follower = host.follow(1);
    // Whatever it looked at late is no history to it, so it is given more until it has some to throw away.
    for round in 0..50 {
        register(&mut journal, round, 20_000, 1000);
        host.until("the follower never catches up", || host.on_disk() == live(&journal));
        if sound(&follower).compactions > 0 {
            break;
        }
    }
    host.until("never thrown away", || sound(&follower).compactions > 0);
    let len = std::fs::metadata(host.log()).unwrap().len();
    assert!(host.on_disk().len() > 900 && len < 16 << 20, "the log has grown to {len} bytes");
}

#[test]
fn a_follower_that_was_overtaken_begins_anew() {
    let host = Host::new("overtaken", 2);
    let (mut journal, _) = host.journal();
    // It looks once, and then only when it is told to end: by then the ring has turned a dozen times.
    let follower = host.follow(3_600_000);
    host.until("never began", || follower.stats().from_scratch == 1);
    register(&mut journal, 0, 60_000, 500);
    drop(follower);
    assert_eq!(host.on_disk(), live(&journal));
}
