//! The bridge to AMQP, against a broker that each test starts for itself.

#![allow(clippy::unwrap_used)]

mod rabbit;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::durable::{Entry, Streams};
use bus::{Client, KeptStreams, Member, Server, Topology};
use contract::command::{CarryOut, Command, Done};
use contract::event::{CallEvent, What};
use contract::record::CallRecord;
use contract::{CallId, Stream, TenantId};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use rabbit::Rabbit;
use serde_json::{Value, json};
use strowger_amqp::{Bridge, Options, Traffic};
use tokio::task::JoinHandle;

/// A platform of one host, with a bridge to `rabbit`.
struct Platform {
    folder: PathBuf,
    streams: KeptStreams,
    commanded: Arc<Mutex<Vec<Command>>>,
    traffic: Traffic,
    tasks: Vec<JoinHandle<()>>,
}

impl Platform {
    fn new(rabbit: &Rabbit) -> Self {
        let folder = std::env::temp_dir().join(format!("amqp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let streams = KeptStreams::open(folder.join("streams")).unwrap();
        let topology = Topology::new(&folder, 1);
        let commanded = Arc::new(Mutex::new(Vec::new()));
        let heard = commanded.clone();
        let office = Server::new().on(move |request: CarryOut| {
            let done = match &request.command {
                Command::HangUp { call: CallId(1), .. } => Ok(Done::Done),
                // The first time nobody can do it.
                Command::HangUp { call: CallId(2), .. }
                    if !heard.lock().unwrap().contains(&request.command) =>
                {
                    Err("not now")
                }
                Command::HangUp { call: CallId(2), .. } => Ok(Done::Done),
                Command::HangUp { .. } => Ok(Done::NotFound),
                Command::Forget { .. } => Ok(Done::Done),
                Command::Unknown => Ok(Done::Unknown),
            };
            heard.lock().unwrap().push(request.command);
            std::future::ready(done)
        });
        let listener = topology.bind(Member::Office).unwrap();
        let serving = tokio::spawn(async move { office.serve(listener).await.unwrap() });
        let options = Options { url: rabbit.url(), ..Options::default() };
        let bridge = Bridge::new(options, streams.clone(), Client::local(topology));
        let traffic = bridge.traffic();
        let tasks = vec![serving, tokio::spawn(bridge.run())];
        Platform { folder, streams, commanded, traffic, tasks }
    }

    async fn happens(&self, call: u64) {
        let event =
            CallEvent { call: CallId(call), tenant: TenantId(7), what: What::Rang, ..CallEvent::default() };
        self.streams.append(Stream::Events, Entry::of(&event)).await.unwrap();
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An operator's tool.
struct Tool {
    _connection: Connection,
    channel: Channel,
}

impl Tool {
    async fn connect(rabbit: &Rabbit) -> Self {
        for _ in 0..100 {
            let properties = ConnectionProperties::default();
            if let Ok(connection) = Connection::connect(&rabbit.url(), properties).await {
                let channel = connection.create_channel().await.unwrap();
                return Tool { _connection: connection, channel };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the broker takes no connection");
    }

    /// Hears in `queue` what goes to the exchange under keys that match `pattern`.
    async fn hears(&self, queue: &str, pattern: &str) -> Consumer {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
        let bind = self.channel.queue_bind(
            queue.into(),
            "strowger.events".into(),
            pattern.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bind.await.unwrap();
        let options = BasicConsumeOptions::default();
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
    }

    async fn commands(&self, command: &str, reply_to: Option<&str>) {
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if let Some(queue) = reply_to {
            properties = properties.with_reply_to(queue.into()).with_correlation_id("42".into());
        }
        let queue = "strowger.commands".into();
        let options = BasicPublishOptions::default();
        let said = self.channel.basic_publish("".into(), queue, options, command.as_bytes(), properties);
        said.await.unwrap();
    }

    /// The next message in `queue`, within ten seconds.
    async fn takes(&self, queue: &str) -> lapin::message::Delivery {
        for _ in 0..100 {
            let options = BasicGetOptions { no_ack: true };
            if let Some(message) = self.channel.basic_get(queue.into(), options).await.unwrap() {
                return message.delivery;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing came to {queue}");
    }
}

/// Routing key, message id and JSON of the next event.
async fn next(consumer: &mut Consumer) -> (String, String, Value) {
    let delivery =
        tokio::time::timeout(Duration::from_secs(20), consumer.next()).await.unwrap().unwrap().unwrap();
    delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
    let id = delivery.properties.message_id().as_ref().unwrap().to_string();
    (delivery.routing_key.to_string(), id, serde_json::from_slice(&delivery.data).unwrap())
}

/// Until the bridge has made its exchange and queues.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..300 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within half a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_rabbitmq, ignore = "rabbitmq-server is not installed")]
async fn events_go_out_and_commands_come_in() {
    let rabbit = Rabbit::start();
    let platform = Platform::new(&rabbit);
    platform.happens(0).await;
    until(|| platform.traffic.events() == 1).await;
    let tool = Tool::connect(&rabbit).await;
    let mut all = tool.hears("all", "#").await;
    let mut records = tool.hears("records", "record.9").await;

    platform.happens(255).await;
    let (key, id, event) = next(&mut all).await;
    assert_eq!((key.as_str(), id.as_str()), ("call.rang.7", "00000000000000ff.0"));
    assert_eq!((&event["call"], &event["what"]), (&json!("00000000000000ff"), &json!("rang")));
    let record = CallRecord { id: CallId(8), tenant: TenantId(9), ..CallRecord::default() };
    platform.streams.append(Stream::Records, Entry::of(&record)).await.unwrap();
    assert_eq!(next(&mut records).await.2["call"], "0000000000000008");

    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    tool.channel.queue_declare("answers".into(), durable, FieldTable::default()).await.unwrap();
    tool.commands(r#"{"command":"hang_up","call":"0000000000000001"}"#, Some("answers")).await;
    let answer = tool.takes("answers").await;
    assert_eq!(serde_json::from_slice::<Value>(&answer.data).unwrap(), json!({ "result": "done" }));
    assert_eq!(answer.properties.correlation_id().as_ref().unwrap().as_str(), "42");
    tool.commands(r#"{"command":"hang_up","call":"0000000000000003"}"#, Some("answers")).await;
    let answer = tool.takes("answers").await;
    assert_eq!(serde_json::from_slice::<Value>(&answer.data).unwrap(), json!({ "result": "not_found" }));

    // What makes no sense is set aside; what cannot be done now is done later.
    tool.commands("nonsense", None).await;
    assert_eq!(tool.takes("strowger.commands.dead").await.data, b"nonsense");
    tool.commands(r#"{"command":"hang_up","call":"0000000000000002"}"#, None).await;
    until(|| platform.traffic.commands() == 3).await;
    let twice = |command: &&Command| matches!(command, Command::HangUp { call: CallId(2), .. });
    assert_eq!(platform.commanded.lock().unwrap().iter().filter(twice).count(), 2);
    assert_eq!(platform.traffic.dead(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_rabbitmq, ignore = "rabbitmq-server is not installed")]
async fn a_broker_that_is_killed_misses_nothing() {
    let mut rabbit = Rabbit::start();
    let platform = Platform::new(&rabbit);
    platform.happens(0).await;
    until(|| platform.traffic.events() == 1).await;
    let tool = Tool::connect(&rabbit).await;
    drop(tool.hears("all", "#").await);
    drop(tool);
    for call in 1..=100 {
        platform.happens(call).await;
        if call == 50 {
            until(|| platform.traffic.events() >= 20).await;
            rabbit.kill();
        }
    }
    until(|| platform.traffic.broken() >= 1).await;
    rabbit.run();
    until(|| platform.traffic.events() == 101).await;
    let tool = Tool::connect(&rabbit).await;
    let mut all = tool.hears("all", "#").await;
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < 100 {
        ids.insert(next(&mut all).await.1);
    }
    assert!((1..=100).all(|call| ids.contains(&format!("{:016x}.0", call))));
    tool.commands(r#"{"command":"forget","tenant":7}"#, None).await;
    until(|| platform.traffic.commands() == 1).await;
}
