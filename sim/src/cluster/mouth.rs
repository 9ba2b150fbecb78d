//! What a thread says, and to whom.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use contract::Envelope;
use edge::Flow;
use journal::{Blame, Damage, Shell};
use machine::{Key, Moment, Tag};
use peering::{Hosts, Wire};
use worker::{In, Out, Signalling};

use super::knowledge::Knowledge;
use super::thread::{Asker, Thread};
use crate::in_journal;

/// Says what it is told to, up to a certain death.
pub(crate) struct Mouth<'a> {
    pub(crate) hosts: &'a mut Hosts,
    pub(crate) askers: &'a mut BTreeMap<u64, Asker>,
    pub(crate) known: &'a mut Knowledge,
    pub(crate) bus: Vec<Envelope>,
    pub(crate) answers: Vec<(usize, Envelope)>,
    pub(crate) left: usize,
    pub(crate) set_aside: u64,
    /// It does not wait with what is final.
    pub(crate) is_hasty: bool,
}

impl<'a> Mouth<'a> {
    pub(crate) fn new(thread: &'a mut Thread, known: &'a mut Knowledge) -> Self {
        let is_hasty = thread.is_hasty;
        let Thread { hosts, askers, .. } = thread;
        let Some(hosts) = hosts else { panic!("a thread that is not there speaks") };
        Mouth {
            hosts,
            askers,
            known,
            bus: Vec::new(),
            answers: Vec::new(),
            left: usize::MAX,
            set_aside: 0,
            is_hasty,
        }
    }
}

fn wire(flow: Flow, otherwise: Option<SocketAddr>) -> Wire {
    let Flow { listener, thread, remote } = flow;
    Wire { listener, thread, remote, otherwise, cell: machine::CellId::HOME }
}

impl Shell<Signalling> for Mouth<'_> {
    fn decode(&mut self, _: Moment, source: &[u8], bytes: &[u8]) -> Option<In> {
        in_journal::input(source, bytes)
    }

    fn encode(&mut self, out: &Out, journal: &mut Vec<u8>) {
        if let Out::World { flow, bytes, .. } = out {
            journal.extend(in_journal::unsaid(*flow, bytes));
        }
    }

    fn perform(&mut self, now: Moment, out: Out) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        match out {
            Out::World { flow, otherwise, bytes, said } => {
                // Who is asked who it is has begun no call yet.
                let is_asked = bytes.starts_with(b"SIP/2.0 407");
                let said = said.filter(|_| !is_asked);
                let shard = said.as_ref().and_then(|said| said.shard);
                if let Some(said) = said {
                    self.known.says(said.call, &bytes);
                }
                self.hosts.say(wire(flow, otherwise), shard, bytes);
            }
            Out::Hop { shard, bytes } => self.hosts.send_inward(now, shard, bytes),
            Out::Bus(envelope) if self.is_hasty && peering::is_final(&envelope) => self.bus.push(envelope),
            Out::Bus(envelope) => self.bus.extend(self.hosts.ask(envelope)),
            Out::Answer(asker, envelope) => match self.askers.remove(&asker) {
                Some(Asker::Neighbour(peer)) => {
                    self.hosts.neighbours_mut().ask(peer, envelope);
                }
                Some(Asker::Thread(thread)) => self.answers.push((thread, envelope)),
                Some(Asker::Nobody) | None => {}
            },
            Out::Heard { .. } | Out::Through { .. } | Out::Moving { .. } => {}
        }
    }

    fn perform_again(&mut self, _: Moment, unsaid: &[u8]) {
        let (flow, bytes) = in_journal::read_unsaid(unsaid);
        self.hosts.say(wire(flow, None), None, bytes.to_vec());
    }

    fn set_aside(&mut self, _: &[u8], _: &[u8], _: Blame) {
        self.set_aside += 1;
    }

    fn lost(&mut self, tag: Tag, key: Key, message: String) {
        panic!("a record of ours can't be restored: {tag:?} {key:?}: {message}");
    }

    fn damaged(&mut self, damage: Damage) {
        panic!("nobody harmed this journal: {damage:?}");
    }
}
