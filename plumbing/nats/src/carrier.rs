use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::{Addressed, Carrier, Client, NotSent, Unanswered};
use bytes::Bytes;
use contract::{Body, Envelope, Kind, Role};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::line::{Asked, Line, Waits};
use crate::{Nats, Who};

/// The bus across hosts for tokio; see [`Nats::client`].
#[derive(Debug)]
pub struct NatsCarrier {
    nats: Nats,
    line: Arc<Line>,
    next_id: AtomicU64,
}

impl Nats {
    /// Asks and tells from tokio, typed by conversation.
    pub fn client(&self) -> Client<NatsCarrier> {
        let line = self.shared.line(None);
        Client::over(NatsCarrier { nats: self.clone(), line, next_id: AtomicU64::new(1) })
    }

    /// Who answers for `role` just now: those who were heard in the last three seconds.
    pub fn members(&self, role: Role) -> Vec<Who> {
        self.shared.roster.of(role)
    }
}

impl NatsCarrier {
    /// The connection that it speaks on.
    pub fn nats(&self) -> &Nats {
        &self.nats
    }

    fn ask(&self, request: Addressed, within: Duration, waits: Waits) -> Result<Forget<'_>, NotSent> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let to = request.to;
        let envelope = request.envelope(Kind::Request, id);
        let subject = self.nats.subject(to, &envelope.subject);
        let payload = Bytes::from(contract::encode(&envelope));
        self.nats.check_length(&payload)?;
        let length = payload.len();
        self.line.asks(id, Asked::new(subject, payload, within, waits));
        let forget = Forget { line: &self.line, id };
        self.nats.shared.link.request(&self.line, id, length)?;
        Ok(forget)
    }
}

impl Carrier for NatsCarrier {
    async fn request(&self, request: Addressed, within: Duration) -> Result<Body, Unanswered> {
        let subject = request.name();
        let (answer, answered) = oneshot::channel();
        let _forgotten_at_the_end = match self.ask(request, within, Waits::One(answer)) {
            Ok(forget) => forget,
            Err(source) => return Err(Unanswered::NotSent { subject, source }),
        };
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) | Err(_) => Err(Unanswered::Late { subject, within }),
        }
    }

    async fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Vec<(String, Result<Body, Unanswered>)> {
        let (subject, until) = (request.name(), Instant::now() + within);
        let late = || Unanswered::Late { subject: subject.clone(), within };
        let beyond = self.nats.shared.options.beyond;
        let asked =
            self.nats.members(request.subject.role).into_iter().filter(|who| beyond != Some(who.node));
        let mut expected: BTreeMap<String, Option<Body>> = asked.map(|who| (who.name, None)).collect();
        // Where there is nobody but those who are asked another way, no answer is waited for.
        if expected.is_empty() && beyond.is_some() && self.nats.shared.roster.is_settled() {
            return Vec::new();
        }
        let (each, mut answers) = mpsc::unbounded_channel();
        let asked = self.ask(request, within, Waits::Each(each));
        while asked.is_ok() && (expected.is_empty() || expected.values().any(Option::is_none)) {
            match tokio::time::timeout_at(until, answers.recv()).await {
                Ok(Some((name, body))) => expected.insert(name, Some(body)),
                Ok(None) | Err(_) => break,
            };
        }
        expected.into_iter().map(|(name, body)| (name, body.ok_or_else(late))).collect()
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        let to = notice.to;
        let envelope: Envelope = notice.envelope(Kind::Notice, 0);
        let subject = self.nats.subject(to, &envelope.subject);
        let payload = Bytes::from(contract::encode(&envelope));
        self.nats.check_length(&payload)?;
        self.nats.shared.link.say(subject, payload, None)
    }
}

struct Forget<'a> {
    line: &'a Line,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.line.forget(self.id);
    }
}
