use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, Message};
use bus::durable::{AGAIN, Consumer, Delivery, DurableError, Entry, Streams, TWICE, UNACKED, check_name};
use contract::{Stream, TenantId};
use futures_util::StreamExt;

use crate::Nats;

/// An append that was not confirmed by then is given back; whoever appends says it again.
pub(crate) const WITHIN: Duration = Duration::from_secs(5);
/// One attempt takes at most so long.
const ATTEMPT: Duration = Duration::from_secs(1);
/// The pause between two attempts.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// A server that is silent for two of these has forgotten that somebody listens.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Durable streams kept by JetStream; clones share the connection.
#[derive(Clone, Debug)]
pub struct NatsStreams {
    nats: Nats,
    context: Context,
    made: Arc<BTreeMap<Stream, AtomicBool>>,
}

impl Nats {
    /// The durable streams. They are made when they are first used.
    pub fn streams(&self) -> NatsStreams {
        let made = Stream::ALL.into_iter().map(|stream| (stream, AtomicBool::new(false))).collect();
        NatsStreams { nats: self.clone(), context: self.jetstream(), made: Arc::new(made) }
    }

    pub(crate) fn jetstream(&self) -> Context {
        let mut context = async_nats::jetstream::new(self.shared.client.clone());
        context.set_timeout(ATTEMPT);
        context
    }
}

/// Makes a stream if it isn't there. One that fewer servers keep than should (there were not so many when it was made) is
/// copied to more of them.
pub(crate) async fn make(context: &Context, config: Config) -> Result<(), async_nats::Error> {
    let (name, copies) = (config.name.clone(), config.num_replicas);
    let stream = context.get_or_create_stream(config).await?;
    let kept = stream.cached_info().config.clone();
    if kept.num_replicas < copies
        && let Err(error) = context.update_stream(Config { num_replicas: copies, ..kept }).await
    {
        // It serves as it is.
        tracing::warn!(%error, stream = name, copies, "a stream is kept by fewer servers than it should be");
    }
    Ok(())
}

impl NatsStreams {
    fn config(&self, stream: Stream) -> Config {
        let options = &self.nats.shared.options;
        Config {
            name: self.nats.shared.names.kept(stream.name()),
            subjects: vec![self.nats.shared.names.entries(stream)],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: options.copies(),
            max_age: Duration::from_secs(options.keep_days * 86_400),
            duplicate_window: TWICE,
            ..Config::default()
        }
    }

    async fn make(&self, stream: Stream) -> Result<(), async_nats::Error> {
        let is_made = self.made.get(&stream).ok_or("no such stream")?;
        if !is_made.load(Ordering::Relaxed) {
            make(&self.context, self.config(stream)).await?;
            is_made.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn attempt(&self, stream: Stream, entry: &Entry) -> Result<(), async_nats::Error> {
        self.make(stream).await?;
        let subject = self.nats.shared.names.entry(stream, entry.tenant, &entry.topic);
        let mut publish = PublishMessage::build().payload(entry.body.clone().into());
        if !entry.id.is_empty() {
            publish = publish.message_id(&entry.id);
        }
        self.context.send_publish(subject, publish).await?.into_future().await?;
        Ok(())
    }
}

impl Streams for NatsStreams {
    type Consumer = NatsConsumer;

    async fn append(&self, stream: Stream, entry: Entry) -> Result<(), DurableError> {
        check_name(&entry.topic)?;
        let most = self.nats.shared.client.max_payload();
        if entry.body.len() > most {
            let what = format!("{} bytes are too much for {}", entry.body.len(), stream.name());
            return Err(DurableError::refused(what, format!("{most} is the most")));
        }
        let keep = async {
            // Its identity tells a repeat, so trying again keeps it once.
            while let Err(error) = self.attempt(stream, &entry).await {
                tracing::debug!(%error, stream = stream.name(), "an entry is not kept yet");
                tokio::time::sleep(PAUSE).await;
            }
        };
        let late = |_| DurableError::Late { what: format!("{} {}", stream.name(), entry.id), within: WITHIN };
        tokio::time::timeout(WITHIN, keep).await.map_err(late)
    }

    async fn consumer(&self, stream: Stream, name: &str) -> Result<NatsConsumer, DurableError> {
        check_name(name)?;
        Ok(NatsConsumer {
            streams: self.clone(),
            stream,
            name: name.replace('/', "_"),
            messages: None,
            in_hand: BTreeMap::new(),
        })
    }
}

/// A durable consumer of a stream. It connects by itself, and again whenever it must.
pub struct NatsConsumer {
    streams: NatsStreams,
    stream: Stream,
    name: String,
    messages: Option<pull::Stream>,
    in_hand: BTreeMap<u64, Message>,
}

impl std::fmt::Debug for NatsConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, name, .. } = self;
        f.debug_struct("NatsConsumer").field("stream", stream).field("name", name).finish_non_exhaustive()
    }
}

impl Consumer for NatsConsumer {
    async fn next(&mut self) -> Delivery {
        loop {
            let message = match &mut self.messages {
                Some(messages) => messages.next().await,
                None => {
                    if let Err(error) = self.listen().await {
                        tracing::debug!(%error, stream = self.stream.name(), "a stream is not heard yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            match message {
                Some(Ok(message)) => {
                    if let Some(delivery) = delivery(&message) {
                        self.in_hand.insert(delivery.sequence, message);
                        return delivery;
                    }
                    tracing::warn!(subject = %message.subject, "an entry cannot be read and is passed over");
                    let _ = tokio::time::timeout(ATTEMPT, message.ack()).await;
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, stream = self.stream.name(), "a stream is listened to anew");
                    self.messages = None;
                    tokio::time::sleep(PAUSE).await;
                }
                None => self.messages = None,
            }
        }
    }

    async fn ack(&mut self, delivery: &Delivery) -> Result<(), DurableError> {
        let Some(message) = self.in_hand.remove(&delivery.sequence) else { return Ok(()) };
        let what = || format!("{} {}", self.stream.name(), delivery.sequence);
        match tokio::time::timeout(ATTEMPT, message.ack()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(DurableError::refused(what(), error)),
            Err(_) => Err(DurableError::Late { what: what(), within: ATTEMPT }),
        }
    }
}

impl NatsConsumer {
    async fn listen(&mut self) -> Result<(), async_nats::Error> {
        self.streams.make(self.stream).await?;
        let config = pull::Config {
            durable_name: Some(self.name.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: AGAIN,
            max_ack_pending: UNACKED as i64,
            ..pull::Config::default()
        };
        let name = self.streams.nats.shared.names.kept(self.stream.name());
        let stream = self.streams.context.get_stream(name).await?;
        let consumer = stream.get_or_create_consumer(&self.name, config).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(64)
            .heartbeat(HEARTBEAT)
            .expires(Duration::from_secs(10))
            .messages()
            .await?;
        self.messages = Some(messages);
        Ok(())
    }
}

fn delivery(message: &Message) -> Option<Delivery> {
    let info = message.info().ok()?;
    let mut words = message.subject.rsplit('.');
    let topic = words.next()?.to_owned();
    let tenant = TenantId(words.next()?.parse().ok()?);
    let id = message.headers.as_ref().and_then(|it| it.get(async_nats::header::NATS_MESSAGE_ID));
    let id = id.map(|it| it.to_string()).unwrap_or_default();
    Some(Delivery {
        sequence: info.stream_sequence,
        again: info.delivered > 1,
        entry: Entry { tenant, topic, id, body: message.payload.to_vec() },
    })
}
