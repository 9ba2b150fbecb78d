//! The bus across hosts as a stage: every member has a connection of its own, as if on a host of its own.

use std::time::Duration;

use bus::{Client, Server as Answers};
use contract::{NodeId, Role};
use machine::Shard;
use strowger_nats::{Nats, NatsCarrier, NatsKeys, NatsMailbox, NatsStreams, Options, Who};

use crate::seam::{Gone, Stage};
use crate::server::Server;

const SIGNALLING: [Role; 3] = [Role::Edge, Role::Exchange, Role::Apps];

pub(crate) struct Across {
    nats: Nats,
    server: Server,
    signalling: u16,
}

/// A connection to `server`.
pub(crate) fn connect(server: &Server) -> Nats {
    Nats::start(Options { servers: vec![server.url()], ..Options::default() }).unwrap()
}

pub(crate) fn who(name: &str, node: u16, roles: &[Role]) -> Who {
    Who { name: name.into(), node: NodeId(node), roles: roles.to_vec() }
}

/// The mailbox of signalling member `number` of `all`, which owns its part of the shards.
pub(crate) fn signalling(nats: &Nats, number: u16, all: u16) -> NatsMailbox {
    let mailbox = nats.mailbox(who(&format!("signalling-{number}"), number, &SIGNALLING)).unwrap();
    mailbox.own((0..4096).map(Shard::of).filter(|shard| shard.thread(all) == number));
    mailbox
}

impl Stage for Across {
    type Carrier = NatsCarrier;
    type Mailbox = NatsMailbox;
    type Streams = NatsStreams;
    type Keys = NatsKeys;

    async fn new(signalling: u16) -> Self {
        let server = Server::start();
        Across { nats: connect(&server), server, signalling }
    }

    fn client(&self) -> Client<NatsCarrier> {
        self.nats.client()
    }

    fn signalling(&self, number: u16) -> NatsMailbox {
        signalling(&connect(&self.server), number, self.signalling)
    }

    fn media(&self) -> NatsMailbox {
        connect(&self.server).mailbox(who("media", 100, &[Role::Media])).unwrap()
    }

    fn office(&self, server: Answers) -> Gone {
        let nats = connect(&self.server);
        Gone::spawn(async move { nats.serve(who("office", 200, &[Role::Billing, Role::Api]), server).await })
    }

    /// Until all have subscribed, each on its own connection.
    async fn settle(&self) {
        assert!(self.nats.flush(Duration::from_secs(5)).await);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    fn streams(&self) -> NatsStreams {
        connect(&self.server).streams()
    }

    fn keys(&self, bucket: &str) -> NatsKeys {
        connect(&self.server).keys(bucket).unwrap()
    }
}
