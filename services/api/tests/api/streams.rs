//! What others hear of calls and records: each thing once, in order.

use std::time::Duration;

use bus::durable::{Consumer, Streams};
use contract::event::{CallEvent, What};
use contract::record::{CallRecord, Keep};
use contract::{CallId, Stream, TenantId};

use crate::platform::Platform;

async fn next(consumer: &mut impl Consumer) -> Option<bus::durable::Delivery> {
    let delivery = tokio::time::timeout(Duration::from_millis(500), consumer.next()).await.ok()?;
    consumer.ack(&delivery).await.unwrap();
    Some(delivery)
}

#[tokio::test]
async fn a_record_is_in_the_stream_once_however_often_it_is_said() {
    let platform = Platform::idle().await;
    let records: Vec<_> = (1..=3)
        .map(|id| CallRecord { id: CallId(id), tenant: TenantId(1), ..CallRecord::default() })
        .collect();
    for _ in 0..3 {
        let kept = platform.bus.ask(None, &Keep { records: records.clone() }).await.unwrap();
        assert_eq!(kept.ids.len(), 3);
    }
    let mut consumer = platform.streams.consumer(Stream::Records, "bills").await.unwrap();
    let mut heard = Vec::new();
    while let Some(delivery) = next(&mut consumer).await {
        heard.push(delivery.entry.read::<CallRecord>().unwrap().unwrap());
    }
    assert_eq!(heard, records);
}

#[tokio::test]
async fn what_exchanges_tell_of_calls_is_heard_in_order() {
    let platform = Platform::idle().await;
    let event = |serial, what| CallEvent { call: CallId(7), serial, what, ..CallEvent::default() };
    let told = [event(0, What::Began), event(1, What::Rang), event(1, What::Rang), event(9, What::Ended)];
    for event in &told {
        platform.bus.tell(None, event).unwrap();
    }
    let mut consumer = platform.streams.consumer(Stream::Events, "wallboard").await.unwrap();
    let mut heard = Vec::new();
    while let Some(delivery) = next(&mut consumer).await {
        heard.push(delivery.entry.read::<CallEvent>().unwrap().unwrap().what);
    }
    assert_eq!(heard, [What::Began, What::Rang, What::Ended], "what was told twice is heard once");
    let metrics = platform.get("/metrics").await.body;
    assert!(metrics.contains("strowger_far_connected{worker=\"office\"} 1"), "{metrics}");
}
