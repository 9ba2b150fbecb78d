//! What every member of the bus can rely on, whichever face it speaks through.

#![allow(clippy::unwrap_used)]

mod members;
mod process;

use std::time::{Duration, Instant};

use contract::account::{Changed, Found, ListTenants, LookUp, Tenants};
use contract::media::{Anchor, Gauge};
use contract::query::{Gauges, HangUp, HungUp, Ladder, Rung, ShowLadder};
use contract::{Kind, TenantId};
use machine::Shard;
use members::{Dir, Thread, office};
use strowger_bus::{Client, Member, Server, Topology, Unanswered};

fn who(name: &str) -> LookUp {
    LookUp { tenant: TenantId(7), name: name.into() }
}

fn nobody() -> Server {
    Server::new().on(|_: LookUp| async { Ok::<_, String>(Found::Nobody) })
}

#[tokio::test]
async fn a_request_is_answered_by_the_role_that_it_is_for() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let _office = office(&topology, nobody());
    let client = Client::local(topology);
    assert_eq!(client.ask(None, &who("anna")).await.unwrap(), Found::Nobody);
}

#[tokio::test]
async fn a_thread_in_epoll_asks_and_is_asked() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let _office = office(&topology, nobody());
    let mut thread = Thread::start(&topology, Member::Signalling(0));
    thread.ask(5, &who("anna")).unwrap();
    let answer = thread.next().await;
    assert_eq!((answer.envelope.kind, answer.envelope.id), (Kind::Answer, 5));
    assert_eq!(contract::decode::<Found>(&answer.envelope.body).unwrap(), Found::Nobody);

    let client = Client::local(topology);
    let asking = tokio::spawn(async move { client.ask(Some(Shard::of(9)), &HangUp::default()).await });
    let request = thread.next().await;
    assert_eq!(request.envelope.subject, "exchange.hang_up");
    thread.answer::<HangUp>(&request, &HungUp { found: true });
    assert!(asking.await.unwrap().unwrap().found);
}

#[tokio::test]
async fn a_shard_is_asked_at_its_owner_and_a_role_at_all_its_members() {
    let dir = Dir::new();
    let topology = dir.topology(3);
    let _threads: Vec<_> = (0..3)
        .map(|number| {
            let gauges = Gauges { values: vec![("thread".into(), f64::from(number))] };
            Thread::start(&topology, Member::Signalling(number)).answering::<contract::query::Gauge>(gauges)
        })
        .collect();
    let client = Client::local(topology);
    for shard in [0_u16, 1, 2, 17, 4095] {
        let owner =
            client.ask(Some(Shard::of(u64::from(shard))), &contract::query::Gauge::default()).await.unwrap();
        assert_eq!(owner.values[0].1, f64::from(shard % 3));
    }
    let all = client.ask_all(&contract::query::Gauge::default()).await;
    let seen: Vec<_> =
        all.iter().map(|(name, gauges)| (name.as_str(), gauges.as_ref().unwrap().values[0].1)).collect();
    assert_eq!(seen, [("signalling-0", 0.0), ("signalling-1", 1.0), ("signalling-2", 2.0)]);
}

#[tokio::test]
async fn a_message_of_a_megabyte_passes() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let rung = Rung { message: vec![b'x'; 60_000], ..Rung::default() };
    let ladder = Ladder { rungs: vec![rung; 30] };
    let _thread = Thread::start(&topology, Member::Signalling(0)).answering::<ShowLadder>(ladder.clone());
    let client = Client::local(topology);
    assert_eq!(client.ask(None, &ShowLadder::default()).await.unwrap(), ladder);
}

#[tokio::test]
async fn a_notice_without_a_shard_reaches_every_thread() {
    let dir = Dir::new();
    let topology = dir.topology(2);
    let mut threads: Vec<_> =
        (0..2).map(|number| Thread::start(&topology, Member::Signalling(number))).collect();
    let changed = Changed { tenant: TenantId(1), name: Some("anna".into()) };
    Client::local(topology).tell(None, &changed).unwrap();
    for thread in &mut threads {
        let notice = thread.next().await;
        assert_eq!(contract::decode::<Changed>(&notice.envelope.body).unwrap(), changed);
    }
}

