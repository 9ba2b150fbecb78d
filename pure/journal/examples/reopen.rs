//! How long it takes to open a ring with 100,000 records of 250 bytes, and what a batch costs.
//!
//! `cargo run --release -p strowger-journal --example reopen`

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;

use machine::{Key, Moment, Record, Shard, Tag};
use strowger_journal::Journal;

const RECORDS: u128 = 100_000;
const BATCHES: u32 = 200_000;

fn main() {
    let region = vec![0u8; 4096 + 256 * strowger_journal::SEGMENT];
    let mut journal = Journal::create(region, Moment::from_secs(1)).unwrap();
    let body = vec![b'x'; 250];
    let record = |number: u128| Record {
        tag: Tag(1),
        shard: Shard::of(number as u64),
        key: Key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
        body: body.clone(),
    };
    let records: Vec<Record> = (0..RECORDS).map(record).collect();
    let start = Instant::now();
    for record in &records {
        journal.begin([(&b"udp"[..], &body[..])]);
        let _ = journal.append(record);
        journal.commit();
        journal.sent();
    }
    println!("{RECORDS} records kept, one a batch: {:?} each", start.elapsed() / RECORDS as u32);

    let invite = vec![b'i'; 1200];
    let start = Instant::now();
    for number in 0..BATCHES {
        journal.begin([(&b"udp 192.0.2.1:5060"[..], &invite[..])]);
        journal.in_hand(0);
        let _ = journal.append(&records[number as usize % 1000]);
        let _ = journal.outgoing(&invite);
        journal.commit();
        journal.sent();
    }
    let stats = journal.stats();
    println!(
        "a batch of an input and an output of 1,200 bytes and a record, {} MB live of {}: {:?}, {} bytes carried",
        stats.live_bytes >> 20,
        stats.capacity >> 20,
        start.elapsed() / BATCHES,
        stats.carried_bytes / u64::from(BATCHES),
    );
    assert_eq!(stats.unprotected, 0);

    let mut region = journal.into_region();
    for _ in 0..20 {
        let start = Instant::now();
        let (journal, recovered) = Journal::open(region, Moment::from_secs(2)).unwrap();
        let opened = start.elapsed();
        let bytes: usize = journal.live().map(|entry| entry.body.len()).sum();
        assert_eq!((bytes, recovered.damage.len()), (RECORDS as usize * 250, 0));
        println!("opened in {opened:?}, all read in {:?}", start.elapsed());
        region = journal.into_region();
    }
}
