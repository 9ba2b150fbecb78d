//! What was asked and is not answered yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Message, StatusCode, Subject};
use bytes::Bytes;
use contract::{Body, Envelope, Kind};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::inbox::Inbox;

/// When nobody was there to hear a request, it is said again after this: he may be being started.
const NOBODY: Duration = Duration::from_millis(20);

/// The asking side of one who speaks on the bus: an inbox of his own for the answers, and what waits for them.
///
/// As on the local bus, a request is heard at most twice: it is said once more on a new connection if the old
/// one broke before the answer came.
#[derive(Debug)]
pub(crate) struct Line {
    inbox: String,
    pending: Mutex<BTreeMap<u64, Asked>>,
    /// Where answers go that no task waits for.
    mailbox: Option<Arc<Inbox>>,
    /// The task that hears the answers; it ends with the line.
    hearing: OnceLock<AbortHandle>,
    /// Closed once answers are heard.
    deaf: Semaphore,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(task) = self.hearing.get() {
            task.abort();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) subject: Subject,
    pub(crate) payload: Bytes,
    pub(crate) until: Instant,
    pub(crate) waits: Waits,
    /// How often it was said, and on which connection last.
    said: u8,
    said_on: u64,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Waits {
    /// A task, for the first one.
    One(oneshot::Sender<Body>),
    /// A task, for that of each; by the name of who answers.
    Each(mpsc::UnboundedSender<(String, Body)>),
    /// A loop, at its mailbox.
    Mailbox,
}

impl Asked {
    pub(crate) fn new(subject: Subject, payload: Bytes, within: Duration, waits: Waits) -> Self {
        Asked { subject, payload, until: Instant::now() + within, waits, said: 0, said_on: 0 }
    }
}

/// What to do about a message that came to the inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// Say it again then.
    Again(u64, Duration),
}

impl Line {
    pub(crate) fn new(inbox: String, mailbox: Option<Arc<Inbox>>) -> Self {
        Line { inbox, pending: Mutex::default(), mailbox, hearing: OnceLock::new(), deaf: Semaphore::new(0) }
    }

    /// The task that hears its answers.
    pub(crate) fn heard_by(&self, task: AbortHandle) {
        let _there_is_only_one = self.hearing.set(task);
    }

    /// From now on, answers are heard.
    pub(crate) fn hears(&self) {
        self.deaf.close();
    }

    /// Until answers are heard: what is asked before may be answered, or found to have no hearer, in vain.
    pub(crate) async fn until_it_hears(&self) {
        let _closed = self.deaf.acquire().await;
    }

