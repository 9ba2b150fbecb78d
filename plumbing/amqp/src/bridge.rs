use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::durable::Streams;
use bus::{Carrier, Client};
use contract::Stream;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Connection, ConnectionProperties, ExchangeKind};

use crate::commands::take;
use crate::events::Outlet;
use crate::{AmqpError, Options};

/// The broker has so long to take a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The pause before another attempt, growing to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Carries what happens out to a broker, and an operator's commands in.
#[derive(Debug)]
pub struct Bridge<S, K> {
    options: Options,
    streams: S,
    client: Client<K>,
    traffic: Arc<Counts>,
}

/// What a bridge has done so far; clones count together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) broken: AtomicU64,
}

/// Looks at what a bridge does, from anywhere.
#[derive(Clone, Debug)]
pub struct Traffic(Arc<Counts>);

impl Traffic {
    /// Events that the broker has confirmed.
    pub fn events(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }

    /// Commands that were carried out.
    pub fn commands(&self) -> u64 {
        self.0.commands.load(Ordering::Relaxed)
    }

    /// Commands that were set aside.
    pub fn dead(&self) -> u64 {
        self.0.dead.load(Ordering::Relaxed)
    }

    /// Connections that broke, or were not made.
    pub fn broken(&self) -> u64 {
        self.0.broken.load(Ordering::Relaxed)
    }
}

impl<S: Streams, K: Carrier> Bridge<S, K> {
    /// Hears `streams`, and has commands carried out by whoever answers on `client`.
    pub fn new(options: Options, streams: S, client: Client<K>) -> Self {
        Bridge { options, streams, client, traffic: Arc::default() }
    }

    /// What it does; valid for ever.
    pub fn traffic(&self) -> Traffic {
        Traffic(self.traffic.clone())
    }

    /// Runs until dropped; connects again for ever. What the broker has not confirmed is said again, so it may
    /// come twice, under the same message id.
    pub async fn run(self) {
        let mut outlets = match self.outlets().await {
            Ok(outlets) => outlets,
            Err(error) => return tracing::error!(%error, "no events are carried out"),
        };
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = tokio::time::Instant::now();
            let Err(error) = self.converse(&mut outlets).await;
            self.traffic.broken.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "the bridge to the broker is down");
            pause =
                if began.elapsed() > LONGEST_PAUSE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn outlets(&self) -> Result<[Outlet<S::Consumer>; 2], AmqpError> {
        let outlet = async |stream| {
            let consumer = self.streams.consumer(stream, &self.options.name).await?;
            Ok::<_, AmqpError>(Outlet::new(consumer, self.options.events.clone(), self.traffic.clone()))
        };
        Ok([outlet(Stream::Events).await?, outlet(Stream::Records).await?])
    }

    /// Over one connection, until it breaks.
    async fn converse(
        &self,
        outlets: &mut [Outlet<S::Consumer>; 2],
    ) -> Result<std::convert::Infallible, AmqpError> {
        let connection =
            tokio::time::timeout(CONNECT, self.connect()).await.map_err(|_| AmqpError::Late)??;
        tracing::info!("the bridge to the broker is up");
        let [events, records] = outlets;
        tokio::select! {
            ended = events.pour(&connection) => ended,
            ended = records.pour(&connection) => ended,
            ended = take(&connection, &self.options, &self.client, &self.traffic) => ended,
        }
    }

    /// Connects, and makes what has to be there.
    async fn connect(&self) -> Result<Connection, AmqpError> {
        let properties = ConnectionProperties::default().with_connection_name("strowger".into());
        let runtime = lapin::runtime::default_runtime()?;
        let tls = self.options.tls()?;
        let connection = Connection::connect_with_config(&self.options.url, properties, tls, runtime).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let events = self.options.events.as_str().into();
        channel.exchange_declare(events, ExchangeKind::Topic, durable, FieldTable::default()).await?;
        if !self.options.commands.is_empty() {
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let dead = self.options.dead();
            channel.queue_declare(dead.as_str().into(), durable, FieldTable::default()).await?;
            let mut arguments = FieldTable::default();
            let text = |text: &str| AMQPValue::LongString(LongString::from(text));
            arguments.insert("x-dead-letter-exchange".into(), text(""));
            arguments.insert("x-dead-letter-routing-key".into(), text(&dead));
            channel.queue_declare(self.options.commands.as_str().into(), durable, arguments).await?;
        }
        Ok(connection)
    }
}
