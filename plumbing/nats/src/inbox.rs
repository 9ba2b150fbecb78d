//! What came for a loop that waits in epoll.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_nats::Subject;
use bus::{Peer, Received};
use contract::account::Doubt;
use contract::{Envelope, Kind};
use strowger_io::Waker;

/// So many messages may wait for a loop. Then requests and notices are dropped; who asks will ask again.
const WAITING: usize = 8192;
/// So many askers are remembered; the oldest are forgotten first.
const ASKERS: usize = 16_384;

/// Filled by the thread of the connection, emptied by the loop; the waker is in the loop's poll.
#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    waker: Waker,
    /// Whoever it belongs to remembers accounts.
    remembers: bool,
    dropped: AtomicU64,
    came: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Received>,
    /// Where the answer to a request goes, by the number of its asker.
    askers: BTreeMap<u64, Asker>,
    next_asker: u64,
    /// A notice was dropped since the loop looked last.
    has_missed: bool,
}

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) reply: Subject,
    /// He has asked everybody, and wants to know who answers.
    pub(crate) wants_name: bool,
}

impl Inbox {
    pub(crate) fn new(waker: Waker, remembers: bool) -> Self {
        let (dropped, came) = (AtomicU64::new(0), AtomicU64::new(0));
        Inbox { waiting: Mutex::default(), waker, remembers, dropped, came }
    }

    /// Notices may have been missed.
    pub(crate) fn missed(&self) {
        if self.remembers {
            let envelope = Envelope::notice(None, &Doubt {});
            self.push(self.lock(), Received { from: Peer::new(u64::MAX), envelope });
        }
    }

    /// A request or a notice came.
    pub(crate) fn message_came(&self, envelope: Envelope, asker: Option<Asker>) {
        let mut waiting = self.lock();
        if waiting.messages.len() >= WAITING {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            waiting.has_missed |= envelope.kind == Kind::Notice;
            return;
        }
        let number = waiting.next_asker;
        if let Some(asker) = asker.filter(|_| envelope.kind == Kind::Request) {
            waiting.next_asker += 1;
            waiting.askers.insert(number, asker);
            if waiting.askers.len() > ASKERS {
                waiting.askers.pop_first();
            }
        }
        self.push(waiting, Received { from: Peer::new(number), envelope });
    }

    /// An answer to what the loop has asked.
    pub(crate) fn answer_came(&self, envelope: Envelope) {
        self.push(self.lock(), Received { from: Peer::new(u64::MAX), envelope });
    }

    fn push(&self, mut waiting: std::sync::MutexGuard<'_, Waiting>, received: Received) {
        self.came.fetch_add(1, Ordering::Relaxed);
        let is_first = waiting.messages.is_empty();
        waiting.messages.push_back(received);
        drop(waiting);
        if is_first {
            self.waker.wake();
        }
    }

    /// All that came, behind what is in `into`.
    pub(crate) fn take(&self, into: &mut VecDeque<Received>) {
        let mut waiting = self.lock();
        if into.is_empty() {
            std::mem::swap(into, &mut waiting.messages);
        } else {
            into.append(&mut waiting.messages);
        }
        if std::mem::take(&mut waiting.has_missed) {
            drop(waiting);
            self.missed();
        }
    }

    /// Where the answer to `peer` goes; it has one answer.
    pub(crate) fn asker(&self, peer: Peer) -> Option<Asker> {
        self.lock().askers.remove(&peer.number())
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
