//! One signalling thread, as the shell drives it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use journal::Turn;
use machine::{Moment, Shard};
use peering::{Effect, Frame, Going, Hosts, Line, Peer, Wire};
use worker::{In, Signalling};

use super::host::{At, Wish};
use super::knowledge::Knowledge;
use super::mouth::Mouth;
use crate::death::Death;
use crate::fault::Fault;

/// A journal's segment, and how many there are.
pub(crate) const SEGMENT: usize = 64 * 1024;
const SEGMENTS: usize = 40;
/// Neighbours are looked after so often.
pub(crate) const TENDED: Duration = Duration::from_millis(10);

/// Who asked something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// Somebody who does not wait for the answer.
    Nobody,
    Neighbour(Peer),
    /// Another thread of this host.
    Thread(usize),
}

/// One signalling thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) turn: Option<Box<Turn<Signalling, Vec<u8>>>>,
    pub(crate) hosts: Option<Box<Hosts>>,
    pub(crate) region: Vec<u8>,
    /// What its sockets hold.
    pub(crate) inbox: VecDeque<(Vec<u8>, Vec<u8>)>,
    pub(crate) heard: VecDeque<Heard>,
    pub(crate) direct: Vec<In>,
    pub(crate) askers: BTreeMap<u64, Asker>,
    pub(crate) next_asker: u64,
    pub(crate) tended: Moment,
    /// It tells the office at once what others should know before.
    pub(crate) is_hasty: bool,
}

/// What came on a line.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Line, Frame),
    Cut(Line),
}

impl Thread {
    pub(crate) fn new() -> Self {
        Thread {
            turn: None,
            hosts: None,
            region: vec![0; 4096 + SEGMENT * SEGMENTS],
            inbox: VecDeque::new(),
            heard: VecDeque::new(),
            direct: Vec::new(),
            askers: BTreeMap::new(),
            next_asker: 0,
            tended: Moment::START,
            is_hasty: false,
        }
    }

    pub(crate) fn asker(&mut self, asker: Asker) -> u64 {
        self.next_asker += 1;
        self.askers.insert(self.next_asker, asker);
        self.next_asker
    }

    /// As the loop of a signalling thread does it: reads, decides, journals, tells, says, and looks after neighbours.
    /// Says whether it died.
    #[expect(clippy::too_many_arguments, reason = "one turn, and all around it")]
    pub(crate) fn turn(
        &mut self,
        at: At,
        now: Moment,
        doom: Option<Death>,
        fault: Option<Fault>,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
        posts: &mut Vec<(u16, Shard, Vec<u8>)>,
    ) -> bool {
        let Some(hosts) = &mut self.hosts else { return false };
        for heard in self.heard.drain(..) {
            match heard {
                Heard::Frame(line, frame) => hosts.read(now, line, frame),
                Heard::Cut(line) => hosts.neighbours_mut().cut(now, line),
            }
        }
        self.carry_out(at, said, posts);
        self.release(now);
        self.carry_out(at, said, posts);
        if self.is_in_doubt() && doom.is_none() {
            self.tend(at, now, known, said, posts);
            self.carry_out(at, said, posts);
            return false;
        }
        let inputs: Vec<_> = self.inbox.drain(..).collect();
        let mut direct = std::mem::take(&mut self.direct);
        if self.decide(at, now, &inputs, &mut direct, doom, known, said) {
            self.died_after(at, doom, known);
            if let Some(Death::Said(_)) = doom {
                self.carry_out(at, said, posts);
            }
            return true;
        }
        self.say_when_safe(at, now, fault, known);
        self.carry_out(at, said, posts);
        self.tend(at, now, known, said, posts);
        if let Some(hosts) = &mut self.hosts {
            hosts.neighbours_mut().acknowledge();
        }
        self.carry_out(at, said, posts);
        doom.is_some()
    }

    /// One turn of the machine, up to a death. Says whether it came to that.
    #[expect(clippy::too_many_arguments, reason = "one turn, and all around it")]
    pub(crate) fn decide(
        &mut self,
        at: At,
        now: Moment,
        inputs: &Vec<(Vec<u8>, Vec<u8>)>,
        direct: &mut Vec<In>,
        doom: Option<Death>,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
    ) -> bool {
        let Some(mut turn) = self.turn.take() else { return false };
        let mut mouth = Mouth::new(self, known);
        let died = steps(&mut turn, now, inputs, direct, doom, &mut mouth);
        let Mouth { bus, answers, .. } = mouth;
        said.extend(bus.into_iter().map(|envelope| Wish::Bus(at, envelope)));
        let of = |thread| At { thread, ..at };
        said.extend(answers.into_iter().map(|(thread, envelope)| Wish::Tell(of(thread), envelope)));
        self.turn = Some(turn);
        died
    }

