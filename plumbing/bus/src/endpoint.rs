use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{Envelope, Kind, Role, To};
use strowger_io::{Event, Events, Interest, Poller};

use crate::link::{Frame, Link, Queue};
use crate::{Member, Topology, frame};

/// What may wait to be written to one peer, in bytes.
const QUEUED: usize = 4 << 20;
/// A request older than this is not sent again: whoever asked has asked again himself.
const STALE: Duration = Duration::from_secs(2);
/// What is read of a connection at once, in bytes.
const ROOM: usize = 64 << 10;
const LISTENER: u64 = u64::MAX;

/// A connection on which a request came, so that its answer finds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(u64);

impl Peer {
    /// The asker of that number: for those who make mailboxes.
    pub const fn new(number: u64) -> Self {
        Peer(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// On which connection; an answer goes back on it.
    pub from: Peer,
    /// The message.
    pub envelope: Envelope,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The peer reads too slowly, and too much waits already.
    #[error("too much waits to be said already")]
    Full,
    /// The member's socket is not there.
    #[error("{member} cannot be reached: {source}")]
    Unreachable {
        /// Who.
        member: Member,
        /// Why.
        source: io::Error,
    },
    /// It is longer than the bus carries.
    #[error("{length} bytes are too much for a message, {most} is the most")]
    TooLong {
        /// How long it is.
        length: usize,
        /// What is carried at most.
        most: usize,
    },
    /// The connection on which the request came is no more; the asker will ask again.
    #[error("the asker is gone")]
    Gone,
    /// No role answers for such a subject.
    #[error("nobody is known for the subject {0:?}")]
    Nobody(String),
}

/// What an endpoint has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages taken to be sent.
    pub sent: u64,
    /// Messages that came.
    pub received: u64,
    /// Notices and answers dropped because the peer read too slowly or was gone.
    pub dropped: u64,
    /// Requests refused because the peer read too slowly or could not be reached.
    pub refused: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Requests sent again after their connection broke.
    pub repeated: u64,
}

/// The bus for a loop that waits in epoll. Nothing here blocks.
///
/// A turn of the loop: wait until [`Endpoint::as_fd`] is readable; [`Endpoint::ready`]; take messages with
/// [`Endpoint::receive`]; [`Endpoint::send`] and [`Endpoint::answer`]; [`Endpoint::flush`] at the turn's end.
#[derive(Debug)]
pub struct Endpoint {
    topology: Topology,
    poller: Poller,
    events: Events,
    listener: UnixListener,
    accept_again: bool,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    outgoing: BTreeMap<Member, Outgoing>,
    inbox: VecDeque<Received>,
    to_flush: Vec<u64>,
    /// What is read passes through here.
    room: Vec<u8>,
    counters: Counters,
}

/// What we have to do with a member whom we speak to first.
#[derive(Debug, Default)]
struct Outgoing {
    link: Option<u64>,
    unanswered: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    id: u64,
    frame: Frame,
    at: Instant,
    repeated: bool,
}

impl AsFd for Endpoint {
    /// Readable when [`Endpoint::ready`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl Endpoint {
    /// Answers on `listener`, which [`Topology::bind`] made.
    pub fn new(topology: Topology, listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poller = Poller::new().map_err(|error| error.source)?;
        poller.add(&listener, LISTENER, Interest::READ.edge()).map_err(|error| error.source)?;
        Ok(Endpoint {
            topology,
            poller,
            events: Events::new(64),
            listener,
            accept_again: false,
            links: BTreeMap::new(),
            next_link: 0,
            outgoing: BTreeMap::new(),
            inbox: VecDeque::new(),
            to_flush: Vec::new(),
            room: vec![0; ROOM],
            counters: Counters::default(),
        })
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Reads and writes whatever is possible now.
    pub fn ready(&mut self) {
        if let Err(error) = self.poller.wait(&mut self.events, Some(Duration::ZERO)) {
            tracing::warn!(%error, "the bus cannot be polled");
            return;
        }
        let ready: Vec<Event> = self.events.iter().collect();
        if self.accept_again || ready.iter().any(|event| event.token == LISTENER) {
            self.accept();
        }
        for event in ready {
            if event.writable && self.links.get_mut(&event.token).is_some_and(|it| it.flush().is_err()) {
                self.broke(event.token);
            }
            if event.readable || event.closed {
                self.read(event.token, event.closed);
            }
        }
    }

    /// The next message that came.
    pub fn receive(&mut self) -> Option<Received> {
        self.inbox.pop_front()
    }

    /// Sends a request or a notice to whoever its subject and shard mean. A notice that a slow peer has no room
    /// for is dropped and counted; a request fails at once.
    pub fn send(&mut self, envelope: &Envelope) -> Result<(), NotSent> {
        let role = Role::of(&envelope.subject).ok_or_else(|| NotSent::Nobody(envelope.subject.clone()))?;
        self.say_to(self.topology.route(role, envelope.shard), envelope)
    }

    /// Sends a request or a notice to `to`, whatever shard it names.
    pub fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        let role = Role::of(&envelope.subject).ok_or_else(|| NotSent::Nobody(envelope.subject.clone()))?;
        self.say_to(self.topology.members_for(role, to), envelope)
    }

