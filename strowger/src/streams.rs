//! Where what happens is kept for others to hear, and who brings it there.
//!
//! The office puts events and records into files of this host, at once and together, whatever else is away. With a bus
//! between hosts they are brought from there into its streams, which all hosts share; the bridge to RabbitMQ hears
//! those, and the files where a host is alone. Where nobody can hear, nothing is kept.

use std::io;

use amqp::{Bridge, Traffic};
use bus::durable::{Streams, bring};
use bus::{Client, KeptStreams, Whichever};
use contract::Stream;
use nats::Nats;

use crate::config::Config;
use crate::places::Places;

/// Who brings what is kept here into the streams of all hosts.
const CARRIER: &str = "carrier";

/// Where what happens is kept, and the bridge, if there is one.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) streams: KeptStreams,
    pub(crate) bridge: Option<Traffic>,
}

/// Opens the files and starts those who hear them; none: nobody could. Must be called within a tokio runtime.
pub(crate) fn open(
    config: &Config,
    places: &Places,
    nats: Option<&Nats>,
    bus: &Client<Whichever>,
) -> io::Result<Option<Heard>> {
    if !config.is_heard() {
        return Ok(None);
    }
    let streams = KeptStreams::open(places.streams())?;
    let bridge = match nats {
        Some(nats) => {
            for stream in Stream::ALL {
                tokio::spawn(carry(streams.clone(), nats.clone(), stream));
            }
            bridge(config, nats.streams(), bus)
        }
        None => bridge(config, streams.clone(), bus),
    };
    Ok(Some(Heard { streams, bridge }))
}

/// From the files of this host to all hosts.
async fn carry(kept: KeptStreams, nats: Nats, stream: Stream) {
    match kept.consumer(stream, CARRIER).await {
        Ok(mut consumer) => bring(&mut consumer, &nats.streams(), stream).await,
        Err(error) => tracing::error!(%error, stream = stream.name(), "a stream stays on this host"),
    }
}

fn bridge(config: &Config, streams: impl Streams, bus: &Client<Whichever>) -> Option<Traffic> {
    if !config.amqp.is_on() {
        return None;
    }
    let bridge = Bridge::new(config.amqp.options(), streams, bus.clone());
    let traffic = bridge.traffic();
    tokio::spawn(bridge.run());
    Some(traffic)
}

/// What the bus between hosts and the bridge have done.
pub(crate) fn figures(nats: Option<&Nats>, bridge: Option<&Traffic>) -> Vec<(String, f64)> {
    let mut figures = Vec::new();
    let mut add = |name: &str, value: u64| figures.push((name.to_owned(), value as f64));
    if let Some(nats) = nats {
        let traffic = nats.traffic();
        add("far_bus_connected", nats.is_connected().into());
        add("far_bus_sent_total", traffic.sent);
        add("far_bus_refused_total", traffic.refused);
        add("far_bus_dropped_total", traffic.dropped + traffic.slow);
        add("far_bus_broken_total", traffic.broken);
    }
    if let Some(bridge) = bridge {
        add("amqp_events_total", bridge.events());
        add("amqp_commands_total", bridge.commands());
        add("amqp_commands_set_aside_total", bridge.dead());
        add("amqp_broken_total", bridge.broken());
    }
    figures
}
