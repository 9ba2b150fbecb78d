use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::{Client, Event, HeaderMap, Subject};
use bus::NotSent;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::line::{Line, Next};
use crate::names::Names;
use crate::roster::Roster;
use crate::{NatsError, Options};

/// So many messages may wait to be sent.
const QUEUED: usize = 4096;
/// So many bytes.
const QUEUED_BYTES: usize = 16 << 20;
/// Whoever had no connection for so long at its start may have missed something already.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often is looked for what came too late.
const SWEEP: Duration = Duration::from_secs(1);

/// The bus across hosts. Clones share one connection, which lives on a small thread of its own and is made
/// again for ever; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Nats {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) names: Names,
    pub(crate) runtime: Handle,
    pub(crate) roster: Arc<Roster>,
    pub(crate) link: Arc<Link>,
    _until_dropped: oneshot::Sender<()>,
}

/// What may be said from any thread without waiting.
#[derive(Debug)]
pub(crate) struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    queued_bytes: AtomicUsize,
    lines: Mutex<Vec<Weak<Line>>>,
    is_connected: AtomicBool,
    since: Instant,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    repeated: AtomicU64,
    broken: AtomicU64,
    slow: AtomicU64,
}

/// What the connection has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Messages given to the connection.
    pub sent: u64,
    /// Messages refused since too much waited already, or they were too long.
    pub refused: u64,
    /// Messages that the connection would not take.
    pub dropped: u64,
    /// Requests said again on a new connection.
    pub repeated: u64,
    /// Connections that broke. When this rises, notices may have been missed: what they keep fresh is stale.
    pub broken: u64,
    /// Times that a message that came was dropped, since who hears was too slow.
    pub slow: u64,
}

#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Looked up when its turn comes: it may be over by then.
    Request(Arc<Line>, u64, usize),
    Message {
        subject: Subject,
        payload: Bytes,
        from: Option<Arc<str>>,
    },
}

impl Nats {
    /// Connects as `options` say, and goes on trying for ever: that no server is there is no error.
    pub fn start(options: Options) -> Result<Self, NatsError> {
        options.check_root()?;
        // More than one provider may be compiled in; the library would not choose.
        let _there_is_one_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (servers, connect) = (options.servers()?, options.connect()?);
        let (outgoing, to_send) = mpsc::channel(QUEUED);
        let link = Arc::new(Link::new(outgoing));
        let seen = link.clone();
        let connect = connect.event_callback(move |event| {
            seen.happened(&event);
            std::future::ready(())
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("nats".to_owned()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(NatsError::Thread(error)))),
            };
            let client = match runtime.block_on(connect.connect(servers)) {
                Ok(client) => client,
                Err(error) => return drop(tell.send(Err(error.into()))),
            };
            if tell.send(Ok((client, runtime.handle().clone()))).is_ok() {
                let _dropped = runtime.block_on(stopped);
            }
        })?;
        let (client, runtime) = told.recv().map_err(|_| std::io::Error::other("it ended at once"))??;
        let names = Names::new(&options.root);
        runtime.spawn(link.clone().send_all(client.clone(), to_send));
        runtime.spawn(link.clone().sweep());
        let roster = Roster::start(&runtime, &client, &names);
        let shared = Shared { client, options, names, runtime, roster, link, _until_dropped: stop };
        Ok(Nats { shared: Arc::new(shared) })
    }

    /// Whether a server is connected just now.
    pub fn is_connected(&self) -> bool {
        self.shared.link.is_connected.load(Ordering::Relaxed)
    }

    /// What happened so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.link.traffic()
    }

    /// Waits until all that was said before has reached a server; not longer than `within`. Whether it has.
    pub async fn flush(&self, within: Duration) -> bool {
        let until = tokio::time::Instant::now() + within;
        while self.shared.link.queued_bytes.load(Ordering::Relaxed) > 0 {
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // On the connection's own thread: behind all that it was told to do before.
        let client = self.shared.client.clone();
        let flushed = self.shared.runtime.spawn(async move { client.flush().await.is_ok() });
        matches!(tokio::time::timeout_at(until, flushed).await, Ok(Ok(true)))
    }
}

impl Shared {
    /// A new asking side, whose answers are heard from now on.
    pub(crate) fn line(&self, mailbox: Option<Arc<crate::inbox::Inbox>>) -> Arc<Line> {
        let line = Arc::new(Line::new(self.client.new_inbox(), mailbox));
        self.link.lines().push(Arc::downgrade(&line));
        let hearing =
            hear_answers(Arc::downgrade(&line), line.inbox(), self.link.clone(), self.client.clone());
        line.heard_by(self.runtime.spawn(hearing).abort_handle());
        line
    }
}

