//! Requests and notices.

use std::time::{Duration, Instant};

use contract::account::{Changed, Found, ListTenants, LookUp, Number, Tenants};
use contract::query::{Gauge, Gauges, HangUp, HungUp, Ladder, Rung, ShowLadder};
use contract::record::{Keep, Kept};
use contract::{Kind, NodeId, TenantId, To};
use machine::Shard;
use strowger_bus::{Server, Unanswered};

use super::{Looped, Stage};

fn who(name: &str) -> LookUp {
    LookUp { tenant: TenantId(7), name: name.into() }
}

fn nobody() -> Server {
    Server::new().on(|_: LookUp| async { Ok::<_, String>(Found::Nobody) })
}

fn gauges(thread: u16) -> Gauges {
    Gauges { values: vec![("thread".into(), f64::from(thread))] }
}

pub(crate) async fn a_request_is_answered_by_the_role_that_it_is_for<S: Stage>() {
    let stage = S::new(1).await;
    let _office = stage.office(nobody());
    stage.settle().await;
    assert_eq!(stage.client().ask(None, &who("anna")).await.unwrap(), Found::Nobody);
}

pub(crate) async fn a_loop_in_epoll_asks_and_is_asked<S: Stage>() {
    let stage = S::new(1).await;
    let _office = stage.office(nobody());
    let mut thread = Looped::start(stage.signalling(0));
    stage.settle().await;
    thread.ask(5, &who("anna")).unwrap();
    let answer = thread.next().await;
    assert_eq!((answer.envelope.kind, answer.envelope.id), (Kind::Answer, 5));
    assert_eq!(contract::decode::<Found>(&answer.envelope.body).unwrap(), Found::Nobody);

    let client = stage.client();
    let asking = tokio::spawn(async move { client.ask(Some(Shard::of(9)), &HangUp::default()).await });
    let request = thread.next().await;
    assert_eq!(request.envelope.subject, "exchange.hang_up");
    assert_eq!(request.envelope.shard, Some(Shard::of(9)));
    thread.answer::<HangUp>(&request, &HungUp { found: true });
    assert!(asking.await.unwrap().unwrap().found);
}

pub(crate) async fn a_shard_is_asked_at_its_owner_and_a_role_at_all_its_members<S: Stage>() {
    let stage = S::new(3).await;
    let _threads: Vec<_> = (0..3)
        .map(|number| Looped::start(stage.signalling(number)).answering::<Gauge>(gauges(number)))
        .collect();
    let client = stage.client();
    stage.settle().await;
    for shard in [0_u16, 1, 2, 17, 4095] {
        let owner = client.ask(Some(Shard::of(u64::from(shard))), &Gauge::default()).await.unwrap();
        assert_eq!(owner, gauges(shard % 3));
    }
    let all = client.ask_all(&Gauge::default()).await;
    let seen: Vec<_> =
        all.iter().map(|(name, gauges)| (name.as_str(), gauges.as_ref().unwrap().values[0].1)).collect();
    assert_eq!(seen, [("signalling-0", 0.0), ("signalling-1", 1.0), ("signalling-2", 2.0)]);
}

pub(crate) async fn a_message_of_a_megabyte_passes<S: Stage>() {
    let stage = S::new(1).await;
    let rung = Rung { message: vec![b'x'; 60_000], ..Rung::default() };
    let ladder = Ladder { rungs: vec![rung; 30] };
    let _thread = Looped::start(stage.signalling(0)).answering::<ShowLadder>(ladder.clone());
    stage.settle().await;
    assert_eq!(stage.client().ask(None, &ShowLadder::default()).await.unwrap(), ladder);
}

