use std::sync::mpsc;

use contract::{Conversation, Envelope, Kind};
use strowger_bus::{Counters, Mailbox, NotSent, Received};
use strowger_io::{Events, Interest, Poller, Waker};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Gone;

type Order<M> = Box<dyn FnOnce(&mut M) + Send>;

/// A thread that waits in epoll with a mailbox, as the workers' do; it dies with its value.
pub(crate) struct Looped<M> {
    orders: Option<mpsc::Sender<Order<M>>>,
    waker: Waker,
    heard: UnboundedReceiver<Received>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl<M: Mailbox + Send + 'static> Looped<M> {
    pub(crate) fn start(mut mailbox: M) -> Self {
        let (orders, to_do) = mpsc::channel::<Order<M>>();
        let (tell, heard) = unbounded_channel();
        let waker = Waker::new().unwrap();
        let woken = waker.duplicate().unwrap();
        let thread = std::thread::spawn(move || {
            let (poller, mut events) = (Poller::new().unwrap(), Events::new(8));
            poller.add(&mailbox, 0, Interest::READ).unwrap();
            poller.add(&woken, 1, Interest::READ).unwrap();
            loop {
                poller.wait(&mut events, None).unwrap();
                woken.drain();
                mailbox.ready();
                while let Some(received) = mailbox.receive() {
                    tell.send(received).unwrap();
                }
                loop {
                    match to_do.try_recv() {
                        Ok(order) => order(&mut mailbox),
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return,
                    }
                }
                mailbox.flush();
            }
        });
        Looped { orders: Some(orders), waker, heard, thread: Some(thread) }
    }

    /// Has the thread do something with its mailbox.
    pub(crate) fn with<T: Send + 'static>(&self, what: impl FnOnce(&mut M) -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let order: Order<M> = Box::new(move |mailbox| done.send(what(mailbox)).unwrap());
        self.orders.as_ref().unwrap().send(order).unwrap();
        self.waker.wake();
        result.recv().unwrap()
    }

    pub(crate) fn ask<C: Conversation>(&self, id: u64, conversation: &C) -> Result<(), NotSent> {
        let envelope = Envelope::request(id, None, conversation);
        self.with(move |mailbox| mailbox.send(&envelope))
    }

    #[allow(dead_code)] // not every bus has a test of its own that looks
    pub(crate) fn counters(&self) -> Counters {
        self.with(|mailbox| mailbox.counters())
    }

    /// The next message that the thread hears.
    pub(crate) async fn next(&mut self) -> Received {
        self.heard.recv().await.unwrap()
    }

    /// How many messages have come and were not taken.
    pub(crate) fn waiting(&self) -> usize {
        self.heard.len()
    }

    pub(crate) fn answer<C: Conversation>(&mut self, to: &Received, answer: &C::Answer) {
        let envelope = Envelope::answer::<C>(to.envelope.id, answer);
        let from = to.from;
        self.with(move |mailbox| mailbox.answer(from, &envelope)).unwrap();
    }

    /// Answers every request with the same, from now on.
    pub(crate) fn answering<C: Conversation>(mut self, answer: C::Answer) -> Gone
    where
        C::Answer: Send + Sync + 'static,
    {
        Gone::spawn(async move {
            loop {
                let received = self.next().await;
                if received.envelope.kind == Kind::Request {
                    self.answer::<C>(&received, &answer);
                }
            }
        })
    }
}

impl<M> Drop for Looped<M> {
    fn drop(&mut self) {
        self.orders = None;
        self.waker.wake();
        let _panicked_perhaps = self.thread.take().map(|thread| thread.join());
    }
}
