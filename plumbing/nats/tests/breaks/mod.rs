//! Servers that go and come back, or never were there.

use std::time::{Duration, Instant};

use bus::durable::{DurableError, Entry, Streams};
use bus::{Addressed, Carrier, Mailbox, NotSent, Server as Answers, Unanswered};
use contract::account::{Changed, Doubt, Found, LookUp};
use contract::event::CallEvent;
use contract::record::{Keep, Kept};
use contract::{Envelope, NodeId, Notice, Role, Stream, TenantId, To};
use strowger_nats::{Nats, Options};

use crate::across::{connect, signalling, who};
use crate::seam::{Gone, Looped};
use crate::server::{Server, folder, free_port};

fn anna() -> LookUp {
    LookUp { tenant: TenantId(7), name: "anna".into() }
}

fn office(nats: Nats) -> Gone {
    let answers = Answers::new().on(|_: LookUp| async { Ok::<_, String>(Found::Nobody) });
    Gone::spawn(async move { nats.serve(who("office", 200, &[Role::Api]), answers).await })
}

/// How long it takes until a request is answered.
async fn until_answered(nats: &Nats) -> Duration {
    let (client, began) = (nats.client(), Instant::now());
    while client.ask(None, &anna()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "never");
    }
    began.elapsed()
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn nobody_waits_for_a_dead_server() {
    let mut server = Server::start();
    let nats = connect(&server);
    let _office = office(connect(&server));
    until_answered(&nats).await;
    let mut mailbox = signalling(&nats, 0, 1);
    server.kill();
    while nats.is_connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let changed = Envelope::notice(None, &Changed { tenant: TenantId(1), name: Some("x".repeat(1000)) });
    let request = Envelope::request(1, None, &anna());
    let (mut slowest, mut taken) = (Duration::ZERO, 0);
    for _ in 0..20_000 {
        let began = Instant::now();
        mailbox.send(&changed).unwrap();
        taken += u64::from(mailbox.send(&request).is_ok());
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_millis(50), "a loop was held up for {slowest:?}");
    assert!(matches!(mailbox.send(&request), Err(NotSent::Full)));
    let counters = mailbox.counters();
    assert!(taken < 5_000 && counters.refused > 15_000 && counters.dropped > 15_000, "{counters:?}");

    let began = Instant::now();
    let asked = nats.client().ask(None, &anna()).await;
    assert!(matches!(asked, Err(Unanswered::NotSent { source: NotSent::Full, .. })), "{asked:?}");
    let appended = nats.streams().append(Stream::Events, Entry::of(&CallEvent::default())).await;
    assert!(matches!(appended, Err(DurableError::Late { .. })), "{appended:?}");
    assert!(began.elapsed() < Duration::from_secs(7));

    server.run();
    let took = until_answered(&nats).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    nats.streams().append(Stream::Events, Entry::of(&CallEvent::default())).await.unwrap();
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn what_was_asked_when_the_connection_broke_is_asked_again_once() {
    let mut server = Server::start();
    let nats = connect(&server);
    let mut api = Looped::start(connect(&server).mailbox(who("api", 1, &[Role::Api])).unwrap());
    let client = nats.client();
    let patiently = Duration::from_secs(30);
    let request = Addressed::request(To::Any, &Keep::default());
    let asking = tokio::spawn(async move { client.carrier().request(request, patiently).await });
    assert_eq!(api.next().await.envelope.subject, "api.keep_records");
    server.kill();
    server.run();
    let again = api.next().await;
    api.answer::<Keep>(&again, &Kept::default());
    asking.await.unwrap().unwrap();
    assert_eq!((nats.traffic().broken, nats.traffic().repeated), (1, 1));
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn a_server_that_comes_later_is_found() {
    let (port, folder) = (free_port(), folder());
    let servers = vec![format!("nats://127.0.0.1:{port}")];
    let nats = Nats::start(Options { servers, ..Options::default() }).unwrap();
    let _office = office(nats.clone());
    assert!(matches!(nats.client().ask(None, &anna()).await, Err(Unanswered::Late { .. })));
    let _server = Server::on(port, folder, "");
    let took = until_answered(&nats).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn what_is_too_long_for_the_server_is_said_at_once() {
    let server = Server::start();
    let nats = connect(&server);
    let _office = office(nats.clone());
    until_answered(&nats).await;
    let long = LookUp { tenant: TenantId(1), name: "x".repeat(9 << 20) };
    let error = nats.client().ask(None, &long).await.unwrap_err();
    assert!(matches!(error, Unanswered::NotSent { source: NotSent::TooLong { .. }, .. }), "{error}");
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn who_goes_is_missed_and_who_gave_his_shards_away_is_not_asked() {
    let server = Server::start();
    let nats = connect(&server);
    let (mut one, other) = (Looped::start(signalling(&nats, 0, 1)), connect(&server));
    let mut buddy = Looped::start(other.mailbox(who("buddy", 1, &[Role::Exchange])).unwrap());
    nats.flush(Duration::from_secs(1)).await;
    other.flush(Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let names =
        |nats: &Nats| nats.members(Role::Exchange).into_iter().map(|who| who.name).collect::<Vec<_>>();
    assert_eq!(names(&nats), ["buddy", "signalling-0"]);

    let shard = machine::Shard::of(17);
    let client = nats.client();
    client.tell(Some(shard), &Changed::default()).unwrap();
    one.next().await;
    one.with(|mailbox| mailbox.own([]));
    buddy.with(move |mailbox| mailbox.own([shard]));
    nats.flush(Duration::from_secs(1)).await;
    other.flush(Duration::from_secs(1)).await;
    client.tell(Some(shard), &Changed::default()).unwrap();
    buddy.next().await;
    assert_eq!(one.waiting(), 0);
    drop(one);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(names(&nats), ["buddy"]);
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn an_exchange_that_may_have_missed_notices_is_told() {
    let mut server = Server::start();
    let mut exchange = Looped::start(signalling(&connect(&server), 0, 1));
    let media = Looped::start(connect(&server).mailbox(who("media", 1, &[Role::Media])).unwrap());
    until_answered_by(&server).await;
    assert_eq!(exchange.waiting(), 0);
    server.kill();
    server.run();
    assert_eq!(exchange.next().await.envelope.subject, Doubt::SUBJECT.to_string());
    assert_eq!(media.waiting(), 0, "it remembers no accounts");
}

async fn until_answered_by(server: &Server) {
    let nats = connect(server);
    let _office = office(connect(server));
    until_answered(&nats).await;
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn what_is_said_to_all_beyond_a_node_is_not_heard_there() {
    let server = Server::start();
    let beyond = |node| {
        let servers = vec![server.url()];
        Nats::start(Options { servers, beyond: Some(NodeId(node)), ..Options::default() }).unwrap()
    };
    let (one, other) = (beyond(1), beyond(2));
    let (first, second) = (who("office-1", 1, &[Role::Api]), who("office-2", 2, &[Role::Api]));
    let mut here = Looped::start(one.mailbox(first).unwrap());
    let mut there = Looped::start(other.mailbox(second).unwrap());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(one.members(Role::Api).len(), 2);

    one.client().tell(None, &CallEvent::default()).unwrap();
    there.next().await;
    assert_eq!(here.waiting(), 0);
    let client = one.client();
    let asking = tokio::spawn(async move { client.ask_all(&anna()).await });
    let asked = there.next().await;
    there.answer::<LookUp>(&asked, &Found::Nobody);
    let answers = asking.await.unwrap();
    assert!(matches!(&answers[..], [(name, Ok(Found::Nobody))] if name == "office-2"), "{answers:?}");
    other.client().tell(None, &CallEvent::default()).unwrap();
    here.next().await;
    // Where there is nobody else, no answer is waited for.
    let began = Instant::now();
    assert_eq!(one.client().ask_all(&contract::media::Gauge {}).await.len(), 0);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test]
#[cfg_attr(no_nats_server, ignore = "nats-server is not installed")]
async fn of_the_members_of_a_node_the_one_of_that_role_is_meant() {
    let server = Server::start();
    let nats = connect(&server);
    let mut office = Looped::start(connect(&server).mailbox(who("office-1", 1, &[Role::Api])).unwrap());
    let media = Looped::start(connect(&server).mailbox(who("media-1", 1, &[Role::Media])).unwrap());
    let client = nats.client();
    let asking = tokio::spawn(async move { client.ask_at(To::Node(NodeId(1)), &anna()).await });
    let asked = office.next().await;
    office.answer::<LookUp>(&asked, &Found::Nobody);
    assert_eq!(asking.await.unwrap().unwrap(), Found::Nobody);
    assert_eq!(media.waiting(), 0);
}
