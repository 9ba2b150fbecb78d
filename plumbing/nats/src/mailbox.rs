use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use bus::{Counters, Mailbox, NotSent, Peer, Received};
use bytes::Bytes;
use contract::{Envelope, Kind, Role, To};
use machine::Shard;
use strowger_io::Waker;

use crate::hearing::Hearing;
use crate::inbox::{Asker, Inbox};
use crate::line::{Asked, Line, Waits};
use crate::{Nats, NatsError, Who};

/// A request older than this is not said again: whoever asked has asked again himself.
const STALE: Duration = Duration::from_secs(2);

/// The bus across hosts for a loop that waits in epoll: a queue each way to the thread of the connection, and a
/// descriptor that wakes the loop. Nothing here waits for a server.
#[derive(Debug)]
pub struct NatsMailbox {
    nats: Nats,
    hearing: Hearing,
    name: Arc<str>,
    line: Arc<Line>,
    inbox: Arc<Inbox>,
    waker: Waker,
    came: VecDeque<Received>,
    counters: Counters,
}

impl Nats {
    /// What is said to `who`, for its loop; and its voice. An exchange is told [`contract::account::Doubt`] whenever
    /// it may have missed notices.
    pub fn mailbox(&self, who: Who) -> Result<NatsMailbox, NatsError> {
        let waker = Waker::new()?;
        let inbox = Arc::new(Inbox::new(waker.duplicate()?, who.roles.contains(&Role::Exchange)));
        let line = self.shared.line(Some(inbox.clone()));
        let to = inbox.clone();
        let name = who.name.as_str().into();
        let sink = Arc::new(move |envelope, asker| to.message_came(envelope, asker));
        let hearing = Hearing::start(self, who, sink);
        let (came, counters) = (VecDeque::new(), Counters::default());
        Ok(NatsMailbox { nats: self.clone(), hearing, name, line, inbox, waker, came, counters })
    }

    /// Where `role.verb` is said to `to`.
    pub(crate) fn subject(&self, to: To, role_and_verb: &str) -> async_nats::Subject {
        let shared = &self.shared;
        match shared.options.beyond {
            Some(node) if to == To::All => shared.names.said_beyond(node, role_and_verb),
            Some(_) | None => shared.names.said(to, role_and_verb),
        }
    }

    /// Checks that a message is not longer than a server takes.
    pub(crate) fn check_length(&self, payload: &Bytes) -> Result<(), NotSent> {
        let (length, most) = (payload.len(), self.shared.client.max_payload());
        if length > most { Err(NotSent::TooLong { length, most }) } else { Ok(()) }
    }

    /// Says `envelope` as the answer that `asker` waits for.
    pub(crate) fn say_answer(
        &self,
        asker: Asker,
        envelope: &Envelope,
        name: &Arc<str>,
    ) -> Result<(), NotSent> {
        let payload = Bytes::from(contract::encode(envelope));
        self.check_length(&payload)?;
        self.shared.link.say(asker.reply, payload, asker.wants_name.then(|| name.clone()))
    }
}

impl NatsMailbox {
    /// From now on it also hears what is said to the owners of exactly these shards.
    pub fn own(&self, shards: impl IntoIterator<Item = Shard>) {
        self.hearing.own(shards);
    }

    /// Whose it is.
    pub fn who(&self) -> &Who {
        self.hearing.who()
    }

    fn say(&self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        let role = Role::of(&envelope.subject);
        role.ok_or_else(|| NotSent::Nobody(envelope.subject.clone()))?;
        let subject = self.nats.subject(to, &envelope.subject);
        let payload = Bytes::from(contract::encode(envelope));
        self.nats.check_length(&payload)?;
        if envelope.kind != Kind::Request {
            return self.nats.shared.link.say(subject, payload, None);
        }
        let length = payload.len();
        self.line.asks(envelope.id, Asked::new(subject, payload, STALE, Waits::Mailbox));
        self.nats
            .shared
            .link
            .request(&self.line, envelope.id, length)
            .inspect_err(|_| self.line.forget(envelope.id))
    }
}

impl AsFd for NatsMailbox {
    /// Readable when something came.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

impl Mailbox for NatsMailbox {
    fn ready(&mut self) {
        if self.waker.drain() {
            self.inbox.take(&mut self.came);
        }
    }

    fn receive(&mut self) -> Option<Received> {
        self.came.pop_front()
    }

    fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        let sent = self.say(to, envelope);
        match (&sent, envelope.kind) {
            (Ok(()), _) => self.counters.sent += 1,
            (Err(_), Kind::Request) => self.counters.refused += 1,
            (Err(_), Kind::Notice | Kind::Answer) => self.counters.dropped += 1,
        }
        match envelope.kind {
            Kind::Request => sent,
            // As on one host: a notice for which there is no room is dropped, and counted.
            Kind::Notice | Kind::Answer => Ok(()),
        }
    }

    fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent> {
        let asker = self.inbox.asker(to).ok_or(NotSent::Gone);
        let said = asker.and_then(|asker| self.nats.say_answer(asker, envelope, &self.name));
        match said {
            Ok(()) => self.counters.sent += 1,
            Err(_) => self.counters.dropped += 1,
        }
        said
    }

    /// Nothing to do: what is said is on its way.
    fn flush(&mut self) {}

    fn counters(&self) -> Counters {
        let traffic = self.nats.traffic();
        Counters {
            received: self.inbox.came(),
            dropped: self.counters.dropped + self.inbox.dropped(),
            broken: traffic.broken,
            repeated: traffic.repeated,
            ..self.counters
        }
    }
}
