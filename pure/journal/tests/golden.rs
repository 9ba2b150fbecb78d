//! The bytes of format 1, as every later release must be able to read them.

#![allow(clippy::unwrap_used)]

use machine::{Key, Moment, Record, Shard, Tag};
use strowger_journal::{Entry, Journal, Tail, log};

const RING: &[u8] = include_bytes!("golden/ring-1.bin");
const LOG: &[u8] = include_bytes!("golden/log-1.bin");

fn record(key: u128, body: &[u8]) -> Record {
    Record { tag: Tag(7), shard: Shard::of(4095), key: Key(key), body: body.to_vec() }
}

/// One batch committed and sent, one committed only, one begun.
fn ring() -> Vec<u8> {
    let region = vec![0; 4096 + 4 * 1024];
    let mut journal = Journal::create_with(region, Moment::from_micros(1_790_000_000_123_456), 1024).unwrap();
    journal.begin([(&b"udp 192.0.2.1:5060"[..], &b"REGISTER sip:example.com SIP/2.0"[..])]);
    journal.in_hand(0);
    let _ = journal.append(&record(1 << 100, b"a binding"));
    let _ = journal.append(&record(2, b"short-lived"));
    let _ = journal.outgoing(b"SIP/2.0 200 OK");
    journal.commit();
    journal.sent();
    let _ = journal.append(&record(2, b""));
    let _ = journal.outgoing(b"BYE sip:bob@example.com SIP/2.0");
    journal.commit();
    journal.begin([(&b"tcp"[..], &b"OPTIONS"[..]), (b"tcp", b"INVITE sip:poison")]);
    journal.in_hand(0);
    journal.in_hand(1);
    let _ = journal.append(&record(3, b"never committed"));
    journal.into_region()
}

fn log_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    log::begin(&mut bytes);
    let (tag, shard) = (Tag(7), Shard::of(4095));
    log::record(&mut bytes, &Entry { tag, shard, key: Key(1 << 100), body: b"a binding" });
    log::record(&mut bytes, &Entry { tag, shard, key: Key(2), body: b"" });
    log::mark(&mut bytes, Tail::start(&ring()).unwrap().position());
    bytes
}

/// Run with `GOLDEN=write` to write the files of a new format.
#[test]
fn this_release_writes_the_golden_bytes() {
    if std::env::var_os("GOLDEN").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
        std::fs::write(format!("{folder}/ring-1.bin"), ring()).unwrap();
        std::fs::write(format!("{folder}/log-1.bin"), log_bytes()).unwrap();
        return;
    }
    assert!(ring() == RING, "the ring's format has changed: give it a new version");
    assert!(log_bytes() == LOG, "the log's format has changed: give it a new version");
}

#[test]
fn this_release_reads_the_golden_ring() {
    let (journal, recovered) = Journal::open(RING.to_vec(), Moment::START).unwrap();
    let live: Vec<_> = journal.live().map(|entry| (entry.key, entry.body)).collect();
    assert_eq!(live, [(Key(1 << 100), &b"a binding"[..])]);
    assert_eq!(recovered.unsent, [b"BYE sip:bob@example.com SIP/2.0"]);
    let undecided: Vec<_> =
        recovered.undecided.iter().map(|input| (&input.bytes[..], input.deaths)).collect();
    assert_eq!(undecided, [(&b"OPTIONS"[..], 0), (b"INVITE sip:poison", 1)]);
    assert!(!recovered.fresh && recovered.damage.is_empty() && recovered.set_aside.is_empty());
}

#[test]
fn this_release_reads_the_golden_log() {
    let log = log::Log::read(LOG);
    let entries: Vec<_> = log.entries().map(|entry| (entry.key, entry.body)).collect();
    assert_eq!(entries, [(Key(1 << 100), &b"a binding"[..])]);
    assert_eq!(log.mark().unwrap().life, 1_790_000_000_123_456);
    assert!(log.damage().is_empty());
}
