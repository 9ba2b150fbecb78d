use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use edge::Flow;
use machine::Moment;
use strowger_io::{Event, Inbox, Interest, Listener, Outbound, Poller, Stream, UdpSocket};

use crate::connection::{Closed, Connection};

/// The largest datagram that IP can carry.
const LARGEST: usize = 65_535;
/// Datagrams taken from a socket at once.
const BATCH: usize = 64;
/// Connections accepted in one go.
const ACCEPTED: usize = 64;

/// A socket to hear on. Its place in the list is the flow's `listener`.
#[derive(Debug)]
pub enum Ear {
    /// Datagrams.
    Udp(UdpSocket),
    /// Streams.
    Tcp(Listener),
    /// Somewhere else: another host has the address.
    Elsewhere,
}

/// What a thread allows its peers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one message on a stream.
    pub message: sip::Limits,
    /// Connections at one time; the longest idle makes room for a new one.
    pub connections: usize,
    /// A connection on which nothing came for so long is closed.
    pub idle: Duration,
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is no connection, and none could be made.
    NoConnection,
    /// There is no such listener.
    NoListener,
}

/// What the front has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages from the world.
    pub received: u64,
    /// Messages to the world.
    pub sent: u64,
    /// Datagrams that the kernel refused to send.
    pub refused: u64,
    /// Connections accepted or made.
    pub opened: u64,
    /// Connections ended, by either side.
    pub closed: u64,
}

/// All sockets of one signalling thread that face the world.
#[derive(Debug)]
pub struct Front {
    ears: Vec<(Ear, Outbound)>,
    connections: BTreeMap<u32, Connection>,
    by_flow: BTreeMap<Flow, u32>,
    next_connection: u32,
    thread: u8,
    first_token: u64,
    limits: Limits,
    inbox: Inbox,
    room: Vec<u8>,
    waited: Duration,
    tally: Tally,
}

impl Front {
    /// Takes `ears` of signalling thread `thread` and waits for them in `poller`, under tokens from `first_token` on (2^33 of them).
    ///
    /// # Errors
    /// When the poller can't take a socket.
    pub fn new(
        thread: u8,
        ears: Vec<Ear>,
        limits: Limits,
        poller: &Poller,
        first_token: u64,
    ) -> strowger_io::Result<Self> {
        for (number, ear) in (0..).zip(&ears) {
            match ear {
                Ear::Udp(socket) => poller.add(socket, first_token + number, Interest::READ)?,
                Ear::Tcp(listener) => poller.add(listener, first_token + number, Interest::READ)?,
                Ear::Elsewhere => {}
            }
        }
        Ok(Front {
            ears: ears.into_iter().map(|ear| (ear, Outbound::new())).collect(),
            connections: BTreeMap::new(),
            by_flow: BTreeMap::new(),
            next_connection: 0,
            thread,
            first_token,
            limits,
            inbox: Inbox::new(BATCH, LARGEST),
            room: vec![0; LARGEST],
            waited: Duration::ZERO,
            tally: Tally::default(),
        })
    }

    /// What it has seen.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How long the longest waiting datagram had waited since this was asked last. (A stream's bytes wait in the
    /// kernel without telling how long.)
    pub fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Gives all connections away that are between two messages; the others end with us.
    pub fn leave(&mut self) -> Vec<(Flow, Stream)> {
        let all = std::mem::take(&mut self.connections).into_values();
        all.filter(Connection::is_at_rest).map(|connection| (connection.flow, connection.stream)).collect()
    }

    /// Goes on with a connection that a predecessor had.
    pub fn take_over(&mut self, flow: Flow, stream: Stream, now: Moment, poller: &Poller) {
        if self.is_stream(flow.listener) {
            self.add(flow, stream, false, now, poller);
        }
    }

    /// Whether what goes by `listener` goes on connections.
    pub fn is_stream(&self, listener: u8) -> bool {
        matches!(self.ears.get(usize::from(listener)), Some((Ear::Tcp(_), _)))
    }

