use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use contract::{Body, Envelope, Kind, Role, To};
use strowger_io::{Events, Interest, Poller};

use crate::{Addressed, Carrier, Counters, Mailbox, NotSent, Peer, Received, Unanswered};

/// On which side of a [`Joined`] bus somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On this host.
    Near,
    /// On another.
    Far,
    /// Some here, some there: for what is said to all.
    Both,
}

/// Knows who is where; asked for each message, so it is quick.
pub trait Map: Send + Sync + 'static {
    /// On which side `to` of `role` is.
    fn side(&self, role: Role, to: To) -> Side;
}

impl<F: Fn(Role, To) -> Side + Send + Sync + 'static> Map for F {
    fn side(&self, role: Role, to: To) -> Side {
        self(role, to)
    }
}

/// Two buses as one: what is for this host goes the near way, as fast as ever; only the rest goes across.
/// It is a [`Mailbox`] if its sides are, and a [`Carrier`] if they are.
pub struct Joined<N, F, M> {
    near: N,
    far: F,
    map: M,
    poll: Option<(Poller, Events)>,
}

impl<N: fmt::Debug, F: fmt::Debug, M> fmt::Debug for Joined<N, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("near", &self.near).field("far", &self.far).finish_non_exhaustive()
    }
}

impl<N: Mailbox, F: Mailbox, M: Map> Joined<N, F, M> {
    /// Joins two mailboxes; `map` knows who is where.
    pub fn mailbox(near: N, far: F, map: M) -> strowger_io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(&near, 0, Interest::READ)?;
        poller.add(&far, 1, Interest::READ)?;
        Ok(Joined { near, far, map, poll: Some((poller, Events::new(2))) })
    }
}

impl<N: Carrier, F: Carrier, M: Map> Joined<N, F, M> {
    /// Joins two carriers; `map` knows who is where.
    pub fn carrier(near: N, far: F, map: M) -> Self {
        Joined { near, far, map, poll: None }
    }
}

impl<N, F, M> Joined<N, F, M> {
    /// The bus of this host.
    pub fn near(&self) -> &N {
        &self.near
    }

    /// The bus across hosts.
    pub fn far(&self) -> &F {
        &self.far
    }
}

impl<N: Mailbox, F: Mailbox, M: Map> AsFd for Joined<N, F, M> {
    /// Readable when either is.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.as_ref().map_or_else(|| self.near.as_fd(), |(poller, _)| poller.as_fd())
    }
}

/// Askers of both sides under one numbering: odd ones are far.
fn numbered(received: Received, far: u64) -> Received {
    Received { from: Peer::new(received.from.number().wrapping_mul(2) | far), ..received }
}

impl<N: Mailbox, F: Mailbox, M: Map> Mailbox for Joined<N, F, M> {
    fn ready(&mut self) {
        let Some((poller, events)) = &mut self.poll else { return };
        if poller.wait(events, Some(Duration::ZERO)).is_err() {
            return;
        }
        for event in events.iter() {
            match event.token {
                0 => self.near.ready(),
                _ => self.far.ready(),
            }
        }
    }

    fn receive(&mut self) -> Option<Received> {
        let near = self.near.receive().map(|it| numbered(it, 0));
        near.or_else(|| self.far.receive().map(|it| numbered(it, 1)))
    }

    fn send_to(&mut self, to: To, envelope: &Envelope) -> Result<(), NotSent> {
        let role = Role::of(&envelope.subject).ok_or_else(|| NotSent::Nobody(envelope.subject.clone()))?;
        match (self.map.side(role, to), envelope.kind) {
            (Side::Near, _) => self.near.send_to(to, envelope),
            // A request has one answer.
            (Side::Far, _) | (Side::Both, Kind::Request) => self.far.send_to(to, envelope),
            (Side::Both, Kind::Notice | Kind::Answer) => {
                let near = self.near.send_to(to, envelope);
                self.far.send_to(to, envelope).and(near)
            }
        }
    }

    fn answer(&mut self, to: Peer, envelope: &Envelope) -> Result<(), NotSent> {
        let peer = Peer::new(to.number() / 2);
        match to.number() % 2 {
            0 => self.near.answer(peer, envelope),
            _ => self.far.answer(peer, envelope),
        }
    }

    fn flush(&mut self) {
        self.near.flush();
        self.far.flush();
    }

    fn counters(&self) -> Counters {
        let (near, far) = (self.near.counters(), self.far.counters());
        Counters {
            sent: near.sent + far.sent,
            received: near.received + far.received,
            dropped: near.dropped + far.dropped,
            refused: near.refused + far.refused,
            broken: near.broken + far.broken,
            repeated: near.repeated + far.repeated,
        }
    }
}

impl<N: Carrier, F: Carrier, M: Map> Carrier for Joined<N, F, M> {
    async fn request(&self, request: Addressed, within: Duration) -> Result<Body, Unanswered> {
        match self.map.side(request.subject.role, request.to) {
            Side::Near => self.near.request(request, within).await,
            Side::Far | Side::Both => self.far.request(request, within).await,
        }
    }

    async fn request_all(
        &self,
        request: Addressed,
        within: Duration,
    ) -> Vec<(String, Result<Body, Unanswered>)> {
        match self.map.side(request.subject.role, To::All) {
            Side::Near => self.near.request_all(request, within).await,
            Side::Far => self.far.request_all(request, within).await,
            Side::Both => {
                let far = self.far.request_all(request.clone(), within);
                let (mut all, far) = tokio::join!(self.near.request_all(request, within), far);
                all.extend(far);
                all
            }
        }
    }

    fn publish(&self, notice: Addressed) -> Result<(), NotSent> {
        match self.map.side(notice.subject.role, notice.to) {
            Side::Near => self.near.publish(notice),
            Side::Far => self.far.publish(notice),
            Side::Both => {
                let near = self.near.publish(notice.clone());
                self.far.publish(notice).and(near)
            }
        }
    }
}
