//! Streams and keys.

use std::time::{Duration, Instant};

use contract::event::{CallEvent, What};
use contract::record::CallRecord;
use contract::{CallId, Event, Stream, TenantId};
use strowger_bus::durable::{
    AGAIN, Change, Consumer, Delivery, DurableError, Entry, Keys, Streams, Value, Watch,
};

use super::Stage;

fn event(call: u64) -> CallEvent {
    CallEvent { call: CallId(call), tenant: TenantId(7), what: What::Rang, ..CallEvent::default() }
}

async fn append(streams: &impl Streams, calls: std::ops::Range<u64>) {
    for call in calls {
        streams.append(Stream::Events, Entry::of(&event(call))).await.unwrap();
    }
}

fn call(delivery: &Delivery) -> u64 {
    delivery.entry.read::<CallEvent>().unwrap().unwrap().call.0
}

async fn hear(consumer: &mut impl Consumer, count: usize) -> Vec<u64> {
    let mut heard = Vec::new();
    for _ in 0..count {
        let delivery = tokio::time::timeout(Duration::from_secs(5), consumer.next()).await.unwrap();
        heard.push(call(&delivery));
        consumer.ack(&delivery).await.unwrap();
    }
    heard
}

async fn is_quiet(consumer: &mut impl Consumer) -> bool {
    tokio::time::timeout(Duration::from_millis(300), consumer.next()).await.is_err()
}

pub(crate) async fn a_stream_is_heard_in_order_and_from_where_its_consumer_stopped<S: Stage>() {
    let stage = S::new(1).await;
    let (streams, other) = (stage.streams(), stage.streams());
    append(&streams, 0..10).await;
    let mut consumer = other.consumer(Stream::Events, "bridge").await.unwrap();
    assert_eq!(hear(&mut consumer, 4).await, [0, 1, 2, 3]);
    let unacknowledged = consumer.next().await;
    assert_eq!((call(&unacknowledged), unacknowledged.entry.topic.as_str()), (4, "call"));
    assert_eq!(unacknowledged.entry.tenant, TenantId(7));
    assert_eq!(unacknowledged.entry.id, event(4).id());
    drop(consumer);

    append(&other, 10..12).await;
    let record = CallRecord { id: CallId(3), ..CallRecord::default() };
    streams.append(Stream::Records, Entry::of(&record)).await.unwrap();
    let mut successor = stage.streams().consumer(Stream::Events, "bridge").await.unwrap();
    let until = Instant::now() + AGAIN + Duration::from_secs(5);
    let mut heard = Vec::new();
    while heard.len() < 8 && Instant::now() < until {
        let delivery = tokio::time::timeout_at(until.into(), successor.next()).await.unwrap();
        heard.push(call(&delivery));
        successor.ack(&delivery).await.unwrap();
    }
    heard.sort_unstable();
    assert_eq!(heard, [4, 5, 6, 7, 8, 9, 10, 11]);
    let mut records = streams.consumer(Stream::Records, "bridge").await.unwrap();
    assert_eq!(records.next().await.entry.read::<CallRecord>().unwrap().unwrap(), record);
}

pub(crate) async fn what_is_said_twice_is_kept_once<S: Stage>() {
    let stage = S::new(1).await;
    append(&stage.streams(), 0..3).await;
    append(&stage.streams(), 1..4).await;
    let mut consumer = stage.streams().consumer(Stream::Events, "bridge").await.unwrap();
    assert_eq!(hear(&mut consumer, 4).await, [0, 1, 2, 3]);
    assert!(is_quiet(&mut consumer).await);
}

