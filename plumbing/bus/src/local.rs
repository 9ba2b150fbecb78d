//! The bus of one host for tokio: a connection to each member, made when first needed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use contract::{Body, Envelope, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::frame::{self, Reader};
use crate::{Addressed, Carrier, Member, NotSent, Topology, Unanswered};

/// So many messages may wait for one member.
const QUEUED: usize = 4096;
/// How long to wait before another attempt when a member's socket does not take connections.
const AGAIN: Duration = Duration::from_millis(20);

/// Speaks to every member from tokio tasks.
#[derive(Debug)]
pub struct Local {
    topology: Topology,
    next_id: AtomicU64,
    links: BTreeMap<Member, Link>,
}

#[derive(Debug)]
struct Link {
    say: mpsc::Sender<Said>,
    pending: Arc<Pending>,
}

/// What is to be written: a request is looked up when its turn comes, since it may be over by then.
#[derive(Debug)]
enum Said {
    Request(u64),
    Notice(Vec<u8>),
}

#[derive(Debug, Default)]
struct Pending(Mutex<BTreeMap<u64, Asked>>);

#[derive(Debug)]
struct Asked {
    frame: Arc<Vec<u8>>,
    answer: oneshot::Sender<Body>,
    said: u8,
}

impl Local {
    /// Connects to nobody yet. Must be called within a tokio runtime.
    pub fn new(topology: Topology) -> Self {
        let links = topology.members().map(|member| (member, Link::start(&topology, member))).collect();
        Local { topology, next_id: AtomicU64::new(1), links }
    }

    /// Who is there.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Asks one member by name, whatever the routing says.
    pub async fn request_of(
        &self,
        member: Member,
        request: Addressed,
        within: Duration,
    ) -> Result<Body, Unanswered> {
        let subject = request.name();
        let nobody = || Unanswered::NotSent { subject: subject.clone(), source: NotSent::Gone };
        let link = self.links.get(&member).ok_or_else(nobody)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = Arc::new(frame::write(&request.envelope(Kind::Request, id)));
        let (answer, answered) = oneshot::channel();
        link.pending.lock().insert(id, Asked { frame, answer, said: 0 });
        let _forgotten_at_the_end = Forget { pending: &link.pending, id };
        if link.say.try_send(Said::Request(id)).is_err() {
            return Err(Unanswered::NotSent { subject, source: NotSent::Full });
        }
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) | Err(_) => Err(Unanswered::Late { subject, within }),
        }
    }
}

impl Carrier for Local {
    async fn request(&self, request: Addressed, within: Duration) -> Result<Body, Unanswered> {
        let members = self.topology.members_for(request.subject.role, request.to);
        match members.first() {
            Some(&member) => self.request_of(member, request, within).await,
            None => Err(Unanswered::NotSent { subject: request.name(), source: NotSent::Gone }),
        }
    }

    async fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Vec<(String, Result<Body, Unanswered>)> {
        let members = self.topology.members_for(request.subject.role, request.to);
        let mut asked = Vec::new();
        for member in members {
            asked.push((member, Box::pin(self.request_of(member, request.clone(), within))));
        }
        all(asked).await
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        let members = self.topology.members_for(notice.subject.role, notice.to);
        let frame = frame::write(&notice.envelope(Kind::Notice, 0));
        let mut result = Ok(());
        for link in members.iter().filter_map(|member| self.links.get(member)) {
            if link.say.try_send(Said::Notice(frame.clone())).is_err() {
                result = Err(NotSent::Full);
            }
        }
        result
    }
}

/// Waits for all of `asked` at the same time.
async fn all<F: Future>(asked: Vec<(Member, Pin<Box<F>>)>) -> Vec<(String, F::Output)> {
    let mut waiting: Vec<_> = asked.into_iter().map(|(member, future)| (member, future, None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (_, future, result) in waiting.iter_mut().filter(|(.., result)| result.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => ready = false,
            }
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(member, _, result)| Some((member.to_string(), result?))).collect()
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to write for the request `id`, unless it is over.
    fn say(&self, id: u64) -> Option<Arc<Vec<u8>>> {
        let mut pending = self.lock();
        let asked = pending.get_mut(&id)?;
        asked.said += 1;
        Some(asked.frame.clone())
    }

    /// After a break: the requests that were said once only. Those that were said twice are given up, so that
    /// one which kills its hearer does not do so for ever.
    fn said_once(&self) -> Vec<u64> {
        let mut pending = self.lock();
        pending.retain(|_, asked| asked.said < 2);
        pending.iter().filter(|(_, asked)| asked.said == 1).map(|(&id, _)| id).collect()
    }

    fn answered(&self, envelope: Envelope) {
        if let Some(asked) = self.lock().remove(&envelope.id) {
            // Whoever asked may have stopped waiting.
            let _ = asked.answer.send(envelope.body);
        }
    }
}

struct Forget<'a> {
    pending: &'a Pending,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.lock().remove(&self.id);
    }
}

impl Link {
    fn start(topology: &Topology, member: Member) -> Self {
        let (say, said) = mpsc::channel(QUEUED);
        let pending = Arc::new(Pending::default());
        let talk = Talk { said, held: Vec::new(), pending: pending.clone() };
        tokio::spawn(talk.run(topology.path(member)));
        Link { say, pending }
    }
}

/// What is to be said to one member, over as many connections as it takes.
struct Talk {
    said: mpsc::Receiver<Said>,
    held: Vec<Said>,
    pending: Arc<Pending>,
}

impl Talk {
    async fn run(mut self, path: PathBuf) {
        loop {
            if self.held.is_empty() && self.said.recv_many(&mut self.held, 64).await == 0 {
                return;
            }
            let stream = match UnixStream::connect(&path).await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "a member of the bus is not there yet");
                    if self.said.is_closed() {
                        return;
                    }
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            let (reading, writing) = stream.into_split();
            let reader = tokio::spawn(read(reading, self.pending.clone()));
            if self.write(writing, reader).await {
                return;
            }
            self.held.splice(0..0, self.pending.said_once().into_iter().map(Said::Request));
        }
    }

    /// Writes until the connection breaks (false), or nobody can have anything to say any more (true).
    async fn write(&mut self, mut to: OwnedWriteHalf, mut reader: JoinHandle<()>) -> bool {
        loop {
            let mut bytes = Vec::new();
            for what in self.held.drain(..) {
                match what {
                    Said::Notice(frame) => bytes.extend_from_slice(&frame),
                    Said::Request(id) => {
                        if let Some(frame) = self.pending.say(id) {
                            bytes.extend_from_slice(&frame);
                        }
                    }
                }
            }
            if to.write_all(&bytes).await.is_err() {
                reader.abort();
                return false;
            }
            tokio::select! {
                count = self.said.recv_many(&mut self.held, 64) => if count == 0 {
                    reader.abort();
                    return true;
                },
                _ = &mut reader => return false,
            }
        }
    }
}

async fn read(mut from: OwnedReadHalf, pending: Arc<Pending>) {
    let mut buffer = vec![0; 64 << 10];
    let mut reader = Reader::default();
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => reader.push(&buffer[..count]),
        }
        loop {
            match reader.next() {
                Ok(Some(envelope)) if envelope.kind == Kind::Answer => pending.answered(envelope),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a bus connection is closed for what came on it");
                    return;
                }
            }
        }
    }
}