pub(crate) async fn a_notice_reaches_whom_it_is_for<S: Stage>() {
    let stage = S::new(2).await;
    let mut threads: Vec<_> = (0..2).map(|number| Looped::start(stage.signalling(number))).collect();
    let client = stage.client();
    stage.settle().await;
    let changed = |name: &str| Changed { tenant: TenantId(1), name: Some(name.into()) };
    client.tell(None, &changed("for all")).unwrap();
    for thread in &mut threads {
        let notice = thread.next().await;
        assert_eq!(contract::decode::<Changed>(&notice.envelope.body).unwrap(), changed("for all"));
    }
    client.tell(Some(Shard::of(17)), &changed("for one")).unwrap();
    let notice = threads[1].next().await;
    assert_eq!(contract::decode::<Changed>(&notice.envelope.body).unwrap(), changed("for one"));
    assert_eq!(threads[0].waiting(), 0);
}

pub(crate) async fn a_request_to_anyone_is_heard_by_one<S: Stage>() {
    let stage = S::new(3).await;
    let mut threads: Vec<_> = (0..3).map(|number| Looped::start(stage.signalling(number))).collect();
    let client = stage.client();
    stage.settle().await;
    let asking: Vec<_> = (0..9)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.ask_at(To::Any, &Gauge::default()).await })
        })
        .collect();
    let mut heard = 0;
    let until = Instant::now() + Duration::from_millis(800);
    while Instant::now() < until && asking.iter().any(|asked| !asked.is_finished()) {
        for thread in &mut threads {
            while thread.waiting() > 0 {
                let request = thread.next().await;
                heard += 1;
                thread.answer::<Gauge>(&request, &Gauges::default());
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(heard, 9);
}

pub(crate) async fn a_node_is_asked_by_its_number<S: Stage>() {
    let stage = S::new(1).await;
    let _media = Looped::start(stage.media()).answering::<contract::media::Gauge>(Gauges { values: vec![] });
    stage.settle().await;
    let to = To::Node(NodeId(100));
    stage.client().ask_at(to, &contract::media::Gauge::default()).await.unwrap();
}

pub(crate) async fn a_handler_that_fails_or_dies_leaves_the_others_alone<S: Stage>() {
    let stage = S::new(1).await;
    let server = Server::new().on(|_: ListTenants| async { Err::<Tenants, _>("the store is away") }).on(
        |request: LookUp| async move {
            assert_ne!(request.name, "poison");
            Ok::<_, String>(Found::Nobody)
        },
    );
    let served = server.served();
    let _office = stage.office(server);
    let client = stage.client();
    stage.settle().await;
    assert!(matches!(client.ask(None, &ListTenants::default()).await, Err(Unanswered::Late { .. })));
    assert!(matches!(client.ask(None, &who("poison")).await, Err(Unanswered::Late { .. })));
    assert_eq!(client.ask(None, &who("anna")).await.unwrap(), Found::Nobody);
    assert_eq!(served.answered(), 1);
}

pub(crate) async fn nobody_there_is_said_in_the_time_of_the_conversation<S: Stage>() {
    let stage = S::new(1).await;
    let client = stage.client();
    stage.settle().await;
    let began = Instant::now();
    let error = client.ask(None, &who("anna")).await.unwrap_err();
    assert_eq!(error.to_string(), "api.look_up was not answered within 500 ms");
    assert!(began.elapsed() < Duration::from_millis(900));
}

pub(crate) async fn a_member_that_is_being_started_answers_what_was_asked_meanwhile<S: Stage>() {
    let stage = S::new(1).await;
    let client = stage.client();
    let asking = tokio::spawn(async move { client.ask(None, &Keep::default()).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let _office = stage.office(Server::new().on(|_: Keep| async { Ok::<_, String>(Kept::default()) }));
    asking.await.unwrap().unwrap();
}

pub(crate) async fn many_askers_at_once_each_get_their_own_answer<S: Stage>() {
    let stage = S::new(1).await;
    let server = Server::new().on(|request: LookUp| async move {
        let number = Number { number: request.name, ..Default::default() };
        Ok::<_, String>(Found::Number(number))
    });
    let _office = stage.office(server);
    let client = stage.client();
    stage.settle().await;
    let asking: Vec<_> = (0..1_000)
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