pub(crate) async fn every_name_hears_all_and_those_who_share_it_share_the_entries<S: Stage>() {
    let stage = S::new(1).await;
    let streams = stage.streams();
    let mut alone = streams.consumer(Stream::Events, "alone").await.unwrap();
    let mut one = streams.consumer(Stream::Events, "shared").await.unwrap();
    let mut other = stage.streams().consumer(Stream::Events, "shared").await.unwrap();
    assert!(is_quiet(&mut one).await && is_quiet(&mut other).await && is_quiet(&mut alone).await);
    append(&streams, 0..20).await;
    assert_eq!(hear(&mut alone, 20).await, (0..20).collect::<Vec<_>>());
    let mut heard = Vec::new();
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while heard.len() < 20 {
        let (delivery, is_one) = tokio::select! {
            delivery = one.next() => (delivery, true),
            delivery = other.next() => (delivery, false),
            () = tokio::time::sleep_until(until) => panic!("{heard:?}"),
        };
        heard.push(call(&delivery));
        match is_one {
            true => one.ack(&delivery).await.unwrap(),
            false => other.ack(&delivery).await.unwrap(),
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..20).collect::<Vec<_>>());
    assert!(is_quiet(&mut one).await && is_quiet(&mut other).await);
}

pub(crate) async fn what_is_not_acknowledged_comes_again<S: Stage>() {
    let stage = S::new(1).await;
    append(&stage.streams(), 0..3).await;
    let mut consumer = stage.streams().consumer(Stream::Events, "bridge").await.unwrap();
    let first = consumer.next().await;
    let began = Instant::now();
    assert_eq!(hear(&mut consumer, 2).await, [1, 2]);
    let again = tokio::time::timeout(AGAIN * 2, consumer.next()).await.unwrap();
    assert!(began.elapsed() > AGAIN / 2);
    assert_eq!((again.sequence, &again.entry), (first.sequence, &first.entry));
    assert!(again.again);
    consumer.ack(&again).await.unwrap();
}

pub(crate) async fn a_key_is_put_and_got_and_forgotten<S: Stage>() {
    let stage = S::new(1).await;
    let (keys, other) = (stage.keys("places"), stage.keys("places"));
    assert_eq!(keys.get("node/1").await.unwrap(), None);
    let first = keys.put("node/1", b"here".to_vec()).await.unwrap();
    let second = other.put("node/1", b"there".to_vec()).await.unwrap();
    assert!(second > first);
    let value = Value { revision: second, body: b"there".to_vec() };
    assert_eq!(keys.get("node/1").await.unwrap(), Some(value));
    assert_eq!(stage.keys("others").get("node/1").await.unwrap(), None);
    keys.delete("node/1").await.unwrap();
    assert_eq!(other.get("node/1").await.unwrap(), None);
    keys.delete("node/1").await.unwrap();
    assert!(matches!(keys.put("no.key", vec![]).await, Err(DurableError::Name(_))));
}

pub(crate) async fn an_update_of_what_was_changed_meanwhile_is_refused<S: Stage>() {
    let stage = S::new(1).await;
    let (keys, other) = (stage.keys("places"), stage.keys("places"));
    let first = keys.create("a", vec![1]).await.unwrap();
    assert!(matches!(other.create("a", vec![2]).await, Err(DurableError::Conflict { .. })));
    let second = other.update("a", vec![3], first).await.unwrap();
    assert!(matches!(keys.update("a", vec![4], first).await, Err(DurableError::Conflict { .. })));
    assert_eq!(keys.get("a").await.unwrap(), Some(Value { revision: second, body: vec![3] }));
    other.delete("a").await.unwrap();
    keys.create("a", vec![5]).await.unwrap();
}

pub(crate) async fn a_watch_tells_what_is_there_and_then_what_changes<S: Stage>() {
    let stage = S::new(1).await;
    let keys = stage.keys("places");
    keys.put("a", vec![1]).await.unwrap();
    let newest = keys.put("a", vec![2]).await.unwrap();
    let mut watch = stage.keys("places").watch().await.unwrap();
    let soon = Duration::from_secs(3);
    let next = tokio::time::timeout(soon, watch.next()).await.unwrap();
    assert_eq!(next, Change { key: "a".into(), revision: newest, body: Some(vec![2]) });
    let revision = keys.put("b/c", vec![3]).await.unwrap();
    let next = tokio::time::timeout(soon, watch.next()).await.unwrap();
    assert_eq!(next, Change { key: "b/c".into(), revision, body: Some(vec![3]) });
    keys.delete("a").await.unwrap();
    let next = tokio::time::timeout(soon, watch.next()).await.unwrap();
    assert_eq!((next.key.as_str(), next.body), ("a", None));
}
