//! The subjects that one who answers listens to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{Client, Subject};
use contract::{Envelope, To};
use futures_util::StreamExt;
use machine::Shard;
use tokio::task::AbortHandle;

use crate::inbox::Asker;
use crate::names::but;
use crate::roster::{announce, farewell};
use crate::{Nats, Who};

/// Takes what came; never waits.
pub(crate) type Sink = Arc<dyn Fn(Envelope, Option<Asker>) + Send + Sync>;

/// Hears until it is dropped; then says that it is gone.
pub(crate) struct Hearing {
    nats: Nats,
    who: Who,
    sink: Sink,
    tasks: Vec<AbortHandle>,
    shards: Mutex<BTreeMap<u16, AbortHandle>>,
}

impl std::fmt::Debug for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hearing").field("who", &self.who).finish_non_exhaustive()
    }
}

impl Hearing {
    /// What is said to `who`: in each of its roles to its node, to anyone and to all.
    pub(crate) fn start(nats: &Nats, who: Who, sink: Sink) -> Self {
        let mut hearing =
            Hearing { nats: nats.clone(), who, sink, tasks: Vec::new(), shards: Mutex::default() };
        let names = nats.shared.names.clone();
        let mut tasks = Vec::new();
        for &role in &hearing.who.roles {
            let together = Some(role.name().to_owned());
            tasks.push(hearing.listen(names.said_to_role(To::Node(hearing.who.node), role), None, false));
            tasks.push(hearing.listen(names.said_to_role(To::Any, role), together, false));
            tasks.push(hearing.listen(names.said_to_role(To::All, role), None, true));
        }
        let announcing = announce(hearing.who.clone(), nats.shared.client.clone(), names);
        tasks.push(nats.shared.runtime.spawn(announcing).abort_handle());
        hearing.tasks = tasks;
        hearing
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// From now on it also hears what is said to the owners of exactly these shards.
    pub(crate) fn own(&self, shards: impl IntoIterator<Item = Shard>) {
        let mut heard = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *heard);
        for shard in shards {
            let number = shard.number();
            let task = before.remove(&number).unwrap_or_else(|| {
                self.listen(self.nats.shared.names.all_said(To::Owner(shard)), None, false)
            });
            heard.insert(number, task);
        }
        before.into_values().for_each(|task| task.abort());
    }

    fn listen(&self, subject: Subject, together: Option<String>, wants_name: bool) -> AbortHandle {
        let (client, sink) = (self.nats.shared.client.clone(), self.sink.clone());
        let hear = Hear { subject, together, wants_name, but: but(self.who.node) };
        self.nats.shared.runtime.spawn(hear.run(client, sink)).abort_handle()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        let shards = self.shards.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(shards).into_values().for_each(|task| task.abort());
        let _ = self.nats.shared.link.say(self.nats.shared.names.here(), farewell(&self.who), None);
    }
}

/// One subject.
struct Hear {
    subject: Subject,
    /// Of those who hear under this name, one hears each message.
    together: Option<String>,
    /// Whoever asks wants to know who answers.
    wants_name: bool,
    /// What ends so is not for us: we hear it another way.
    but: String,
}

impl Hear {
    async fn run(self, client: Client, sink: Sink) {
        let Hear { subject, together, wants_name, but } = self;
        let subscription = match together {
            Some(group) => client.queue_subscribe(subject.clone(), group).await,
            None => client.subscribe(subject.clone()).await,
        };
        let mut messages = match subscription {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(%error, %subject, "a subject of the bus is not heard");
                return;
            }
        };
        while let Some(message) = messages.next().await {
            if message.subject.ends_with(&but) {
                continue;
            }
            match contract::decode::<Envelope>(&message.payload) {
                Ok(envelope) => sink(envelope, message.reply.map(|reply| Asker { reply, wants_name })),
                Err(error) => tracing::warn!(%error, subject = %message.subject, "a message cannot be read"),
            }
        }
    }
}