    fn say_to(&mut self, members: Vec<Member>, envelope: &Envelope) -> Result<(), NotSent> {
        let request = (envelope.kind == Kind::Request).then_some(envelope.id);
        let frame = Frame { request, bytes: Arc::new(frame::write(envelope)) };
        for member in members {
            let sent = self.say(member, frame.clone());
            match (envelope.kind, sent) {
                (_, Ok(())) => self.counters.sent += 1,
                (Kind::Notice | Kind::Answer, Err(_)) => self.counters.dropped += 1,
                (Kind::Request, Err(error)) => {
                    self.counters.refused += 1;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Sends the answer to a request that came from `to`.
    pub fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent> {
        let frame = Frame { request: None, bytes: Arc::new(frame::write(envelope)) };
        let taken = self.links.get_mut(&to.0).map(|link| link.queue.push(frame));
        if taken != Some(true) {
            self.counters.dropped += 1;
            return Err(if taken.is_none() { NotSent::Gone } else { NotSent::Full });
        }
        self.counters.sent += 1;
        self.to_flush.push(to.0);
        Ok(())
    }

    /// Writes what was sent since the last flush, as far as the peers take it; the rest goes by
    /// [`Endpoint::ready`].
    pub fn flush(&mut self) {
        let mut links = std::mem::take(&mut self.to_flush);
        links.sort_unstable();
        links.dedup();
        for link in links.drain(..) {
            if self.links.get_mut(&link).is_some_and(|it| it.flush().is_err()) {
                self.broke(link);
            }
        }
        if self.to_flush.is_empty() {
            self.to_flush = links;
        }
    }

    fn say(&mut self, member: Member, frame: Frame) -> Result<(), NotSent> {
        let link = self.connected(member)?;
        if !self.links.get_mut(&link).is_some_and(|it| it.queue.push(frame.clone())) {
            return Err(NotSent::Full);
        }
        self.to_flush.push(link);
        if let Some(id) = frame.request {
            self.outgoing.entry(member).or_default().asked(Asked {
                id,
                frame,
                at: Instant::now(),
                repeated: false,
            });
        }
        Ok(())
    }

    /// The connection to `member`, made now if there is none.
    fn connected(&mut self, member: Member) -> Result<u64, NotSent> {
        if let Some(link) = self.outgoing.get(&member).and_then(|it| it.link) {
            return Ok(link);
        }
        let stream = UnixStream::connect(self.topology.path(member));
        let link = stream
            .and_then(|stream| self.add(stream))
            .map_err(|source| NotSent::Unreachable { member, source })?;
        self.outgoing.entry(member).or_default().link = Some(link);
        Ok(link)
    }

    fn add(&mut self, stream: UnixStream) -> io::Result<u64> {
        let number = self.next_link;
        self.next_link += 1;
        stream.set_nonblocking(true)?;
        self.poller.add(&stream, number, Interest::BOTH.edge()).map_err(|error| error.source)?;
        self.links.insert(number, Link::new(stream, QUEUED));
        Ok(number)
    }

    fn accept(&mut self) {
        self.accept_again = false;
        loop {
            let added = self.listener.accept().and_then(|(stream, _)| self.add(stream));
            match added {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "a bus connection could not be accepted");
                    self.accept_again = true;
                    return;
                }
            }
        }
    }

    fn read(&mut self, number: u64, to_the_end: bool) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let before = self.inbox.len();
        let inbox = &mut self.inbox;
        let alive = link.read(&mut self.room, to_the_end, &mut |envelope| {
            inbox.push_back(Received { from: Peer(number), envelope })
        });
        let came = self.inbox.len() - before;
        self.counters.received += came as u64;
        if came > 0 {
            self.strike_answered(number, before);
        }
        if !alive {
            self.broke(number);
        }
    }

    /// Requests whose answers came behind `before` need not be sent again.
    fn strike_answered(&mut self, number: u64, before: usize) {
        let Some(outgoing) = self.outgoing.values_mut().find(|it| it.link == Some(number)) else { return };
        for Received { envelope, .. } in self.inbox.range(before..) {
            if envelope.kind == Kind::Answer
                && let Some(at) = outgoing.unanswered.iter().position(|asked| asked.id == envelope.id)
            {
                outgoing.unanswered.remove(at);
            }
        }
    }

    /// A connection is no more. If we opened it, what was not answered and what was not yet begun goes over a
    /// new one.
    fn broke(&mut self, number: u64) {
        let Some(link) = self.links.remove(&number) else { return };
        self.counters.broken += 1;
        let mine = self.outgoing.iter_mut().find(|(_, it)| it.link == Some(number));
        let Some((&member, outgoing)) = mine else { return };
        outgoing.link = None;
        let again = outgoing.take_up(link.queue);
        if !again.is_empty() {
            self.say_again(member, again);
        }
    }

    fn say_again(&mut self, member: Member, frames: Vec<Frame>) {
        let link = match self.connected(member) {
            Ok(number) => self.links.get_mut(&number),
            Err(error) => {
                tracing::warn!(%error, "a broken bus connection stays broken");
                None
            }
        };
        let Some(link) = link else {
            self.counters.dropped += frames.len() as u64;
            return;
        };
        // Written when the poll says that the new connection can be written to, which it does at once.
        for frame in frames {
            let repeated = frame.request.is_some();
            match link.queue.push(frame) {
                true => self.counters.repeated += u64::from(repeated),
                false => self.counters.dropped += 1,
            }
        }
    }
}

impl Outgoing {
    fn asked(&mut self, asked: Asked) {
        while self.unanswered.front().is_some_and(|old| old.at.elapsed() > STALE) {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(asked);
    }

    /// What to say on the next connection: requests that have no answer and were not said twice, then
    /// notices that were not begun.
    fn take_up(&mut self, queue: Queue) -> Vec<Frame> {
        let unbegun = queue.into_unbegun();
        let unsaid: BTreeSet<u64> = unbegun.iter().filter_map(|frame| frame.request).collect();
        self.unanswered.retain(|it| it.at.elapsed() <= STALE && (!it.repeated || unsaid.contains(&it.id)));
        let requests = self.unanswered.iter_mut().map(|asked| {
            asked.repeated = true;
            asked.frame.clone()
        });
        requests.chain(unbegun.into_iter().filter(|frame| frame.request.is_none())).collect()
    }
}
