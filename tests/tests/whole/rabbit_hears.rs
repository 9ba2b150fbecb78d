//! An operator's tools on RabbitMQ hear what happens in calls, and end one.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use strowger_tests::Phone;

use crate::furnished;
use crate::rabbit::Rabbit;

/// A tool that hears everything.
async fn tool(rabbit: &Rabbit) -> (Connection, Channel, Consumer) {
    let connection = loop {
        match Connection::connect(&rabbit.url(), ConnectionProperties::default()).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let channel = connection.create_channel().await.expect("a channel");
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let name = "strowger.events";
    channel
        .exchange_declare(name.into(), ExchangeKind::Topic, durable, FieldTable::default())
        .await
        .expect("it");
    let queue = QueueDeclareOptions::default();
    channel.queue_declare("all".into(), queue, FieldTable::default()).await.expect("a queue");
    let bind = QueueBindOptions::default();
    channel
        .queue_bind("all".into(), name.into(), "#".into(), bind, FieldTable::default())
        .await
        .expect("bound");
    let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume("all".into(), "".into(), consume, FieldTable::default()).await;
    (connection, channel, consumer.expect("a consumer"))
}

/// The routing key of the next message, and what it says.
async fn next(consumer: &mut Consumer) -> (String, Value) {
    let next = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await.expect("something");
    let delivery = next.expect("a delivery").expect("a message");
    (delivery.routing_key.to_string(), serde_json::from_slice(&delivery.data).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_heard_as_it_happens_and_ended_by_a_command() {
    let rabbit = Rabbit::start();
    let (_connection, channel, mut heard) = tool(&rabbit).await;
    let platform = furnished(&format!("[amqp]\nurl = \"{}\"", rabbit.url()));
    let _bob = Phone::answering(&platform, "bob", 300);
    let alice = Phone::calling(&platform, "alice", "1002", 30.0);
    alice.wait_for("answered");
    let mut call = String::new();
    for what in ["began", "rang", "answered"] {
        let (key, event) = next(&mut heard).await;
        assert_eq!((key.split('.').nth(1), event["what"].as_str()), (Some(what), Some(what)), "{event}");
        assert_eq!(
            (event["caller"].as_str(), event["dialed"].as_str()),
            (Some("alice"), Some("1002")),
            "{event}"
        );
        call = event["call"].as_str().expect("a number").to_owned();
    }

    let command = format!(r#"{{"command":"hang_up","call":"{call}","reason":"fraud"}}"#);
    let (queue, options) = ("strowger.commands".into(), BasicPublishOptions::default());
    let said =
        channel.basic_publish("".into(), queue, options, command.as_bytes(), BasicProperties::default());
    said.await.expect("said");
    let mut rest = [next(&mut heard).await, next(&mut heard).await];
    rest.sort_by(|one, other| one.0.cmp(&other.0));
    let [(ended, _), (key, record)] = rest;
    assert!(ended.starts_with("call.ended."), "{ended}");
    assert!(key.starts_with("record."), "{key}");
    assert_eq!(
        (record["call"].as_str(), record["cause"].as_str()),
        (Some(&*call), Some("fraud")),
        "{record}"
    );
}