    /// Notices may have been missed: a loop is told.
    pub(crate) fn missed(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.missed();
        }
    }

    /// Where all answers come.
    pub(crate) fn inbox(&self) -> Subject {
        format!("{}.*", self.inbox).into()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Asked>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asks(&self, id: u64, asked: Asked) {
        self.lock().insert(id, asked);
    }

    pub(crate) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Whose time is over need not be remembered.
    pub(crate) fn forget_late(&self) {
        let now = Instant::now();
        self.lock().retain(|_, asked| asked.until > now);
    }

    /// Subject, where to answer, and what to say on `connection`, if somebody still waits.
    pub(crate) fn say(&self, id: u64, connection: u64) -> Option<(Subject, Subject, Bytes)> {
        let mut pending = self.lock();
        let asked = pending.get_mut(&id)?;
        if asked.until <= Instant::now() {
            pending.remove(&id);
            return None;
        }
        asked.said += 1;
        asked.said_on = connection;
        Some((asked.subject.clone(), format!("{}.{id}", self.inbox).into(), asked.payload.clone()))
    }

    /// After a break: what was said once, on a connection before `connection`. What was said twice is given up,
    /// so that a request that kills its hearer does not do so for ever.
    pub(crate) fn said_once(&self, connection: u64) -> Vec<u64> {
        let mut pending = self.lock();
        let is_lost = |asked: &Asked| asked.said > 0 && asked.said_on < connection;
        pending.retain(|_, asked| !is_lost(asked) || asked.said < 2);
        pending.iter().filter(|(_, asked)| is_lost(asked)).map(|(&id, _)| id).collect()
    }

    /// A message came to the inbox.
    pub(crate) fn came(&self, message: &Message) -> Next {
        let id = message.subject.rsplit('.').next().and_then(|word| word.parse().ok());
        let Some(id) = id else { return Next::Nothing };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return self.nobody(id);
        }
        match contract::decode::<Envelope>(&message.payload) {
            Ok(envelope) if envelope.kind == Kind::Answer => self.answered(id, envelope, message),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "an answer on the bus cannot be read"),
        }
        Next::Nothing
    }

    fn answered(&self, id: u64, envelope: Envelope, message: &Message) {
        let mut pending = self.lock();
        let Some(asked) = pending.remove(&id) else { return };
        match asked.waits {
            Waits::One(ref waits) if waits.is_closed() => {}
            Waits::One(waits) => {
                let _ = waits.send(envelope.body);
            }
            Waits::Each(ref each) => {
                let name = message.headers.as_ref().and_then(|it| it.get(crate::FROM));
                let _ = each.send((name.map(|it| it.to_string()).unwrap_or_default(), envelope.body));
                pending.insert(id, asked);
            }
            Waits::Mailbox => {
                if let Some(mailbox) = &self.mailbox {
                    mailbox.answer_came(envelope);
                }
            }
        }
    }

    /// Nobody heard: so it was not said. Those who ask each and all have their answer: there is none.
    fn nobody(&self, id: u64) -> Next {
        let mut pending = self.lock();
        let Some(asked) = pending.get_mut(&id) else { return Next::Nothing };
        if matches!(asked.waits, Waits::Each(_)) || Instant::now() + NOBODY >= asked.until {
            if !matches!(asked.waits, Waits::One(_)) {
                pending.remove(&id);
            }
            return Next::Nothing;
        }
        asked.said = asked.said.saturating_sub(1);
        Next::Again(id, NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_with(id: u64) -> (Line, oneshot::Receiver<Body>) {
        let line = Line::new("_INBOX.x".into(), None);
        let (answer, answered) = oneshot::channel();
        let asked = Asked::new("a.b".into(), Bytes::new(), Duration::from_secs(1), Waits::One(answer));
        line.asks(id, asked);
        (line, answered)
    }

    fn message(subject: &str, status: Option<StatusCode>, payload: Vec<u8>) -> Message {
        let payload = Bytes::from(payload);
        let subject = subject.into();
        Message { subject, reply: None, payload, headers: None, status, description: None, length: 0 }
    }

    #[test]
    fn a_request_is_said_at_most_twice() {
        let (line, _answered) = line_with(7);
        let (_, reply, _) = line.say(7, 0).unwrap();
        assert_eq!(reply.as_str(), "_INBOX.x.7");
        assert!(line.said_once(0).is_empty(), "it is on its way");
        assert_eq!(line.said_once(1), [7]);
        line.say(7, 1).unwrap();
        assert!(line.said_once(1).is_empty());
        assert!(line.said_once(2).is_empty());
        assert!(line.say(7, 2).is_none(), "given up");
    }

    #[test]
    fn what_nobody_heard_was_not_said() {
        let (line, mut answered) = line_with(7);
        for _ in 0..5 {
            line.say(7, 0).unwrap();
            let next = line.came(&message("_INBOX.x.7", Some(StatusCode::NO_RESPONDERS), vec![]));
            assert_eq!(next, Next::Again(7, NOBODY));
        }
        line.say(7, 0).unwrap();
        let answer = Envelope { kind: Kind::Answer, id: 7, body: vec![1], ..Envelope::default() };
        line.came(&message("_INBOX.x.7", None, contract::encode(&answer)));
        assert_eq!(answered.try_recv().unwrap(), [1]);
    }
}
