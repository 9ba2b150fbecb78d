//! Answers requests of the bus in tokio tasks.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::os::unix::net;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use contract::{Conversation, DecodeError, Envelope, Kind, Notice};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use crate::frame::{self, Reader};

/// So many requests are worked on at once; then their senders wait.
const AT_ONCE: usize = 1024;
/// So many answers may wait for one connection.
const ANSWERS: usize = 1024;

type Work = Pin<Box<dyn Future<Output = Option<Envelope>> + Send>>;
type Handler = Box<dyn Fn(Envelope) -> Result<Work, DecodeError> + Send + Sync>;

/// What was served so far; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Served(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    answered: AtomicU64,
    unanswered: AtomicU64,
    notices: AtomicU64,
}

impl Served {
    /// Requests answered.
    pub fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// Requests that nobody here could answer.
    pub fn unanswered(&self) -> u64 {
        self.0.unanswered.load(Ordering::Relaxed)
    }

    /// Notices heard.
    pub fn notices(&self) -> u64 {
        self.0.notices.load(Ordering::Relaxed)
    }
}

/// Answers on the bus: one handler for each conversation and each notice.
#[derive(Default)]
pub struct Server {
    handlers: BTreeMap<String, Handler>,
    served: Served,
}

impl Server {
    /// Knows no conversation yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows no conversation yet, and counts together with another.
    pub fn beside(other: &Server) -> Self {
        Server { served: other.served(), ..Self::default() }
    }

    /// What it has done; also valid once it serves.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    /// Answers the conversation `C`. A handler that fails answers nothing: the asker will ask again.
    #[must_use]
    pub fn on<C, F, E>(mut self, handler: impl Fn(C) -> F + Send + Sync + 'static) -> Self
    where
        C: Conversation,
        C::Answer: Send,
        F: Future<Output = Result<C::Answer, E>> + Send + 'static,
        E: Display,
    {
        let handler = move |envelope: Envelope| -> Result<Work, DecodeError> {
            let work = handler(contract::decode(&envelope.body)?);
            Ok(Box::pin(async move {
                match work.await {
                    Ok(answer) => Some(Envelope::answer::<C>(envelope.id, &answer)),
                    Err(error) => {
                        tracing::warn!(subject = %C::SUBJECT, %error, "a request is left without an answer");
                        None
                    }
                }
            }))
        };
        self.handlers.insert(C::SUBJECT.to_string(), Box::new(handler));
        self
    }

    /// Hears the notice `N`.
    #[must_use]
    pub fn hear<N, F>(mut self, handler: impl Fn(N) -> F + Send + Sync + 'static) -> Self
    where
        N: Notice,
        F: Future<Output = ()> + Send + 'static,
    {
        let handler = move |envelope: Envelope| -> Result<Work, DecodeError> {
            let work = handler(contract::decode(&envelope.body)?);
            Ok(Box::pin(async move {
                work.await;
                None
            }))
        };
        self.handlers.insert(N::SUBJECT.to_string(), Box::new(handler));
        self
    }

    /// What it can be asked and told, as `role.verb`.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(String::as_str)
    }

    /// Does what one message says, and gives the answer if there is one: for those who bring messages
    /// another way.
    pub async fn perform(&self, envelope: Envelope) -> Option<Envelope> {
        let answer = self.begin(envelope)?.await?;
        self.served.0.answered.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    /// Answers on `listener` until dropped.
    pub async fn serve(self, listener: net::UnixListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let server = Arc::new(self);
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(server.clone().converse(stream, permits.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a bus connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: UnixStream, permits: Arc<Semaphore>) {
        let (reading, writing) = stream.into_split();
        let (answers, to_write) = mpsc::channel(ANSWERS);
        tokio::select! {
            () = self.hear_all(reading, &answers, &permits) => {}
            () = write(writing, to_write) => {}
        }
    }

    async fn hear_all(
        &self,
        mut from: OwnedReadHalf,
        answers: &mpsc::Sender<Envelope>,
        permits: &Arc<Semaphore>,
    ) {
        let mut buffer = vec![0; 64 << 10];
        let mut reader = Reader::default();
        loop {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => reader.push(&buffer[..count]),
            }
            loop {
                let envelope = match reader.next() {
                    Ok(Some(envelope)) => envelope,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "a bus connection is closed for what came on it");
                        return;
                    }
                };
                let Ok(permit) = permits.clone().acquire_owned().await else { return };
                if let Some(mut work) = self.begin(envelope) {
                    // Most are answered without waiting for anything: no task for those.
                    let begun = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    if let Poll::Ready(answer) = begun {
                        self.answered(answer, answers).await;
                        continue;
                    }
                    let (answers, served) = (answers.clone(), self.served.clone());
                    tokio::spawn(async move {
                        let _held_until_answered = permit;
                        if let Some(answer) = work.await {
                            served.0.answered.fetch_add(1, Ordering::Relaxed);
                            // The connection may be gone by now; then the asker asks again.
                            let _ = answers.send(answer).await;
                        }
                    });
                }
            }
        }
    }

    async fn answered(&self, answer: Option<Envelope>, answers: &mpsc::Sender<Envelope>) {
        if let Some(answer) = answer {
            self.served.0.answered.fetch_add(1, Ordering::Relaxed);
            // The connection may be gone by now; then the asker asks again.
            let _ = answers.send(answer).await;
        }
    }

    fn begin(&self, envelope: Envelope) -> Option<Work> {
        let count = match envelope.kind {
            Kind::Notice => &self.served.0.notices,
            Kind::Request | Kind::Answer => &self.served.0.unanswered,
        };
        let (kind, subject) = (envelope.kind, envelope.subject.clone());
        let Some(handler) = self.handlers.get(&subject).filter(|_| kind != Kind::Answer) else {
            count.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%subject, "nobody here answers to this subject");
            return None;
        };
        match handler(envelope) {
            Ok(work) => {
                if kind == Kind::Notice {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Some(work)
            }
            Err(error) => {
                count.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%subject, %error, "a message of the bus cannot be read");
                None
            }
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Envelope>) {
    let mut held = Vec::new();
    while answers.recv_many(&mut held, 64).await > 0 {
        let bytes: Vec<u8> = held.drain(..).flat_map(|envelope| frame::write(&envelope)).collect();
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
