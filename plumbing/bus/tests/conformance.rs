//! What every member of the bus can rely on, whichever face it speaks through.

#![allow(clippy::unwrap_used)]

mod joined;
mod members;
mod process;
mod seam;

use std::time::{Duration, Instant};

use contract::account::{Found, LookUp};
use contract::media::{Anchor, Gauge};
use contract::query::Gauges;
use contract::record::CallRecord;
use contract::{CallId, Stream, TenantId};
use members::{Dir, OneHost, thread, thread_on};
use strowger_bus::durable::{Consumer, Entry, Streams, bring};
use strowger_bus::{Client, KeptStreams, Member, Server, Topology};

promises! { OneHost }

fn who(name: &str) -> LookUp {
    LookUp { tenant: TenantId(7), name: name.into() }
}

fn nobody() -> Server {
    Server::new().on(|_: LookUp| async { Ok::<_, String>(Found::Nobody) })
}

#[tokio::test]
async fn a_member_whose_socket_is_not_there_is_known_to_be_away_at_once() {
    let dir = Dir::new();
    let topology = Topology::new(dir.path(), 1);
    let began = Instant::now();
    let error = Client::local(topology.clone()).ask(None, &who("anna")).await.unwrap_err();
    assert_eq!(error.to_string(), "api.look_up was not answered within 500 ms");
    assert!(began.elapsed() < Duration::from_millis(900));

    topology.bind(Member::Signalling(0)).unwrap();
    let thread = thread(&topology, Member::Signalling(0));
    let error = thread.ask(1, &who("anna")).unwrap_err();
    assert!(error.to_string().starts_with("office cannot be reached"), "{error}");
    assert_eq!(thread.counters().refused, 1);
}

#[tokio::test]
async fn a_member_whose_socket_is_held_answers_what_was_asked_meanwhile() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let held_by_the_supervisor = topology.bind(Member::Office).unwrap();
    let client = Client::local(topology.clone());
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { client.ask(None, &who("anna")).await })
    };
    let mut thread = thread(&topology, Member::Signalling(0));
    thread.ask(1, &who("bert")).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _office = tokio::spawn(nobody().serve(held_by_the_supervisor.try_clone().unwrap()));
    assert_eq!(asking.await.unwrap().unwrap(), Found::Nobody);
    assert_eq!(thread.next().await.envelope.id, 1);
}

#[tokio::test]
async fn what_a_dying_member_left_unanswered_is_asked_again_at_its_successor() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let listener = topology.bind(Member::Media).unwrap();
    let mut media = thread_on(&topology, listener.try_clone().unwrap());
    let mut exchange = thread(&topology, Member::Signalling(0));
    let client = Client::local(topology.clone());
    let asking = tokio::spawn(async move { client.ask(None, &Gauge::default()).await });
    exchange.ask(77, &Anchor::default()).unwrap();
    let heard = [media.next().await.envelope.subject, media.next().await.envelope.subject];
    assert!(heard.contains(&"media.anchor".into()) && heard.contains(&"media.gauge".into()), "{heard:?}");
    drop(media);

    let successor = thread_on(&topology, listener).answering::<Gauge>(Gauges::default());
    let answer = exchange.next().await;
    assert_eq!(answer.envelope.id, 77, "said on a new connection, without asking again");
    assert_eq!(exchange.counters().repeated, 1);
    asking.await.unwrap().unwrap();
    drop(successor);
}

