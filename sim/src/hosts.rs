//! Several media hosts: which of them are there, and what becomes of those that die for ever.

use std::net::SocketAddr;
use std::time::Duration;

use contract::media::Release;
use contract::moving::MoveCall;
use contract::{Conversation as _, Envelope, NodeId};

use crate::fault::Fault;
use crate::world::{Event, Process, Who, World};

/// How often exchanges are told who is there.
const TOLD: Duration = Duration::from_millis(500);
/// How long a host is missed before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(300);
/// Who asks what nobody waits for an answer to.
pub(crate) const OPERATOR: u64 = u64::MAX;

impl World {
    /// Whether there are several media hosts, which have names.
    fn is_one_of_several(&self) -> bool {
        self.media.len() > 1
    }

    /// The media hosts that live.
    fn living(&self) -> Vec<usize> {
        (0..self.media.len()).filter(|&host| self.media[host].lost.is_none()).collect()
    }

    /// Exchanges hear which media hosts are there, as far as it is known.
    pub(crate) fn tell_who_is_there(&mut self) {
        if !self.is_one_of_several() {
            return;
        }
        let is_blind = self.fault == Some(Fault::DeadHostsStayOnTheRoll);
        let is_there =
            |lost: Option<machine::Moment>| is_blind || lost.is_none_or(|at| at.after(PATIENCE) > self.now);
        let there: Vec<NodeId> = self.media.iter().filter(|it| is_there(it.lost)).map(|it| it.node).collect();
        self.signalling.hears_of_media(&there);
        (0..self.signalling.threads()).for_each(|thread| self.wake(Who::Signalling(thread)));
        self.plan(TOLD, Event::Roll);
    }

    /// A media host dies with all that it has, and never comes back. The last one lives.
    pub(crate) fn media_host_dies(&mut self, host: usize) {
        let living = self.living();
        if living.len() < 2 || self.media[host].lost.is_some() {
            return;
        }
        self.media[host].lose_power();
        self.media[host].lost = Some(self.now);
        self.witness.host_dies();
        self.witness.watch.outage(self.now, TOLD + PATIENCE);
    }

    /// Somebody wants some call on another media host.
    pub(crate) fn move_a_call(&mut self, which: u64) {
        let clock = self.clock();
        let calls = self.signalling.calls(clock);
        if calls.is_empty() || !self.is_one_of_several() {
            return;
        }
        let call = calls[which as usize % calls.len()].id;
        let (living, wanted) = (self.living(), which as usize % self.media.len());
        // Calls are made on the first that lives: there they need not go.
        let to = if living.first() == Some(&wanted) { living.last().copied() } else { Some(wanted) };
        let Some(to) = to.map(|host| self.media[host].node) else { return };
        for thread in 0..self.signalling.threads() {
            let envelope = Envelope::request(1, None, &MoveCall { call, to });
            self.plan(Duration::ZERO, Event::Told { thread, asker: OPERATOR, envelope });
        }
    }

    /// Whose socket that is.
    pub(crate) fn media_at(&self, address: &SocketAddr) -> Option<usize> {
        self.media.iter().position(|media| media.owns(address))
    }

    /// Who hears what is for media: the host that is meant, or any that lives.
    pub(crate) fn media_meant(&mut self, envelope: &Envelope) -> Option<usize> {
        if self.fault == Some(Fault::LeftSessionsStay) && is_leave(envelope) {
            return None;
        }
        match envelope.node {
            Some(node) => self.media.iter().position(|media| media.node == node),
            None => Some(*self.chance.pick(&self.living())),
        }
    }

    /// A phone says something to a media host: not for long to one that is lost.
    pub(crate) fn check_audio(&self, phone: usize, to: &SocketAddr) {
        let Some(lost) = self.media_at(to).and_then(|host| self.media[host].lost) else { return };
        let handset = &self.phones[phone];
        assert!(
            self.witness.watch.may_not_know(handset, lost, self.now),
            "phone {phone} still speaks to {to}, which died at {lost:?}"
        );
    }

    /// Whether all media processes that should live do so, and hold nothing.
    pub(crate) fn is_media_at_rest(&self) -> bool {
        self.media.iter().filter(|it| it.lost.is_none()).all(|it| it.is_alive() && it.calls() == 0)
    }

    /// A media process is started again, unless its host is lost.
    pub(crate) fn start_media(&mut self, host: usize) {
        if self.media[host].is_alive() || self.media[host].lost.is_some() {
            return;
        }
        let mut said = Vec::new();
        self.media[host].start(self.now, &mut said);
        self.carry_out_media(said);
        self.wake(Who::Media(host));
    }

    /// A media process dies, and is started again.
    pub(crate) fn media_dies(&mut self, host: usize) {
        self.media[host].die();
        self.plan(crate::signalling::REBIRTH, Event::Start(Process::Media(host)));
        self.witness.watch.outage(self.now, crate::signalling::REBIRTH);
    }
}

/// Whether only what is left of a call there is to be released: by the call, or (nobody waits for an answer then) since
/// a session that nobody speaks in asked whether it is wanted.
fn is_leave(envelope: &Envelope) -> bool {
    envelope.subject == Release::SUBJECT.to_string()
        && contract::decode(&envelope.body)
            .is_ok_and(|release: Release| release.version != 0 || envelope.id == 0)
}