    /// Whether `event` is about a socket of ours.
    pub fn owns(&self, event: &Event) -> bool {
        (self.first_token..self.first_token + (1 << 33)).contains(&event.token)
    }

    /// Receives what `event` announces and tells each message, one batch of it.
    pub fn ready(&mut self, event: Event, now: Moment, poller: &Poller, told: &mut impl FnMut(Flow, &[u8])) {
        let number = event.token - self.first_token;
        if let Some(ear) = usize::try_from(number).ok().filter(|&ear| ear < self.ears.len()) {
            match &self.ears[ear].0 {
                Ear::Udp(_) => self.receive(ear, told),
                Ear::Tcp(_) => self.accept(ear, now, poller),
                Ear::Elsewhere => {}
            }
            return;
        }
        let Ok(id) = u32::try_from(number - (1 << 32)) else { return };
        if let Err(why) = self.converse(id, event, now, told) {
            self.close(id, &why, poller);
        } else {
            self.rearm(id, poller);
        }
    }

    fn receive(&mut self, ear: usize, told: &mut impl FnMut(Flow, &[u8])) {
        let Ear::Udp(socket) = &self.ears[ear].0 else { return };
        if let Err(error) = self.inbox.receive(socket) {
            tracing::debug!(%error, "receiving");
            return;
        }
        self.tally.received += self.inbox.len() as u64;
        self.waited = self.waited.max(self.inbox.waited().unwrap_or_default());
        for datagram in self.inbox.iter() {
            // A keep-alive between messages (RFC 5626 4.4.1, and what phones make of it).
            if datagram.bytes.len() <= 4 {
                continue;
            }
            told(Flow { listener: ear as u8, thread: 0, remote: datagram.source }, datagram.bytes);
        }
    }

    fn accept(&mut self, ear: usize, now: Moment, poller: &Poller) {
        for _ in 0..ACCEPTED {
            let Ear::Tcp(listener) = &self.ears[ear].0 else { return };
            match listener.accept() {
                Ok(Some((stream, remote))) => {
                    let flow = Flow { listener: ear as u8, thread: self.thread, remote };
                    self.add(flow, stream, false, now, poller);
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    return;
                }
            }
        }
    }

    fn add(
        &mut self,
        flow: Flow,
        stream: Stream,
        is_connecting: bool,
        now: Moment,
        poller: &Poller,
    ) -> Option<u32> {
        if self.connections.len() >= self.limits.connections {
            self.make_room(poller);
        }
        let id = self.next_connection;
        self.next_connection = self.next_connection.wrapping_add(1);
        let interest = if is_connecting { Interest::BOTH } else { Interest::READ };
        if let Err(error) = poller.add(&stream, self.token(id), interest) {
            tracing::warn!(%error, "a connection can't be waited for");
            return None;
        }
        self.tally.opened += 1;
        if let Some(old) = self.by_flow.insert(flow, id) {
            self.connections.remove(&old);
        }
        self.connections.insert(id, Connection::new(flow, stream, self.limits.message, is_connecting, now));
        Some(id)
    }

    fn token(&self, id: u32) -> u64 {
        self.first_token + (1 << 32) + u64::from(id)
    }

