//! What a successor's first milliseconds go into: mapping a ring on tmpfs and opening the journal in it.
//!
//! `cargo run --release -p strowger-host --example take_over`

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use journal::Journal;
use machine::{Key, Moment, Record, Shard, Tag};
use strowger_io::{Clock, MappedFile};

fn main() {
    let path = format!("/dev/shm/strowger-take-over-{}", std::process::id());
    let path = Path::new(&path);
    let clock = Clock::start(Moment::START);
    let region = MappedFile::create(path, 64 << 20).unwrap();
    let mut journal = Journal::create(region, clock.now()).unwrap();
    for key in 0..100_000u128 {
        let record = Record { tag: Tag(1), shard: Shard::of(key as u64), key: Key(key), body: vec![7; 250] };
        let _ = journal.append(&record);
        journal.commit();
    }
    drop(journal);
    for _ in 0..5 {
        let start = Instant::now();
        let region = MappedFile::create(path, 64 << 20).unwrap();
        let mapped = start.elapsed();
        let (journal, recovered) = Journal::open(region, clock.now()).unwrap();
        assert!(!recovered.fresh && journal.stats().live_records == 100_000);
        println!("mapped after {mapped:?}, 100,000 records open after {:?}", start.elapsed());
    }
    std::fs::remove_file(path).unwrap();
}
