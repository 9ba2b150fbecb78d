//! Two buses as one. Here the far one is another host's directory.

use contract::media::Gauge;
use contract::query::{self, Gauges};
use contract::{Role, To};
use machine::Shard;
use strowger_bus::{Client, Endpoint, Joined, Local, Member, Side};

use crate::members::{Dir, endpoint, thread};
use crate::seam::Looped;

/// Odd shards live on the other host, and so does the media.
fn map(role: Role, to: To) -> Side {
    match (role, to) {
        (Role::Media, _) => Side::Far,
        (_, To::Owner(shard)) if shard.number() % 2 == 1 => Side::Far,
        (_, To::All) => Side::Both,
        _ => Side::Near,
    }
}

fn gauges(host: f64) -> Gauges {
    Gauges { values: vec![("host".into(), host)] }
}

#[tokio::test]
async fn what_is_for_another_host_goes_there_and_all_else_stays() {
    let (here, there) = (Dir::new(), Dir::new());
    let (here, there) = (here.topology(1), there.topology(1));
    let _one = thread(&here, Member::Signalling(0)).answering::<query::Gauge>(gauges(1.0));
    let _other = thread(&there, Member::Signalling(0)).answering::<query::Gauge>(gauges(2.0));
    let client = Client::over(Joined::carrier(Local::new(here), Local::new(there), map));
    for (shard, host) in [(16, 1.0), (17, 2.0)] {
        let answer = client.ask(Some(Shard::of(shard)), &query::Gauge::default()).await.unwrap();
        assert_eq!(answer, gauges(host));
    }
    assert_eq!(client.ask_all(&query::Gauge::default()).await.len(), 2);
}

#[tokio::test]
async fn a_loop_hears_both_and_its_answers_find_back() {
    let (here, there) = (Dir::new(), Dir::new());
    let (here, there) = (here.topology(1), there.topology(1));
    let _media = thread(&there, Member::Media).answering::<Gauge>(gauges(2.0));
    let both = |member| -> Joined<Endpoint, Endpoint, _> {
        Joined::mailbox(endpoint(&here, member), endpoint(&there, member), map).unwrap()
    };
    let mut exchange = Looped::start(both(Member::Signalling(0)));
    exchange.ask(7, &Gauge::default()).unwrap();
    assert_eq!(exchange.next().await.envelope.id, 7);
    for topology in [&here, &there] {
        let client = Client::local(topology.clone());
        let asking = tokio::spawn(async move { client.ask(None, &query::Gauge::default()).await });
        let request = exchange.next().await;
        exchange.answer::<query::Gauge>(&request, &gauges(3.0));
        assert_eq!(asking.await.unwrap().unwrap(), gauges(3.0));
    }
}
