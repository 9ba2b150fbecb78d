//! Members of a bus in one process: threads in epoll, and an office in tokio.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use contract::{Conversation, Envelope, Kind};
use strowger_bus::{Counters, Endpoint, Member, NotSent, Received, Server, Topology};
use strowger_io::{Events, Interest, Poller, Waker};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// A runtime directory that goes with its test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn topology(&self, threads: u16) -> Topology {
        Topology::new(&self.0, threads)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// An office that dies with its value.
pub(crate) struct Office(JoinHandle<std::io::Result<()>>);

pub(crate) fn office(topology: &Topology, server: Server) -> Office {
    Office(tokio::spawn(server.serve(topology.bind(Member::Office).unwrap())))
}

impl Drop for Office {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Order = Box<dyn FnOnce(&mut Endpoint) + Send>;

/// A thread that waits in epoll, as the workers' do; it dies with its value.
pub(crate) struct Thread {
    orders: Option<mpsc::Sender<Order>>,
    waker: Waker,
    heard: UnboundedReceiver<Received>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Thread {
    pub(crate) fn start(topology: &Topology, member: Member) -> Self {
        Thread::on(topology, topology.bind(member).unwrap())
    }

    pub(crate) fn on(topology: &Topology, listener: UnixListener) -> Self {
        let (orders, to_do) = mpsc::channel::<Order>();
        let (tell, heard) = unbounded_channel();
        let waker = Waker::new().unwrap();
        let (woken, topology) = (waker.duplicate().unwrap(), topology.clone());
        let thread = std::thread::spawn(move || {
            let mut endpoint = Endpoint::new(topology, listener).unwrap();
            let (poller, mut events) = (Poller::new().unwrap(), Events::new(8));
            poller.add(&endpoint, 0, Interest::READ).unwrap();
            poller.add(&woken, 1, Interest::READ).unwrap();
            loop {
                poller.wait(&mut events, None).unwrap();
                woken.drain();
                endpoint.ready();
                while let Some(received) = endpoint.receive() {
                    tell.send(received).unwrap();
                }
                loop {
                    match to_do.try_recv() {
                        Ok(order) => order(&mut endpoint),
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return,
                    }
                }
                endpoint.flush();
            }
        });
        Thread { orders: Some(orders), waker, heard, thread: Some(thread) }
    }

    /// Has the thread do something with its endpoint.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Endpoint) -> T + Send + 'static,
    ) -> T {
        let (done, result) = mpsc::channel();
        let order: Order = Box::new(move |endpoint| done.send(what(endpoint)).unwrap());
        self.orders.as_ref().unwrap().send(order).unwrap();
        self.waker.wake();
        result.recv().unwrap()
    }

    pub(crate) fn ask<C: Conversation>(&self, id: u64, conversation: &C) -> Result<(), NotSent> {
        let envelope = Envelope::request(id, None, conversation);
        self.with(move |endpoint| endpoint.send(&envelope))
    }

    pub(crate) fn counters(&self) -> Counters {
        self.with(|endpoint| endpoint.counters())
    }

    /// The next message that the thread hears.
    pub(crate) async fn next(&mut self) -> Received {
        self.heard.recv().await.unwrap()
    }

    pub(crate) fn answer<C: Conversation>(&mut self, to: &Received, answer: &C::Answer) {
        let envelope = Envelope::answer::<C>(to.envelope.id, answer);
        let from = to.from;
        self.with(move |endpoint| endpoint.answer(from, &envelope)).unwrap();
    }

    /// Answers every request with the same, from now on.
    pub(crate) fn answering<C: Conversation>(mut self, answer: C::Answer) -> Answering
    where
        C::Answer: Send + Sync + 'static,
    {
        Answering(tokio::spawn(async move {
            loop {
                let received = self.next().await;
                if received.envelope.kind == Kind::Request {
                    self.answer::<C>(&received, &answer);
                }
            }
        }))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.orders = None;
        self.waker.wake();
        let _panicked_perhaps = self.thread.take().map(|thread| thread.join());
    }
}

/// A thread that answers by itself until dropped.
pub(crate) struct Answering(JoinHandle<()>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}
