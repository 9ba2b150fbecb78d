//! What every member of the bus can rely on, whichever face it speaks through.

#![allow(clippy::unwrap_used)]

mod joined;
mod members;
mod process;
mod seam;

use std::time::{Duration, Instant};

use contract::TenantId;
use contract::account::{Found, LookUp};
use contract::media::{Anchor, Gauge};
use contract::query::Gauges;
use members::{Dir, OneHost, thread, thread_on};
use strowger_bus::{Client, Member, Server, Topology};

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
