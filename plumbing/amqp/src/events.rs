//! Events on their way out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::durable::{Consumer, Delivery};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};

use crate::bridge::Counts;
use crate::{AmqpError, json};

/// So many events may wait for the broker's confirmation.
const UNCONFIRMED: usize = 64;
/// The broker has so long to confirm one.
const CONFIRM: Duration = Duration::from_secs(10);
const PERSISTENT: u8 = 2;

/// One stream, poured out into an exchange. An entry is acknowledged once the broker has confirmed it.
#[derive(Debug)]
pub(crate) struct Outlet<C> {
    consumer: C,
    exchange: String,
    /// Said and not confirmed when the connection broke; they go first on the next.
    again: VecDeque<Delivery>,
    counts: Arc<Counts>,
}

impl<C: Consumer> Outlet<C> {
    pub(crate) fn new(consumer: C, exchange: String, counts: Arc<Counts>) -> Self {
        Outlet { consumer, exchange, again: VecDeque::new(), counts }
    }

    /// Until the connection breaks.
    pub(crate) async fn pour(&mut self, connection: &Connection) -> Result<Infallible, AmqpError> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut said: VecDeque<(Delivery, PublisherConfirm)> = VecDeque::new();
        let mut pouring = Pouring { outlet: self, channel };
        let error = loop {
            if let Err(error) = pouring.step(&mut said).await {
                break error;
            }
        };
        for (delivery, _) in said.into_iter().rev() {
            self.again.push_front(delivery);
        }
        Err(error)
    }
}

struct Pouring<'a, C> {
    outlet: &'a mut Outlet<C>,
    channel: Channel,
}

impl<C: Consumer> Pouring<'_, C> {
    /// Says one event more, or hears that the oldest is confirmed.
    async fn step(&mut self, said: &mut VecDeque<(Delivery, PublisherConfirm)>) -> Result<(), AmqpError> {
        let delivery = match self.outlet.again.pop_front() {
            Some(delivery) => delivery,
            None if said.len() >= UNCONFIRMED => return self.confirmed(said).await,
            None => match said.front_mut() {
                Some((_, confirm)) => tokio::select! {
                    biased;
                    delivery = self.outlet.consumer.next() => delivery,
                    confirmation = tokio::time::timeout(CONFIRM, confirm) => {
                        return self.done(said, confirmation.map_err(|_| AmqpError::Late)??).await;
                    }
                },
                None => tokio::select! {
                    delivery = self.outlet.consumer.next() => delivery,
                    () = closed(&self.channel) => return Err(AmqpError::Late),
                },
            },
        };
        match self.say(&delivery).await {
            Ok(confirm) => {
                said.push_back((delivery, confirm));
                Ok(())
            }
            Err(error) => {
                self.outlet.again.push_front(delivery);
                Err(error)
            }
        }
    }

    async fn say(&mut self, delivery: &Delivery) -> Result<PublisherConfirm, AmqpError> {
        let (key, json) = json::event(&delivery.entry);
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_app_id("strowger".into())
            .with_type(delivery.entry.topic.as_str().into())
            .with_message_id(delivery.entry.id.as_str().into());
        let payload = json.to_string();
        let exchange = self.outlet.exchange.as_str().into();
        let options = BasicPublishOptions::default();
        let published =
            self.channel.basic_publish(exchange, key.into(), options, payload.as_bytes(), properties);
        Ok(tokio::time::timeout(CONFIRM, published).await.map_err(|_| AmqpError::Late)??)
    }

    async fn confirmed(
        &mut self,
        said: &mut VecDeque<(Delivery, PublisherConfirm)>,
    ) -> Result<(), AmqpError> {
        let Some((_, confirm)) = said.front_mut() else { return Ok(()) };
        let confirmation = tokio::time::timeout(CONFIRM, confirm).await.map_err(|_| AmqpError::Late)??;
        self.done(said, confirmation).await
    }

    /// The oldest is confirmed, or refused.
    async fn done(
        &mut self,
        said: &mut VecDeque<(Delivery, PublisherConfirm)>,
        confirmation: Confirmation,
    ) -> Result<(), AmqpError> {
        let Some((delivery, _)) = said.pop_front() else { return Ok(()) };
        if matches!(confirmation, Confirmation::Nack(_)) {
            let id = delivery.entry.id.clone();
            self.outlet.again.push_back(delivery);
            return Err(AmqpError::Refused(id));
        }
        self.outlet.counts.events.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.outlet.consumer.ack(&delivery).await {
            tracing::debug!(%error, "an event will be carried out twice");
        }
        Ok(())
    }
}

/// Until the channel is no more: one that says nothing does not find out by itself.
async fn closed(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
