use std::sync::Arc;

use bus::Server;
use tokio::sync::{Semaphore, mpsc};

use crate::hearing::Hearing;
use crate::{Nats, Who};

/// So many requests are worked on at once, and so many may wait for that.
const AT_ONCE: usize = 1024;

impl Nats {
    /// Answers what is said to `who`, in tasks of the caller's runtime, until dropped. What comes when too much
    /// waits already is left unanswered: who asks will ask again.
    pub async fn serve(&self, who: Who, server: Server) {
        let name: Arc<str> = who.name.as_str().into();
        let (tell, mut told) = mpsc::channel(AT_ONCE);
        let sink = Arc::new(move |envelope, asker| {
            if tell.try_send((envelope, asker)).is_err() {
                tracing::warn!("a message of the bus is dropped: too much waits");
            }
        });
        let _hearing = Hearing::start(self, who, sink);
        let (server, permits) = (Arc::new(server), Arc::new(Semaphore::new(AT_ONCE)));
        let mut at_work = tokio::task::JoinSet::new();
        while let Some((envelope, asker)) = told.recv().await {
            while at_work.try_join_next().is_some() {}
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let (nats, server, name) = (self.clone(), server.clone(), name.clone());
            at_work.spawn(async move {
                let _held_until_answered = permit;
                if let (Some(answer), Some(asker)) = (server.perform(envelope).await, asker)
                    && let Err(error) = nats.say_answer(asker, &answer, &name)
                {
                    tracing::warn!(%error, "an answer is not sent");
                }
            });
        }
    }
}