/// Until nobody asks on the line any more.
async fn hear_answers(line: Weak<Line>, inbox: Subject, link: Arc<Link>, client: Client) {
    let subscribed = client.subscribe(inbox).await;
    if let Some(line) = line.upgrade() {
        line.hears();
    }
    let Ok(mut answers) = subscribed else { return };
    while let Some(message) = answers.next().await {
        let Some(line) = line.upgrade() else { return };
        if let Next::Again(id, after) = line.came(&message) {
            let link = link.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let _ = link.request(&line, id, 0);
            });
        }
    }
}

impl Link {
    fn new(outgoing: mpsc::Sender<Outgoing>) -> Self {
        Link {
            outgoing,
            queued_bytes: AtomicUsize::new(0),
            lines: Mutex::default(),
            is_connected: AtomicBool::new(false),
            since: Instant::now(),
            counts: Counts::default(),
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the connections, from nought.
    fn connection(&self) -> u64 {
        self.counts.broken.load(Ordering::Relaxed)
    }

    /// Says the request `id` of `line`, which has `length` bytes.
    pub(crate) fn request(&self, line: &Arc<Line>, id: u64, length: usize) -> Result<(), NotSent> {
        self.push(Outgoing::Request(line.clone(), id, length), length)
    }

    /// Says something that has no answer, or is one.
    pub(crate) fn say(
        &self,
        subject: Subject,
        payload: Bytes,
        from: Option<Arc<str>>,
    ) -> Result<(), NotSent> {
        let length = payload.len();
        self.push(Outgoing::Message { subject, payload, from }, length)
    }

    fn push(&self, outgoing: Outgoing, length: usize) -> Result<(), NotSent> {
        let queued = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let has_room = queued == 0 || queued + length <= QUEUED_BYTES;
        if has_room && self.outgoing.try_send(outgoing).is_ok() {
            return Ok(());
        }
        self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        Err(NotSent::Full)
    }

    /// Gives what waits to the connection. While there is none it stops here, and the queue fills.
    async fn send_all(self: Arc<Self>, client: Client, mut to_send: mpsc::Receiver<Outgoing>) {
        while let Some(outgoing) = to_send.recv().await {
            let (length, sent) = match outgoing {
                Outgoing::Request(line, id, length) => {
                    line.until_it_hears().await;
                    match line.say(id, self.connection()) {
                        Some((subject, reply, payload)) => {
                            (length, client.publish_with_reply(subject, reply, payload).await)
                        }
                        None => (length, Ok(())),
                    }
                }
                Outgoing::Message { subject, payload, from: None } => {
                    (payload.len(), client.publish(subject, payload).await)
                }
                Outgoing::Message { subject, payload, from: Some(from) } => {
                    let mut headers = HeaderMap::new();
                    headers.insert(crate::FROM, &*from);
                    (payload.len(), client.publish_with_headers(subject, headers, payload).await)
                }
            };
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
            match sent {
                Ok(()) => self.counts.sent.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(%error, "a message cannot be said on the bus");
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut pulse = tokio::time::interval(SWEEP);
        loop {
            pulse.tick().await;
            self.lines().retain(|line| line.strong_count() > 0);
            self.each_line(|line| line.forget_late());
        }
    }

    fn each_line(&self, mut what: impl FnMut(&Arc<Line>)) {
        let lines: Vec<_> = self.lines().iter().filter_map(Weak::upgrade).collect();
        lines.iter().for_each(&mut what);
    }

    fn happened(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.is_connected.store(true, Ordering::Relaxed);
                tracing::info!("the bus across hosts is connected");
                let was_deaf = self.connection() > 0 || self.since.elapsed() > PATIENCE;
                self.each_line(|line| {
                    if was_deaf {
                        line.missed();
                    }
                    for id in line.said_once(self.connection()) {
                        self.counts.repeated.fetch_add(1, Ordering::Relaxed);
                        let _ = self.request(line, id, 0);
                    }
                });
            }
            Event::Disconnected => {
                self.is_connected.store(false, Ordering::Relaxed);
                self.counts.broken.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("the bus across hosts is not connected");
            }
            Event::SlowConsumer(_) => {
                self.counts.slow.fetch_add(1, Ordering::Relaxed);
                self.each_line(|line| line.missed());
            }
            Event::ServerError(error) => tracing::warn!(%error, "a server of the bus complains"),
            Event::ClientError(error) => tracing::debug!(%error, "the bus across hosts"),
            Event::LameDuckMode | Event::Draining | Event::Closed => {
                tracing::info!(%event, "the bus across hosts");
            }
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            sent: of(&self.counts.sent),
            refused: of(&self.counts.refused),
            dropped: of(&self.counts.dropped),
            repeated: of(&self.counts.repeated),
            broken: of(&self.counts.broken),
            slow: of(&self.counts.slow),
        }
    }
}