    fn converse(
        &mut self,
        id: u32,
        event: Event,
        now: Moment,
        told: &mut impl FnMut(Flow, &[u8]),
    ) -> Result<(), Closed> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        if event.writable {
            connection.writable()?;
        }
        if event.readable || event.closed {
            let received = &mut self.tally.received;
            connection.read(now, &mut self.room, &mut |flow, bytes| {
                *received += 1;
                told(flow, bytes);
            })?;
        }
        Ok(())
    }

    /// Waits for room to write only while something waits to be written.
    fn rearm(&self, id: u32, poller: &Poller) {
        if let Some(connection) = self.connections.get(&id) {
            let interest = if connection.wants_to_write() { Interest::BOTH } else { Interest::READ };
            let _ = poller.modify(&connection.stream, self.token(id), interest);
        }
    }

    fn close(&mut self, id: u32, why: &Closed, poller: &Poller) {
        if let Some(connection) = self.connections.remove(&id) {
            tracing::debug!(remote = %connection.flow.remote, %why, "connection closed");
            let _ = poller.remove(&connection.stream);
            if self.by_flow.get(&connection.flow) == Some(&id) {
                self.by_flow.remove(&connection.flow);
            }
            self.tally.closed += 1;
        }
    }

    fn make_room(&mut self, poller: &Poller) {
        let idlest = self.connections.iter().min_by_key(|(_, connection)| connection.last_heard);
        if let Some(id) = idlest.map(|(&id, _)| id) {
            self.close(id, &Closed::TooSlow, poller);
        }
    }

    /// Sends `bytes` by `flow`; on a stream whose connection is gone, by a new one to `otherwise`.
    ///
    /// # Errors
    /// When there is no way.
    pub fn send(
        &mut self,
        flow: Flow,
        otherwise: Option<SocketAddr>,
        bytes: &[u8],
        now: Moment,
        poller: &Poller,
    ) -> Result<(), NotSent> {
        let (ear, outbound) = self.ears.get_mut(usize::from(flow.listener)).ok_or(NotSent::NoListener)?;
        match ear {
            Ear::Udp(_) => {
                outbound.push(bytes, flow.remote, None);
                self.tally.sent += 1;
                Ok(())
            }
            Ear::Tcp(_) => {
                // Connections here are those of this thread.
                let flow = Flow { thread: self.thread, ..flow };
                self.send_on_stream(flow, otherwise, bytes, now, poller)
            }
            Ear::Elsewhere => Err(NotSent::NoListener),
        }
    }

    fn send_on_stream(
        &mut self,
        flow: Flow,
        otherwise: Option<SocketAddr>,
        bytes: &[u8],
        now: Moment,
        poller: &Poller,
    ) -> Result<(), NotSent> {
        let known = |flow| self.by_flow.get(&flow).copied();
        let other = otherwise.map(|remote| Flow { remote, ..flow });
        let id = match known(flow).or_else(|| other.and_then(known)) {
            Some(id) => id,
            None => self.connect(other.ok_or(NotSent::NoConnection)?, now, poller)?,
        };
        let connection = self.connections.get_mut(&id).ok_or(NotSent::NoConnection)?;
        if let Err(why) = connection.write(bytes) {
            self.close(id, &why, poller);
            return Err(NotSent::NoConnection);
        }
        self.tally.sent += 1;
        self.rearm(id, poller);
        Ok(())
    }

    fn connect(&mut self, flow: Flow, now: Moment, poller: &Poller) -> Result<u32, NotSent> {
        let stream = Stream::connect(flow.remote, None).map_err(|error| {
            tracing::debug!(remote = %flow.remote, %error, "connecting");
            NotSent::NoConnection
        })?;
        self.add(flow, stream, true, now, poller).ok_or(NotSent::NoConnection)
    }

    /// Sends the datagrams that wait.
    pub fn flush(&mut self) {
        for (ear, outbound) in &mut self.ears {
            let Ear::Udp(socket) = ear else { continue };
            if outbound.is_empty() {
                continue;
            }
            let flushed = outbound.flush(&*socket);
            self.tally.refused += flushed.refused as u64;
            if let Some(error) = flushed.error {
                tracing::debug!(%error, refused = flushed.refused, "sending");
            }
        }
    }

    /// Closes what has been idle too long. Cheap enough to be called each second.
    pub fn close_idle(&mut self, now: Moment, poller: &Poller) {
        let idle = self.limits.idle;
        let old = self.connections.iter().filter(|(_, connection)| now.since(connection.last_heard) > idle);
        for id in old.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.close(id, &Closed::TooSlow, poller);
        }
    }
}