#[tokio::test]
async fn a_handler_that_fails_or_dies_leaves_the_others_alone() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let server = Server::new().on(|_: ListTenants| async { Err::<Tenants, _>("the store is away") }).on(
        |request: LookUp| async move {
            assert_ne!(request.name, "poison");
            Ok::<_, String>(Found::Nobody)
        },
    );
    let served = server.served();
    let _office = office(&topology, server);
    let client = Client::local(topology);
    assert!(matches!(client.ask(None, &ListTenants::default()).await, Err(Unanswered::Late { .. })));
    assert!(matches!(client.ask(None, &who("poison")).await, Err(Unanswered::Late { .. })));
    assert_eq!(client.ask(None, &who("anna")).await.unwrap(), Found::Nobody);
    assert_eq!(served.answered(), 1);
}

#[tokio::test]
async fn nobody_there_is_said_in_the_time_of_the_conversation() {
    let dir = Dir::new();
    let topology = Topology::new(dir.path(), 1);
    let began = Instant::now();
    let error = Client::local(topology.clone()).ask(None, &who("anna")).await.unwrap_err();
    assert_eq!(error.to_string(), "api.look_up was not answered within 500 ms");
    assert!(began.elapsed() < Duration::from_millis(900));

    topology.bind(Member::Signalling(0)).unwrap();
    let thread = Thread::start(&topology, Member::Signalling(0));
    let error = thread.ask(1, &who("anna")).unwrap_err();
    assert!(error.to_string().starts_with("office cannot be reached"), "{error}");
    assert_eq!(thread.counters().refused, 1);
}

#[tokio::test]
async fn a_member_that_is_being_started_answers_what_was_asked_meanwhile() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let held_by_the_supervisor = topology.bind(Member::Office).unwrap();
    let client = Client::local(topology.clone());
    let asking = {
        let client = client.clone();
        tokio::spawn(async move { client.ask(None, &who("anna")).await })
    };
    let mut thread = Thread::start(&topology, Member::Signalling(0));
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
    let mut media = Thread::on(&topology, listener.try_clone().unwrap());
    let mut exchange = Thread::start(&topology, Member::Signalling(0));
    let client = Client::local(topology.clone());
    let asking = tokio::spawn(async move { client.ask(None, &Gauge::default()).await });
    exchange.ask(77, &Anchor::default()).unwrap();
    let heard = [media.next().await.envelope.subject, media.next().await.envelope.subject];
    assert!(heard.contains(&"media.anchor".into()) && heard.contains(&"media.gauge".into()), "{heard:?}");
    drop(media);

    let successor = Thread::on(&topology, listener).answering::<Gauge>(Gauges::default());
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
    let mut exchange = Thread::start(&topology, Member::Signalling(0));
    exchange.ask(1, &Anchor::default()).unwrap();
    for _ in 0..2 {
        let mut media = Thread::on(&topology, listener.try_clone().unwrap());
        tokio::select! {
            heard = media.next() => assert_eq!(heard.envelope.id, 1),
            _ = exchange.next() => unreachable!("nobody answers"),
        }
    }
    let mut media = Thread::on(&topology, listener);
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
    let thread = Thread::start(&topology, Member::Signalling(0));
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
async fn many_askers_at_once_each_get_their_own_answer() {
    let dir = Dir::new();
    let topology = dir.topology(1);
    let server = Server::new().on(|request: LookUp| async move {
        let number = contract::account::Number { number: request.name, ..Default::default() };
        Ok::<_, String>(Found::Number(number))
    });
    let _office = office(&topology, server);
    let client = Client::local(topology);
    let asking: Vec<_> = (0..2_000)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { (number, client.ask(None, &who(&number.to_string())).await) })
        })
        .collect();
    for asked in asking {
        let (number, answer) = asked.await.unwrap();
        let Found::Number(found) = answer.unwrap() else { panic!("{number}") };
        assert_eq!(found.number, number.to_string());
    }
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