#[tokio::test]
async fn a_request_that_kills_its_hearer_is_not_repeated_for_ever() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let listener = topology.bind(Member::Media).unwrap();
    let mut exchange = thread(&topology, Member::Signalling(0));
    exchange.ask(1, &Anchor::default()).unwrap();
    for _ in 0..2 {
        let mut media = thread_on(&topology, listener.try_clone().unwrap());
        tokio::select! {
            heard = media.next() => assert_eq!(heard.envelope.id, 1),
            _ = exchange.next() => unreachable!("nobody answers"),
        }
    }
    let mut media = thread_on(&topology, listener);
    tokio::select! {
        heard = media.next() => panic!("said a third time: {heard:?}"),
        _ = exchange.next() => unreachable!("nobody answers"),
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_a_bounded_queue() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let _deaf = topology.bind(Member::Office).unwrap();
    let thread = thread(&topology, Member::Signalling(0));
    let long = LookUp { tenant: TenantId(1), name: "x".repeat(100_000) };
    let mut refused = None;
    for id in 0..200 {
        if let Err(error) = thread.ask(id, &long) {
            refused = Some((id, error));
            break;
        }
    }
    let (taken, error) = refused.expect("twenty megabytes fit nowhere");
    assert_eq!(error.to_string(), "too much waits to be said already");
    assert!((40..60).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_process_killed_again_and_again_costs_no_answer() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let listener = topology.bind(Member::Media).unwrap();
    let client = Client::local(topology);
    let asking = tokio::spawn(async move {
        let (mut answered, mut pids) = (0, std::collections::BTreeSet::new());
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            let gauges = client.ask(None, &Gauge::default()).await.unwrap();
            pids.insert(gauges.values[0].1 as u32);
            answered += 1;
        }
        (answered, pids)
    });
    let mut killed = 0;
    while !asking.is_finished() {
        let mut process = process::Process::start("media_process", &listener);
        tokio::time::sleep(Duration::from_millis(250)).await;
        process.kill();
        killed += 1;
    }
    let (answered, pids) = asking.await.unwrap();
    assert!(killed > 3 && pids.len() > 3 && answered > 100, "{killed} {pids:?} {answered}");
}

/// Not a test: the process that the test above kills.
#[tokio::test]
async fn media_process() {
    let Some(listener) = process::dealt() else { return };
    let server = Server::new().on(|_: Gauge| async {
        let values = vec![("pid".into(), f64::from(std::process::id()))];
        Ok::<_, String>(Gauges { values })
    });
    server.serve(listener).await.unwrap();
}

fn entries(calls: std::ops::Range<u64>) -> Vec<Entry> {
    let record = |id| CallRecord { id: CallId(id), ..CallRecord::default() };
    calls.map(|id| Entry::of(&record(id))).collect()
}

#[tokio::test]
async fn what_reaches_the_disk_together_is_kept_once_each_and_in_order() {
    let dir = Dir::new();
    let streams = KeptStreams::open(dir.path().join("streams")).unwrap();
    streams.append_all(Stream::Records, entries(0..5)).await.unwrap();
    streams.append_all(Stream::Records, [entries(3..8), entries(7..9)].concat()).await.unwrap();
    let successor = KeptStreams::open(dir.path().join("streams")).unwrap();
    successor.append_all(Stream::Records, entries(8..10)).await.unwrap();
    assert_eq!(heard(&streams, "all").await, entries(0..10));
}

#[tokio::test]
async fn what_is_brought_from_stream_to_stream_is_there_once_whoever_dies_meanwhile() {
    let dir = Dir::new();
    let here = KeptStreams::open(dir.path().join("here")).unwrap();
    let there = KeptStreams::open(dir.path().join("there")).unwrap();
    here.append_all(Stream::Records, entries(0..100)).await.unwrap();
    // Each one is killed at some place, and the next goes on.
    for millis in 1..6 {
        let mut consumer = here.consumer(Stream::Records, "carrier").await.unwrap();
        let bringing = bring(&mut consumer, &there, Stream::Records);
        let _ = tokio::time::timeout(Duration::from_millis(millis * 3), bringing).await;
    }
    let mut consumer = here.consumer(Stream::Records, "carrier").await.unwrap();
    let bringing = bring(&mut consumer, &there, Stream::Records);
    let _ = tokio::time::timeout(Duration::from_secs(3), bringing).await;
    assert_eq!(heard(&there, "all").await, entries(0..100));
}

async fn heard(streams: &KeptStreams, name: &str) -> Vec<Entry> {
    let mut consumer = streams.consumer(Stream::Records, name).await.unwrap();
    let mut heard = Vec::new();
    while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(300), consumer.next()).await {
        consumer.ack(&delivery).await.unwrap();
        heard.push(delivery.entry);
    }
    heard
}