    /// What was committed before a death counts.
    pub(crate) fn died_after(&mut self, at: At, doom: Option<Death>, known: &mut Knowledge) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &self.hosts) else { return };
        match doom {
            Some(Death::Unsaid | Death::Said(_)) => {
                known.changed(at, hosts.neighbours().owned(), &turn.take_changes());
            }
            _ => known.died(),
        }
    }

    /// What the turn changed is told, and what it said is said as soon as it may be.
    pub(crate) fn say_when_safe(&mut self, at: At, now: Moment, fault: Option<Fault>, known: &mut Knowledge) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        let mut changes = turn.take_changes();
        known.changed(at, hosts.neighbours().owned(), &changes);
        match fault {
            Some(Fault::SpeaksBeforeTheBuddyKnows) => changes.clear(),
            Some(Fault::CopiesStay) => changes.retain(|record| !record.body.is_empty()),
            _ => {}
        }
        hosts.say_when_safe(now, &changes, &mut turn.journal);
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.hosts.as_ref().is_some_and(|hosts| hosts.is_in_doubt())
    }

    pub(crate) fn release(&mut self, now: Moment) {
        if let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) {
            hosts.release(now, &mut turn.journal);
        }
    }

    pub(crate) fn tend(
        &mut self,
        at: At,
        now: Moment,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
        posts: &mut Vec<(u16, Shard, Vec<u8>)>,
    ) {
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        if let Some(going) = hosts.believe(now, &mut turn.journal) {
            self.go(at, now, going, known, said);
        }
        self.release(now);
        self.carry_out(at, said, posts);
        if now.since(self.tended) < TENDED {
            return;
        }
        self.tended = now;
        let (Some(turn), Some(hosts)) = (&mut self.turn, &mut self.hosts) else { return };
        if let Some(going) = hosts.tend(now, &mut turn.journal, |_| false) {
            self.go(at, now, going, known, said);
        }
    }

    pub(crate) fn go(
        &mut self,
        at: At,
        now: Moment,
        going: Going,
        known: &mut Knowledge,
        said: &mut Vec<Wish>,
    ) {
        let nothing = Vec::new();
        self.decide(at, now, &nothing, &mut In::going(going), None, known, said);
        self.say_when_safe(at, now, None, known);
    }

    pub(crate) fn carry_out(&mut self, at: At, said: &mut Vec<Wish>, posts: &mut Vec<(u16, Shard, Vec<u8>)>) {
        let Some(hosts) = &mut self.hosts else { return };
        for effect in hosts.take_effects() {
            match effect {
                Effect::Line(wish) => said.push(Wish::Line(at, wish)),
                Effect::Arrived(bytes) => self.inbox.push_back((Vec::new(), bytes)),
                Effect::Post(thread, shard, bytes) => posts.push((thread, shard, bytes)),
                Effect::Send(wire, bytes) => {
                    let Wire { listener, remote, .. } = wire;
                    said.push(Wish::World { from: at.host, to: remote, listener, bytes });
                }
                Effect::Unsent(bytes) => self.direct.push(In::Unsent(bytes)),
                Effect::Heard(from, envelope) => {
                    let input = match envelope.kind {
                        contract::Kind::Request => {
                            self.next_asker += 1;
                            self.askers.insert(self.next_asker, Asker::Neighbour(from));
                            Some(In::Bus(self.next_asker, envelope))
                        }
                        _ => hosts.hear(envelope).map(|envelope| In::Bus(0, envelope)),
                    };
                    self.direct.extend(input);
                }
                // There are no other cells.
                Effect::Pass(_) | Effect::Cells(_) => {}
                Effect::Bus(envelope) => said.push(Wish::Bus(at, envelope)),
                Effect::Ask(envelope) => said.push(Wish::Ask(at, envelope)),
                Effect::Own(_, view) => said.push(Wish::Believes(at.host, view)),
            }
        }
    }
}

/// A turn, step by step, up to a death.
fn steps(
    turn: &mut Turn<Signalling, Vec<u8>>,
    now: Moment,
    inputs: &Vec<(Vec<u8>, Vec<u8>)>,
    direct: &mut Vec<In>,
    doom: Option<Death>,
    mouth: &mut Mouth<'_>,
) -> bool {
    let first = turn.receive(inputs);
    if doom == Some(Death::Received) {
        return true;
    }
    for (number, (source, bytes)) in (0..).zip(inputs) {
        if doom == Some(Death::Decided(number)) {
            return true;
        }
        turn.decide(now, first + number, (source, bytes), mouth);
    }
    for input in direct.drain(..) {
        turn.decide_direct(now, input, mouth);
    }
    turn.expire(now, mouth);
    match doom {
        Some(Death::Uncommitted | Death::Decided(_)) => return true,
        Some(Death::Unsaid) => {
            turn.commit(mouth);
            return true;
        }
        Some(Death::Said(count)) => {
            turn.commit(mouth);
            mouth.left = count;
            turn.perform(now, mouth);
            return true;
        }
        Some(Death::Received | Death::Done) | None => {}
    }
    turn.commit(mouth);
    turn.perform(now, mouth);
    turn.catch_up(now, mouth);
    false
}
