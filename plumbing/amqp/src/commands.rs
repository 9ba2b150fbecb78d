//! Commands on their way in.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::{Carrier, Client};
use contract::command::{CarryOut, Done};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection};
use tokio::time::Instant;

use crate::bridge::Counts;
use crate::{AmqpError, Options, json};

/// So many commands are carried out at once.
const AT_ONCE: u16 = 16;
/// A command that nobody has carried out by then is set aside.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Until the connection breaks. Without a queue of commands: for ever.
pub(crate) async fn take<K: Carrier>(
    connection: &Connection,
    options: &Options,
    client: &Client<K>,
    counts: &Counts,
) -> Result<Infallible, AmqpError> {
    if options.commands.is_empty() {
        return std::future::pending().await;
    }
    let channel = connection.create_channel().await?;
    channel.basic_qos(AT_ONCE, BasicQosOptions::default()).await?;
    let (queue, tag) = (options.commands.as_str().into(), options.name.as_str().into());
    let consume = channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default());
    let mut commands = consume.await?;
    let mut at_work = FuturesUnordered::new();
    loop {
        tokio::select! {
            came = commands.next() => match came {
                Some(delivery) => at_work.push(carry_out(delivery?, &channel, client, counts)),
                None => return Err(AmqpError::Late),
            },
            Some(done) = at_work.next() => done?,
        }
    }
}

/// Has one command carried out, and only then takes it off the queue.
async fn carry_out<K: Carrier>(
    delivery: Delivery,
    channel: &Channel,
    client: &Client<K>,
    counts: &Counts,
) -> Result<(), AmqpError> {
    let done = match json::command(&delivery.data) {
        Ok(command) => try_for_a_while(client, &CarryOut { command }).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) => {
            answer(&delivery, channel, &done).await?;
            delivery.acker.ack(BasicAckOptions::default()).await?;
            counts.commands.fetch_add(1, Ordering::Relaxed);
        }
        Err(reason) => {
            tracing::warn!(%reason, "a command is set aside");
            delivery.acker.reject(BasicRejectOptions { requeue: false }).await?;
            counts.dead.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Doing it twice does what doing it once does, so it is asked until it is answered.
async fn try_for_a_while<K: Carrier>(client: &Client<K>, command: &CarryOut) -> Result<Done, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.ask(None, command).await {
            Ok(Done::Unknown) => return Err("nobody here knows this command".to_owned()),
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() >= until => return Err(error.to_string()),
            Err(error) => tracing::debug!(%error, "a command is tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn answer(delivery: &Delivery, channel: &Channel, done: &Done) -> Result<(), AmqpError> {
    let Some(reply_to) = delivery.properties.reply_to() else { return Ok(()) };
    let mut properties = BasicProperties::default().with_content_type("application/json".into());
    if let Some(id) = delivery.properties.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    let payload = json::done(done).to_string();
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), reply_to.clone(), options, payload.as_bytes(), properties).await?;
    Ok(())
}
